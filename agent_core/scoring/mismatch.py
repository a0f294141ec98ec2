"""Where a program departs from what is asked, in one line that is safe to show whatever the program wrote.

What a hostile program prints or answers could move the cursor or rename the window of the terminal that it is shown on;
everything of its making is escaped here, and cut short.
"""

from collections.abc import Sequence

from agent_core.interpreter.wire_format import STATUSES
from agent_core.scoring.score import CaseScore, Score
from agent_core.tasks.task import Task
from agent_core.tasks.values import CLOSE, as_lists, as_text, same
from utils import printable

_VALUE, _MESSAGE = 60, 80  # characters that are shown of one
_BEFORE, _AFTER = 20, 40  # characters of a line that are shown around a difference

_ENDINGS = dict(zip(STATUSES, ("finished", "crashed", "did not end", "was refused"), strict=True))
_LIMITS = {"MemoryError": "executor.memory_mb", "OutputError": "executor.max_output"}  # what a crash may be due to
_OUT_OF_STEPS = "more steps than executor.max_steps allows"


def departure(task: Task, score: Score) -> str:
    """The first that is wrong of the lines or the paid cases, or else of the constraints; empty where all is right."""
    if score.solved:
        return ""
    found = _in_output(task, score) if task.kind == "output" else _in_cases(task, score)
    return found or _in_constraints(task, score)


def call(task: Task, arguments: Sequence[object]) -> str:
    """A call of the task's function, safe to show."""
    return f"{task.function_name}({', '.join(map(_value, arguments))})"


def outcome(status: str, value: object, message: str) -> str:
    """What a call came to, after its name and safe to show: `gave 3`, `crashed (...)`, `did not end (...)`."""
    return f"gave {_value(value)}" if status == "finished" else _ending(status, message)


def _in_output(task: Task, score: Score) -> str:
    if score.status != "finished":
        return f"it {_ending(score.status, score.message)}"
    fold = str if task.case_sensitive else str.lower
    lines = score.stdout.removesuffix("\n").split("\n") if score.stdout else []
    wanted = (task.expected_output or "").split("\n")
    for number in range(max(len(lines), len(wanted))):
        if number >= len(lines):
            return f"line {number + 1}: got nothing, wanted {_part(wanted[number], 0)}"
        if number >= len(wanted):
            return f"line {number + 1}: got {_part(lines[number], 0)}, wanted nothing"
        got, right = lines[number], wanted[number]
        if fold(got) != fold(right):
            pairs = zip(got, right, strict=False)
            at = next((i for i, (a, b) in enumerate(pairs) if fold(a) != fold(b)), min(len(got), len(right)))
            return f"line {number + 1}, character {at + 1}: got {_part(got, at)}, wanted {_part(right, at)}"
    return ""


def _in_cases(task: Task, score: Score) -> str:
    if len(score.cases) < len(score.paid):
        return f"it {_ending(score.status, score.message)}"
    wrong = [case for case in score.cases if case.status == "endless"] if score.status == "endless" else []
    for case in wrong or [case for case in score.cases if not case.exact]:
        came = outcome(case.status, case.got, case.message)
        return f"{call(task, case.arguments)} {came}, wanted {_value(case.expected)}{_way_out(case)}"
    return ""


def _way_out(case: CaseScore) -> str:
    """What in the task file would make the answer right, if anything would."""
    finished = case.status == "finished"
    ways = {
        '"numeric": "loose"': finished and same(case.got, case.expected, CLOSE),
        '"sequences": "loose"': finished and same(as_lists(case.got), case.expected),
    }
    return next((f" ({way} in the task makes them the same)" for way, helps in ways.items() if helps), "")


def _in_constraints(task: Task, score: Score) -> str:
    """Which constraint does not hold: their flags come last, the tokens' before the length's."""
    count = len(task.required_tokens) + (task.max_tokens is not None)
    held = score.solved_cases[len(score.solved_cases) - count :]
    missing = [token for token, share in zip(task.required_tokens, held, strict=False) if not share]
    if missing:
        return f"all is right, but it must use {', '.join(map(printable, missing))}"
    return f"all is right, but it must have at most {task.max_tokens} tokens" if count and not all(held) else ""


def _ending(status: str, message: str) -> str:
    """How it ended, and the setting to look at where a limit was the reason."""
    if status == "endless":
        timer = message.startswith("stopped by the timer")
        return f"did not end ({'longer than executor.timeout_seconds' if timer else _OUT_OF_STEPS})"
    shown = f" ({printable(_short(message, _MESSAGE))}" if message else ""
    limit = next((f"; see {setting}" for error, setting in _LIMITS.items() if message.startswith(error)), "")
    return _ENDINGS[status] + (f"{shown}{limit})" if shown else "")


def _value(value: object) -> str:
    return printable(_short(as_text(value), _VALUE))


def _short(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 3]}..."


def _part(line: str, at: int) -> str:
    """The line around a place, quoted, with dots where something is left out."""
    start = max(0, at - _BEFORE)
    end = at + _AFTER
    return "..." * (start > 0) + repr(line[start:end]) + "..." * (end < len(line))
