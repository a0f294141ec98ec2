"""Inside a jailed process: the budget, the checked built-ins, and that results depend on nothing else.

The programs run in this process here, which a trial can stand as well: nothing in it is a matter of the kernel. What
the kernel adds is tested in test_confinement.py, the pool of processes in test_executor.py.
"""

from __future__ import annotations

import json
import marshal
import sys
import time

import pytest

from agent_core.interpreter.meter import MAX_CALLS, Meter
from agent_core.interpreter.run_program import ProgramRunner
from agent_core.interpreter.wire_format import CRASHED, ENDLESS, FINISHED, REFUSED
from tests import random_programs


@pytest.fixture(scope="module")
def trial():
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(20_000)
    yield ProgramRunner(Meter(max_steps=10_000, max_output=4_000))
    sys.setrecursionlimit(before)


def run(trial, source, *cases, name="f", alone=True):
    """(status, stdout, message, cases) of a program, or of the function f on the cases."""
    call = (name, [marshal.dumps(case) for case in cases], False) if cases else None
    return json.loads(trial.run(source, call, alone))


ENDLESS_PROGRAMS = {
    "while": "while True: pass",
    "for over a list that grows": "a = [1]\nfor b in a:\n    a += [1]",
    "nested for": "for a in range(200):\n    for b in range(200): pass",
    "sum": "sum(range(100000000000))",
    "max": "max(range(100000000000))",
    "min": "min(range(100000000000))",
    "sorted": "sorted(range(100000000000))",
    "list": "list(range(100000000000))",
    "any": "any(range(0, 100000000000, 200000000000)) + any(range(100000000000))",
    "in a range, without a loop": "print('a' in range(100000000000))",
    "not in a range": "print('a' not in range(100000000000))",
    "range added in place": "a = []\na += range(100000000000)",
    "range extended": "a = []\na.extend(range(100000000000))",
    "range joined": "','.join(range(100000000000))",
    "list times": "a = [0] * 1000000000",
    "times list": "a = 1000000000 * [0]",
    "tuple times": "a = (1, 2) * 1000000000",
    "text times": "a = 'a' * 10000000000",
    "text times in place": "a = 'a'\na *= 10000000000",
    "list times in place": "a = [1]\na *= 10000000000",
    "list doubled": "a = [1]\nfor b in range(100): a = a + a",
    "list doubled in place": "a = [1]\nfor b in range(100): a += a",
    "text doubled": "a = 'a'\nfor b in range(100): a = a + a",
    "doubled without a loop": "a = 'a'\n" + "a = a + a\n" * 60,
    "power": "a = 9 ** 9 ** 9",
    "shift": "a = 1 << 10 ** 10",
    "squares": "a = 3\nfor b in range(100): a = a * a",
    "numbers doubled": "a = 1\nwhile True:\n    a = a + a",
    "shared list shown": "a = [1]\nfor b in range(60): a = [a, a]\nprint(a)",
    "shared lists compared": "a = [1]\nb = [1]\nfor c in range(60):\n    a = [a, a]\n    b = [b, b]\nprint(a == b)",
    "shared lists compared in a chain": "a = [1]\nfor c in range(60): a = [a, a]\nprint(1 < 2 < a)",
    "shared list shown without a loop": "a = [1]\n" + "a = [a, a]\n" * 40 + "print(a)",
    "long lists compared": "a = [1] * 10000\nb = [1] * 10000\nwhile a == b: pass",
    "long and short compared": "a = [1] * 10000\nb = [1]\nwhile a != b: pass",
    "slices": "a = [1] * 20000\nwhile True: b = a[1:]",
    "search": "a = [1] * 20000\nwhile True: b = 2 in a",
    "strip": "a = 'ա' * 30000\nb = 'բ' * 20000 + 'ա'\na.strip(b)",
    "join": "a = 'a' * 5000\na.join([''] * 5000)",
    "print": "while True: print('spam')",
    "long number in hexadecimal": "a = int('f' * 100000000, 16)",
    "comprehension": "a = [b for b in range(100000)]",
    "functions": "def f(a):\n    return f(a - 1) + f(a - 1) if a else 1\nprint(f(30))",
}


@pytest.mark.parametrize("name", ENDLESS_PROGRAMS)
def test_the_budget_stops_it_and_not_the_timer(trial, name):
    started = time.process_time()
    status, _, message, _ = run(trial, ENDLESS_PROGRAMS[name])
    assert (status, message) == (ENDLESS, "more than 10000 steps")
    assert time.process_time() - started < 0.5


