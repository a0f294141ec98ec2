"""What is around every run, of a task, of many, or of play: signals, the lock, the jail, and what is saved."""

import contextlib
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

from agent_core.distributed.ranks import Ranks
from agent_core.run.console import say
from agent_core.sandbox.executor import Executor
from agent_core.settings.config import Config
from agent_core.settings.sections import ExecutorConfig
from memory.state.checkpoint import Checkpoint, CheckpointStore
from memory.state.lock import MemoryLock


class Session(NamedTuple):
    """A run has these while it goes on."""

    stop: "Stop"
    executor: Executor
    store: CheckpointStore
    saved: Checkpoint | None  # what was there


@contextlib.contextmanager
def session(config: Config, jail: ExecutorConfig, fresh: bool, ranks: Ranks) -> Iterator[Session]:
    """fresh: what is saved is set aside. Raises UserError for what is in the way."""
    store = CheckpointStore(config.paths.model_state, config.paths.optimizer_state, config.paths.run_state)
    with (
        Stop() as stop,
        MemoryLock(store.folders) if ranks.leads else contextlib.nullcontext(),
        Executor(jail, ranks.local_count) as executor,
    ):
        yield Session(stop, executor, store, _load(store, fresh, ranks))


def where_it_is(folder: Path, runs: Path) -> Path:
    """The run's folder, which lies in another place now if the whole memory was moved or copied."""
    moved = runs / folder.name
    return folder if folder.is_dir() and not moved.is_dir() else moved


def keep_what_goes(store: CheckpointStore, mind: Mapping[str, Any], known: int) -> list[str]:
    """Copies what is saved into a folder of its own, if a run that will save goes on with less than the saved mind
    knows. Returns what there is to say.

    known: behaviours that the run goes on with.
    """
    if known >= len(mind["repertoire"]["keys"]):
        return []
    copies = store.copy_aside()
    return [f"all that was known before is kept in {copies[0].parent}: put these files back to have it again"]


def other_seed(began: int, wanted: int) -> str:
    """The note for a run that goes on with the seed it began with, not with the one that is wanted now."""
    return f"this run began with seed {began} and goes on with it; run.seed = {wanted} waits for a start with --fresh"


def _load(store: CheckpointStore, fresh: bool, ranks: Ranks) -> Checkpoint | None:
    """What is saved, on all ranks; fresh: to be set aside."""
    saved = None
    if ranks.leads:
        if fresh and not ranks.restarted and (moved := store.set_aside()):
            say(f"set aside: {', '.join(map(str, moved))}")
        saved = store.load()
    fields = ranks.broadcast(saved and vars(saved))
    return fields and Checkpoint(**fields)


class Stop:
    """Ctrl-C, SIGTERM and a terminal that goes away finish the step and save; a second Ctrl-C leaves at once, the last
    save being whole."""

    def __init__(self) -> None:
        self.signal = 0

    def __enter__(self) -> "Stop":
        asked = [signal.SIGINT, signal.SIGTERM]
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as `nohup` leaves it: such a run is to go on
            asked.append(signal.SIGHUP)
        self._previous = {number: signal.signal(number, self._ask) for number in asked}
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.signal and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.signal = number
