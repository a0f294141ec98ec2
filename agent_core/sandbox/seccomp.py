"""The kernel's side of the jail: which system calls a child that runs programs may still make.

An allowlist: what is not on it fails with EPERM. Python needs memory, the clock, and a way out; of files there is one,
the result pipe, and it may only be written. Nothing on the list waits, so whoever takes time takes processor time.
libseccomp (through pyseccomp) compiles the list for this machine's architecture; the workers, which import only the
standard library, install the compiled program with prctl.
"""

from __future__ import annotations

import ctypes
import errno
import os
import sys

from agent_core.sandbox.room import when_there_is_room

TYPE_CHECKING = False
if TYPE_CHECKING:  # see room.py
    from types import ModuleType
    from typing import Any

RESULT_FD = 3  # where a child finds the pipe for its results
PROT_EXEC = 4

_FREE = ("brk", "munmap", "mremap", "madvise", "exit", "exit_group", "rt_sigreturn", "restart_syscall")
_CLOCKS = ("clock_gettime", "clock_gettime64", "gettimeofday")


class SeccompMissing(Exception):
    """seccomp cannot be used here; the text says why. `missing`: for lack of a package."""

    def __init__(self, why: str, missing: bool):
        super().__init__(why)
        self.missing = missing


def filter_program() -> bytes:
    """The filter as a classic BPF program (struct sock_filter, one after the other) for this architecture.

    Raises SeccompMissing where pyseccomp or libseccomp cannot be loaded, OSError where the system has no room for that.
    """
    if not sys.platform.startswith("linux"):
        raise SeccompMissing("seccomp exists on Linux only", missing=False)
    seccomp = when_there_is_room(_pyseccomp)
    rules = seccomp.SyscallFilter(seccomp.ERRNO(errno.EPERM))
    for name in (*_FREE, *_CLOCKS):
        _allow(seccomp, rules, name)
    _allow(seccomp, rules, "write", seccomp.Arg(0, seccomp.EQ, RESULT_FD))
    for name in ("mmap", "mmap2", "mprotect"):
        _allow(seccomp, rules, name, seccomp.Arg(2, seccomp.MASKED_EQ, PROT_EXEC, 0))
    return _exported(rules)


def _pyseccomp() -> ModuleType:
    """The module, which starts programs that look for libseccomp, and finds nothing where no process can be made.

    Raises BlockingIOError where it is there and was not found.
    """
    try:
        import pyseccomp
    except (ImportError, OSError, RuntimeError) as error:
        if not isinstance(error, ImportError) and _libseccomp_is_there():
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN)) from None
        raise SeccompMissing(f"pyseccomp cannot be loaded: {error}", missing=True) from None
    return pyseccomp


def _libseccomp_is_there() -> bool:
    try:
        ctypes.CDLL("libseccomp.so.2")
    except OSError:
        return False
    return True


def _allow(seccomp: ModuleType, rules: Any, name: str, *conditions: Any) -> None:
    try:
        number = seccomp.resolve_syscall(seccomp.Arch.NATIVE, name)
    except (OSError, ValueError):
        return
    if number >= 0:  # a call that this architecture does not have has a negative number
        rules.add_rule(seccomp.ALLOW, number, *conditions)


def _exported(rules: Any) -> bytes:
    read_end, write_end = os.pipe()
    try:
        with os.fdopen(write_end, "wb") as file:
            rules.export_bpf(file)
        with os.fdopen(read_end, "rb") as file:
            read_end = -1
            return file.read()
    finally:
        if read_end >= 0:
            os.close(read_end)