@pytest.mark.parametrize(
    "body",
    [
        "c = str(a)",
        "c = sorted(a)",
        "c = sum(a)",
        "c = b + b * b - b",
        "c = a < a",
        "a.append([a])",
        "a = [a]",
        "c = - - -d",
    ],
)
def test_no_long_body_makes_a_step_dear(trial, body):
    """A turn of a loop with hundreds of operations costs several steps, so a full budget stays far below the timer."""
    source = "a = [1, 2]\nb = 2\nd = 2 ** 14000\nwhile True:\n    " + ";".join([body] * 200)
    started = time.process_time()
    run(trial, source)
    assert time.process_time() - started < 0.6


def test_a_verdict_does_not_depend_on_what_ran_before(trial):
    """The budget starts anew for every program, and a program one step below it finishes."""
    below, above = "for a in range(9999): pass", "for a in range(10000): pass"
    for _ in range(2):
        assert run(trial, below)[0] == FINISHED
        assert run(trial, above)[0] == ENDLESS
        assert run(trial, "while True: pass")[0] == ENDLESS


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("1 // 0", "ZeroDivisionError: integer division or modulo by zero"),
        ("a = [1][1]", "IndexError: list index out of range"),
        ("def f(): return f()\nf()", "RecursionError: maximum recursion depth exceeded"),
        ("a = []\nfor b in range(300): a = [a]\nprint(a)", "RecursionError: maximum recursion depth exceeded"),
        ("a = [1]\na[0] = a\nb = [1]\nb[0] = b\nprint(a == b)", "RecursionError: maximum recursion depth exceeded"),
        ("print('%1000000000d' % 5)", "TypeError: filling in text with % is not supported"),
        ("print(1 + [])", "TypeError: unsupported operand type(s) for +: 'int' and 'list'"),
        ("(1).append(2)", "AttributeError: 'int' object has no attribute 'append'"),
        ("for a in range(1030): print(a)", "OutputError: printed more than 4000 characters"),
        ("a = print\na()\nprint()\nb = 5\nb()", "TypeError: 'int' object is not callable"),
        ("if 0:\n    a = 1\nprint(a)", "NameError: name 'a' is not defined"),
    ],
)
def test_crashes_say_what_python_says(trial, source, message):
    status, _, found, _ = run(trial, source)
    assert (status, found) == (CRASHED, message)


def test_what_cannot_be_compiled_is_refused(trial):
    for source in ("return 1", "break", "a = " + "9" * 5_000, "while 1:\n" * 101 + "1", "for a in 1: pass\n" * 900):
        assert run(trial, source)[0] == REFUSED


def test_recursion_may_be_as_deep_as_promised_and_no_deeper(trial):
    source = "def f(a):\n    return 0 if a == 0 else 1 + f(a - 1)\nprint(f({}))"
    assert run(trial, source.format(MAX_CALLS - 1))[1] == f"{MAX_CALLS - 1}\n"
    assert run(trial, source.format(MAX_CALLS))[2].startswith("RecursionError")


def test_output_is_cut_at_the_cap(trial):
    status, stdout, _, _ = run(trial, "while True: print('spam')")
    assert status == ENDLESS
    assert stdout == ("spam\n" * 800)[:4_000]


def test_nothing_shown_depends_on_addresses(trial):
    _, stdout, _, _ = run(trial, "def f(): pass\nprint(f, print, len, [f, len], range(3))\nprint([str(f)])")
    first = "<function f> <function print> <function len> [<function f>, <built-in function len>] range(0, 3)\n"
    assert stdout == first + "['<function f>']\n"


@pytest.mark.parametrize(
    ("source", "cases", "expected"),
    [
        ("def f(a, b): return a + b", [(1, 2), ("a", "b"), ([1], [2])], [[3], ["ab"], [[1, 2]]]),
        ("def f(a): return a / 0", [(1,)], ["ZeroDivisionError: division by zero"]),
        ("def f(a): return print", [(1,)], ["TypeError: the answer is a function, not a plain value"]),
        ("def f(a): return range(a)", [(1,)], ["TypeError: the answer is a range, not a plain value"]),
        ("def f(a): return 'a' * 100000", [(1,)], ["ValueError: the answer is too large"]),
        (
            "def f(a):\n    b = []\n    for c in range(90): b = [b]\n    return b",
            [(1,)],
            ["ValueError: the answer is nested too deep"],
        ),
        ("def f(a):\n    b = [1]\n    b[0] = b\n    return b", [(1,)], ["ValueError: the answer is nested too deep"]),
        (
            "def f(a):\n    b = [1]\n    for c in range(40): b = [b, b]\n    return b",
            [(1,)],
            ["ValueError: the answer is too large"],
        ),
        ("def f(a): return 2 ** 15000", [(1,)], [[{"i": f"{2**15000:x}"}]]),
        ("def f(a): return (a, True, None, 'é')", [(1,)], [[{"t": [1, True, None, "é"]}]]),
        ("def f(): return 1", [(1,)], ["TypeError: f() takes 0 positional arguments but 1 was given"]),
        ("f = 5", [(1,)], ["NameError: name 'f' is not defined as a function"]),
        ("def f(a):\n    while a: pass\n    return a", [(0,), (1,), (0,)], [[0], 0, 0]),
    ],
)
def test_cases(trial, source, cases, expected):
    status, _, _, found = run(trial, source, *cases)
    assert status == FINISHED
    assert found == expected


