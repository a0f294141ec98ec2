"""What the given inputs of a task have in common, so that inputs made from them keep to it.

A task says nowhere what it presupposes: that lists are sorted, that a divisor is not 0, that two lists have one length.
Its given inputs show it. What all of them have in common is taken for presupposed, and only what at least one of them
speaks of: lists of one element say nothing about sorting. How two arguments compare in size is no such property: a task
whose first argument happens to be the larger one in every case is the one that needs other inputs most.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise, permutations
from typing import Any

from agent_core.tasks.values import as_text

Rule = Callable[..., bool | None]  # whether it holds for a value, or None where the value does not speak of it
_BRACKETS = {")": "(", "]": "[", "}": "{"}
_LONGER = 2  # elements by which a made list or text may exceed the longest given one


@dataclass(frozen=True)
class Kind:
    """What all values of one place have in common. A place is a parameter, or the elements of its lists.

    kind_of([[1, 2], [5]]) -> lists of 1 to 4 elements; elements: integers from 0 to 6
    """

    pool: tuple  # the given values, each once
    types: frozenset[type]
    letters: frozenset[str]  # of all texts
    low: float  # of all numbers, True and False left out
    high: float
    lengths: tuple[int, int]  # the least and the most of lists, texts and dicts
    rules: tuple[Rule, ...]
    elements: "Kind | None"  # of the lists; of the dicts' values where their keys differ
    keyed: "dict[str, Kind] | None"  # of the dicts' values where all have the same keys

    def allows(self, value: Any) -> bool:
        """Whether the value has what all the given ones have in common."""
        kind = type(value)
        if kind not in self.types:
            return False
        if kind in (int, float) and not self.low <= value <= self.high:
            return False
        if kind in (str, list, dict) and not self.lengths[0] <= len(value) <= self.lengths[1]:
            return False
        if kind is str and not self.letters.issuperset(value):
            return False
        if kind is list and self.elements and not all(map(self.elements.allows, value)):
            return False
        if kind is dict and not self._allows_items(value):
            return False
        return all(rule(value) is not False for rule in self.rules)

    def _allows_items(self, value: dict) -> bool:
        if self.keyed is not None:
            return value.keys() == self.keyed.keys() and all(self.keyed[key].allows(value[key]) for key in value)
        return self.elements is None or all(map(self.elements.allows, value.values()))


def kind_of(values: Iterable[Any]) -> Kind:
    """The kind of these values, which are JSON's: numbers, texts, truth values, None, and lists and dicts of them."""
    values = list(values)
    numbers = [value for value in values if type(value) in (int, float)]
    lists: list[list] = [value for value in values if type(value) is list]
    dicts: list[dict] = [value for value in values if type(value) is dict]
    sized = [len(value) for value in values if type(value) in (str, list, dict)] or [0]
    lengths = (min(sized), max(sized) + _LONGER if min(sized) < max(sized) else max(sized))
    same_keys = bool(dicts) and all(value.keys() == dicts[0].keys() for value in dicts)
    below = [item for value in lists for item in value]
    if not same_keys:
        below += [item for value in dicts for item in value.values()]
    low, high = _range(numbers)
    return Kind(
        pool=tuple({as_text(value): value for value in values}.values()),
        types=frozenset(map(type, values)),
        letters=frozenset(letter for value in values if type(value) is str for letter in value),
        low=low,
        high=high,
        lengths=lengths,
        rules=tuple(rule for rule in _RULES if _holds(rule, [(value,) for value in values])),
        elements=kind_of(below) if below else None,
        keyed={key: kind_of(value[key] for value in dicts) for key in dicts[0]} if same_keys else None,
    )


def argument_rules(cases: Sequence[tuple]) -> list[Callable[[tuple], bool]]:
    """What the arguments of every given call have in common with one another."""
    return [
        _between(i, j, rule)
        for i, j in permutations(range(len(cases[0]) if cases else 0), 2)
        for rule in _PAIR_RULES
        if _holds(rule, [(case[i], case[j]) for case in cases])
    ]


def _between(i: int, j: int, rule: Rule) -> Callable[[tuple], bool]:
    return lambda call: rule(call[i], call[j]) is not False


def _range(numbers: Sequence[float]) -> tuple[float, float]:
    """From just below the least to just above the largest. A bound that is met twice is taken for one of the task's:
    the largest of numbers that happen to be given is rarely given twice, and 9 among digits is."""
    if not numbers:
        return 0, 0
    low, high = min(numbers), max(numbers)
    return low - (numbers.count(low) == 1), high + (numbers.count(high) == 1)


