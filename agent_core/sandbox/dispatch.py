"""Hands programs out to the workers and gathers their results, whatever may happen to either.

Programs run many to a child. Whatever is odd about a child (it died, was killed, wrote anything unexpected) costs all
its programs a second run, alone in a child each; what is odd then is the program's own doing. A worker that dies is
replaced and its work is done again.
"""

from __future__ import annotations

import contextlib
import marshal
import secrets
import select
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from agent_core.interpreter.wire_format import CHILD, DIED, DONE, NO_ROOM, NONCE_BYTES, NOT_JAILED, TIMED_OUT
from agent_core.sandbox.results import Call, Malformed, RunResult, read_frames
from agent_core.sandbox.room import PAUSES
from agent_core.sandbox.worker import Worker, WorkerDied, no_child
from agent_core.settings.config import ExecutorConfig

BATCH = 128  # programs in one child: enough to pay for the fork, few enough to lose
LEAST = 32  # programs in one child while more are being written: forking more often costs more than waiting less
ALONE_BATCH = 8  # programs in one request that are to run in a child each
AHEAD = 2  # requests a worker may have, so that it need not wait for the next
PATIENCE = 10.0 + sum(PAUSES)  # seconds beyond what its own timers allow until a silent worker is given up
PATIENCE_CHECK = 1.0  # seconds between two looks at whether one is silent for too long
TRIES = 3  # times that one program alone may cost a worker before that is the program's result


@dataclass(slots=True)
class Job:
    """Programs that a worker runs on one request."""

    indexes: list[int]
    alone: bool
    nonce: bytes = b""
    tries: int = 0


