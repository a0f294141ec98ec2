"""What every room needs: the user's-mistake exception, safe text, the device, seeding, files that are written whole or
not at all.

PyTorch is imported where it is used: most who import this module want only `UserError` or `write_atomically`, and a
mistake in the settings should be answered before PyTorch has loaded.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import random
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


class UserError(Exception):
    """Something only the user can mend. The text is for them: what, where, and the way out, in one line."""


class DiskFull(UserError):
    """A file could not be written for lack of space, which may come back: whoever can wait may try again."""

    def __init__(self, problem: str):
        super().__init__(f"{problem}; free some space and run again: what was saved before is whole")
        self.problem = problem


# --- text ----------------------------------------------------------------------------------------------------------


def printable(text: str) -> str:
    """The text with what could control a terminal as escapes."""
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


# --- device ---------------------------------------------------------------------------------------------------------


def choose_device(name: str) -> tuple[torch.device, str]:
    """The device to compute on and why it was chosen, for `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.

    `auto` never fails: an accelerator that is there but does not work is passed over, and the reason says so. One
    that was asked for by name and is absent or broken raises UserError with those that exist.
    """
    import torch

    existing, why_not_cuda = _accelerators()
    if name == "auto":
        problems = []
        for candidate in existing:
            problem = _try(candidate)
            if problem is None:
                return torch.device(candidate), f"found by auto: {_describe(candidate)}"
            problems.append(f"{candidate} does not work: {problem}")
        return torch.device("cpu"), "; ".join(problems) or why_not_cuda
    if name == "cpu":
        return torch.device("cpu"), "as asked"
    wanted = "cuda:0" if name == "cuda" else name
    if wanted not in existing:
        because = f" ({why_not_cuda})" if wanted.startswith("cuda") and not any("cuda" in e for e in existing) else ""
        raise UserError(
            f"device {name} is not there{because}; on this machine there is: {', '.join(['cpu', *existing])}; "
            "set [run] device to one of them or to auto"
        )
    if problem := _try(wanted):
        raise UserError(f"device {name} is there but does not work: {problem}; set [run] device to cpu or auto")
    return torch.device(wanted), f"as asked: {_describe(wanted)}"


def device_of_rank(name: str, local_rank: int, local_count: int) -> str:
    """Which device one of several processes that learn together is to take where the settings say `name`: a GPU each.

    local_rank, local_count: which it is, of how many on this machine. Raises UserError where that cannot be.
    """
    import torch

    way_out = "start one rank for each GPU, or set [run] device to cpu"
    if name == "mps" or (name == "auto" and torch.backends.mps.is_available()):
        if name == "auto":
            return "cpu"
        raise UserError("device mps is for one process only; set [run] device to cpu")
    if local_count == 1 or name == "cpu" or not torch.cuda.is_available():
        return name
    if name not in ("auto", "cuda"):
        raise UserError(f"device {name} is one GPU for {local_count} ranks; {way_out}")
    if torch.cuda.device_count() < local_count:
        raise UserError(f"this machine has {local_count} ranks and {torch.cuda.device_count()} GPUs; {way_out}")
    return f"cuda:{local_rank}"


def _accelerators() -> tuple[list[str], str]:
    """Names of the accelerators, best first, and why there is no CUDA device (meaningless when there is one)."""
    import torch

    with warnings.catch_warnings(record=True) as caught:  # an old driver warns here; it becomes the reason
        warnings.simplefilter("always")
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    why_not = "no CUDA device found"
    if caught:
        why_not += ": " + str(caught[0].message).strip().splitlines()[0].split(" (Triggered")[0]
    names = [f"cuda:{index}" for index in range(count)]
    if torch.backends.mps.is_available():
        names.append("mps")
    return names, why_not


def _try(name: str) -> str | None:
    """Compute something there: a device can be listed and still be unusable (busy, or too old for this PyTorch)."""
    import torch

    try:
        (torch.ones(1, device=name) + 1).item()
    except RuntimeError as error:
        return str(error).strip().splitlines()[0]
    return None


def _describe(name: str) -> str:
    import torch

    return torch.cuda.get_device_name(name) if name.startswith("cuda") else "Apple GPU"


# --- randomness -----------------------------------------------------------------------------------------------------


def seed_everything(seed: int) -> None:
    """Seed Python's, NumPy's and PyTorch's generators, the ones of every accelerator among them."""
    import numpy
    import torch

    random.seed(seed)
    numpy.random.seed(seed)
    torch.manual_seed(seed)


# --- files ----------------------------------------------------------------------------------------------------------


def write_atomically(path: Path | str, data: bytes) -> None:
    """Make `path` hold `data`: whatever happens, it holds the old content or the new, never a part.

    The temporary file lies beside it under one fixed name, so that a kill leaves at most one, which the next write
    uses again. Raises UserError when the disk is full or the folder cannot be written.
    """
    path = Path(path)
    temporary = path.with_name(path.name + ".tmp")
    write_durably(temporary, data)
    try:
        os.replace(temporary, path)
        sync_folder(path.parent)
    except BaseException as error:
        _remove_after(error, temporary)
        raise


def write_durably(path: Path, data: bytes) -> None:
    """Write a file and wait until the disk has it; on any failure, an interrupt too, it is removed again."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except BaseException as error:
        _remove_after(error, path)
        raise


def _remove_after(error: BaseException, path: Path) -> None:
    """Remove what an error left half done; says the error in the user's words if it is the system's."""
    with contextlib.suppress(OSError):  # the first error says more
        path.unlink(missing_ok=True)
    if isinstance(error, OSError):
        raise not_written(path, error) from error


def sync_folder(folder: Path) -> None:
    """Wait until the disk has the folder's list of names, without which a rename can be lost in a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network file systems cannot
            raise
    finally:
        os.close(descriptor)


def make_new_folder(path: Path) -> Path:
    """Make a folder that was not there: this one, or else the name with -2, -3 and so on. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    attempt = path
    for number in itertools.count(2):
        try:
            attempt.mkdir()
            break
        except FileExistsError:
            attempt = path.with_name(f"{path.name}-{number}")
    return attempt


def not_written(path: Path | str, error: OSError) -> UserError:
    """The one line for a file that could not be written."""
    if error.errno in (errno.EEXIST, errno.ENOTDIR):
        return UserError(f"{path} cannot be written: a file is where its folder should be; move that file away")
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull(f"{path} cannot be written: {error.strerror or error}")
    if error.errno == errno.EACCES and os.path.isfile(path) and os.access(os.path.dirname(path), os.W_OK):
        way_out = "it is another user's: remove it, have it given to you, or choose another path under [paths]"
    elif error.errno == errno.EFBIG:
        way_out = "raise the limit on the size of a file (ulimit -f, or the file system's) and run again"
    elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        way_out = "make the folder writable, or choose another under [paths]"
    else:
        way_out = "mend it, or choose another path under [paths]"
    return UserError(f"{path} cannot be written: {error.strerror or error}; {way_out}")


def counted(count: int, noun: str) -> str:
    """`1 attempt`, `2 attempts`, `1,000 attempts`."""
    return f"{count:,} {noun}{'s' * (count != 1)}"
