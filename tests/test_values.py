"""What counts as the same answer, and values as text."""

import subprocess
import sys
from pathlib import Path

import pytest

from agent_core.tasks.values import CLOSE, as_json, as_text, is_number, is_small, same

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize(
    ("got", "expected"),
    [(1, 1), (0.1 + 0.2, 0.3), ("a", "a"), ([1, [2.0]], [1, [2.0]]), (None, None), ({"a": [1]}, {"a": [1]}), ([], [])],
)
def test_same(got, expected):
    assert same(got, expected)


@pytest.mark.parametrize(
    ("got", "expected"),
    [
        (True, 1),
        (1, True),
        (1.0, 1),
        (1, 1.0),
        (0.3001, 0.3),
        ((1, 2), [1, 2]),
        ([True], [1]),
        ([1], [1, 2]),
        ("1", 1),
        (None, False),
        ({"a": 1}, {"a": 1.0}),
        ({"a": 1}, {"b": 1}),
        (float("nan"), 0.0),
    ],
)
def test_not_the_same(got, expected):
    assert not same(got, expected)


def test_loose_numbers_are_the_same_whatever_their_type_but_true_is_not_one():
    assert same(1, 1.0, tolerance=CLOSE)
    assert same([3.0], [3], tolerance=CLOSE)
    assert not same(True, 1, tolerance=CLOSE)
    assert not same(1, True, tolerance=CLOSE)
    assert not same("1", 1, tolerance=CLOSE)
    assert not same(10**400, 1.0, tolerance=CLOSE)
    assert not same(10**12, 10**12 + 1, tolerance=CLOSE)


def test_numbers_within_a_tolerance_are_the_same_in_proportion_to_their_size():
    assert same(3.14, 3.1415, tolerance=0.001)
    assert same([1000, {"a": 0.0}], [1000.9, {"a": 0.0009}], tolerance=0.001)
    assert same(1000, 1001, tolerance=0.001)
    assert not same(1000, 1002, tolerance=0.001)
    assert not same(0.0, 0.0011, tolerance=0.001)
    assert not same(True, 1, tolerance=0.1)
    assert not same("1", 1, tolerance=0.1)
    assert not same(10**400, 1.0, tolerance=0.1)


def test_as_text_tells_types_apart_and_takes_what_repr_refuses():
    texts = {as_text(value) for value in (1, 1.0, True, "1", [1], (1,), {"1": 1}, {1}, None)}
    assert len(texts) == 9
    assert as_text([10**5000]) != as_text([10**5001])
    assert as_text((1, {2: 10**5000}))


def test_as_text_is_the_same_in_every_process():
    """Sets of texts are the case that `repr` gets wrong."""
    code = "from agent_core.tasks.values import as_text; print(as_text([{'yes', 'no', 'fizz', 'buzz', 'hello'}]))"
    command = [sys.executable, "-c", code]
    outputs = {
        subprocess.run(command, env={"PYTHONHASHSEED": seed}, cwd=ROOT, capture_output=True, check=True).stdout
        for seed in ("1", "2", "3")
    }
    assert len(outputs) == 1


def test_is_number():
    assert all(map(is_number, (0, -3, True, 2.5, 10**200)))
    assert not any(map(is_number, ("1", None, [1], float("inf"), float("nan"), 10**400)))


def test_as_json_has_a_word_for_everything():
    value = [1, 2.5, None, True, "a", (1, 2), {"a": float("nan")}, {3}, 10**5000]
    assert as_json(value)[:7] == [1, 2.5, None, True, "a", [1, 2], {"a": "nan"}]
    assert all(type(item) is str for item in as_json(value)[7:])


def test_tame_values_are_neither_deep_nor_huge():
    deep: list = []
    for _ in range(1_000):
        deep = [deep]
    wide: list = [0]
    for _ in range(15):
        wide = [wide, wide]
    assert not is_small(deep)
    assert not is_small(wide)
    assert not is_small("a" * 10**7)
    assert not is_small({(1, 2): [deep]})
    assert all(map(is_small, (1, "a" * 4_000, [[1], {"a": [2]}], list(range(4_000)), None, {3})))
