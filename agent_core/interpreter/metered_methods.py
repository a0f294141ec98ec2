"""The few methods of plain values that programs may call, as plain functions that charge the step budget.

`xs.append(1)` reaches the jail as `append(xs, 1)`: no attribute is ever looked up for a program. A method is here
only if what it costs and what it builds is known from the sizes of what it is given.
"""

from __future__ import annotations

from agent_core.interpreter.allowlist import METHODS
from agent_core.interpreter.instrument import method_name
from agent_core.interpreter.meter import ELEMENTS, LETTERS, Meter
from agent_core.interpreter.metered_comparisons import metered_key, search_steps
from agent_core.interpreter.metered_types import Items, Keys, Set, Values, holds_nan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Method = Callable[..., Any]

_CHEAP = frozenset({"append", "pop"})  # the same cost whatever the size of the list
_FOR_LISTS = frozenset({"append", "extend", "insert", "pop", "remove", "reverse", "index", "count"})
_FOR_DICTS = frozenset({"get", "keys", "values", "items"})
_FOR_SETS = frozenset({"add"})
_FOR_TEXTS = METHODS - _FOR_LISTS - _FOR_DICTS - _FOR_SETS | {"index", "count"}
_FOR_TUPLES = frozenset({"index", "count"})
_KINDS: dict[type, frozenset[str]] = {
    list: _FOR_LISTS,
    str: _FOR_TEXTS,
    tuple: _FOR_TUPLES,
    dict: _FOR_DICTS,
    Set: _FOR_SETS,
}
_WALKING = frozenset({"extend", "join"})  # go through what they are given
_SEARCHING = frozenset({"count", "find", "index", "split"})  # look for a text in a text


def metered_methods(meter: Meter) -> dict[str, Any]:
    """By hidden name, a function for each method: the object first, then the arguments, no keywords."""
    special = _of_dicts(meter) | {"add": _add(meter), "replace": _replace(meter)}
    return {method_name(name): special.get(name) or _method(meter, name) for name in METHODS}


def _known(name: str, target: Any) -> None:
    kind = type(target)
    if name not in _KINDS.get(kind, ()):
        raise AttributeError(f"'{kind.__name__}' object has no attribute '{name}'")


def _method(meter: Meter, name: str) -> Method:
    charge, measure, opened = meter.charge, meter.measure, meter.opened
    cheap, walking, searching = name in _CHEAP, name in _WALKING, name in _SEARCHING

    def size(target: Any, values: tuple) -> int:
        """What the call costs, in elements."""
        total = measure(target)
        for value in values:
            total += len(value) if type(value) is range else measure(value)
        if values and name == "join":
            total += len(target) * len(values[0]) >> 2
        elif values and name == "strip":
            total += len(target) * measure(values[0]) >> 4
        elif name == "split":
            total += 1 << ELEMENTS  # even of a short text it makes several
        if searching and values and type(target) is type(values[0]) is str:
            total += search_steps(len(target), len(values[0])) << ELEMENTS
        return total

    def method(target: Any, *values: Any) -> Any:
        if name not in _KINDS.get(type(target), ()):
            _known(name, target)
        if not cheap or values and name == "pop":
            if walking:
                values = tuple([opened(value) for value in values])
            charge(size(target, values) >> ELEMENTS)
        return getattr(target, name)(*values)

    return method


def _replace(meter: Meter) -> Method:
    charge = meter.charge

    def replace(target: Any, *values: Any) -> Any:
        _known("replace", target)
        if len(values) in (2, 3) and type(values[0]) is type(values[1]) is str:
            old, new = values[:2]
            charge(search_steps(len(target), len(old)) + (len(new) >> LETTERS))
            found = target.count(old)
            if len(values) == 3 and isinstance(values[2], int) and values[2] >= 0:
                found = min(found, values[2])
            charge(found * max(0, len(new) - len(old)) >> LETTERS)
        return target.replace(*values)

    return replace


def _of_dicts(meter: Meter) -> dict[str, Method]:
    key = metered_key(meter)

    def get(target: Any, *values: Any) -> Any:
        _known("get", target)
        if values:
            key(values[0])
        return target.get(*values)

    def keys(target: Any) -> Keys:
        _known("keys", target)
        return Keys(target)

    def values(target: Any) -> Values:
        _known("values", target)
        return Values(target)

    def items(target: Any) -> Items:
        _known("items", target)
        return Items(target)

    return {"get": get, "keys": keys, "values": values, "items": items}


def _add(meter: Meter) -> Method:
    key = metered_key(meter)

    def add(target: Any, value: Any) -> None:
        _known("add", target)
        if holds_nan(key(value)):
            raise ValueError("NaN cannot be in a set here")
        target.items.add(value)

    return add
