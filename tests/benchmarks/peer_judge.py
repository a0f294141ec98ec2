"""How the programs of a search from outside are counted and judged: on a task's cases, by an error for each.

Used by the peers alone (see peers.py); nothing of the project's own search or reward is in here.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, median

WORST = 2.0  # the error of a crash, of an answer of another type, and of one that is infinitely far off
WRONG_TRUTH = 1.5  # the error of True for False, and of False for True
EDIT_SCALE = 2.0  # edits at which a list or text is half as wrong as it can be
MOST_EDITED = 200  # items of an answer; of longer ones only the length is compared
MOST_ITEMS = 10_000  # what a range or a repetition may make

Program = Callable[..., object]
Errors = tuple[float, ...]  # one a paid case, 0.0 only where the answer is right


@dataclass(frozen=True)
class Example:
    """A call and its right answer."""

    arguments: tuple
    expected: object


@dataclass(frozen=True)
class Found:
    """What a search ends with: the solution, or the best that there was."""

    program: Program
    text: str
    size: int  # in nodes of its tree, or in tokens
    errors: Errors


class Judge:
    """All that one run of a search may ask about its programs.

    `paid` are the cases that programs are run on: the test cases, and every check case that a program which was right
    on all paid ones has failed. An attempt is one program run on all paid cases, whether or not it was tried before.
    """

    def __init__(
        self, tests: Iterable[Example], checks: Iterable[Example], right: Callable[[object, object], bool], cap: int
    ):
        """right: whether an answer (the first) is the expected one; cap: attempts after which the run is over."""
        self.paid = list(tests)
        self.checks = list(checks)
        self.cap = cap
        self.attempts = 0
        self.solved = False
        self.joined = 0  # check cases among the paid ones
        self._right = right
        self._scale = spread([case.expected for case in self.paid])

    @property
    def over(self) -> bool:
        return self.solved or self.attempts >= self.cap

    def attempt(self, program: Program) -> Errors:
        """Its errors on the paid cases. `solved` is set where it is right on the check cases, too; else the first
        check that it fails is paid for from now on."""
        self.attempts += 1
        errors = tuple([self.error(program, case) for case in self.paid])
        if any(errors):
            return errors
        failed = next((case for case in self.checks if case not in self.paid and self.error(program, case)), None)
        if failed is None:
            self.solved = True
            return errors
        self.paid.append(failed)
        self.joined += 1
        return (*errors, self.error(program, failed))

    def completed(self, program: Program, errors: Errors) -> Errors:
        """The errors, with those on the cases that joined since; this is no attempt."""
        return errors + tuple([self.error(program, case) for case in self.paid[len(errors) :]])

    def holds(self, program: Program) -> bool:
        """Whether it is right on every test and check case."""
        return not any(self.error(program, case) for case in (*self.paid, *self.checks))

    def error(self, program: Program, case: Example) -> float:
        """How wrong it is on one case, in [0, 2]."""
        try:
            answer = program(*case.arguments)
        except Exception:  # noqa: BLE001  whatever a program raises, it has crashed
            return WORST
        if self._right(answer, case.expected):
            return 0.0
        return answer_error(answer, case.expected, self._scale)


def answer_error(answer: object, expected: object, scale: float) -> float:
    """How far an answer that is not right is from the expected one: 1 + d / (d + s), in [1, 2].

    d is the distance of two numbers and s the scale, or d the edit distance of two lists or texts and s `EDIT_SCALE`.
    1.5 for a wrong truth value; 2 where the types differ, an int and a float aside.
    """
    if isinstance(expected, bool):
        return WRONG_TRUTH if isinstance(answer, bool) else WORST
    if isinstance(expected, int | float):
        if isinstance(answer, bool) or not isinstance(answer, int | float):
            return WORST
        return _bounded(lambda: abs(answer - expected), scale)
    if isinstance(expected, list | str) and type(answer) is type(expected):
        return _bounded(lambda: edit_distance(answer, expected), EDIT_SCALE)
    return WORST


def _bounded(distance: Callable[[], float], scale: float) -> float:
    try:
        far = distance()
        error = 1.0 + far / (far + scale) if far else 1.0
    except OverflowError:  # an integer beyond every float
        return WORST
    return error if math.isfinite(error) else WORST


def edit_distance(first: Sequence, second: Sequence) -> int:
    """How many items must be put in, taken out or replaced to turn one into the other. Source: Levenshtein 1966.

    Where one has more than `MOST_EDITED` items, the difference of lengths, below which it cannot be.
    """
    if max(len(first), len(second)) > MOST_EDITED:
        return abs(len(first) - len(second))
    row = list(range(len(second) + 1))  # edits from what is read of the first to each beginning of the second
    for done, item in enumerate(first, 1):
        diagonal, row[0] = row[0], done
        for place, other in enumerate(second, 1):
            edits = min(row[place] + 1, row[place - 1] + 1, diagonal + (item != other))
            diagonal, row[place] = row[place], edits
    return row[-1]


def spread(answers: Sequence[object]) -> float:
    """The mean distance of the numbers among the answers from their median; 1.0 where that is 0 or there are none."""
    numbers = [x for x in answers if isinstance(x, int | float) and not isinstance(x, bool)]
    if not numbers:
        return 1.0
    middle = median(numbers)
    return fmean(abs(x - middle) for x in numbers) or 1.0


# --- what a program could hang with, made to crash instead ------------------------------------------------------------


def repeated(items: list | str, times: int) -> list | str:
    """`items * times`. Raises ValueError where that is too long."""
    if len(items) * times > MOST_ITEMS:
        raise ValueError("too many items")
    return items * times


def ranged(*bounds: int) -> list[int]:
    """`list(range(...))`. Raises ValueError where that is too long."""
    numbers = range(*bounds)
    if len(numbers) > MOST_ITEMS:
        raise ValueError("too many items")
    return list(numbers)
