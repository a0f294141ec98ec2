"""Processes and descriptors that the system has no room for at the moment: how long to wait, and what to say then.

Used by the owner of the workers and inside them, so it imports little, and `typing` not at all: each page of a worker's
memory makes its forks dearer.
"""

from __future__ import annotations

import errno
import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import TypeVar

    Made = TypeVar("Made")

PAUSES = (0.1, 1.0, 5.0)  # seconds between tries
LATER = frozenset((errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.ENOBUFS))


def when_there_is_room(make: Callable[[], Made], pauses: Iterable[float] | None = None) -> Made:
    """What `make` returns. It is tried again after each pause where the system may have room later; an error that is
    none of these, and the last one, are raised.

    pauses: PAUSES where it is None.
    """
    for seconds in PAUSES if pauses is None else pauses:
        try:
            return make()
        except OSError as error:
            if error.errno not in LATER:
                raise
        time.sleep(seconds)
    return make()


def way_out(number: int) -> str:
    """What limit an error of this number speaks of, and what can be done about it."""
    if number == errno.EAGAIN:
        what = f"the limit on processes is reached ({_limit('RLIMIT_NPROC', '-u')}, or a container's pids limit)"
    elif number == errno.EMFILE:
        what = f"the limit on open files is reached ({_limit('RLIMIT_NOFILE', '-n')})"
    elif number == errno.ENFILE:
        what = "the system's limit on open files is reached"
    elif number in LATER:
        what = "there is too little memory"
    else:
        return "mend that"
    return f"{what}: raise it, end what else runs here, or set executor.workers lower"


def _limit(name: str, option: str) -> str:
    """The limit as the shell calls it, with what it is now."""
    import resource  # not there on Windows, where the reason for having no jail is to be said first

    now, _ = resource.getrlimit(getattr(resource, name))
    return f"ulimit {option} is {'unlimited' if now == resource.RLIM_INFINITY else now}"


def reason(number: int) -> str:
    return f"{os.strerror(number)}; {way_out(number)}; then run again"
