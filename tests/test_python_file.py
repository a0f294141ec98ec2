"""Problems written in Python: what is read as an example, and the one line for what cannot be used."""

import json

import pytest

from agent_core.tasks import reference
from agent_core.tasks.make_task import make_task
from agent_core.tasks.python_file import read_problem
from agent_core.tasks.reference import answers_of
from agent_core.tasks.task import load_task
from agent_core.tasks.task_file import TaskError
from tests.conftest import ROOT

TOKENS = json.loads((ROOT / "memory" / "vocab.json").read_text())


@pytest.fixture
def write(tmp_path):
    def write(text: str):
        file = tmp_path / "problem.py"
        file.write_text(text, encoding="utf-8")
        return file

    return write


def examples(file):
    return [(example.inputs, example.expected) for example in read_problem(file).examples]


@pytest.mark.parametrize(
    ("line", "inputs", "expected"),
    [
        ("assert f(1, 2) == 3", [1, 2], 3),
        ("assert 3 == f(1, 2), 'a message'", [1, 2], 3),
        ("assert f([1, -2]) == [(1, 'a')]", [[1, -2]], [[1, "a"]]),
        ("assert f('x') is None", ["x"], None),
        ("assert f(4)", [4], True),
        ("assert not f(5)", [5], False),
        ("assert f(10**9 + 7) == -1 * 2", [10**9 + 7], -2),
        ("assert f('a' * 3, [0] * 2) == {'k': [1.5]}", ["aaa", [0, 0]], {"k": [1.5]}),
        ("N = 7\nassert f(N) == N", [7], 7),
        ("import math\nassert math.isclose(f(2), 0.5)", [2], 0.5),
        ("assert abs(f(2) - 0.5) < 1e-6", [2], 0.5),
        ("import pytest\nassert f(2) == pytest.approx(0.5)", [2], 0.5),
        ("def test_it():\n    assert f(1) == 2", [1], 2),
        ("class TestF:\n    def test_it(self):\n        assert f(1) == 2", [1], 2),
        ("if __name__ == '__main__':\n    assert f(1) == 2", [1], 2),
        ("def check(candidate):\n    assert candidate(1) == 2\ndef f(a):\n    pass", [1], 2),
        ("def f(a, b):\n    pass\nassert f(1, b=2) == 3", [1, 2], 3),
        ('def f(a):\n    """Doubles.\n\n    >>> f(3)\n    6\n    """', [3], 6),
        ("'''\n>>> f(3) == 6\nTrue\n'''", [3], 6),
        (
            "import unittest\nclass T(unittest.TestCase):\n    def test_f(self):\n        self.assertEqual(f(1), 2)",
            [1],
            2,
        ),
        ("class T:\n    def test_f(self):\n        self.assertFalse(f(1))", [1], False),
        ("def f(a, /, b=2):\n    pass\nassert f(1, b=3) == 2", [1, 3], 2),
        ("for x in [1]:\n    assert f(3) == 2", [3], 2),
    ],
)
def test_an_example_is_read(write, line, inputs, expected):
    assert examples(write(line)) == [(inputs, expected)]


