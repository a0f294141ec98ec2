"""The pool of jailed workers: a batch of hostile programs in, plain results out.

A program's result depends on its text, the call and the settings, never on time, neighbours or workers. To that end
programs run many to a child, and whatever is odd about a child (it died, was killed, wrote anything unexpected) costs
all its programs a second run, alone in a child each; what is odd then is the program's own doing. A worker that dies
is replaced and its work is done again.
"""

from __future__ import annotations

import marshal
import os
import secrets
import select
import sys
import time
import warnings
import weakref
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from agent_core.answers import Call, CaseResult, Malformed, RunResult, read_frames
from agent_core.config import ExecutorConfig
from agent_core.frames import CHILD, DIED, DONE, NONCE_BYTES, NOT_JAILED, TIMED_OUT
from agent_core.seccomp import SeccompMissing, filter_program
from agent_core.worker import START_SECONDS, Worker, WorkerDied
from utils import UserError

__all__ = ["Call", "CaseResult", "Executor", "JailError", "RunResult"]

BATCH = 64  # programs in one child: enough to pay for the fork, few enough to lose
ALONE_BATCH = 8  # programs in one request that are to run in a child each
AHEAD = 2  # requests a worker may have, so that it need not wait for the next
PATIENCE = 10.0  # seconds beyond what its own timers allow until a silent worker is given up
TRIES = 3  # times that one program alone may cost a worker before that is the program's result

WAY_OUT = (
    "Install what is missing (apt-get install libseccomp2; pip install pyseccomp), use the dev container, or set "
    "jail = limits under [executor] to run with resource limits only."
)
LIMITS_WARNING = (
    "jail = limits: generated programs run with the static check and resource limits only, without the kernel's "
    "system call filter. Use this only on a machine where nothing is worth attacking."
)


class JailError(UserError):
    """The jail cannot be closed on this machine."""


@dataclass(slots=True)
class _Job:
    """Programs that a worker runs on one request."""

    indexes: list[int]
    alone: bool
    nonce: bytes = b""
    tries: int = 0


