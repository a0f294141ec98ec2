"""The step budget of the program that is running, what it printed, and how large a value is.

What loops in C cannot tick, so it pays beforehand (or, where the result is at most twice what there was, afterwards).
A step buys 2**ELEMENTS elements of a list, 2**LETTERS letters of a text, or a product of 64 pairs of 30-bit digits,
each well under a microsecond, so that `max_steps` bounds time and memory well before the timer and the memory limit do.
Whether a program runs out depends on nothing but the program and what it was given.
"""

from __future__ import annotations

from collections import deque
from itertools import islice, repeat
from types import BuiltinFunctionType, FunctionType

from agent_core.interpreter.cpython_facts import ADDRESS, BIG, DIGIT_BITS
from agent_core.interpreter.instrument import CALL, TICK
from agent_core.interpreter.metered_types import ITERATOR, OPENED, VIEWS

TYPE_CHECKING = False  # that of typing would make every fork dearer
if TYPE_CHECKING:
    from typing import Any

ELEMENTS = 3  # as a shift: 8 elements a step
LETTERS = 5  # 32 letters a step
OVERFLOW = 64  # steps for printing more when there is already too much
MAX_CALLS = 1_000  # calls of functions inside each other
MAX_NESTING = 200  # lists inside each other that are compared or shown
_ENDLESS = 1 << 62
CONTAINERS = frozenset({list, tuple, dict}) | OPENED


class OutOfSteps(BaseException):
    """The budget is used up. No program can catch it: the static check knows no exception handling."""


class Meter:
    """Budget, output and the names that programs see; one per process, started anew for every run."""

    def __init__(self, max_steps: int, max_output: int):
        self.max_steps = max_steps
        self.max_output = max_output
        self.slots: deque[None] = deque()
        self.names: dict[str, Any] = {}  # what programs see: metered_builtins.py fills it
        self.begin()

    def begin(self) -> None:
        """A full budget, an empty output, all call slots free."""
        self.steps = repeat(True, self.max_steps)
        self.overdrawn = False
        self.tick = self.steps.__next__
        self.call = enumerate(self.steps).__next__  # draws a step for each call, and numbers it
        self.left = self.steps.__length_hint__
        self.printed: list[str] = []
        self.room = self.max_output
        self.names[TICK], self.names[CALL] = self.tick, self.call
        if len(self.slots) != MAX_CALLS:
            self.slots.clear()
            self.slots.extend([None] * MAX_CALLS)

    def exhausted(self) -> bool:
        """Whether the run tried to use more than its budget, whatever it did about being stopped."""
        return self.overdrawn or self.left() == 0

    def output(self) -> str:
        """What the program has printed, even beyond what may be told."""
        return "".join(self.printed)

    def charge(self, steps: int) -> None:
        """Draws so many steps; raises OutOfSteps when there are not more than that."""
        if steps <= 0:
            return
        if steps >= self.left():
            self.overdrawn = True
            raise OutOfSteps
        deque(islice(self.steps, steps), maxlen=0)

    def charge_elements(self, elements: int) -> None:
        """Draws a step for every so many elements of a list."""
        self.charge(elements >> ELEMENTS)

    def opened(self, items: Any) -> Any:
        """The iterable as something that C code can walk more than once: iterators and views become lists."""
        kind = type(items)
        if kind is ITERATOR:
            self.charge_elements(items.__length_hint__())
            return list(items)
        if kind in VIEWS:
            self.charge_elements(len(items))
            return list(items)
        return items

    def calls(self) -> int:
        """Calls so far of functions that the program itself could call. Costs a step where any was taken."""
        return 0 if self.left() == self.max_steps else self.call()[0]

    def measure(self, value: object) -> int:
        """The size of a value in elements, counted as a tree: shared parts count as often as they are reached.

        Raises OutOfSteps when it is more than the budget could pay for, and RecursionError when it is nested too
        deep for the C code that is going to walk it.
        """
        limit = (self.left() + 1) << ELEMENTS
        total, depth = 1, 0
        level: Any = (value,)
        while level:
            below: list = []
            for item in level:
                kind = type(item)
                if kind is list or kind is tuple:
                    total += len(item)
                    if total > limit:
                        self.charge(_ENDLESS)
                    below += item
                elif kind is dict:
                    total += 2 * len(item)
                    if total > limit:
                        self.charge(_ENDLESS)
                    below += item
                    below += item.values()
                elif kind is str:
                    total += len(item) >> (LETTERS - ELEMENTS)
                elif kind is int:
                    if not -BIG < item < BIG:
                        digits = item.bit_length() // DIGIT_BITS
                        total += digits * digits >> 7  # turning it into text is quadratic
                elif kind in OPENED:
                    total += len(item)
                    if total > limit:
                        self.charge(_ENDLESS)
                    below += item.parts()
            if total > limit:
                self.charge(_ENDLESS)
            level = below
            depth += 1
            if depth > MAX_NESTING:
                raise RecursionError("maximum recursion depth exceeded")
        return total


def count(items: Any) -> int:
    """How many elements an iterable has; TypeError as Python words it where it is none."""
    try:
        return len(items)
    except TypeError:
        iter(items)
        raise
    except OverflowError:
        return _ENDLESS


def text_of(meter: Meter, value: Any) -> str:
    """str(value), charged, and without the address of anything in memory."""
    kind = type(value)
    if kind is str:
        return value
    if kind is int and -BIG < value < BIG or kind is float or kind is bool or value is None:
        return repr(value)
    if kind is FunctionType or kind is BuiltinFunctionType:
        return f"<function {value.__name__}>"
    meter.charge(meter.measure(value) >> ELEMENTS)
    text = repr(value)
    if ADDRESS in text:
        text = without_addresses(text)
    meter.charge(len(text) >> LETTERS)
    return text


def without_addresses(text: str) -> str:
    """The text without any ` at 0x...`, which Python adds to what has no better way to show itself."""
    first, *rest = text.split(ADDRESS)
    return first + "".join([part.lstrip("0123456789abcdef") for part in rest])