@pytest.mark.parametrize(
    "text",
    [
        "for a, b in [(1, 2), (3, 6)]:\n    assert f(a) == b\n",
        "cases = {1: 2}\ncases = [[1, 2], [3, 6]]\nfor case in cases:\n    a, b = case\n    assert f(a) == b\n",
        "for a in range(1, 4, 2):\n    wanted = a * 2\n    assert f(a) == wanted\n",
        "for i, a in enumerate([1, 3]):\n    assert f(a) == 4 * i + 2\n",
        "def test_f():\n  for a, b in zip([1, 3], [2, 6]):\n    result = f(a)\n    a = 7\n    assert result == b\n",
        "x = 1\nassert f(x) == 2\nx = 3\nassert f(x) == 6\n",
        "@mark.parametrize('a, b', [(1, 2), pytest.param(3, 6, id='x')])\ndef test_f(a, b):\n  assert f(a) == b\n",
        "@parametrize(['a'], A)\n@parametrize('b', [2])\ndef test_f(a, b):\n  assert f(a) == a * b\nA = [1, 3]\n",
        "class T(X):\n  def test_f(self):\n    got = f(1)\n    self.assertEqual(got, 2)\n    assert f(3) == 6\n",
        "X, Y = 1, 3\ndef g():\n    X = 4\ndef test_f():\n    assert f(X) == 2\n    assert f(Y) == 6\n",
        '"""\n>>> x = 1\n>>> f(x)\n2\n>>> x = 3\n>>> f(x)\n6\n"""\n',
        "for b, a in {'2': 1, '6': 3}.items():\n    print(f(a))\ndef f(a):\n    return 2 * a\n",
    ],
)
def test_names_are_followed(write, text):
    problem = read_problem(write(text))
    assert [example.inputs for example in problem.examples] == [[1], [3]]
    assert [example.expected for example in problem.examples] == ([2, 6] if problem.reference is None else [None] * 2)
    assert not problem.notes


def test_of_very_many_examples_the_first_count(write):
    text = "for a in range(100):\n    for b in range(100):\n        assert f(a, b) == a + b\nassert f(200, 1) == 201\n"
    problem = read_problem(write(text))
    assert len(problem.examples) == 1_000
    assert problem.examples[-1].inputs == [9, 99]
    why = "there are 1,000 examples before it"
    assert problem.notes == [f"line 3 is left out: {why}", f"line 4 is left out: {why}"]


@pytest.mark.parametrize(
    ("text", "tolerance"),
    [
        ("assert f(2) == 1.5", 1e-9),
        ("assert abs(f(2) - 1) < 0.05", 0.05),
        ("assert abs(f(2) - 200.0) <= 2", 0.01),  # of its size
        ("assert math.isclose(f(2), 1.5)", 1e-9),
        ("assert math.isclose(f(2), 4.0, rel_tol=1e-3)", 1e-3),
        ("assert math.isclose(f(2), 0.5, rel_tol=1e-3, abs_tol=0.02)", 0.02),
        ("assert f(2) == pytest.approx(12.566)", 1e-6),
        ("assert f(2) == approx([0.1, 0.2], abs=1e-4)", 1e-4),
        ("assert approx(12.566, rel=0.01) == f(2)", 0.01),
        ("assert round(f(2), 2) == 3.14", 0.005 / 3.14),
        ("assert 3.14 == round(f(2), 2)", 0.005 / 3.14),
        ("def round(a):\n    pass\nassert round(2.5) == 3.5", 1e-9),
        ("T.assertAlmostEqual(f(2), 0.5, 3)", 0.0005),
        ("T.assertAlmostEqual(f(2), 0.5, places=3)", 0.0005),
        ("T.assertAlmostEqual(f(2), 0.5, delta=0.01)", 0.01),
        ("T.assertAlmostEqual(f(2), 0.5)", 0.5e-7),
        ("EPS = 1e-2\nassert abs(f(2) - 1) < EPS\nassert math.isclose(f(3), 1)\nassert f(4) == 1", 0.01),
    ],
)
def test_numbers_that_need_only_be_close_say_how_close(write, text, tolerance):
    problem = read_problem(write(text))
    assert problem.tolerance == pytest.approx(tolerance)
    assert not problem.notes


def test_a_line_that_nearly_any_answer_would_do_for_is_left_out(write):
    text = "assert round(f(2)) == 3\nassert abs(f(4) - 2) < EPS\nassert round(f(6), 999) == 2\nassert f(1) == 2\n"
    assert read_problem(write(text)).notes == [
        "line 1 is left out: an answer that is 17% off would do for it",
        "line 2 is left out: EPS is no plain value",
        "line 3 is left out: nothing can be rounded to so many places",
    ]