class BatchRun:
    """One call on all programs that are added, however many at a time: they are under way before the last is there.

    `replace` starts a new worker in the place of one that is gone; `report` is told in the end how many programs ran a
    second time and how many seconds the run held its owner up.
    """

    def __init__(
        self,
        workers: list[Worker],
        replace: Callable[[int], None],
        config: ExecutorConfig,
        call: Call | None,
        alone: bool,
        report: Callable[[int, float], None],
    ):
        self.workers = workers
        self.replace = replace
        self.config = config
        self.call = None if call is None else _marshalled(call)
        self.cases = 0 if call is None else len(call.arguments)
        self.alone = alone
        self.report = report
        self.sources: list[str] = []
        self.results: list[RunResult | None] = []
        self.waiting: deque[Job] = deque()
        self.reruns = 0
        self.seconds = 0.0
        self._later = 0  # programs up to here have been queued

    def add(self, sources: Sequence[str], last: bool = False) -> None:
        """More programs. They start at once, unless `overlap` is off, or as soon as enough have come together if others
        may follow; nothing is waited for."""
        self._note(sources)
        if self.config.overlap:
            with self._holding_up():
                self._start(least=1 if last else LEAST)
                self._take_in(0)
                self._hand_out()

    def finish(self, last: Sequence[str] = ()) -> list[RunResult]:
        """Waits until every program has its result, the last ones, too; one each, in the order in which they came."""
        self._note(last)
        with self._holding_up():
            self._start(least=1)
            while any(worker.jobs for worker in self.workers):
                self._take_in(PATIENCE_CHECK)
                self._hand_out()
        self.report(self.reruns, self.seconds)
        return [result for result in self.results if result is not None]  # all have one by now

    def _note(self, sources: Sequence[str]) -> None:
        self.sources += sources
        self.results += [None] * len(sources)

    @contextlib.contextmanager
    def _holding_up(self) -> Iterator[None]:
        started = time.monotonic()
        try:
            yield
        except BaseException:
            # Ctrl-C, for one, may come at any point: answers still under way must never meet another run.
            self.give_up()
            raise
        finally:
            self.seconds += time.monotonic() - started

    def give_up(self) -> None:
        """Ends the workers that are still at it."""
        for worker in self.workers:
            if worker.jobs or worker.blocked:
                worker.kill()

    def _start(self, least: int) -> None:
        """Queues what has come in since the last time, if it is enough, cut into jobs, and hands it out."""
        indexes = list(range(self._later, len(self.sources)))
        if len(indexes) < least:
            return
        self._later = len(self.sources)
        each = max(least, -(-len(indexes) // len(self.workers)))
        self._queue(indexes, self.alone, min(ALONE_BATCH if self.alone else BATCH, each))
        self._hand_out()

    def _queue(self, indexes: list[int], alone: bool, size: int) -> None:
        self.waiting += [Job(indexes[start : start + size], alone) for start in range(0, len(indexes), size)]

    def _hand_out(self) -> None:
        """Gives each worker what it may have. What is still waiting then, the answers to come will make room for."""
        for depth in range(1, AHEAD + 1):
            for place in range(len(self.workers)):
                while self.waiting and len(self.workers[place].jobs) < depth:
                    self._post(place, self.waiting.popleft())

    def _post(self, place: int, job: Job) -> None:
        worker = self.workers[place]
        job.nonce = secrets.token_bytes(NONCE_BYTES)
        if not worker.jobs:
            worker.since = time.monotonic()
        worker.jobs.append(job)
        request = (job.nonce, job.alone, [self.sources[index] for index in job.indexes], self.call)
        try:
            worker.post(marshal.dumps(request))
        except WorkerDied:
            worker.jobs.pop()  # not begun, so not to blame
            self.waiting.appendleft(job)
            self._lost(place)

    def _take_in(self, seconds: float) -> None:
        """Takes what workers have, waiting at most so long for it; gives up workers that are silent for too long."""
        poller = select.poll()
        places = {}
        for place, worker in enumerate(self.workers):
            if worker.jobs:
                poller.register(worker.socket, select.POLLIN | (select.POLLOUT if worker.blocked else 0))
                places[worker.socket.fileno()] = place
        for descriptor, event in poller.poll(seconds * 1_000):
            place = places[descriptor]
            worker = self.workers[place]
            try:
                if event & select.POLLOUT:
                    worker.push()
                if event & ~select.POLLOUT:
                    for answer in worker.pull():
                        job = worker.jobs.popleft()
                        worker.since = time.monotonic()
                        self._take(job, answer)
            except WorkerDied:
                self._lost(place)
        now = time.monotonic()
        for place, worker in enumerate(self.workers):
            if worker.jobs and now - worker.since > self._patience(worker.jobs[0]):
                self._lost(place)

    def _patience(self, job: Job) -> float:
        # A worker's own timers allow a child four timeouts, and one more for each program; see zygote.py.
        each = 5 if job.alone else 1
        return PATIENCE + self.config.timeout_seconds * (5 + each * len(job.indexes))

    def _lost(self, place: int) -> None:
        """A worker died or was given up. Its work is done again: alone, if it may have been the work that killed it."""
        jobs = list(self.workers[place].jobs)
        self.replace(place)
        for job in reversed(jobs):
            self.reruns += len(job.indexes)
            job.tries += 1
            if job.tries > 1 and (len(job.indexes) > 1 or not job.alone):
                self.waiting.extendleft(Job([index], True) for index in reversed(job.indexes))
            elif job.tries > TRIES:
                self.results[job.indexes[0]] = RunResult("crashed", message="the program ends its worker")
            else:
                self.waiting.appendleft(job)

    def _take(self, job: Job, answer: bytes) -> None:
        """Judges what the children of one request wrote."""
        again: list[int] = []
        places, start = list(range(len(job.indexes))), 0
        for group in [[place] for place in places] if job.alone else [places]:
            body = start + CHILD.size
            outcome, status, length = CHILD.unpack_from(answer, start)
            start = body + length
            if outcome in (NOT_JAILED, NO_ROOM):
                raise no_child(outcome, status, answer[body:start])
            results: list[RunResult | None]
            try:
                if outcome != DONE:
                    raise Malformed(f"outcome {outcome}")
                results = read_frames(answer[body:start], job.nonce, group, self.cases, self.config.max_output)
                if job.alone and None in results:
                    raise Malformed("it is alone and asks to be run alone")
            except Malformed as problem:
                results = [self._blame(outcome, status, problem) if job.alone else None] * len(group)
            for place, result in zip(group, results, strict=True):
                self.results[job.indexes[place]] = result
                if result is None:
                    again.append(job.indexes[place])
        self.reruns += len(again)
        self._queue(again, True, ALONE_BATCH)

    def _blame(self, outcome: int, status: int, problem: Malformed) -> RunResult:
        """The result of a program that, alone in its child, did not let it answer."""
        if outcome == TIMED_OUT:
            return RunResult("endless", message=f"stopped by the timer after {self.config.timeout_seconds:g} s")
        if outcome == DIED:
            return RunResult("crashed", message=f"its process ended with status {status}")
        return RunResult("crashed", message=f"its process lied: {problem}")


def _marshalled(call: Call) -> tuple[str, list[bytes], bool]:
    """The call as the workers take it: name, arguments, and whether there is a dict among them.

    Raises TypeError for arguments that are not plain values. A set is none here: the order in which one is gone
    through differs from worker to worker.
    """
    kinds: set[type] = set()
    level: list = [value for case in call.arguments for value in case]
    while level:
        kinds.update(map(type, level))
        below = [item for value in level if type(value) in (list, tuple) for item in value]
        below += [item for value in level if type(value) is dict for pair in value.items() for item in pair]
        level = below
    strange = kinds - {type(None), bool, int, float, str, list, tuple, dict}
    if strange:
        names = ", ".join(sorted(kind.__name__ for kind in strange))
        raise TypeError(f"arguments of type {names} are not plain values")
    return call.function, [marshal.dumps(tuple(case)) for case in call.arguments], dict in kinds
