"""Inputs made from a task's own: new, of their kind, the same every time, and without what no given input has."""

import copy
import json
import random
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from agent_core.tasks.made_inputs import made_inputs
from agent_core.tasks.task import builtin_tasks, load_task
from tests.conftest import ROOT

VOCABULARY = json.loads((ROOT / "memory" / "vocab.json").read_text())


def made(*cases: tuple, count: int = 200, seed: int = 0) -> list[tuple]:
    return made_inputs(cases, seed, count)


def test_they_are_new_and_each_comes_once():
    found = made((3, 1), (5, 5), (8, 2))
    assert len(found) > 20
    assert len(set(found)) == len(found)
    assert not set(found) & {(3, 1), (5, 5), (8, 2)}
    assert len(made((3, 1), (5, 5), (8, 2), count=7)) == 7
    assert made((), ()) == made() == []


def test_the_shortest_come_first():
    lengths = [len(repr(call)) for call in made(([1, 20, 3],), ([],), ([4, 4],))]
    assert lengths == sorted(lengths)


def test_the_seed_alone_decides_and_no_other_stream_is_touched():
    cases = [([1, 2], "ab"), ([7], "ba"), ([], "")]
    random.seed(5)
    before = random.getstate()
    first = made_inputs(cases, 3, 50)
    assert random.getstate() == before
    assert made_inputs(cases, 3, 50) == first
    assert made_inputs(cases, 4, 50) != first
    code = f"from agent_core.tasks.made_inputs import made_inputs; print(made_inputs({cases!r}, 3, 50))"
    for hash_seed in ("1", "2"):
        command = [sys.executable, "-c", code]
        out = subprocess.run(command, env={"PYTHONHASHSEED": hash_seed}, cwd=ROOT, capture_output=True, check=True)
        assert out.stdout.decode().strip() == repr(first)


def test_nothing_given_is_changed_and_nothing_made_is_shared():
    cases = [([[1, 2], [3]], {"a": [1]}), ([[0]], {"a": [2, 5]})]
    before = copy.deepcopy(cases)
    found = made_inputs(cases, 0, 100)
    kept = copy.deepcopy(found)
    for call in found[::2]:
        call[0].append("spoilt")
        for row in call[0]:
            if type(row) is list:
                row.append("spoilt")
        call[1]["a"] = "spoilt"
    assert cases == before
    assert found[1::2] == kept[1::2]


def test_every_way_of_changing_is_met():
    found = made(([1, 2, 3],), ([],), ([9, 9],), ([4, 0],))
    lists = [call[0] for call in found]
    assert [1, 2] in lists  # dropped
    assert [1, 2, 2, 3] in lists or [1, 1, 2, 3] in lists  # doubled
    assert [3, 2, 1] in lists  # swapped
    assert any(len(items) > 3 for items in lists)  # added
    assert [5, 0] in lists or [3, 0] in lists or [4, 1] in lists  # a neighbour of a number
    pairs = made(([1, 2], [3]), ([], [4, 1]), ([7, 7], [7]))
    assert any(a == b for a, b in pairs)
    assert any(a and a == b[: len(a)] and len(a) < len(b) for a, b in pairs)
    assert any(b and b == a[: len(b)] and len(b) < len(a) for a, b in pairs)
    assert any(a == [] or b == [] for a, b in pairs)
    words = [call[0] for call in made(("abca",), ("",), ("b",))]
    assert "abc" in words
    assert any(len(word) > 4 for word in words)


