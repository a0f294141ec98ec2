"""Which ranks of a run live, and why the first that ended did so: through the store that torchrun's ranks meet at.

A lost connection is known at once, but not whose it was; and of a machine that is gone, or on a GPU that waits for one,
nothing is known for long. So a thread of each rank counts in the store, twice a second. The first rank looks at all
counts, the others at the first one's, and all at whether somebody left word. A process whose main thread goes on
waiting for the dead is ended from here.
"""

import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterable
from datetime import timedelta

from torch.distributed import Store

BEAT = 0.5  # seconds between two signs of life
SILENCE = 12  # looks in a row that find no new one until a rank counts as gone; not seconds, which pass in sleep, too
GRACE = 2.0  # seconds for the main thread to end by itself
WORD = "word"  # key of the reason that the first to end has left


class Heartbeat:
    """This rank's sign of life, from now until `stop`, and what the others leave in the store."""

    def __init__(self, store: Store, rank: int, count: int):
        """store: a connection for this alone, since others may be busy for long."""
        self._store, self._rank, self._count = store, rank, count
        self._watching, self._leaving, self._stopped = threading.Event(), threading.Event(), threading.Event()
        store.set_timeout(timedelta(seconds=SILENCE * BEAT))
        store.set(_beat_of(rank), "0")
        self._thread = threading.Thread(target=self._live, name="heartbeat", daemon=True)
        self._thread.start()

    def watch(self) -> None:
        """From here on, silence of the others ends this process. All ranks must have begun."""
        self._watching.set()

    def forgive(self) -> None:
        """From here on the others may fall silent: the main thread is about to end by itself."""
        self._leaving.set()

    def stop(self) -> None:
        """The last thing that is done. The first rank waits a moment for the others: the store may be its own."""
        self._leaving.set()
        self._stopped.set()
        self._thread.join(SILENCE * BEAT)  # a process that ends while one of its threads talks to the store aborts
        others = [f"left/{rank}" for rank in range(1, self._count)]
        with contextlib.suppress(RuntimeError):  # somebody is gone, or the store is
            if self._rank == 0:
                self._store.wait(others, timedelta(seconds=BEAT))
            else:
                self._store.set(others[self._rank - 1], "")

    def tell(self, reason: str) -> None:
        """Leaves word that this rank ends, and why."""
        self.forgive()
        self._leave_word(f"rank {self._rank} has ended: {reason}", reason)

    def ask_why(self) -> str:
        """Why another rank has ended, as far as that can be found out in a moment; "" where it cannot."""
        self.forgive()
        try:
            others = [rank for rank in range(self._count) if rank != self._rank]
            counts, until = self._counts(others), time.monotonic() + 2.5 * BEAT
            while time.monotonic() < until:
                if word := self._word():
                    return word
                time.sleep(BEAT / 20)
            return next((_gone(rank) for rank, count in self._counts(others).items() if counts[rank] == count), "")
        except RuntimeError:
            return ""

    def word_of_first(self) -> str:
        """Why the first rank ends; waits for that a moment. "" where it says nothing."""
        try:
            self._store.wait([_word_of(0)], timedelta(seconds=4 * BEAT))
            return self._store.get(_word_of(0)).decode()
        except RuntimeError:
            return ""

    def _live(self) -> None:
        watched = range(1, self._count) if self._rank == 0 else range(1)
        counts: dict[int, int] = {}
        silent = dict.fromkeys(watched, 0)  # looks in a row that found nothing new
        deaf = beats = 0
        while not self._stopped.wait(BEAT):
            beats += 1
            try:
                self._store.set(_beat_of(self._rank), str(beats))
                before, counts = counts, self._counts(watched)
                reason, deaf = self._word(), 0
            except RuntimeError:
                deaf += 1
                reason = "the store at which the ranks meet is gone: was torchrun killed?" if deaf > 2 else ""
            else:
                silent = {rank: silent[rank] + 1 if before.get(rank) == counts[rank] else 0 for rank in watched}
                reason = reason or next((_gone(rank) for rank in watched if silent[rank] >= SILENCE), "")
            if reason and self._watching.is_set():
                self._end(reason, aloud=self._rank == 0 or deaf > 0 or silent[0] > 0)

    def _end(self, reason: str, aloud: bool) -> None:
        """Ends the process, unless the main thread does so in time. Whatever is to be kept is on the disk."""
        self._leave_word(reason, reason)
        if not self._leaving.wait(GRACE):
            if aloud:
                print(f"error: {reason}", file=sys.stderr, flush=True)
            os._exit(1)

    def _leave_word(self, word: str, own: str) -> None:
        """The first word stands for all; a rank's own reason is kept besides."""
        with contextlib.suppress(RuntimeError):  # the store is gone, and with it who could read this
            self._store.compare_set(WORD, "", word)
            self._store.set(_word_of(self._rank), own)

    def _word(self) -> str:
        return self._store.get(WORD).decode() if self._store.check([WORD]) else ""

    def _counts(self, ranks: Iterable[int]) -> dict[int, int]:
        values = self._store.multi_get([_beat_of(rank) for rank in ranks])
        return {rank: int(value) for rank, value in zip(ranks, values, strict=True)}


def _beat_of(rank: int) -> str:
    return f"beat/{rank}"


def _word_of(rank: int) -> str:
    return f"word/{rank}"


def _gone(rank: int) -> str:
    return f"rank {rank} is gone: it was killed, or its machine cannot be reached any more"
