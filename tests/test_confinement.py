"""The kernel's layer by itself: hostile Python with every built-in and module at hand, and no static check before it.

A helper interpreter becomes a worker and runs the hostile code in a confined child. Where the tests run as root this
is done twice: as root, whose children become nobody, and as a plain user, who has no other user to become.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from agent_core.sandbox.seccomp import filter_program

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="seccomp exists on Linux only")

ROOT = Path(__file__).resolve().parent.parent
HOSTILE = [json.loads(line) for line in (ROOT / "tests/data/hostile_programs.jsonl").read_text().splitlines()]
PLAIN_USER = 12_345

HELPER = """
import sys
sys.path.insert(0, sys.argv[1])
import ctypes, errno, json, mmap, os, re, select, signal, socket, subprocess, threading, time, traceback
from agent_core.sandbox import zygote
from agent_core.interpreter.wire_format import TIMED_OUT
job = json.loads(sys.argv[2])
if job["user"]:
    os.setgroups([])
    os.setgid(job["user"])
    os.setuid(job["user"])
parent, other = socket.socketpair()
other_fd = os.dup(other.fileno())
os.dup2(parent.fileno(), 3)
job["settings"]["filter"] = bytes.fromhex(job["settings"]["filter"])
worker = zygote.Zygote(job["settings"])

def say(text):
    os.write(3, str(text).encode())

for code in job["codes"]:
    def body():
        exec(compile(code, "<hostile>", "exec"), {"__name__": "__main__", "__builtins__": __builtins__, "say": say,
             "os": os, "socket": socket, "ctypes": ctypes, "errno": errno, "signal": signal, "time": time,
             "threading": threading, "subprocess": subprocess, "mmap": mmap, "sys": sys})
    started = time.monotonic()
    outcome, status, data = worker.child(body, 1 << 16)
    answer = {"outcome": outcome, "status": status, "data": data.decode("utf-8", "replace")}
    answer["seconds"] = time.monotonic() - started
    try:
        while True:
            os.waitpid(-1, os.WNOHANG)
            answer["left"] = True
    except ChildProcessError:
        pass
    print(json.dumps(answer), flush=True)
"""


def confined(codes, user=0, **settings):
    """Runs each code in a confined child of its own: what it wrote to the result pipe, and how it ended."""
    base = {"strict": True, "filter": filter_program().hex(), "max_steps": 1_000, "memory_mb": 128, "max_output": 100}
    job = {"codes": codes, "user": user, "settings": base | {"timeout_seconds": 1.0} | settings}
    command = [sys.executable, "-I", "-S", "-E", "-c", HELPER, str(ROOT), json.dumps(job)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, env={}, check=False, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(params=["as started", "as a plain user"])
def user(request):
    if request.param == "as a plain user":
        if os.geteuid() != 0:
            pytest.skip("already running as a plain user")
        return PLAIN_USER
    return 0


ATTACKS = {
    "read a file": "os.open('/etc/passwd', os.O_RDONLY)",
    "write a file": "os.open('/tmp/jail_test_file', os.O_WRONLY | os.O_CREAT)",
    "look into a folder": "os.listdir('/')",
    "look at a file": "os.stat('/etc/passwd')",
    "change folder": "os.chdir('/tmp')",
    "delete": "os.unlink('/tmp/jail_test_nothing')",
    "memory of its worker": "os.open(f'/proc/{os.getppid()}/mem', os.O_RDWR)",
    "internet socket": "socket.socket(socket.AF_INET, socket.SOCK_STREAM)",
    "unix socket": "socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)",
    "socket pair": "socket.socketpair()",
    "fork": "os.fork() or os._exit(0)",
    "run a program": "os.execv('/bin/sh', ['sh', '-c', 'true'])",
    "stop its worker": "os.kill(os.getppid(), signal.SIGSTOP)",
    "kill everyone": "os.kill(-1, signal.SIGKILL)",
    "kill itself only": "os.kill(os.getpid(), 0)",
    "disarm a timer": "signal.setitimer(signal.ITIMER_REAL, 1)",
    "become root": "os.setuid(0)",
    "pipe": "os.pipe()",
    "duplicate a descriptor": "os.dup(3)",
    "write to another descriptor": "os.write(1, b'x')",
    "read from its pipe": "os.read(3, 1)",
    "read from standard input": "os.read(0, 1)",
    "code in memory": "mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)",
    "nice": "os.nice(-1)",
}
RAW_CALLS = {
    "ptrace": 101,
    "clone": 56,
    "process_vm_writev": 311,
    "io_uring_setup": 425,
    "bpf": 321,
    "unshare": 272,
    "prlimit64": 302,
}


def test_every_system_call_that_reaches_out_fails(user):
    """Each is answered with EPERM, and the process goes on to say so."""
    codes = [
        f"try:\n    {code}\n    say('SUCCEEDED')\nexcept OSError as e:\n    say(e.errno)" for code in ATTACKS.values()
    ]
    answers = dict(zip(ATTACKS, confined(codes, user), strict=True))
    assert {name: answer["data"] for name, answer in answers.items()} == dict.fromkeys(ATTACKS, "1")


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the numbers of the calls are x86-64's")
def test_raw_system_calls_fail(user):
    call = (
        "libc = ctypes.PyDLL(None, use_errno=True)\nr = libc.syscall({}, 0, 0, 0, 0, 0)\nsay((r, ctypes.get_errno()))"
    )
    answers = confined([call.format(number) for number in RAW_CALLS.values()], user)
    assert [answer["data"] for answer in answers] == ["(-1, 1)"] * len(RAW_CALLS)


def test_threads_cannot_be_started(user):
    code = "try:\n    threading.Thread(target=say, args=('RAN',)).start()\nexcept RuntimeError:\n    say('no thread')"
    assert confined([code], user)[0]["data"] == "no thread"


def test_the_environment_is_empty_and_no_other_descriptor_is_open(user):
    """Descriptors cannot be listed from inside, so each is written to: only the pipe takes it."""
    code = """