@pytest.mark.parametrize(
    ("cases", "holds"),
    [
        ([([1, 2, 5],), ([3, 3],), ([],)], lambda a: a == sorted(a)),
        ([([9, 4, 4],), ([3],), ([8, 1],)], lambda a: a == sorted(a, reverse=True)),
        ([([1, 2, 5],), ([3, 4],), ([],)], lambda a: a == sorted(set(a))),
        ([([5, 1],), ([2, 7, 4],)], lambda a: len(set(a)) == len(a)),
        ([([4],), ([3, 3],), ([0],)], lambda a: len(a) > 0),
        ([([1, 2],), ([3, 3],), ([2, 1],)], lambda a: len(a) == 2),
        ([(1,), (9,), (4,)], lambda a: a > 0),
        ([(0,), (9,), (4,)], lambda a: a >= 0),
        ([(-3,), (0,)], lambda a: a <= 0),
        ([(-3,), (-8,)], lambda a: a < 0),
        ([(-3,), (5,), (2,)], lambda a: a != 0),
        ([(2,), (8,), (4,), (10,)], lambda a: a % 2 == 0),
        ([(3,), (8,), (5,)], lambda a: 2 <= a <= 9 and type(a) is int),
        ([([0, 9, 9, 3],), ([0],), ([4, 1],)], lambda a: all(0 <= digit <= 9 for digit in a)),
        ([(1.5,), (2.25,)], lambda a: type(a) is float and a > 0),
        ([(1.0,), (8.0,)], lambda a: a == int(a)),
        ([("abba",), ("b",)], lambda a: a != "" and set(a) <= set("ab")),
        ([("(())",), ("()()",), ("",)], lambda a: a.replace("()", "").replace("()", "").replace("()", "") == ""),
        ([("one two",), ("three",)], lambda a: a == " ".join(a.split())),
        ([("12",), ("7",), ("405",)], lambda a: a.isdigit()),
        ([([[1, 2], [3, 4]],), ([[5, 6]],)], lambda a: len(set(map(len, a))) == 1),
        ([([[1, 2], [3, 4]],), ([[5]],)], lambda a: all(len(row) == len(a) for row in a)),
        ([(["a", "b"],), ([1, 2, 2],)], lambda a: len(set(map(type, a))) <= 1),
        ([({"x": 1, "y": 2},), ({"x": 5, "y": 0},)], lambda a: a.keys() == {"x", "y"}),
        ([(True,), (None,), (3,)], lambda a: a is None or type(a) in (bool, int)),
    ],
)  # fmt: skip
def test_what_all_given_inputs_have_in_common_stays(cases, holds):
    found = [call for seed in range(2) for call in made(*cases, seed=seed)]
    assert found or cases[0] == (True,)
    assert [call for call in found if not holds(*call)] == []


@pytest.mark.parametrize(
    ("cases", "holds"),
    [
        ([([1, 2], "ab"), ([], ""), ([5], "b")], lambda a, b: len(a) == len(b)),
        ([([1, 2], 1), ([4], 0), ([5, 5, 5], 2)], lambda a, b: 0 <= b < len(a)),
        ([([1, 2], 2), ([4], 0), ([5, 5, 5], 3)], lambda a, b: 0 <= b <= len(a)),
        ([([1, 2], 2), ([4], 4), ([5, 6, 7], 5)], lambda a, b: b in a),
        ([("banana", "an"), ("a", "a"), ("band", "nd")], lambda a, b: b in a),
        ([(1, 2), ("a", "b"), ([], [3])], lambda a, b: type(a) is type(b)),
    ],
)
def test_what_the_arguments_have_in_common_with_one_another_stays(cases, holds):
    found = [call for seed in range(2) for call in made(*cases, seed=seed)]
    assert len(found) > 5
    assert [call for call in found if not holds(*call)] == []


def test_what_only_some_have_is_let_go():
    assert any(call[0] != sorted(call[0]) for call in made(([1, 2, 5],), ([3, 1],), ([],)))
    assert any(len(a) != len(b) for a, b in made(([1, 2], "ab"), ([], "a")))
    assert any(call[0] < 0 for call in made((-1,), (5,)))


def test_which_argument_is_the_larger_is_not_presupposed():
    assert any(a < b for a, b in made((3, 1), (5, 5), (9, 2)))


def test_a_bound_that_is_met_once_may_be_passed_by_one():
    numbers = {call[0] for call in made((0,), (3,), (7,))}
    assert 8 in numbers
    assert 9 not in numbers
    assert -1 not in numbers


json_values = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats(allow_nan=False, allow_infinity=False) | some.text(),
    lambda inner: some.lists(inner, max_size=4) | some.dictionaries(some.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(some.integers(1, 3).flatmap(lambda n: some.lists(some.tuples(*[json_values] * n), min_size=1, max_size=5)))
def test_any_json_goes_in_and_json_comes_out(cases):
    for call in made_inputs(cases, 0, 20):
        assert len(call) == len(cases[0])
        assert json.loads(json.dumps(call, allow_nan=False)) == list(call)


@pytest.mark.parametrize("name", [name for name in builtin_tasks() if load_task(name, VOCABULARY).kind == "function"])
def test_the_ladder_s_solutions_take_what_is_made_of_their_cases(name):
    """None of the reference solutions fails on a made input: the input is one that the task could have had."""
    solution = json.loads((ROOT / "tests" / "data" / "reference_solutions.json").read_text())[name]
    task, names = load_task(name, VOCABULARY), {}
    exec(task.module(solution), names)
    found = made_inputs([case.arguments for case in (*task.test_cases, *task.check_cases)], 0, 200)
    assert len(found) >= 8
    for call in found:
        names["func_a"](*call)
