"""What a worker and its children say and hear, by the one descriptor that they have."""

import os

from agent_core.interpreter.wire_format import LENGTH
from agent_core.sandbox.seccomp import RESULT_FD


def receive() -> bytes:
    """One message, after its length; ends the process when the other end is gone."""
    (length,) = LENGTH.unpack(_exactly(LENGTH.size))
    return _exactly(length)


def _exactly(size: int) -> bytes:
    parts = []
    while size:
        try:
            part = os.read(RESULT_FD, min(size, 1 << 20))
        except OSError:
            part = b""
        if not part:
            os._exit(0)
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def send(message: bytes) -> None:
    try:
        write(LENGTH.pack(len(message)) + message)
    except OSError:
        os._exit(0)


def write(data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(RESULT_FD, view) :]