taken = []
for fd in range(64):
    try:
        os.write(fd, b'')
        taken += [fd]
    except OSError: pass
say((set(os.environ) - {'LC_CTYPE'}, taken))"""
    answer = confined([code], user)[0]["data"]
    assert answer == "(set(), [3])"  # Python itself sets LC_CTYPE where there is no locale


def test_memory_is_limited(user):
    code = "try:\n    a = bytearray(200 << 20)\n    say('GOT IT')\nexcept MemoryError:\n    say('too much')"
    assert confined([code], user)[0]["data"] == "too much"


@pytest.mark.parametrize("code", ["while True: pass", "sum(range(10**12))", "time.sleep(60)", "while True: say('')"])
def test_time_is_limited_from_outside(code):
    answer = confined(["try:\n    " + code + "\nexcept OSError: pass"], timeout_seconds=0.3)[0]
    assert answer["seconds"] < 1.0
    assert "left" not in answer


def test_a_flood_of_results_is_cut():
    answer = confined(["while True: say('x' * 60000)"])[0]
    assert answer["data"] == ""
    assert answer["seconds"] < 1.0


def test_a_child_does_not_outlive_its_worker():
    """The worker is killed while its child is busy; the child must be gone at once."""
    code = "say('up')\nwhile True: pass"
    job = {"codes": [code], "user": 0, "settings": {"strict": True, "filter": filter_program().hex(), "max_steps": 1}}
    job["settings"] |= {"memory_mb": 128, "max_output": 100, "timeout_seconds": 30.0}
    command = [sys.executable, "-I", "-S", "-E", "-c", HELPER, str(ROOT), json.dumps(job)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL, env={})
    try:
        child = _wait_for(lambda: _children(process.pid))[0]
        _wait_for(lambda: _processor_ticks(child) > 2)
    finally:
        process.kill()
        process.wait()
    assert _wait_for(lambda: not Path(f"/proc/{child}").exists() or _state(child) == "Z")


@pytest.mark.parametrize("chunk", range(4))
def test_hostile_programs_do_nothing_even_without_the_static_check(chunk, user, tmp_path):
    """All of them, straight into a confined child with all of Python: no effect outside, and their worker lives on."""
    programs = HOSTILE[chunk::4]
    answers = confined([program["code"] for program in programs], user, timeout_seconds=0.2)
    assert len(answers) == len(programs)
    for program, answer in zip(programs, answers, strict=True):
        assert answer["seconds"] < 1.0, program["id"]
        assert "left" not in answer, program["id"]
    assert not Path("/tmp/sbx_fill").exists()


def _children(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _state(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return "Z"


def _processor_ticks(pid):
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[11])


def _wait_for(condition, seconds=10):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.01)
    raise AssertionError("this did not happen in time")
