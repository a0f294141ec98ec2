"""Features of examples: any value, the same numbers everywhere, and what should be told apart is."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_core.play.mind.features import BUCKETS, MOST_FEATURES, features_of
from agent_core.play.mind.relations import MOST_ELEMENTS, relations
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


# --- elements of sequences ------------------------------------------------------------------------------------------


def test_what_an_answer_has_of_a_list_is_told_from_what_it_lacks():
    assert list(relations([4], [4, -1], [])) == ["some", "kept +", "kept ends in 4", "lost -", "lost ends in 1"]
    assert set(relations([], [0, 7], [(1, 3)])) == {
        "some",
        "lost 0",
        "lost ends in 0",
        "lost than 1 -1",
        "lost +",
        "lost ends in 7",
        "lost than 1 1",
    }
    assert {"some", "kept of 2", "lost of 0", "lost length than 1 -1"} <= set(relations(["ab"], ["", "ab"], [(1, 2)]))
    assert "some" not in relations([3, 1], [1, 2, 3], [])  # another order
    assert list(relations([3, 1], [1, 2, 3], [])) == ["from there"]


def test_what_became_of_each_element_is_told():
    assert set(relations([2, 5], [1, 4], [])) == {"each order 1", "each more 1"}
    assert "each longer 0" in relations(["ba"], ["ab"], [])
    assert "each turned True True" in relations(["ba"], ["ab"], [])
    assert "order alone" in relations([3, 1, 2], [1, 2, 3], [])
    assert "order alone" not in relations([3, 1, 1], [1, 2, 3], [])
    assert "each is first" in relations([7], [[7, 8]], [])


@given(st.lists(VALUES, max_size=40), st.lists(VALUES, max_size=40))
def test_any_two_lists_have_relations_and_the_end_of_long_ones_has_none(value, other):
    found = list(relations(value, other, [(0, 3)]))
    assert found == list(relations(value[:MOST_ELEMENTS], other[:MOST_ELEMENTS], [(0, 3)]))
