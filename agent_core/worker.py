"""One jailed worker as its owner sees it: a process at the other end of a socket, that may die at any moment."""

from __future__ import annotations

import contextlib
import marshal
import os
import socket
import subprocess
import sys
import time
from collections import deque
from pathlib import Path

from agent_core.frames import LENGTH

START_SECONDS = 20.0  # for an interpreter to start and to test its jail, on a busy machine
LONGEST_ANSWER = 1 << 30
BOOT = "import sys; sys.path.insert(0, sys.argv[1]); from agent_core.jail import main; main(int(sys.argv[2]))"
ROOT = str(Path(__file__).resolve().parent.parent)


class WorkerDied(Exception):
    """The process is gone, or does not answer; the text says what is known."""


class Worker:
    """Starts the process; sends requests and receives answers without ever blocking.

    The interpreter is isolated (-I), without site-packages (-S), with an empty environment and its own session, so
    that Ctrl-C does not reach it. Everything but its socket is closed or the null device.
    """

    def __init__(self, settings: dict):
        ours, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-I", "-S", "-E", "-B", "-W", "ignore", "-c", BOOT, ROOT, str(theirs.fileno())]
            self.process = subprocess.Popen(
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
        self.socket = ours
        self.socket.setblocking(False)
        self.jobs: deque = deque()  # what it has been given and not answered, oldest first
        self.since = time.monotonic()  # when it began with the oldest of them
        self._outgoing = bytearray()
        self._incoming = bytearray()
        self.post(marshal.dumps(settings))

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

    def kill(self) -> None:
        """Ends the process and forgets it; its child, if it has one, dies with it."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)  # reaches it even if someone else holds a copy of the descriptor
        self.socket.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=0.2)
            return
        with contextlib.suppress(OSError):
            os.killpg(self.process.pid, 9)
        self.process.kill()
        self.process.wait()
