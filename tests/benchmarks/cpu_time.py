"""Processor time of a run whose work is spread over processes that come and go."""

import os
import time
from pathlib import Path

_PROC = Path("/proc")


class Stopwatch:
    """Counts from when it is made. Looking at other processes takes long on a busy machine, so it is left out."""

    def __init__(self) -> None:
        self._others = _others()
        self._own = time.process_time()
        self._began = time.monotonic()

    def read(self) -> tuple[float, float]:
        """Seconds of the wall; and of the processor, of this process and of all that descend from it.

        Of descendants that live only where there is /proc, in steps of a hundredth of a second or so; of one that
        has ended and that nobody has waited for, nothing.
        """
        wall, own = time.monotonic() - self._began, time.process_time() - self._own
        return wall, own + _others() - self._others


def _others() -> float:
    """Processor seconds of all descendants."""
    times = os.times()
    return times.children_user + times.children_system + _living(os.getpid())


def _living(ancestor: int) -> float:
    """Seconds of the living descendants, and of those of their children that they have waited for."""
    parents: dict[int, int] = {}
    seconds: dict[int, float] = {}
    tick = os.sysconf("SC_CLK_TCK")
    for file in _PROC.glob("[0-9]*/stat"):
        try:
            text = file.read_text(errors="replace")
        except OSError:  # it has ended since
            continue
        fields = text[text.rindex(")") + 2 :].split()  # the name before it may hold anything
        pid = int(file.parent.name)
        parents[pid] = int(fields[1])
        seconds[pid] = sum(map(int, fields[11:15])) / tick  # its user and system time, and its dead children's
    return sum(spent for pid, spent in seconds.items() if pid != ancestor and _descends(pid, ancestor, parents))


def _descends(pid: int, ancestor: int, parents: dict[int, int]) -> bool:
    while pid != ancestor:
        if pid not in parents:
            return False
        pid = parents[pid]
    return True
