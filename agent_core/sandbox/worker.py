"""One jailed worker as its owner sees it: a process at the other end of a socket, that may die at any moment."""

from __future__ import annotations

import contextlib
import fcntl
import marshal
import select
import socket
import subprocess
import sys
import time
from collections import deque
from pathlib import Path

from agent_core.interpreter.wire_format import LENGTH, NO_ROOM
from agent_core.sandbox.room import reason, when_there_is_room
from utils import UserError

START_SECONDS = 20.0  # for an interpreter to start and to test its jail, on a busy machine
LONGEST_ANSWER = 1 << 30
WAY_OUT = "use the dev container, or set jail = limits under [executor] to run with resource limits only"
BOOT = "import sys; sys.path.insert(0, sys.argv[1]); from agent_core.sandbox.zygote import main; main(int(sys.argv[2]))"
ROOT = str(Path(__file__).resolve().parents[2])


class JailError(UserError):
    """The jail cannot be closed on this machine, or no process can be had for it."""


def no_child(outcome: int, status: int, report: bytes) -> JailError:
    """For a child that a worker could not make, the status being the error's number, or could not jail."""
    if outcome == NO_ROOM:
        return JailError(f"a jailed process cannot be started: {reason(status)}")
    return JailError(f"a process could not be jailed: {report.decode('ascii', 'replace')}; {WAY_OUT}")


class WorkerDied(Exception):
    """The process is gone, or does not answer; the text says what is known."""


class Worker:
    """Starts the process; sends requests and receives answers without ever blocking.

    The interpreter is isolated (-I), without site-packages (-S), with an empty environment and its own session, so
    that Ctrl-C does not reach it. Everything but its socket is closed or the null device.
    """

    def __init__(self, settings: dict):
        """Raises JailError where the system gives no process or no socket, even after a while."""
        try:
            self.socket, self.process = when_there_is_room(self._start)
        except OSError as error:
            what = f"{error.filename}: {error.strerror}" if error.filename else reason(error.errno or 0)
            raise JailError(f"a jailed worker cannot be started: {what}") from None
        self.socket.setblocking(False)
        self.jobs: deque = deque()  # what it has been given and not answered, oldest first
        self.dead = False
        self.since = time.monotonic()  # when it began with the oldest of them
        self._outgoing = bytearray()
        self._incoming = bytearray()
        with contextlib.suppress(WorkerDied):  # `await_start` says it, and how it ended
            self.post(marshal.dumps(settings))

    def _start(self) -> tuple[socket.socket, subprocess.Popen]:
        with contextlib.ExitStack() as failed:
            ours, theirs = map(failed.enter_context, _socket_pair())
            command = [sys.executable, "-I", "-S", "-E", "-W", "ignore", *["-B"] * sys.dont_write_bytecode]
            command += ["-c", BOOT, ROOT, str(theirs.fileno())]
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env={},
                close_fds=True,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
            theirs.close()
            failed.pop_all()
        return ours, process

    def post(self, message: bytes) -> None:
        """Queues a message and sends what goes out at once; raises WorkerDied."""
        self._outgoing += LENGTH.pack(len(message)) + message
        self.push()

    def push(self) -> None:
        """Sends what the socket takes; raises WorkerDied."""
        try:
            while self._outgoing:
                del self._outgoing[: self.socket.send(self._outgoing)]
        except BlockingIOError:
            return
        except OSError as error:
            raise WorkerDied(f"it hung up: {error}") from None

    @property
    def blocked(self) -> bool:
        return bool(self._outgoing)

    def pull(self) -> list[bytes]:
        """The messages that have come in whole since the last time; raises WorkerDied when there will be no more."""
        messages = []
        try:
            while True:
                part = self.socket.recv(1 << 18)
                if not part:
                    raise WorkerDied("it hung up")
                self._incoming += part
        except BlockingIOError:
            pass
        except OSError as error:
            raise WorkerDied(f"it hung up: {error}") from None
        while len(self._incoming) >= LENGTH.size:
            (length,) = LENGTH.unpack_from(self._incoming)
            if length > LONGEST_ANSWER:
                raise WorkerDied("it sent nonsense")
            end = LENGTH.size + length
            if len(self._incoming) < end:
                break
            messages.append(bytes(self._incoming[LENGTH.size : end]))
            del self._incoming[:end]
        return messages

    def await_start(self) -> None:
        """Waits for its report on its own jail; raises JailError when there is none, or a bad one."""
        deadline = time.monotonic() + START_SECONDS
        poller = select.poll()
        poller.register(self.socket, select.POLLIN)
        try:
            while (left := deadline - time.monotonic()) > 0:
                poller.poll(left * 1_000)
                self.push()
                if messages := self.pull():
                    number, problems = marshal.loads(messages[0])
                    if number:
                        raise no_child(NO_ROOM, number, b"")
                    if problems:
                        raise JailError(f"the jail does not hold on this machine: {'; '.join(problems)}; {WAY_OUT}")
                    return
        except WorkerDied as problem:
            code = self.process.wait()
            raise JailError(f"a jailed worker did not start: {problem}, exit status {code}") from None
        raise JailError(f"a jailed worker did not start within {START_SECONDS:g} s")

    def hang_up(self) -> None:
        """Makes the process end by itself, and soon; it takes its child along."""
        self.dead = True
        self.jobs.clear()
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)  # reaches it even if someone else holds a copy of the descriptor
        self.socket.close()

    def kill(self) -> None:
        """Ends the process, waits until it is gone, and forgets its work."""
        self.hang_up()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=0.2)
            return
        self.process.kill()
        self.process.wait()


def _socket_pair() -> tuple[socket.socket, socket.socket]:
    """Two ends, neither of them one of the descriptors 0 to 2: where those are free, a socket would land there, and
    whatever is printed, or the null device in the worker, would take its place."""
    with contextlib.ExitStack() as low:
        ends = []
        for end in socket.socketpair():
            low.enter_context(end)
            ends.append(socket.socket(fileno=fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 3)))
    return ends[0], ends[1]
