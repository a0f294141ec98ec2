"""From what a program did to a number in [0, 1], by pure functions. What leads uphill, and why it is shaped so:

- A program is placed first by how many cases it has exactly right, then, in the room below the next exact case, by how
  near it is. So no near miss ever pays more than one more exact case, and no plateau does.
- One and the same answer to everything earns only what running earns, and as many exact cases as the best constant
  answer gets count little (`_UNDER_CONSTANT`): near misses of constants are the plateau on which policies die.
- Moving the right way pays: the answers' correlation with the expected ones, by value and by rank; of lists and texts
  by length, elements and beginning. So `len` of a list already points toward `sum`.
- The first exact case beyond the constant's weighs double (`_FIRST`): it is the rare find, and the room below it is
  where a policy has nothing but near misses to go by. From there on the steps are even, since steps that shrink toward
  the top make the first local optimum as good as the solution.
- A counterexample weighs as much as several test cases (`COUNTEREXAMPLE`), so that a formula fitted to the test cases
  loses more by it than any one case brought, and what gets it right without being fitted overtakes.
- Constraints multiply, so a right answer found without them leads on to the one with them.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from operator import mul
from typing import Any

from agent_core.scoring.nearness import MISSED, likeness, nearness, numbers_in, size, typed
from agent_core.scoring.similarity import Direction, edit_similarity, prefix_similarity
from agent_core.settings.config import ScorerConfig
from agent_core.tasks.values import is_number, same

NO_ANSWER = object()  # of a case that crashed
COUNTEREXAMPLE = 3  # test cases that one counterexample counts for
_UNDER_CONSTANT = 1.5  # weight of all exact cases together up to the number that the best constant answer gets
_FIRST = 2.0  # weight of the first one beyond them; those after it weigh 1
_UNCONSTRAINED = 0.5  # of the reward, where no constraint holds


@dataclass(frozen=True)
class Target:
    """The right answers of the paid cases and what is compared with them, computed once for all programs."""

    expected: tuple
    tolerance: float | None  # see `same`
    counts: tuple[int, ...]  # how many exact cases each case counts for: (C,), from 1
    shares: tuple[float, ...]  # of the reward above running, by the count of exact cases: from 0 for none to 1 for all
    varied: bool  # whether the right answers differ; where they do, constants are paid almost nothing
    scale: float  # numbers this far apart are half as near
    numeric: bool  # whether all are numbers
    direction: Direction  # of the answers, or of their sizes
    elements: Direction  # of the numbers in the answers, one after the other; none where not all are lists of them
    floors: tuple[float, float, float]  # the best constant's mean nearness, share of elements, share of beginning


def function_target(
    expected: Sequence[Any],
    tolerance: float | None = None,
    constants_pay: bool = False,
    counts: Sequence[int] | None = None,
) -> Target:
    """What programs are compared with, over C paid cases.

    counts: how many cases each case counts for, 1 each where it is None.
    """
    expected = tuple(expected)
    counts = tuple(counts) if counts else (1,) * len(expected)
    varied = not constants_pay and not all(same(value, expected[0], tolerance) for value in expected)
    candidates = expected if varied else ()

    def gets(constant: Any) -> int:
        return sum(n for n, right in zip(counts, expected, strict=True) if same(constant, right, tolerance))

    most = max(map(gets, candidates), default=0)
    weights = [_UNDER_CONSTANT / most if most else 0.0] * most + [_FIRST] + [1.0] * (sum(counts) - most - 1)
    numbers = numbers_in(expected)
    middle = statistics.median(numbers) if numbers else 0.0
    try:
        scale = statistics.fmean(abs(value - middle) for value in numbers) if numbers else 0.0
    except OverflowError:  # their sum is beyond every float
        scale = math.inf
    scale = scale if math.isfinite(scale) and scale > 0 else 1.0
    lists = all(type(value) is list and all(map(is_number, value)) for value in expected)

    rows = [
        [
            (1.0, 1.0, 1.0) if same(value, right, tolerance) else likeness(value, right, scale, tolerance)
            for right in expected
        ]
        for value in candidates
    ]

    def best_constant(i: int) -> float:
        return max((statistics.fmean(alike[i] for alike in row) for row in rows), default=0.0)

    return Target(
        expected,
        tolerance,
        counts,
        (*(sum(weights[:n]) / sum(weights) for n in range(len(weights))), 1.0),
        varied,
        scale,
        all(map(is_number, expected)),
        direction_of(expected),
        Direction.of(list(map(float, numbers)) if lists else ()),
        (best_constant(0), best_constant(1), best_constant(2)),
    )


def direction_of(values: Sequence[Any]) -> Direction:
    """Of numbers; where not all are, of their sizes."""
    numeric = all(map(is_number, values))
    return Direction.of([float(value) if numeric else size(value) for value in values])


def function_reward(target: Target, answers: Sequence[Any], config: ScorerConfig) -> tuple[float, tuple[bool, ...]]:
    """The reward of a function's answers, before constraints, and which of them are exactly right: (C,).

    answers: one a case, NO_ANSWER where the case crashed. 1.0 exactly when all are right, 0.0 when all crashed.
    """
    exact = tuple([same(got, right, target.tolerance) for got, right in zip(answers, target.expected, strict=True)])
    if all(exact):
        return 1.0, exact
    given = [answer for answer in answers if answer is not NO_ANSWER]
    if not given:
        return 0.0, exact
    if target.varied and _constant(given):
        return config.running, exact
    near, trend = _near_and_trend(target, answers, exact)
    kinds = sum(
        1.0 if hit else typed(got, right, target.tolerance)
        for hit, got, right in zip(exact, answers, target.expected, strict=True)
    )
    room = config.trend * trend + config.closeness * near + config.right_type * kinds / len(exact)
    room = MISSED * room / max(1.0, config.trend + config.closeness + config.right_type)
    count = sum(map(mul, exact, target.counts))
    share = target.shares[count] + room * (target.shares[count + 1] - target.shares[count])
    return config.running + (1.0 - config.running) * share, exact


def _near_and_trend(target: Target, answers: Sequence[Any], exact: Sequence[bool]) -> tuple[float, float]:
    """How near the answers are on the mean, and how far they move with the right ones, both in [0, 1]."""
    if target.numeric:
        figures = [float(answer) if is_number(answer) else None for answer in answers]
        near = sum(
            1.0 if hit else nearness(got, right, target.scale, target.tolerance)
            for hit, got, right in zip(exact, answers, target.expected, strict=True)
        )
        return _above(near / len(exact), target.floors[0]), target.direction.aligned(figures, by_rank=True)
    alike = [
        (1.0, 1.0, 1.0) if hit else likeness(got, right, target.scale, target.tolerance)
        for hit, got, right in zip(exact, answers, target.expected, strict=True)
    ]
    means = [sum(column) / len(exact) for column in zip(*alike, strict=True)]
    near, items, beginning = map(_above, means, target.floors)
    sizes = target.direction.aligned(
        [None if answer is NO_ANSWER else size(answer) for answer in answers], by_rank=False
    )
    if target.elements.values is not None:
        sizes = (sizes + target.elements.aligned(_elements(target.expected, answers), by_rank=True)) / 2
    return near, 0.5 * sizes + 0.25 * items + 0.25 * beginning


def _elements(expected: Sequence[list], answers: Sequence[Any]) -> list[float | None]:
    """The numbers in the answers, one after the other; None for each in an answer that is no list of as many."""
    figures: list[float | None] = []
    for got, right in zip(answers, expected, strict=True):
        fits = type(got) is list and len(got) == len(right) and all(map(is_number, got))
        figures += map(float, got) if fits else [None] * len(right)
    return figures


def output_reward(expected: str, output: str, config: ScorerConfig) -> float:
    """The reward of a printed text, before constraints; both without their trailing newline. 1.0 when they are equal.

    Whole lines in their place come first, then that nothing follows, and in the room below the next of them likeness
    by edits and by common beginning; numbers also by distance, and several lines also line by line.
    """
    if output == expected:
        return 1.0
    wanted, lines = expected.split("\n"), output.split("\n", 1_000)
    right = sum(a == b for a, b in zip(wanted, lines, strict=False))
    if right == len(wanted):  # all there, and then more
        room, step = len(wanted) / len(lines), 0.5
    elif len(output) > 10 * len(expected) + 100:  # has nothing in common but by sheer mass
        room, step = 0.0, 1.0
    else:
        likenesses = [edit_similarity(output, expected), prefix_similarity(output, expected)]
        if len(wanted) > 1:
            likenesses += [edit_similarity(lines, wanted)] * 2
        elif (distance := _number_distance(expected, output)) is not None:
            likenesses += [distance, distance]
        room, step = statistics.fmean(likenesses) if output else 0.0, 1.0
    share = (right + MISSED * step * room) / (len(wanted) + 0.5)
    return config.running + (1.0 - config.running) * share


def constrained(reward: float, held: Sequence[float]) -> float:
    """The reward with the constraints, each in [0, 1], multiplied in; unchanged where all hold or there are none."""
    return reward * (_UNCONSTRAINED + (1.0 - _UNCONSTRAINED) * statistics.fmean(held)) if held else reward


def _constant(answers: Sequence[Any]) -> bool:
    first = answers[0]
    if first != first:  # nan, which equals nothing
        return all(answer != answer for answer in answers)
    kind = type(first)
    return all(type(answer) is kind and answer == first for answer in answers)


def _above(value: float, floor: float) -> float:
    """How far `value` is on the way from `floor` to 1, in [0, 1]."""
    return max(0.0, (value - floor) / (1.0 - floor)) if floor < 1.0 else 0.0


def _number_distance(expected: str, output: str) -> float | None:
    """Nearness of two printed numbers; None where one of them is none."""
    try:
        right, got = float(expected), float(output[:50])
    except ValueError:
        return None
    if not (math.isfinite(right) and math.isfinite(got)):
        return None
    scale = max(1.0, abs(right) / 2)
    return scale / (scale + abs(got - right))
