"""The few methods of lists and texts that programs may call, as plain functions that charge the step budget.

`xs.append(1)` reaches the jail as `append(xs, 1)`: no attribute is ever looked up for a program. A method is here
only if what it costs and what it builds is known from the sizes of what it is given.
"""

from __future__ import annotations

from agent_core.interpreter.allowlist import METHODS
from agent_core.interpreter.instrument import method_name
from agent_core.interpreter.meter import ELEMENTS, Meter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_CHEAP = frozenset({"append", "pop"})  # the same cost whatever the size of the list
_FOR_LISTS = frozenset({"append", "extend", "insert", "pop", "remove", "reverse", "index", "count"})
_FOR_TEXTS = METHODS - _FOR_LISTS | {"index", "count"}
_FOR_TUPLES = frozenset({"index", "count"})
_KINDS: dict[type, frozenset[str]] = {list: _FOR_LISTS, str: _FOR_TEXTS, tuple: _FOR_TUPLES}


def metered_methods(meter: Meter) -> dict[str, Any]:
    """By hidden name, a function for each method: the object first, then the arguments, no keywords."""
    return {method_name(name): _method(meter, name) for name in METHODS}


def _method(meter: Meter, name: str) -> Callable[..., Any]:
    charge, measure = meter.charge, meter.measure
    cheap = name in _CHEAP

    def method(target: Any, *values: Any) -> Any:
        kind = type(target)
        if name not in _KINDS.get(kind, ()):
            raise AttributeError(f"'{kind.__name__}' object has no attribute '{name}'")
        if not cheap or values and name == "pop":
            size = measure(target)
            for value in values:
                size += len(value) if type(value) is range else measure(value)
            if values and name == "join":
                size += len(target) * len(values[0]) >> 2
            elif values and name == "strip":
                size += len(target) * measure(values[0]) >> 4
            charge(size >> ELEMENTS)
        return getattr(target, name)(*values)

    return method