@pytest.mark.parametrize(
    ("text", "numeric"),
    [
        ("assert f(2) == 4\nassert f(3) == 9.0", "loose"),
        ("assert f(2) == [1, 'a']\nassert f(3) == [2, 'b']", "loose"),
        ("assert f(2) == {'a': 1}\nassert f(3) == {'a': 2}", "loose"),
        ("assert f(2) == 'a'\nassert f(3) == ['b']", None),
        ("assert f(2) is True\nassert f(3) == [False]", None),
        ("assert f(2) == 1.5\nassert abs(f(3) - 0.5) < 0.01", 0.01),
    ],
)
def test_numbers_are_the_same_where_they_are_to_python(write, text, numeric):
    assert make_task(write(text), TOKENS)[0].get("numeric") == numeric


@pytest.mark.parametrize(
    ("text", "sequences"),
    [
        ("assert f(1) == [1, 2]\nassert f(2) == [2, 2]", None),
        ("assert f((1, 2)) == 3\nassert f((1, 1)) == 2", None),
        ("assert f(1) == (1, 2)\nassert f(2) == (2, 2)", "loose"),
        ("assert f(1) == [(1, 2)]\nassert f(2) == []", "loose"),
        ("PAIR = (1, 2)\nassert f(1) == PAIR\nassert f(2) == [2, 2]", "loose"),
        ('def f(a):\n    """\n    >>> f(1)\n    (1, 2)\n    """', "loose"),
        ("def f(a):\n    return [(a, a)]\nf(1)\nf(2)", "loose"),
        ("def f(a):\n    return a + 1\nf(1)\nf(2)", None),
    ],
)
def test_where_answers_may_be_tuples_they_count_as_lists(write, text, sequences):
    task, _ = make_task(write(text), TOKENS)
    assert task.get("sequences") == sequences


def test_one_answer_may_be_said_more_and_less_exactly(write):
    problem = read_problem(write("assert abs(f(1) - 3.14159) < 1e-4\nassert f(1) == 3.141592653589793\n"))
    assert [example.expected for example in problem.examples] == [3.14159, 3.141592653589793]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\n", "has no example; write lines such as `assert f(1, 2) == 3`"),
        ("assert f(1) == 2\nassert f(1) == 3\n", "line 1 says 2 and line 2 says 3 for the same arguments"),
        ("assert f(1) == {1, 2}\n", "line 1: {1, 2} is no plain value; no example is left"),
        ("assert f(1) == {2: 3}\n", "line 1: a dict whose keys are not all texts is no plain value"),
        ("assert f(1) == g()\n", "line 1: g() is no plain value"),
        ("assert f(1) > 2\n", "line 1: only `==` says what the answer is"),
        ("assert sorted(f(1)) == [2]\n", "line 1: it looks at what sorted makes of the answer"),
        ("assert f(1) == 2\nassert f(1, 2) == 3\n", "line 2: f takes 2 arguments here and 1 in line 1"),
        ("assert f(1) == 2\nassert g(1) == 3\n", "line 1 asks for f, line 2 for g"),
        ("assert f(1) == \n", "line 1: not Python"),
        ("a\0b", "problem.py: not Python (source code string cannot contain null bytes)"),
        ("def f(a, b):\n    return a\nassert f(1) == 2\n", "line 3: f has 2 parameters, and this call gives 1"),
        ("def f(a, *b):\n    return a\nassert f(1) == 2\n", "line 1: only plain parameters can be a task's"),
        ("def f(a):\n    pass\nf(1)\n", "line 3: no line says what f is to give, and there is no reference"),
        ("assert f(1e999) == 2\n", "line 1: an infinite number cannot be compared"),
        ("assert f(2**99999) == 2\n", "line 1: 2 ** 99999 is no plain value"),
        (f"assert f(2) == {'*'.join(['10**60'] * 100)}\n", "is too large"),
        (f"assert f(1) == {'+'.join(['1'] * 1_500)}\n", "nested too deeply"),
        ("assert Solution().f([1]) == [2]\n", "line 1: a method is called: a task is a function of its own"),
        ("assert f(1) == math.sqrt(2)\n", "line 1: math.sqrt(2) is no plain value"),
        ("for x in g():\n    assert f(x) == 2\n", "line 2: x is no plain value"),
        ("while g():\n    x = x + 1\n    assert f(x) == 2\n", "line 3: x is no plain value"),
        ("x = [1]\nx.append(2)\nassert f(x) == 2\n", "line 3: x is no plain value"),
        ("x = [1]\nx[0] = 2\nassert f(x) == 2\n", "line 3: x is no plain value"),
        ("x = 1\nx += 1\nassert f(x) == 2\n", "line 3: x is no plain value"),
        ("x = 1\nif g():\n    x = 2\nassert f(x) == 2\n", "line 4: x is no plain value"),
        ("x = 1\ndef test_f(x):\n    assert f(x) == 2\n", "line 3: x is no plain value"),
        ("for x in range(1_000):\n    assert f(x) == x\n", "line 2: x is no plain value"),
        ('def f(a):\n    """Doubles.\n\n    >>>f(1)\n    2\n    """\n', "in the docstring from line 2 on: line 3"),
        ('def f(a):\n    """Doubles.\n\n    >>> f(1)\n  2\n    """\n', "inconsistent leading whitespace"),
    ],
)
def test_what_cannot_be_used_is_one_line_that_says_where(write, text, message):
    with pytest.raises(TaskError) as caught:
        make_task(write(text), TOKENS)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "problem.py" in str(caught.value)


