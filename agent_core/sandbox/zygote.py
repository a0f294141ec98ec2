"""The worker: a small interpreter of its own that forks a confined child for every batch of hostile programs.

It is started as `python -I -S -E`, imports the standard library only, and has no open file but its socket. It never
runs a program itself (it is the zygote), so nothing hostile lasts longer than one child. It hears of programs and of
arguments, never of expected answers. What a child writes is passed on unread: agent_core/sandbox/results.py judges it.

A child closes what it need not have, takes a session and limits of its own, gives up root where it has it, asks to
die with its worker, and loads the seccomp filter; only then is the first hostile byte parsed.
"""

from __future__ import annotations

import contextlib
import errno
import gc
import marshal
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator

from agent_core.interpreter.meter import Meter
from agent_core.interpreter.run_program import ProgramRunner
from agent_core.interpreter.wire_format import (
    CHILD,
    DIED,
    DONE,
    HEADER,
    MAX_VALUE,
    NO_ROOM,
    NONCE_BYTES,
    NOT_JAILED,
    TIMED_OUT,
    TOO_MUCH,
)
from agent_core.sandbox.confinement import Confinement
from agent_core.sandbox.pipe import receive, send, write
from agent_core.sandbox.room import PAUSES, when_there_is_room
from agent_core.sandbox.seccomp import RESULT_FD

NOT_JAILED_EXIT = 70
FLUSH_SECONDS = 0.01  # a child reports at least this often, so that its worker sees it get on
FLUSH_BYTES = 32_768
STARVED = 4  # a child that the machine gives no time has this many timeouts
REPORT_SECONDS = 5.0  # timeout of the child that looks at the jail, however short the programs' is set


