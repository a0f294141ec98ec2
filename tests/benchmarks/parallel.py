"""Work on many items at a time, in a process of its own each, until told to stop."""

import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

GLANCE = 0.5  # seconds between two looks at whether to stop


@dataclass(frozen=True)
class Broken:
    """What takes the place of an outcome where there is none."""

    problem: str


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_parallel(
    work: Callable[[Any], object], items: Sequence, jobs: int, stopped: Callable[[], bool]
) -> Iterator[tuple[Any, object]]:
    """Each item and what `work` made of it, in the order in which they end; `Broken` where it raised or died.

    work: a function of a module, so that other processes find it. stopped: asked now and then; once it says yes,
    and when the caller stops listening, what is under way is ended.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch"])  # once, instead of two seconds in every process
    waiting, running = deque(items), {}
    try:
        while (waiting or running) and not stopped():
            while waiting and len(running) < jobs:
                ours, theirs = context.Pipe(duplex=False)
                process = context.Process(target=_at_work, args=(work, waiting[0], theirs))
                process.start()
                theirs.close()
                running[ours] = (process, waiting.popleft())
            for pipe in multiprocessing.connection.wait(list(running), timeout=GLANCE):
                process, item = running.pop(pipe)
                outcome = _outcome(pipe, process)
                yield item, outcome
    finally:
        for process, _ in running.values():
            process.terminate()
        for process, _ in running.values():
            process.join()


def _outcome(pipe: multiprocessing.connection.Connection, process: multiprocessing.Process) -> object:
    try:
        outcome = pipe.recv()
    except EOFError:
        process.join()
        outcome = Broken(f"its process died with exit status {process.exitcode}")
    process.join()
    pipe.close()
    return outcome


def _at_work(work: Callable, item: object, pipe: multiprocessing.connection.Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the first process decides
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        outcome = work(item)
    except Exception:  # noqa: BLE001  one broken run, whatever broke it, must not end the others
        outcome = Broken(traceback.format_exc())
    pipe.send(outcome)


def _end_with_parent() -> None:
    multiprocessing.connection.wait([multiprocessing.parent_process().sentinel])
    os._exit(1)
