"""Similarity of texts and lists, and of series of numbers."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_core.scoring.similarity import (
    LONGEST,
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


class Counted(str):
    """A letter that counts how often any of its kind is looked at."""

    looks = 0

    def __hash__(self):
        Counted.looks += 1
        return super().__hash__()

    def __eq__(self, other):
        Counted.looks += 1
        return super().__eq__(other)


@pytest.mark.parametrize("similarity", [edit_similarity, bag_similarity])
@pytest.mark.parametrize("length", [LONGEST, 10 * LONGEST])
def test_of_long_texts_only_the_beginning_is_looked_at(similarity, length):
    """However long they are; and the table of edit distances is not gone through cell by cell."""
    draw = random.Random(0)
    a, b = ([Counted(draw.choice("abcdef \n")) for _ in range(length)] for _ in range(2))
    Counted.looks = 0
    assert 0.0 <= similarity(a, b) <= 1.0
    assert LONGEST <= Counted.looks < 20 * LONGEST  # the table has LONGEST squared


def test_what_is_not_looked_at_counts_as_different():
    assert edit_similarity("a" * 4_000, "a" * 4_000) == pytest.approx(LONGEST / 4_000)


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
