"""Built-ins that put values in an order or into a set, or add them up: `sorted`, `min`, `max`, `sum` and `set`.

All of them may be given a set, where the answer does not depend on its order: it is sorted first. With a `key` it does,
since elements with the same key stay in the order in which they came.
"""

from __future__ import annotations

import builtins

from agent_core.interpreter.meter import CONTAINERS, ELEMENTS, Meter, count
from agent_core.interpreter.metered_comparisons import metered_key
from agent_core.interpreter.metered_types import NO_ORDER, Set, holds_nan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

_NUMBERS = frozenset({int, float, bool})


def metered_order(meter: Meter, add: Callable[[Any, Any], Any]) -> dict[str, Any]:
    """By name, the built-ins of this module. add: the metered `+`."""
    in_order = _sorted(meter)
    return {
        "sorted": in_order,
        "min": _extreme(meter, in_order, builtins.min),
        "max": _extreme(meter, in_order, builtins.max),
        "sum": _sum(meter, add),
        "set": _set(meter),
    }


def _keyed(meter: Meter, key: Any, items: Iterable) -> tuple[list, list]:
    """The elements, and key(element) for each, called from Python code and one step each."""
    tick, values, keys = meter.tick, [], []
    for value in items:
        tick()
        values.append(value)
        keys.append(key(value))
    return values, keys


def _sorted(meter: Meter) -> Callable[..., list]:
    measure, opened = meter.measure, meter.opened

    def charge_for_sorting(items: Any) -> None:
        size = measure(items) if type(items) in CONTAINERS else count(items)
        meter.charge(size * (size.bit_length() >> 1) >> ELEMENTS)

    def elements(items: Set) -> list:
        """The elements in their order; the message does not depend on which of them C code compared first."""
        try:
            return builtins.sorted(items.parts())
        except TypeError:
            raise TypeError("the elements of this set have no order") from None

    def in_order(items: Any, /, *, key: Any = None, reverse: Any = False) -> list:
        meter.tick()
        items = opened(items)
        charge_for_sorting(items)
        if type(items) is Set:
            if key is not None:
                raise TypeError("a set has no order for elements with the same key: use sorted() without a key first")
            items = elements(items)
        if key is None:
            return builtins.sorted(items, reverse=reverse)
        values, keys = _keyed(meter, key, list(items))
        charge_for_sorting(keys)
        return [values[i] for i in builtins.sorted(range(len(keys)), key=keys.__getitem__, reverse=reverse)]

    return in_order


def _extreme(meter: Meter, in_order: Callable[..., list], best: Callable[..., Any]) -> Callable[..., Any]:
    charge, measure, opened = meter.charge, meter.measure, meter.opened

    def extreme(*values: Any, key: Any = None) -> Any:
        meter.tick()
        items = opened(values[0]) if len(values) == 1 else values
        charge((measure(items) if type(items) in CONTAINERS else count(items)) >> ELEMENTS)
        if type(items) is Set:
            items = in_order(items, key=key)
        if key is None:
            return best(items) if len(values) == 1 else best(*values)
        found, keys = _keyed(meter, key, items)
        charge(measure(keys) >> ELEMENTS)
        if not keys:
            return best(found)
        return found[best(range(len(keys)), key=keys.__getitem__)]

    return extreme


def _sum(meter: Meter, add: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    charge = meter.charge

    def add_up(items: Any, start: Any = 0) -> Any:
        meter.tick()
        kind = type(items)
        if kind is range:
            charge(count(items) >> ELEMENTS)
            return builtins.sum(items, start)
        if kind is Set:
            if not _NUMBERS.issuperset(map(type, items.parts())) or not isinstance(start, (int, float)):
                raise TypeError(NO_ORDER)
            charge(meter.measure(items) >> ELEMENTS)
            return builtins.sum(items.parts(), start)
        if kind is list or kind is tuple:
            charge(len(items) >> ELEMENTS)
            if _NUMBERS.issuperset(map(type, items)) and isinstance(start, (int, float)):
                return builtins.sum(items, start)
        if type(start) is str:
            raise TypeError("sum() can't sum strings [use ''.join(seq) instead]")
        for item in items:
            charge(1)
            start = add(start, item)
        return start

    return add_up


def _set(meter: Meter) -> Callable[..., Set]:
    charge, measure, opened = meter.charge, meter.measure, meter.opened
    key = metered_key(meter)

    def gathered(items: Any = ()) -> Set:
        meter.tick()
        items = opened(items)
        charge((measure(items) if type(items) in CONTAINERS else count(items)) >> ELEMENTS)
        if type(items) is Set:
            return Set(items.parts().copy(), meter)
        for item in items:
            if holds_nan(key(item)):
                raise ValueError("NaN cannot be in a set here")
        return Set(builtins.set(items), meter)

    return gathered
