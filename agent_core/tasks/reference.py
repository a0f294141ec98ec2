"""Answers of a reference function, which is the user's own code, on inputs that were made for it.

It runs in the jail where its language allows. Where the jail refuses it (an import, say, or a generator), it runs in a
child process with limits of time, memory, files and processes and an empty environment: enough against a mistake, and
no protection against malice, which nobody expects of their own code. Each input is answered twice, by processes of
their own; an answer that differs, or is no plain value, counts as none. An input on which the reference does not end
costs only its own answer: the child gives up on it and goes on with the next.
"""

import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass

from agent_core.sandbox.executor import Call, Executor
from agent_core.settings.config import ExecutorConfig
from agent_core.tasks.values import is_small, same

SECONDS = 20  # of processor time for one child to answer all inputs; twice as many until it is stopped
INPUT_SECONDS = 1  # of processor time for one input
_TOO_LONG = f"it did not end within {SECONDS} s"
# It writes a line for each input, so that what it has answered is known however it ends.
_CHILD = r"""
import copy, json, math, os, resource, signal, sys
request = json.load(sys.stdin)
answers = os.fdopen(os.dup(1), "w")
nothing = os.open(os.devnull, os.O_RDWR)
for descriptor in (0, 1, 2):
    os.dup2(nothing, descriptor)
for what, most in ((resource.RLIMIT_CPU, request["seconds"]), (resource.RLIMIT_AS, 1 << 30),
                   (resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_CORE, 0), (resource.RLIMIT_NPROC, 0)):
    try:
        resource.setrlimit(what, (most, most))
    except (ValueError, OSError):
        pass
def plain(value, depth=0):
    if value is None or type(value) in (bool, int, str) or (type(value) is float and math.isfinite(value)):
        return value
    if depth < 20 and type(value) in (list, tuple):
        return [plain(item, depth + 1) for item in value]
    if depth < 20 and type(value) is dict and all(type(key) is str for key in value):
        return {key: plain(item, depth + 1) for key, item in value.items()}
    raise TypeError(f"the answer is a {type(value).__name__}, not a plain value")
class OutOfTime(BaseException):
    pass
def give_up(*_):
    raise OutOfTime
def say(answered, value):
    print(json.dumps([answered, value]), file=answers, flush=True)
signal.signal(signal.SIGPROF, give_up)
space = {"__name__": "reference"}
try:
    exec(compile(request["source"], "<reference>", "exec"), space)
    function = space[request["function"]]
except BaseException as error:
    for _ in request["inputs"]:
        say(False, f"{type(error).__name__}: {error}")
    os._exit(0)
for inputs in request["inputs"]:
    try:
        try:
            signal.setitimer(signal.ITIMER_PROF, request["input_seconds"], 0.1)  # again, if the function goes on
            value = plain(function(*copy.deepcopy(inputs)))
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        say(True, value)
    except OutOfTime:
        say(False, f"it did not end within {request['input_seconds']} s")
    except BaseException as error:
        say(False, f"{type(error).__name__}: {error}")
os._exit(0)
"""


@dataclass(frozen=True)
class Answer:
    """What the reference gives for one input; `problem` says why it gives nothing."""

    value: object = None
    problem: str = ""


def answers_of(source: str, function: str, inputs: Sequence[Sequence[object]]) -> list[Answer]:
    """The reference's answer to each of the inputs, in their order. source: the module that defines it."""
    if not inputs:
        return []
    first, second = (_jailed(source, function, inputs) or _limited(source, function, inputs) for _ in range(2))
    return [_agreed(one, other) for one, other in zip(first, second, strict=True)]


def _agreed(one: Answer, other: Answer) -> Answer:
    if one.problem or other.problem:
        return one if one.problem else other
    if not same(one.value, other.value):
        return Answer(problem="it answers differently when it is asked again")
    if not is_small(one.value):
        return Answer(problem="the answer is too deep or too large")
    return one


def _jailed(source: str, function: str, inputs: Sequence[Sequence[object]]) -> list[Answer] | None:
    """None where the jail does not take the reference, or where some inputs need more than the jail gives."""
    with Executor(ExecutorConfig(workers=1, max_steps=1_000_000)) as executor:
        (run,) = executor.run([source], Call(function, tuple(tuple(case) for case in inputs)), alone=True)
    if run.status != "finished" or len(run.cases) < len(inputs):
        return None
    if any(case.status == "endless" or case.message.startswith("NameError") for case in run.cases):
        return None
    return [Answer(problem=case.message) if case.message else _plain(case.value) for case in run.cases]


def _limited(source: str, function: str, inputs: Sequence[Sequence[object]]) -> list[Answer]:
    limits = {"seconds": SECONDS, "input_seconds": INPUT_SECONDS}
    request = json.dumps({"source": source, "function": function, "inputs": list(inputs), **limits})
    with tempfile.TemporaryDirectory() as folder:
        try:
            done = subprocess.run(
                [sys.executable, "-I", "-c", _CHILD],
                input=request.encode(),
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd=folder,
                env={},
                timeout=2 * SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as stopped:
            said, problem = stopped.stdout or b"", _TOO_LONG
        else:
            out_of_time = done.returncode in (-signal.SIGXCPU, -signal.SIGKILL)
            said = done.stdout
            problem = _TOO_LONG if out_of_time else f"its process ended with status {done.returncode}"
    lines = said.split(b"\n")[:-1]  # after the last line end there is nothing, or what was not written to its end
    results = map(json.loads, lines)
    answers = [Answer(value) if answered else Answer(problem=" ".join(value.split())) for answered, value in results]
    return answers + [Answer(problem=problem)] * (len(inputs) - len(answers))


def _plain(value: object) -> Answer:
    """The answer as a task file can hold it: tuples count as lists there, and sets are no answer."""
    try:
        return Answer(_as_lists(value))
    except TypeError as problem:
        return Answer(problem=str(problem))


def _as_lists(value: object) -> object:
    if isinstance(value, list | tuple):
        return [_as_lists(item) for item in value]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {key: _as_lists(item) for key, item in value.items()}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"the answer is a {type(value).__name__}, not a plain value")