def test_a_file_that_is_no_text_is_one_line(tmp_path):
    (tmp_path / "problem.py").write_bytes(b"\xff\xfe\x00assert")
    with pytest.raises(TaskError, match="problem.py: cannot be read"):
        read_problem(tmp_path / "problem.py")


def test_nothing_of_the_file_is_executed(write, tmp_path):
    trace = tmp_path / "trace"
    file = write(f"open({str(trace)!r}, 'w')\nassert f(open({str(trace)!r}, 'w')) == 1\nassert f(1) == 2\n")
    task, notes = make_task(file, TOKENS)
    assert not trace.exists()
    assert len(task["success_criteria"]["test_cases"]) == 1
    assert notes[0].startswith("line 2 is left out: ")


def test_a_part_of_many_given_cases_is_kept_as_checks(write):
    few = "".join(f"assert f({n}) == {n * n}\n" for n in range(6))
    task, notes = make_task(write(few), TOKENS)
    assert len(task["success_criteria"]["test_cases"]) == 6
    assert task["success_criteria"]["check_cases"] == []
    assert notes == ["no reference function: 6 cases are given, too few to keep any as checks"]
    many = "".join(f"assert f({n}) == {n * n}\n" for n in range(30))
    task, notes = make_task(write(many), TOKENS)
    assert len(task["success_criteria"]["test_cases"]) == 12
    assert len(task["success_criteria"]["check_cases"]) == 18
    assert notes == ["no reference function: 30 cases are given, 18 of them are kept as checks"]


REFERENCE = '''
"""Largest of a list, at least zero."""
def top(items):
    """The largest element, and 0 where there is none above."""
    best = 0
    for item in items:
        if item > best:
            best = item
    return best

assert top([1, 5, 3]) == 5
top([])
print(top([-4, -2]))
'''


def test_a_reference_answers_made_inputs(write):
    task, notes = make_task(write(REFERENCE), TOKENS)
    criteria = task["success_criteria"]
    assert task["name"] == "problem"
    assert task["description"] == "The largest element, and 0 where there is none above."
    assert criteria["function_name"] == "top"
    assert criteria["parameters"] == ["var_a"]
    assert len(criteria["test_cases"]) == 12
    assert len(criteria["check_cases"]) == 24
    for case in criteria["test_cases"] + criteria["check_cases"]:
        assert case["expected"] == max([0, *case["inputs"][0]])
    assert [case["inputs"] for case in criteria["test_cases"]][:3] == [[[1, 5, 3]], [[]], [[-4, -2]]]
    assert notes == ["12 test cases and 24 check cases, answered by top"]
    assert make_task(write(REFERENCE), TOKENS)[0] == task
    json.dumps(task, allow_nan=False)


