"""Where time goes: functions are wrapped, and each moment counts for the innermost one alone, so the parts sum up."""

import functools
import inspect
import time
from collections.abc import Callable
from typing import Any


class Timers:
    """A context manager; `seconds` by part. What was wrapped is itself again when it ends.

    clock: seconds from any start; of the wall by default, `time.process_time` for those that this process computed.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter):
        self.seconds: dict[str, float] = {}
        self._clock = clock
        self._since = 0.0
        self._open: list[str] = []  # parts under way, the innermost last
        self._originals: list[tuple[Any, str, Any]] = []

    def wrap(self, owner: Any, name: str, part: str) -> None:
        """Counts what `owner.name` does for `part`. owner: a class or a module; a property of a class will do, too.

        Raises AttributeError where there is no such name: a benchmark must not forget a part that was renamed.
        """
        if name not in vars(owner):
            raise AttributeError(f"{owner.__name__} has no {name} to be timed")
        original = inspect.getattr_static(owner, name)
        timed = (
            property(self._timed(original.fget, part))
            if isinstance(original, property)
            else (self._timed(original, part))
        )
        self._originals.append((owner, name, original))
        self.seconds.setdefault(part, 0.0)
        setattr(owner, name, timed)

    def _timed(self, function: Callable, part: str) -> Callable:
        @functools.wraps(function)
        def timed(*arguments: Any, **named: Any) -> Any:
            self._count()
            self._open.append(part)
            try:
                return function(*arguments, **named)
            finally:
                self._count()
                self._open.pop()

        return timed

    def _count(self) -> None:
        """The time since the last change goes to the part that was under way."""
        now = self._clock()
        if self._open:
            self.seconds[self._open[-1]] += now - self._since
        self._since = now

    def __enter__(self) -> "Timers":
        return self

    def __exit__(self, *exception: object) -> None:
        for owner, name, original in reversed(self._originals):
            setattr(owner, name, original)
        self._originals.clear()
