"""Features of examples: any value, the same numbers everywhere, and what should be told apart is."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_core.play.mind.features import BUCKETS, MOST_FEATURES, features_of
from tests.conftest import ROOT

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


@given(st.lists(VALUES, max_size=6), VALUES)
def test_any_value_of_a_task_file_has_features(arguments, answer):
    found = features_of(arguments, answer)
    assert 0 < len(found) <= MOST_FEATURES
    assert all(0 < bucket < BUCKETS for bucket in found)
    assert found == features_of(arguments, answer)


def test_values_of_the_edges_have_features():
    for value in (10**5_000, -(10**400), "\ud800", [[[[[1]]]]], [None, "a", [1]], {"a": {"b": [1]}}, [10**400, 1.5]):
        assert features_of([value, 1.5, [value], 3], value)


def test_features_are_the_same_in_another_process():
    code = "from agent_core.play.mind.features import features_of; print(features_of([[3, 1], 'ab'], 1.5))"
    runs = [
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": str(seed)},
        ).stdout
        for seed in (1, 2)
    ]
    assert runs[0] == runs[1] == f"{features_of([[3, 1], 'ab'], 1.5)}\n"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (([3], 3), ([3], 4)),
        (([3], 3), ([3], True)),
        (([1], 1), ([1], 1.0)),
        ((["ab"], "ab"), (["ab"], "ba")),
        (([[1, 2]], [1, 2]), ([[1, 2]], [2, 1])),
        (([3, 5], True), ([5, 3], True)),
        (([3], 7), ([3, 3], 7)),
        (([2_000], 1_000_000), ([2_000], -1_000_000)),
        (([], "hello world"), ([], "hello")),
    ],
)
def test_what_differs_is_told_apart(one, other):
    assert set(features_of(*one)) != set(features_of(*other))