def test_of_few_made_inputs_some_are_checks(write):
    task, notes = make_task(write("def f(a):\n    return 2 * a\nassert f(1) == 2\nassert f(3) == 6\n"), TOKENS)
    tests, checks = (task["success_criteria"][name] for name in ("test_cases", "check_cases"))
    assert len(tests) < 12
    assert checks
    assert notes == [f"{len(tests)} test cases and {len(checks)} check cases, answered by f"]


def test_a_reference_that_contradicts_the_file_is_a_mistake(write):
    with pytest.raises(TaskError, match="line 3: says 5, but f gives 4"):
        make_task(write("def f(a):\n    return a * 2\nassert f(2) == 5\n"), TOKENS)
    with pytest.raises(TaskError, match="line 3: f gives no answer: ZeroDivisionError"):
        make_task(write("def f(a):\n    return 1 // a\nassert f(0) == 5\n"), TOKENS)


def test_a_reference_that_the_jail_refuses_runs_in_a_limited_process():
    source = "import math\ndef f(a):\n    return math.sqrt(a)\n"
    answers = answers_of(source, "f", [[4], [-1]])
    assert (answers[0].value, answers[0].problem) == (2.0, "")
    assert answers[1].problem.startswith("ValueError")


def test_a_reference_that_ends_its_process_or_says_much_is_one_line():
    (ended,) = answers_of("import os\ndef f(a):\n    os._exit(7)\n", "f", [[1]])
    assert ended.problem == "its process ended with status 7"
    (failed,) = answers_of("import os\ndef f(a):\n    raise ValueError('one\\ntwo')\n", "f", [[1]])
    assert failed.problem == "ValueError: one two"


def test_an_input_on_which_a_reference_does_not_end_costs_only_its_own_answer(monkeypatch):
    monkeypatch.setattr(reference, "INPUT_SECONDS", 0.2)
    source = "def f(a):\n    while a < 0:\n        pass\n    return a + 1\n"
    one, endless, other = answers_of(source, "f", [[1], [-1], [2]])
    assert (one.value, other.value) == (2, 3)
    assert endless.problem == "it did not end within 0.2 s"


def test_what_a_reference_answered_before_its_process_ended_counts():
    source = "import os\ndef f(a):\n    if a < 0:\n        os._exit(7)\n    return a + 1\n"
    one, ended, after = answers_of(source, "f", [[1], [-1], [2]])
    assert (one.value, ended.problem, after.problem) == (2, *2 * ["its process ended with status 7"])


def test_a_limited_process_writes_no_file_and_starts_no_other(tmp_path):
    trace = tmp_path / "trace"
    writes = f"import os\ndef f(a):\n    with open({str(trace)!r}, 'w') as file:\n        file.write('x' * 10)\n"
    assert answers_of(writes, "f", [[1]])[0].problem
    assert not trace.exists() or trace.stat().st_size == 0
    assert answers_of("import os\ndef f(a):\n    return len(os.environ)\n", "f", [[1]])[0].value in (0, 1)


def test_answers_that_change_or_are_no_plain_values_count_as_none():
    assert "differently" in answers_of("import random\ndef f(a):\n    return random.random()", "f", [[1]])[0].problem
    assert "set" in answers_of("def f(a):\n    return {a}", "f", [[1]])[0].problem
    assert answers_of("def f(a):\n    return (a, [a])", "f", [[1]])[0].value == [1, [1]]


def test_a_python_file_brings_the_words_that_its_answers_need(write, tokenizer):
    text = "".join(f"assert parity({n}) == {'Odd' if n % 2 else 'Even'!r}\n" for n in range(8))
    task = load_task(write(text), tokenizer.tokens)
    assert task.words == ('"Even"', '"Odd"')
    assert task.notes == ("no reference function: 8 cases are given, 2 of them are kept as checks",)
