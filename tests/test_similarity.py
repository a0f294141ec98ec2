"""Likeness of texts and lists, and of series of numbers."""

import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_core.scoring.similarity import (
    alignment,
    bag_similarity,
    centred,
    edit_distance,
    edit_similarity,
    prefix_similarity,
    ranks,
)


def distance_by_table(a, b):
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        before, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (x != y))
    return row[-1]


@settings(max_examples=100, deadline=None)
@given(st.text("abc", max_size=12), st.text("abcd", max_size=12))
def test_edit_distance_is_that_of_the_table(a, b):
    assert edit_distance(a, b) == distance_by_table(a, b)


def test_edit_distance_beyond_one_machine_word():
    draw = random.Random(0)
    for _ in range(5):
        a, b = ([draw.randrange(4) for _ in range(draw.randint(60, 150))] for _ in range(2))
        assert edit_distance(a, b) == distance_by_table(a, b)


@pytest.mark.parametrize("similarity", [edit_similarity, prefix_similarity, bag_similarity])
def test_similarities_are_one_for_the_same_and_zero_for_nothing_in_common(similarity):
    assert similarity("hello", "hello") == 1.0
    assert similarity([], []) == 1.0
    assert similarity("hello", "xyz") == 0.0
    assert similarity("", "xyz") == 0.0
    assert 0.0 < similarity("hello world", "hello") < 1.0


def test_long_texts_are_compared_in_little_time():
    draw = random.Random(0)
    a, b = ("".join(draw.choice("abcdef \n") for _ in range(4_000)) for _ in range(2))
    started = time.perf_counter()
    assert 0.0 <= edit_similarity(a, b) < 0.5
    assert time.perf_counter() - started < 0.1


def test_ranks_share_what_is_equal():
    assert ranks([10.0, 30.0, 20.0]) == [0.0, 2.0, 1.0]
    assert ranks([5.0, 5.0, 1.0]) == [1.5, 1.5, 0.0]
    assert ranks([]) == []


def test_alignment_is_one_for_proportional_and_zero_for_unrelated_or_opposite_series():
    up = centred([1.0, 2.0, 3.0])
    assert alignment(up, centred([10.0, 20.0, 30.0])) == pytest.approx(1.0, abs=1e-6)
    assert alignment(up, centred([3.0, 2.0, 1.0])) == 0.0
    assert alignment(up, centred([1.0, 5.0, 1.0])) == pytest.approx(0.0, abs=1e-6)
    assert alignment(up, centred([4.0, 4.0, 4.0])) == 0.0
    assert 0.0 < alignment(up, centred([1.0, 1.0, 3.0])) < 1.0
    assert alignment(centred([1e300, -1e300]), centred([2.0, 1.0])) == pytest.approx(1.0, abs=1e-6)
