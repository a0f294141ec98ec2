"""Inputs made from a task's own, to ask where two programs that pass all its cases differ.

Each is a given call, changed a little: elements dropped, doubled, swapped or added, a number moved to a neighbour, an
argument emptied, made equal to another one or a beginning of it. What all given inputs have in common stays (see
input_kinds.py), so that a made input is one that the task could have had.

    made_inputs([(3, 1), (5, 5)], seed=0, count=4) -> [(2, 3), (3, 3), (4, 5), (5, 4)], or other four like these
"""

import copy
import hashlib
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from agent_core.tasks.input_kinds import Kind, argument_rules, kind_of
from agent_core.tasks.values import as_text

_PATIENCE = 1_000  # draws in a row that bring nothing new, until there is taken to be nothing more
_MOST_CHANGES = 3  # of one given call


def made_inputs(cases_arguments: Sequence[tuple], seed: int, count: int) -> list[tuple]:
    """Up to `count` calls that are not among the given ones, the shortest first; fewer where few can be made.

    cases_arguments: the arguments of each given call, JSON's values, as many in each. The result follows from the
    arguments, their order and the seed; the random numbers are of a stream of its own. Nothing given is changed, and
    nothing made is shared.
    """
    cases = [tuple(case) for case in cases_arguments]
    if not cases or not cases[0]:
        return []
    maker = _Maker(cases, seed)
    made: dict[str, tuple] = {}
    known = set(map(as_text, cases))
    in_vain = 0
    while len(made) < count and in_vain < _PATIENCE:
        call = maker.make()
        text = as_text(call)
        in_vain += 1
        if text not in known and maker.allows(call):
            made[text] = copy.deepcopy(call)
            known.add(text)
            in_vain = 0
    return [made[text] for text in sorted(made, key=lambda text: (len(text), text))]


class _Maker:
    """Draws changed calls, of which some have lost what the given ones have in common."""

    def __init__(self, cases: list[tuple], seed: int):
        self._cases = cases
        self._kinds = [kind_of(case[i] for case in cases) for i in range(len(cases[0]))]
        self._rules = argument_rules(cases)
        key = hashlib.blake2b(f"made inputs {seed}".encode(), digest_size=8).digest()
        self._random = Random(int.from_bytes(key))

    def allows(self, call: tuple) -> bool:
        """Whether the call has what all the given ones have in common."""
        kinds = zip(self._kinds, call, strict=True)
        return all(kind.allows(value) for kind, value in kinds) and all(rule(call) for rule in self._rules)

    def make(self) -> tuple:
        draw = self._random
        call = draw.choice(self._cases)
        for _ in range(draw.randint(1, _MOST_CHANGES)):
            changes = [self._change_one, self._change_one, self._take_over]
            if len(call) > 1:
                changes += [self._equal, self._beginning, self._extend, self._exchange, self._change_all]
            call = draw.choice(changes)(call)
        return call

    def _change_one(self, call: tuple) -> tuple:
        i = self._random.randrange(len(call))
        return _with(call, i, changed(call[i], self._kinds[i], self._random))

    def _take_over(self, call: tuple) -> tuple:
        """An argument of another given call."""
        i = self._random.randrange(len(call))
        return _with(call, i, self._random.choice(self._kinds[i].pool))

    def _equal(self, call: tuple) -> tuple:
        i, j = self._random.sample(range(len(call)), 2)
        return _with(call, j, call[i])

    def _exchange(self, call: tuple) -> tuple:
        i, j = self._random.sample(range(len(call)), 2)
        return _with(_with(call, i, call[j]), j, call[i])

    def _beginning(self, call: tuple) -> tuple:
        """One argument becomes the beginning of another one."""
        i, j = self._random.sample(range(len(call)), 2)
        if type(call[i]) not in (str, list):
            return call
        return _with(call, j, call[i][: self._random.randint(0, len(call[i]))])

    def _extend(self, call: tuple) -> tuple:
        """One argument is added to another one of its type."""
        i, j = self._random.sample(range(len(call)), 2)
        if type(call[i]) not in (str, list) or type(call[j]) is not type(call[i]):
            return call
        return _with(call, j, call[j] + call[i])

    def _change_all(self, call: tuple) -> tuple:
        """The same element of all lists and texts is dropped or doubled, so that equal lengths stay equal."""
        longest = max((len(value) for value in call if type(value) in (str, list)), default=0)
        if not longest:
            return call
        at, keep = self._random.randrange(longest), self._random.choice((0, 2))
        return tuple(
            value[:at] + value[at : at + 1] * keep + value[at + 1 :] if type(value) in (str, list) else value
            for value in call
        )


def changed(value: Any, kind: Kind, draw: Random) -> Any:
    """The value, changed once, in a way of its type; the same where there is nothing to change.

    kind: what the given values have in common, from which new elements come; the result may be outside it.
    """
    if type(value) in (int, float):
        return _changed_number(value, kind, draw)
    if type(value) in (str, list):
        return _changed_sequence(value, kind, draw)
    if type(value) is dict and value:
        key = draw.choice(list(value))
        within = kind.keyed[key] if kind.keyed and key in kind.keyed else kind.elements
        if draw.random() < 0.3 or within is None:
            return {other: item for other, item in value.items() if other != key}
        return value | {key: changed(value[key], within, draw)}
    return draw.choice(kind.pool) if kind.pool else value


def _changed_number(value: Any, kind: Kind, draw: Random) -> Any:
    """A neighbour, the number with the other sign, or one that lies between it and another given one."""
    others = [other for other in kind.pool if type(other) is type(value)] or [value]
    other = draw.choice(others)
    if type(value) is int:
        return draw.choice((value - 1, value + 1, -value, other, (value + other) // 2))
    decimals = max(len(repr(number).partition(".")[2]) for number in others)
    middle = round(value / 2 + other / 2, decimals if decimals < 9 else None)
    return draw.choice((value - 1.0, value + 1.0, -value, other, float(middle)))


def _changed_sequence(value: Any, kind: Kind, draw: Random) -> Any:
    """A text or a list with an element dropped, doubled, added, changed or swapped with another one, or cut short,
    turned round, put behind itself, put in order, or emptied."""
    ways: list[Callable[[], Any]] = [
        lambda: value[:at] + value[at + 1 :],
        lambda: value[:at] + value[at : at + 1] * 2 + value[at + 1 :],
        lambda: value[:at] + new + value[at:],
        lambda: value[:at] + new + value[at + 1 :],
        lambda: value[:at] + value[to : to + 1] + value[at + 1 : to] + value[at : at + 1] + value[to + 1 :],
        lambda: value[:at],
        lambda: value[at : at + 1],
        lambda: value[::-1],
        lambda: value + value,
        lambda: _sorted(value),
        lambda: value[:0],
    ]
    at, to = sorted(draw.randrange(len(value) or 1) for _ in range(2))
    new = value[:0]
    if type(value) is str and kind.letters:
        new = draw.choice(sorted(kind.letters))
    elif type(value) is list and kind.elements and kind.elements.pool:
        source = draw.choice(value) if value and draw.random() < 0.7 else draw.choice(kind.elements.pool)
        new = [changed(source, kind.elements, draw)]
    return draw.choice(ways)()


def _sorted(value: Any) -> Any:
    try:
        return "".join(sorted(value)) if type(value) is str else sorted(value)
    except TypeError:  # elements that have no order
        return value


def _with(call: tuple, i: int, value: Any) -> tuple:
    return (*call[:i], value, *call[i + 1 :])
