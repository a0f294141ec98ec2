"""Sets and the views of dicts as programs see them.

**A set has no order here.** In CPython the order in which a set is gone through depends on hashes, which for texts and
for None differ from process to process. A program whose answer hangs on that order would be right in one worker and
wrong in the next, and right or wrong by luck wherever its user runs it. So a set can be asked for everything that does
not depend on the order (`len`, `in`, `sorted`, `sum`, `min`, `max`, `any`, `all`, comparisons, `& | - ^`, `add`), and
whatever would show an order is a TypeError: a loop, `list`, `str`, `print`, unpacking, `map`. What finishes here
answers the same in plain Python. For the same reason NaN cannot be in a set: it has no place in the order of `sorted`.

**A view** knows its dict, as in CPython, but none of the set operations, which would give an ordinary set.

This module imports nothing of the room, so that wire_format.py can tell a set when it sees one.
"""

from __future__ import annotations

TYPE_CHECKING = False  # that of typing would make every fork dearer
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from agent_core.interpreter.meter import Meter

NO_ORDER = "a set has no order to go through: use sorted()"


class Set:
    """A set that charges the step budget for what is done with it. Its elements have paid for being hashed."""

    __slots__ = ("items", "meter")
    __hash__ = None  # type: ignore[assignment]  # as in CPython: a set can be changed

    def __init__(self, items: set, meter: Meter):
        self.items = items
        self.meter = meter

    def parts(self) -> set:
        """The elements, for code that does not depend on their order."""
        return self.items

    def _pay(self, other: Any) -> bool:
        """Charges for one walk over both; False where the other is no set."""
        if type(other) is not Set:
            return False
        self.meter.charge_elements(self.meter.measure(self) + self.meter.measure(other))
        return True

    def _new(self, items: set) -> Set:
        return Set(items, self.meter)

    def __len__(self) -> int:
        return len(self.items)

    def __contains__(self, item: Any) -> bool:
        return item in self.items

    def __iter__(self) -> Iterator:
        raise TypeError(NO_ORDER)

    def __repr__(self) -> str:
        raise TypeError("a set has no order to be shown in: use sorted()")

    def __eq__(self, other: Any) -> bool:
        return self.items == other.items if self._pay(other) else NotImplemented

    def __le__(self, other: Any) -> bool:
        return self.items <= other.items if self._pay(other) else NotImplemented

    def __lt__(self, other: Any) -> bool:
        return self.items < other.items if self._pay(other) else NotImplemented

    def __ge__(self, other: Any) -> bool:
        return self.items >= other.items if self._pay(other) else NotImplemented

    def __gt__(self, other: Any) -> bool:
        return self.items > other.items if self._pay(other) else NotImplemented

    def __or__(self, other: Any) -> Set:
        return self._new(self.items | other.items) if self._pay(other) else NotImplemented

    def __and__(self, other: Any) -> Set:
        return self._new(self.items & other.items) if self._pay(other) else NotImplemented

    def __sub__(self, other: Any) -> Set:
        return self._new(self.items - other.items) if self._pay(other) else NotImplemented

    def __xor__(self, other: Any) -> Set:
        return self._new(self.items ^ other.items) if self._pay(other) else NotImplemented

    def __ior__(self, other: Any) -> Set:
        if not self._pay(other):
            return NotImplemented
        self.items |= other.items
        return self

    def __iand__(self, other: Any) -> Set:
        if not self._pay(other):
            return NotImplemented
        self.items &= other.items
        return self

    def __isub__(self, other: Any) -> Set:
        if not self._pay(other):
            return NotImplemented
        self.items -= other.items
        return self

    def __ixor__(self, other: Any) -> Set:
        if not self._pay(other):
            return NotImplemented
        self.items ^= other.items
        return self


class View:
    """What keys(), values() and items() give: goes through its dict as this is at the time."""

    __slots__ = ("target",)

    def __init__(self, target: dict):
        self.target = target

    def parts(self) -> list:
        """What it has at the moment."""
        return list(self)

    def __len__(self) -> int:
        return len(self.target)

    def __iter__(self) -> Iterator:
        return iter(self.target.values())

    def __contains__(self, item: Any) -> bool:
        return item in self.parts()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.parts()!r})"


class Values(View):
    """Two of these are the same only if they are one, as in CPython."""

    __slots__ = ()


class _Comparable(View):
    """CPython compares these as sets; here the program has to say which order it means."""

    __slots__ = ()
    __hash__ = None  # type: ignore[assignment]  # as in CPython

    def __eq__(self, other: Any) -> bool:
        raise TypeError(f"{type(self).__name__} cannot be compared here: compare sorted() of both")


class Keys(_Comparable):
    """The keys, in the order in which they joined."""

    __slots__ = ()

    def __iter__(self) -> Iterator:
        return iter(self.target)

    def __contains__(self, item: Any) -> bool:
        return item in self.target


class Items(_Comparable):
    """Pairs of a key and its value, in the order in which they joined."""

    __slots__ = ()

    def __iter__(self) -> Iterator:
        return iter(self.target.items())


# What messages call them, as in CPython.
for _kind, _name in ((Set, "set"), (Keys, "dict_keys"), (Values, "dict_values"), (Items, "dict_items")):
    _kind.__name__ = _kind.__qualname__ = _name

# What map, filter, zip, enumerate and reversed give: an iterator over a finished list, to go through once.
ITERATOR: type = type(iter([]))
VIEWS = frozenset({Keys, Values, Items})
OPENED = VIEWS | {Set}  # kinds whose size is that of their parts


def holds_nan(value: Any) -> bool:
    """Whether it is NaN, or a tuple with one at any depth; to be asked only of what has been measured."""
    level = [value]
    while level:
        if any(type(item) is float and item != item for item in level):
            return True
        level = [item for part in level if type(part) is tuple for item in part]
    return False
