"""Where a program departs from its task, in words, and safe to show."""

import json
from dataclasses import replace

import pytest

from agent_core.sandbox.executor import Executor
from agent_core.scoring.mismatch import departure, printable
from agent_core.scoring.scorer import Scorer
from agent_core.settings.config import ExecutorConfig, ScorerConfig
from agent_core.tasks.task import Case, Task, load_task
from tests.conftest import ROOT
from tests.fakes import InProcessExecutor

VOCABULARY = json.loads((ROOT / "memory" / "vocab.json").read_text())


def of(task, text: str, tokens: int = 5) -> str:
    task = load_task(task, VOCABULARY) if isinstance(task, str) else task
    scorer = Scorer(task, InProcessExecutor(), ScorerConfig())
    state, found = scorer.state(), departure(task, scorer.look(task.module(text), tokens))
    assert scorer.state() == state  # it only looks
    return found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("print('hello world')", ""),
        ("print('hello')", "line 1, character 6: got 'hello', wanted 'hello world'"),
        ("print('hello word')", "line 1, character 10: got 'hello word', wanted 'hello world'"),
        ("print('hello world')\nprint('more')", "line 2: got 'more', wanted nothing"),
        ("pass", "line 1: got nothing, wanted 'hello world'"),
        ("print()", "line 1, character 1: got '', wanted 'hello world'"),
        ("print('hello world')\n1 / 0", "it crashed (ZeroDivisionError: division by zero)"),
        ("raise Endless", "it did not end (more steps than executor.max_steps allows)"),
        ("print(", "it was refused (SyntaxError: '(' was never closed)"),
        ("print('\\x1b[2J\\u202eolleh')", "line 1, character 1: got '\\x1b[2J\\u202eolleh', wanted 'hello world'"),
        ("print('x' * 4000)", f"line 1, character 1: got '{'x' * 40}'..., wanted 'hello world'"),
    ],
)
def test_what_is_printed(text, found):
    assert of("hello_world", text) == found


def test_a_long_line_is_shown_around_the_difference():
    task = replace(load_task("hello_world", VOCABULARY), expected_output="a" * 100 + "b" + "c" * 100)
    found = of(task, "print('a' * 100 + 'x' + 'c' * 100)")
    assert found == f"line 1, character 101: got ...'{'a' * 20}x{'c' * 39}'..., wanted ...'{'a' * 20}b{'c' * 39}'..."


def test_capitals_count_where_they_count():
    task = replace(load_task("hello_world", VOCABULARY), expected_output="Hello\nWorld", case_sensitive=False)
    assert of(task, "print('hello')\nprint('wOrld')") == ""
    assert of(task, "print('hello')\nprint('wild')") == "line 2, character 2: got 'wild', wanted 'World'"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("return var_a + var_b", ""),
        ("return var_a", "add(1, 2) gave 1, wanted 3"),
        ("return None", "add(0, 0) gave None, wanted 0"),
        ("return 1 // (var_a - 1)", "add(0, 0) gave -1, wanted 0"),
        (
            "return var_a // var_b",
            "add(0, 0) crashed (ZeroDivisionError: integer division or modulo by zero), wanted 0",
        ),
        (
            "if var_a == 1:\n    raise Endless\nreturn var_a + var_b",
            "add(1, 2) did not end (more steps than executor.max_steps allows), wanted 3",
        ),
        (
            "return var_a + var_b + 0.0",
            'add(0, 0) gave 0.0, wanted 0 ("numeric": "loose" in the task makes them the same)',
        ),
        ("return var_a + 0.0", 'add(0, 0) gave 0.0, wanted 0 ("numeric": "loose" in the task makes them the same)'),
        ("return var_a + 1.0", "add(0, 0) gave 1.0, wanted 0"),
        (
            "return int('\\x1b[2J')",
            "add(0, 0) crashed (ValueError: invalid literal for int() with base 10: '\\x1b[2J'), wanted 0",
        ),
        ("return '\\x07' * 100", "add(0, 0) gave '" + "\\x07" * 14 + "..., wanted 0"),
        ("return (", "it was refused (SyntaxError: '(' was never closed)"),
        ("raise KeyError('\\n' + 'x' * 100)", "add(0, 0) crashed (KeyError: '\\n" + "x" * 64 + "...), wanted 0"),
    ],
)
def test_what_is_answered(text, found):
    assert of("add", text) == found


def test_a_limit_that_ended_a_program_is_named():
    with Executor(ExecutorConfig(workers=1, max_steps=500, max_output=100)) as executor:

        def of(name: str, text: str) -> str:
            task = load_task(name, VOCABULARY)
            return departure(task, Scorer(task, executor, ScorerConfig()).look(task.module(text), 5))

        endless = "did not end (more steps than executor.max_steps allows)"
        assert of("hello_world", "while 1:\n    pass\n") == f"it {endless}"
        assert of("double", "while 1:\n    pass\n") == f"double(0) {endless}, wanted 0"
        crowded = of("hello_world", "for var_a in range(30):\n    print(100)\n")
        assert crowded == "it crashed (OutputError: printed more than 100 characters; see executor.max_output)"


def test_what_would_make_tuples_right_is_said():
    task = Task("pair", "", function_name="f", parameters=("var_a",), test_cases=(Case((1,), [[1, 2]]),))
    wanted = "f(1) gave [(1, 2)], wanted [[1, 2]]"
    assert of(task, "return [(1, 2)]") == f'{wanted} ("sequences": "loose" in the task makes them the same)'


def test_constraints_come_last():
    task = load_task("basic_loop", VOCABULARY)
    assert task.required_tokens == ("for",)
    assert of(task, f"print({task.expected_output})") == "all is right, but it must use for"
    short = replace(task, required_tokens=(), max_tokens=4)
    assert of(short, f"print({task.expected_output})", tokens=4) == ""
    assert of(short, f"print({task.expected_output})") == "all is right, but it must have at most 4 tokens"


def test_nothing_that_controls_a_terminal_is_left():
    assert printable("a é 日\x1b[0m\r\x9b\u202e\u200b\x7f\t") == "a é 日\\x1b[0m\\r\\x9b\\u202e\\u200b\\x7f\\t"