def main(descriptor: int) -> None:
    """Serves requests from the socket until its other end closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.clear()  # Python itself may have added LC_CTYPE
    os.dup2(descriptor, RESULT_FD, inheritable=False)  # in a child the result pipe takes its place
    os.closerange(RESULT_FD + 1, max(descriptor, RESULT_FD) + 1)
    sys.setrecursionlimit(20_000)  # never reached: meter.py counts calls, the static check levels
    with contextlib.suppress(ImportError):
        import unicodedata  # noqa: F401 - Python looks up names such as `ä` in it, and a child can load nothing
    worker = Zygote(marshal.loads(receive()))
    for source in WARM_UP * 16:
        worker.trial.run(source, None, True)
    gc.collect()
    gc.freeze()
    send(marshal.dumps(worker.self_test()))
    while True:
        send(worker.answer(*marshal.loads(receive())))


# The interpreter fits its own byte code to what it sees. Done here once, it need not be done in every child.
WARM_UP = (
    'print("a", 1)\n',
    "a = [1, 2] * 2\nfor b in range(3):\n    a = a + [b % 2]\n    print(len(a), sum(a), str(a), a[1:])\n",
    "def f(a, b):\n    c = a\n    while c < b:\n        c += 1\n    return f(c, a) if c < a else c\nprint(f(1, 4))\n",
    "import a\n",
    "a = 1 // 0\n",
)


class Zygote:
    """Forks children, watches their time, and collects the bytes they write."""

    def __init__(self, settings: dict):
        self.timeout = settings["timeout_seconds"]
        self.max_output = settings["max_output"]
        self.confinement = Confinement(settings)
        self.trial = ProgramRunner(Meter(settings["max_steps"], settings["max_output"]))
        self._pauses: Iterator[float] = iter(())

    def self_test(self) -> tuple[int, list[str]]:
        """The number of the error by which no child could be made, or 0, and what is not as it should be inside one;
        nothing when the jail holds."""
        self._pauses = iter(PAUSES)
        outcome, status, data = self.child(self.confinement.report, 1 << 16, timeout=max(self.timeout, REPORT_SECONDS))
        if outcome == NO_ROOM:
            return status, []
        if outcome != DONE:
            return 0, [data.decode("ascii", "replace") or f"a jailed process ended with status {status}"]
        return 0, [line for line in data.decode("ascii", "replace").split("\n") if line]

    def answer(self, nonce: bytes, alone: bool, sources: list[str], call: tuple | None) -> bytes:
        """Runs the programs, in one child or in one each; the answer is a CHILD header and the bytes of each child."""
        cases = len(call[1]) if call else 0
        # Each letter may become two escapes of six; a frame has little else of any size.
        most = 12 * (self.max_output + 512) + cases * 6 * (MAX_VALUE + 512) + 1_024
        groups = [[index] for index in range(len(sources))] if alone else [list(range(len(sources)))]
        parts: list[bytes] = []
        self._pauses = iter(PAUSES)  # once through for the whole request: its owner waits for it, and not for ever
        for group in groups:
            programs = [(index, sources[index]) for index in group]

            def body(programs: list[tuple[int, str]] = programs) -> None:
                self.run(nonce, programs, call, alone)

            outcome, status, data = self.child(body, most * len(group), len(group))
            parts += [CHILD.pack(outcome, status, len(data)), data]
            if outcome == NO_ROOM:
                break
        return b"".join(parts)

    def run(self, nonce: bytes, programs: list[tuple[int, str]], call: tuple | None, alone: bool) -> None:
        """In the child: runs one program after the other and writes their frames."""
        waiting, size, flushed = [], 0, time.monotonic()
        for index, source in programs:
            text = self.trial.run(source, call, alone).encode("ascii")
            waiting += [HEADER.pack(nonce, index, len(text)), text]
            size += len(text)
            now = time.monotonic()
            if size > FLUSH_BYTES or now - flushed > FLUSH_SECONDS:
                write(b"".join(waiting))
                waiting, size, flushed = [], 0, now
        write(b"".join(waiting))

    def child(
        self, body: Callable[[], None], most: int, programs: int = 1, timeout: float | None = None
    ) -> tuple[int, int, bytes]:
        """Forks, confines, calls body there, and collects what it writes: (outcome, exit status, bytes).

        timeout: seconds that it may be silent, None = as it is set.
        """
        worker = os.getpid()
        try:
            pid, read_end, write_end = when_there_is_room(_fork_with_pipe, self._pauses)
        except OSError as error:
            return NO_ROOM, error.errno or 0, b""
        if pid == 0:
            status = NOT_JAILED_EXIT
            try:
                gc.disable()
                os.dup2(write_end, RESULT_FD, inheritable=False)
                os.closerange(RESULT_FD + 1, max(read_end, write_end) + 1)
                self.confinement.enter(worker, programs)
                status = 1
                body()
                status = 0
            except BaseException as error:  # noqa: BLE001 - whatever it is, this process must not go on as a worker
                if status == NOT_JAILED_EXIT:
                    write(f"{type(error).__name__}: {error}".encode("ascii", "replace")[:300])
            finally:
                os._exit(status)
        os.close(write_end)
        try:
            outcome, data = self._collect(pid, read_end, most, programs, timeout or self.timeout)
        finally:
            os.close(read_end)
        status = self._bury(pid, outcome)
        if outcome == DONE and status != 0:
            outcome = NOT_JAILED if status == NOT_JAILED_EXIT else DIED
        return outcome, status, data

    def _collect(self, pid: int, pipe: int, most: int, programs: int, timeout: float) -> tuple[int, bytes]:
        poller = select.poll()
        poller.register(pipe, select.POLLIN)
        poller.register(RESULT_FD, 0)  # only that it hung up
        parts: list[bytes] = []
        size = 0
        heard = started = time.monotonic()
        used = 0.0
        wait = timeout
        while True:
            events = dict(poller.poll(max(1, wait * 1_000)))
            now = time.monotonic()
            if RESULT_FD in events:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
                os._exit(0)
            if pipe in events:
                part = os.read(pipe, 1 << 16)
                if not part:
                    return DONE, b"".join(parts)
                parts.append(part)
                size += len(part)
                if size > most:
                    return TOO_MUCH, b""
                heard, used, wait = now, processor_seconds(pid), timeout
                if now - started > timeout * (STARVED + programs):
                    return TIMED_OUT, b""
                continue
            # Quiet for a whole timeout. On a busy machine that may not be the program's doing: what counts is the
            # time it was given, and the clock on the wall only in the end.
            wait = timeout - (processor_seconds(pid) - used)
            if wait < timeout / 10 or now - heard > STARVED * timeout:
                return TIMED_OUT, b""

    def _bury(self, pid: int, outcome: int) -> int:
        """Reaps the child, killing it unless it ends by itself at once. Its exit status, or minus the signal."""
        if outcome == DONE:
            for pause in (0, 0.0001, 0.001, 0.01, 0.1):
                time.sleep(pause)
                reaped, status = os.waitpid(pid, os.WNOHANG)
                if reaped:
                    return os.waitstatus_to_exitcode(status)
        for kill, target in ((os.killpg, pid), (os.kill, pid)):
            try:
                kill(target, signal.SIGKILL)
            except OSError as error:
                if error.errno not in (errno.ESRCH, errno.EPERM):
                    raise
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _fork_with_pipe() -> tuple[int, int, int]:
    """The child's process id, 0 in the child itself, and the two ends of a pipe."""
    read_end, write_end = os.pipe()
    try:
        return os.fork(), read_end, write_end
    except OSError:
        os.close(read_end)
        os.close(write_end)
        raise


def processor_seconds(pid: int) -> float:
    """Processor time a child has used; where the system does not tell, as much as could be."""
    try:
        return time.clock_gettime((~pid << 3) | 2)  # what clock_getcpuclockid(3) makes of a pid on Linux
    except (OSError, OverflowError, AttributeError):
        return float("inf")


assert NONCE_BYTES == 8
