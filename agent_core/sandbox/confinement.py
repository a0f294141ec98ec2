"""What a child puts between itself and the machine before it looks at a program: session, limits, user, seccomp.

None of it can be taken off again by the process that put it on.
"""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import sys

from agent_core.sandbox.seccomp import RESULT_FD

NOBODY = 65_534
PR_SET_PDEATHSIG, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 1, 22, 38
SECCOMP_MODE_FILTER = 2
SIGKILL = 9
# A program gets at least this much, however large the interpreter: more than any can use up in 10,000 steps.
SPARE_MEMORY = 48 << 20


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


class Confinement:
    """Made once in the worker, entered in every child. `strict`: a layer that cannot be had is an error."""

    def __init__(self, settings: dict):
        self.strict = settings["strict"]
        self.timeout = settings["timeout_seconds"]
        self.memory = max(settings["memory_mb"] << 20, _address_space() + SPARE_MEMORY)
        self.linux = sys.platform.startswith("linux")
        self.root = os.geteuid() == 0
        self.filter = settings["filter"]
        if self.linux:
            self.prctl = ctypes.CDLL(None, use_errno=True).prctl
            self.prctl.argtypes = (ctypes.c_int, *[ctypes.c_ulong] * 4)
            self._set(PR_SET_NO_NEW_PRIVS, 1)
            self._set(PR_SET_PDEATHSIG, SIGKILL)
        if self.filter:
            self._bytes = ctypes.create_string_buffer(self.filter, len(self.filter))
            self._program = _Program(len(self.filter) // 8, ctypes.addressof(self._bytes))
        self._limit(resource.RLIMIT_CORE, 0)

    def enter(self, worker: int, programs: int) -> None:
        """Confines the calling process, for good."""
        os.setsid()
        self._limit(resource.RLIMIT_AS, self.memory)
        self._limit(resource.RLIMIT_CPU, int(self.timeout * (4 + programs)) + 2)
        self._limit(resource.RLIMIT_FSIZE, 0)
        self._limit(resource.RLIMIT_NOFILE, 0)
        if self.root:
            self._become_nobody()
        self._limit(resource.RLIMIT_NPROC, 0)
        if self.linux:
            self._set(PR_SET_PDEATHSIG, SIGKILL)  # after the change of user, which clears it
        if os.getppid() != worker:
            os._exit(1)
        if self.filter:
            self._set(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.addressof(self._program))

    def report(self) -> None:
        """In a confined child: tries what must not work, and writes a line for each that does."""
        problems = []
        if self.filter:
            for name, attempt in (
                ("open a file", lambda: os.open("/", os.O_RDONLY)),
                ("open a socket", self._socket),
                ("fork", _fork),
                ("signal its worker", lambda: os.kill(os.getppid(), 0)),
                ("write to standard output", lambda: os.write(1, b"x")),
            ):
                try:
                    attempt()
                except OSError as error:
                    if error.errno == errno.EPERM:
                        continue
                problems.append(f"a jailed process can {name}")
        os.write(RESULT_FD, "\n".join(problems).encode("ascii"))

    def _socket(self) -> None:
        if ctypes.CDLL(None, use_errno=True).socket(1, 1, 0) < 0:
            raise OSError(ctypes.get_errno(), "socket")

    def _set(self, option: int, first: int, second: int = 0) -> None:
        if self.prctl(option, first, second, 0, 0) != 0 and self.strict:
            number = ctypes.get_errno()
            raise OSError(number, f"prctl({option}) failed: {os.strerror(number)}")

    def _limit(self, what: int, value: int) -> None:
        try:
            resource.setrlimit(what, (value, value))
        except (ValueError, OSError):
            hard = resource.getrlimit(what)[1]
            already_lower = hard != resource.RLIM_INFINITY and hard <= value
            if self.linux and not already_lower:
                raise

    def _become_nobody(self) -> None:
        """Root is exempt from limits. Where the user cannot be changed (a namespace of one), seccomp has to do."""
        try:
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
        except (OSError, AttributeError):
            if not self.filter:
                raise


def _address_space() -> int:
    """Bytes of address space this process has now; 0 where that is not known."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[0]) * resource.getpagesize()
    except OSError:
        return 0


def _fork() -> None:
    if os.fork() == 0:
        os._exit(0)