def _holds(rule: Rule, groups: Iterable[tuple]) -> bool:
    """Whether the rule holds for all, and at least one of them speaks of it; for chance's favourites, at least four."""
    said = [rule(*group) for group in groups]
    return said.count(True) >= (4 if rule in _OFTEN_BY_CHANCE else 1) and False not in said


def _number_rule(test: Callable[[Any], bool]) -> Rule:
    return lambda value: test(value) if type(value) in (int, float) else None


def _order_rule(in_order: Callable[[Any, Any], bool]) -> Rule:
    """Of the elements of a list or the letters of a text, each beside the next."""

    def rule(value: Any) -> bool | None:
        if type(value) not in (str, list) or len(value) < 2:
            return None
        try:
            return all(in_order(a, b) for a, b in pairwise(value))
        except TypeError:  # elements that have no order
            return False

    return rule


def _distinct(value: Any) -> bool | None:
    if type(value) not in (str, list) or len(value) < 2:
        return None
    return len({as_text(item) for item in value}) == len(value)


def _of_one_type(value: Any) -> bool | None:
    return len(set(map(type, value))) == 1 if type(value) is list and len(value) > 1 else None


def _rows(value: Any) -> list[int] | None:
    """The lengths of the lists in a list of lists."""
    if type(value) is not list or not value or not all(type(row) is list for row in value):
        return None
    return list(map(len, value))


def _rectangular(value: Any) -> bool | None:
    rows = _rows(value)
    return len(set(rows)) == 1 if rows and len(rows) > 1 else None


def _square(value: Any) -> bool | None:
    rows = _rows(value)
    return set(rows) == {len(rows)} if rows else None


def _balanced(value: Any) -> bool | None:
    """Brackets that are opened and closed."""
    if type(value) is not str or not any(letter in "()[]{}" for letter in value):
        return None
    is_open: list[str] = []
    for letter in value:
        if letter in "([{":
            is_open.append(letter)
        elif letter in _BRACKETS and (not is_open or is_open.pop() != _BRACKETS[letter]):
            return False
    return not is_open


def _tidy(value: Any) -> bool | None:
    """Words with one space between them."""
    return value == value.strip() and "  " not in value if type(value) is str and value else None


def _written_number(value: Any) -> bool | None:
    if type(value) is not str:
        return None
    try:
        return math.isfinite(float(value))
    except ValueError:
        return False


def _sequences(a: Any, b: Any) -> bool:
    return type(a) in (str, list) and type(b) in (str, list)


def _equally_long(a: Any, b: Any) -> bool | None:
    return len(a) == len(b) if _sequences(a, b) else None


def _of_the_same_type(a: Any, b: Any) -> bool:
    return type(a) is type(b)


def _indexes(a: Any, b: Any) -> bool | None:
    return 0 <= a < len(b) if type(a) is int and type(b) in (str, list) else None


def _counts(a: Any, b: Any) -> bool | None:
    return 0 <= a <= len(b) if type(a) is int and type(b) in (str, list) else None


def _is_in(a: Any, b: Any) -> bool | None:
    if type(b) is list:
        return any(type(item) is type(a) and item == a for item in b)
    return a in b if type(a) is type(b) is str else None


_OFTEN_BY_CHANCE = (_number_rule(lambda value: value % 2 == 0), _number_rule(lambda value: value % 2 == 1))
_RULES: tuple[Rule, ...] = (
    *_OFTEN_BY_CHANCE,
    _number_rule(lambda value: value > 0),
    _number_rule(lambda value: value >= 0),
    _number_rule(lambda value: value < 0),
    _number_rule(lambda value: value <= 0),
    _number_rule(lambda value: value != 0),
    _number_rule(lambda value: value == math.floor(value)),
    _order_rule(lambda a, b: a <= b),
    _order_rule(lambda a, b: a < b),
    _order_rule(lambda a, b: a >= b),
    _order_rule(lambda a, b: a > b),
    _distinct,
    _of_one_type,
    _rectangular,
    _square,
    _balanced,
    _tidy,
    _written_number,
)
_PAIR_RULES: tuple[Rule, ...] = (_equally_long, _of_the_same_type, _indexes, _counts, _is_in)
