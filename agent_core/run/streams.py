"""The standard streams as a run needs them: open, able to take any text, and perhaps with nobody at their other end.

And what else must be in order before other packages load. Imports the standard library and utils.py only: the streams
are put in order before anything else opens a descriptor.
"""

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from typing import TextIO

from utils import UserError, printable

_STREAMS = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))


class ReaderLeft(Exception):
    """Whoever read the output has had enough, as `head` has after some lines."""


def prepare_streams() -> None:
    """Opens the null device in place of a standard stream that is closed, and has text that a stream's encoding does
    not hold escaped. A second call changes nothing.

    What is opened while descriptors 0 to 2 are free takes one of them: then a print would go into a file or a socket.
    """
    for descriptor, (name, mode) in enumerate(_STREAMS):
        try:
            os.fstat(descriptor)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest that is free: this descriptor
        if getattr(sys, name) is None:
            setattr(sys, name, open(descriptor, mode, encoding="utf-8", closefd=False))  # noqa: SIM115 - stays open
    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, "reconfigure", None):  # an object that somebody put there need not have it
            reconfigure(errors="backslashreplace")


def prepare_surroundings() -> None:
    """Takes out of the way what would stop other packages as they load."""
    for name, value in list(os.environ.items()):
        # One of the bar's own that is no number is a traceback as it loads, and another is a colour; the libraries that
        # compute complain of one that is set to nothing.
        if name.startswith("TQDM_") or (not value and name.startswith(("OMP_", "MKL_", "OPENBLAS_"))):
            del os.environ[name]
    try:
        os.getcwd()
    except OSError:  # the folder is gone, and PyTorch does not load in it; relative paths lead nowhere from there
        os.chdir("/")


def shown(*lines: str) -> str:
    """The lines as one text that is safe to print: what could control a terminal is escaped, line ends are not."""
    return "\n".join(printable(part) for line in lines for part in line.split("\n"))


def answer(*lines: str) -> None:
    """Prints what a command was asked for. Raises ReaderLeft where nobody reads on, and UserError where it cannot be
    written: unlike what a run says on its way, it is all that there is."""
    try:
        print(shown(*lines), flush=True)
    except BrokenPipeError:
        raise ReaderLeft from None
    except OSError as error:
        raise UserError(
            f"the output cannot be written: {error.strerror or error}; send it somewhere else, or mend what it goes to"
        ) from None


@contextlib.contextmanager
def ending_at_once() -> Iterator[None]:
    """Ctrl-C ends the process meanwhile: in an import, its exception could come out anywhere, or nowhere at all."""
    before = signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def let_go_of_the_unsaid() -> None:
    """What could not be printed until the end shall not change the exit code."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            _turn_away(stream)


def _turn_away(stream: TextIO) -> None:
    """Lets what the stream still holds go to the null device."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, stream.fileno())
    os.close(null)