@pytest.mark.parametrize(
    ("body", "calls"),
    [
        ("    return sum(range(a)) + len(str(int(a)) * a)", [0, 0, 0]),  # nothing for what the built-ins do
        ("    while a:\n        a = a - 1\n    return 'x' * a", [0, 0, 0]),
        ("    return f(a - 1) if a and a < 100 else 0", [1, 4, 1]),
        ("    for b in range(a):\n        if a < 100: f(0)\n    return a", [1, 4, 1]),
        ("    def g(b): return b\n    return g(a) and g(a)", [2, 3, 3]),
    ],
)
def test_calls_of_the_programs_own_functions_are_told(body, calls):
    trial = ProgramRunner(Meter(20_000, 1_000))
    cases = run(trial, f"def f(a):\n{body}\n", (0,), (3,), (5_000,))[3]
    assert [case[1] if len(case) > 1 else 0 for case in cases] == calls


def test_every_case_gets_fresh_arguments_and_a_full_budget(trial):
    source = "def f(a):\n    a[0] += 1\n    for b in range(6000): pass\n    return a"
    assert run(trial, source, ([1],), ([1],), ([1],))[3] == [[[2]]] * 3


@pytest.mark.parametrize(
    "source",
    [
        "n = [0]\ndef f(a):\n    n[0] += 1\n    return n[0]",
        "n = [5, 0, 7]\ndef f(a):\n    return n.pop(0)",
        "def f(a): return 1\nn = []\ndef f(a):\n    n.append(a)\n    return len(n)",
    ],
)
def test_nothing_is_kept_from_case_to_case(trial, source):
    """So nobody can answer by counting the calls."""
    answers = run(trial, source, (1,), (1,), (1,))[3]
    assert answers == [answers[0]] * 3


def test_a_function_that_prints_answers_all_the_same(trial):
    status, stdout, _, cases = run(trial, "print(0)\ndef f(a):\n    print(a)\n    return a", (1,), (2,))
    assert (status, stdout, cases) == (FINISHED, "0\n1\n2\n", [[1], [2]])


def test_a_dict_given_to_a_program_can_be_read_and_hashing_is_charged(trial):
    def keyed(source, *cases):
        return json.loads(trial.run(source, ("f", [marshal.dumps(case) for case in cases], True), True))[3]

    assert keyed("def f(a):\n    a['c'] = 2\n    return a['b'] + len(a)", ({"b": 1},)) == [[3]]
    source = "def f(a):\n    b = (1, 2)\n    for c in range(60): b = (b, b)\n    return a[b]"
    assert keyed(source, ({},)) == [0]


def test_out_of_memory_beside_others_asks_for_a_run_alone(trial, monkeypatch):
    def short_of_memory(*values):
        raise MemoryError

    monkeypatch.setitem(trial.meter.names, "abs", short_of_memory)
    assert run(trial, "abs(1)", alone=False)[0] not in (FINISHED, CRASHED, ENDLESS, REFUSED)
    assert run(trial, "abs(1)", alone=True)[:3] == [CRASHED, "", "MemoryError"]


def test_the_rewriting_changes_no_meaning(trial):
    """Random programs print the same, and end with the same kind of error, as under Python itself."""
    compared = 0
    for source in random_programs.programs(1_500, seed=3):
        status, stdout, message, _ = run(trial, source)
        if status not in (FINISHED, CRASHED) or "RecursionError" in message or "OutputError" in message:
            continue
        lines: list[str] = []

        def show(*values, lines=lines):
            lines.append(" ".join(map(str, values)) + "\n")

        error = ""
        try:
            exec(compile(source, "<program>", "exec"), {"print": show})
        except Exception as problem:  # noqa: BLE001 - whatever the program did
            error = type(problem).__name__
        expected = "".join(lines)
        if " at 0x" in expected or "<built-in" in expected:
            continue
        assert (stdout, message.split(":")[0]) == (expected, error), source
        compared += 1
    assert compared > 1_000
