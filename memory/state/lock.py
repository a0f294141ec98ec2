"""One run at a time on a memory folder, by `flock`: the system lets go of it however the holder ends.

The file holds the holder's process id and is removed at the end. Removing it is safe because whoever gets a lock looks
whether the file it locked is still the one of that name. The descriptor is not inherited by programs that are started;
a process that is only forked must not outlive the run, or the lock lives as long as it does.
"""

import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Iterable
from pathlib import Path

from utils import UserError, not_written

NAME = ".lock"


class MemoryLock:
    """Context manager that holds the lock of each folder, making those that are missing.

    Entering raises UserError when another run holds one of them, naming its process, and when a folder cannot be
    written: so a run learns before it starts that it could not save.
    """

    def __init__(self, folders: Iterable[Path]):
        self._paths = [folder / NAME for folder in sorted(set(folders))]
        self._held: list[tuple[Path, int]] = []

    def __enter__(self) -> "MemoryLock":
        try:
            for path in self._paths:
                self._held.append((path, _acquire(path)))
        except BaseException:
            self.release()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self.release()

    def release(self) -> None:
        """Let go of what is held; a second call does nothing."""
        while self._held:
            path, descriptor = self._held.pop()
            with contextlib.suppress(OSError):  # the file alone holds nobody up, even if the disk is read-only by now
                path.unlink(missing_ok=True)
            os.close(descriptor)


def _acquire(path: Path) -> int:
    """The descriptor of the locked file."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        while True:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if _is_still(path, descriptor):
                    os.ftruncate(descriptor, 0)
                    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
                    return descriptor
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)  # its holder removed it in between; take the new one
    except BlockingIOError:
        raise UserError(
            f"{path.parent} is in use by another run ({_holder(path)}); wait for it, stop it, "
            "or choose another folder under [paths]"
        ) from None
    except OSError as error:
        if error.errno in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):
            raise UserError(
                f"{path.parent} is on a file system that cannot lock files; choose another under [paths]"
            ) from None
        raise not_written(error.filename or path.parent, error) from error


def _is_still(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _holder(path: Path) -> str:
    for _ in range(20):  # it may have locked and not yet written
        try:
            if number := path.read_text().strip():
                return f"process {number}"
        except OSError:
            break
        time.sleep(0.01)
    return "its process did not leave its number"