class Executor:
    """Runs programs in jailed workers; a context manager.

    `reruns` counts the programs that had to be run a second time, `wait_seconds` the time spent in `run`; both only
    ever grow. `layers` says in words what the jail is made of here.
    """

    def __init__(self, config: ExecutorConfig):
        """Starts and tests the workers. Raises JailError where the jail that `config.jail` asks for cannot be had."""
        self.config = config
        self.reruns = 0
        self.wait_seconds = 0.0
        strict, program = _layers(config.jail)
        self.layers = "static check, step budget, resource limits" + (", seccomp" if program else "")
        self._settings = {
            "strict": strict,
            "filter": program,
            "max_steps": config.max_steps,
            "memory_mb": config.memory_mb,
            "timeout_seconds": config.timeout_seconds,
            "max_output": config.max_output,
        }
        self._workers: list[Worker] = []
        self._closer = weakref.finalize(self, _kill_all, self._workers)
        count = config.workers or _cores()
        try:
            self._workers += [Worker(self._settings) for _ in range(count)]
            for worker in self._workers:
                _await_start(worker)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Executor:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends all workers; may be called more than once."""
        self._closer()

    def run(self, sources: Sequence[str], call: Call | None = None, alone: bool = False) -> list[RunResult]:
        """Runs every program, and calls its function on every case; one result each, in order.

        sources: (B,) texts. alone: each in a child of its own, as all do whose verdict matters.
        """
        if not self._closer.alive:
            raise ValueError("this executor is closed")
        started = time.monotonic()
        try:
            return _Run(self, sources, call).finish(alone)
        except BaseException:
            # Ctrl-C, for one, may come at any point: answers still under way must never meet another run.
            for place, worker in enumerate(self._workers):
                if worker.jobs or worker.blocked:
                    self._replace(place)
            raise
        finally:
            self.wait_seconds += time.monotonic() - started

    def _replace(self, place: int) -> Worker:
        self._workers[place].kill()
        worker = self._workers[place] = Worker(self._settings)
        _await_start(worker)
        return worker


class _Run:
    """One call of Executor.run."""

    def __init__(self, executor: Executor, sources: Sequence[str], call: Call | None):
        self.executor = executor
        self.config = executor.config
        self.sources = [source.encode("utf-8", "replace").decode("utf-8") for source in sources]
        self.call = None if call is None else (call.function, [marshal.dumps(case) for case in call.arguments])
        self.cases = 0 if call is None else len(call.arguments)
        self.results: list[RunResult | None] = [None] * len(sources)
        self.waiting: deque[_Job] = deque()

    def finish(self, alone: bool) -> list[RunResult]:
        """Hands out the work until every program has its result."""
        workers = self.executor._workers
        size = max(1, min(ALONE_BATCH if alone else BATCH, -(-len(self.sources) // len(workers))))
        everything = range(len(self.sources))
        self.waiting += [_Job(list(everything[start : start + size]), alone) for start in everything[::size]]
        self._hand_out()
        while any(worker.jobs for worker in workers):
            self._wait()
            self._hand_out()
        return self.results

    def _hand_out(self) -> None:
        for depth in range(1, AHEAD + 1):
            for place in range(len(self.executor._workers)):
                worker = self.executor._workers[place]
                if self.waiting and len(worker.jobs) < depth:
                    job = self.waiting.popleft()
                    job.nonce = secrets.token_bytes(NONCE_BYTES)
                    if not worker.jobs:
                        worker.since = time.monotonic()
                    worker.jobs.append(job)
                    request = (job.nonce, job.alone, [self.sources[index] for index in job.indexes], self.call)
                    try:
                        worker.post(marshal.dumps(request))
                    except WorkerDied:
                        self._lost(place)

    def _wait(self) -> None:
        """Waits until a worker has something, and takes it; gives up workers that are silent for too long."""
        workers = self.executor._workers
        poller = select.poll()
        places = {}
        for place, worker in enumerate(workers):
            if worker.jobs:
                poller.register(worker.socket, select.POLLIN | (select.POLLOUT if worker.blocked else 0))
                places[worker.socket.fileno()] = place
        for descriptor, event in poller.poll(1_000):
            place = places[descriptor]
            worker = workers[place]
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
        for place, worker in enumerate(workers):
            if worker.jobs and now - worker.since > self._patience(worker.jobs[0]):
                self._lost(place)

    def _patience(self, job: _Job) -> float:
        # A worker's own timers allow a child four timeouts, and one more for each program; see agent_core/jail.py.
        each = 5 if job.alone else 1
        return PATIENCE + self.config.timeout_seconds * (5 + each * len(job.indexes))

    def _lost(self, place: int) -> None:
        """A worker died or was given up. Its work is done again: alone, if it may have been the work that killed it."""
        jobs = list(self.executor._workers[place].jobs)
        self.executor._replace(place)
        for job in reversed(jobs):
            self.executor.reruns += len(job.indexes)
            job.tries += 1
            if len(job.indexes) > 1 and job.tries > 1:
                self.waiting.extendleft(_Job([index], True) for index in reversed(job.indexes))
            elif job.tries > TRIES and job.alone:
                self.results[job.indexes[0]] = RunResult("crashed", message="the program ends its worker")
            else:
                self.waiting.appendleft(job)

    def _take(self, job: _Job, answer: bytes) -> None:
        """Judges what the children of one request wrote."""
        groups = [[place] for place in range(len(job.indexes))] if job.alone else [list(range(len(job.indexes)))]
        again: list[int] = []
        start = 0
        for group in groups:
            body = start + CHILD.size
            outcome, status, length = CHILD.unpack_from(answer, start)
            start = body + length
            if outcome == NOT_JAILED:
                raise JailError(f"a process could not be jailed: {answer[body:start].decode('ascii', 'replace')}. {WAY_OUT}")
            results: list[RunResult | None]
            try:
                if outcome != DONE:
                    raise Malformed(f"outcome {outcome}")
                results = read_frames(answer[body:start], job.nonce, group, self.cases, self.config.max_output)
            except Malformed as problem:
                results = [self._blame(outcome, status, problem) if job.alone else None] * len(group)
            for place, result in zip(group, results, strict=True):
                self.results[job.indexes[place]] = result
                if result is None:
                    again.append(job.indexes[place])
        self.executor.reruns += len(again)
        self.waiting += [_Job(again[start : start + ALONE_BATCH], True) for start in range(0, len(again), ALONE_BATCH)]

    def _blame(self, outcome: int, status: int, problem: Malformed) -> RunResult:
        """The result of a program that, alone in its child, did not let it answer."""
        if outcome == TIMED_OUT:
            return RunResult("endless", message=f"stopped by the timer after {self.config.timeout_seconds:g} s")
        if outcome == DIED:
            return RunResult("crashed", message=f"its process ended with status {status}")
        return RunResult("crashed", message=f"its process lied: {problem}")


def _layers(jail: str) -> tuple[bool, bytes]:
    """For `auto`, `strict` or `limits`: whether every layer must hold, and the filter to load (empty: none)."""
    if os.name != "posix" or not hasattr(select, "poll"):
        raise JailError("the jail needs Linux or macOS: on Windows, use the dev container")
    if jail == "auto":
        jail = "strict" if sys.platform.startswith("linux") else "limits"
    if jail == "strict":
        try:
            return True, filter_program()
        except SeccompMissing as problem:
            raise JailError(f"jail = strict, but {problem}. {WAY_OUT}") from None
    if jail == "limits":
        warnings.warn(LIMITS_WARNING, RuntimeWarning, stacklevel=3)
        return False, b""
    raise JailError(f"jail = {jail} under [executor] is not known: it is auto, strict or limits")


def _await_start(worker: Worker) -> None:
    """Waits for a new worker's report on its own jail; raises JailError when there is none, or a bad one."""
    deadline = time.monotonic() + START_SECONDS
    poller = select.poll()
    poller.register(worker.socket, select.POLLIN)
    try:
        while (left := deadline - time.monotonic()) > 0:
            poller.poll(left * 1_000)
            worker.push()
            if messages := worker.pull():
                problems = marshal.loads(messages[0])
                if problems:
                    raise JailError(f"the jail does not hold on this machine: {'; '.join(problems)}. {WAY_OUT}")
                return
    except WorkerDied as problem:
        code = worker.process.wait()
        raise JailError(f"a jailed worker did not start: {problem}, exit status {code}. {WAY_OUT}") from None
    raise JailError(f"a jailed worker did not start within {START_SECONDS:g} s")


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


def _kill_all(workers: list[Worker]) -> None:
    for worker in workers:
        worker.kill()
    workers.clear()
