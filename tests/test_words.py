"""The words that a task brings: what its answers need, and nothing that can be computed."""

import json

from agent_core.tasks.words import missing_words
from tests.conftest import ROOT

TOKENS = json.loads((ROOT / "memory" / "vocab.json").read_text())


def words(cases, wanted=(), parameters=("var_a",)):
    return missing_words(cases, wanted, parameters, TOKENS)


def test_answers_that_are_picked_from_a_few_are_words():
    cases = [([n], "Yes" if n % 2 else "No") for n in range(10)]
    assert words(cases) == ['"No"', '"Yes"']
    assert words([([n], 404 if n % 2 else -200) for n in range(10)]) == ["200", "404"]


def test_what_the_vocabulary_has_or_what_is_computed_is_none():
    assert words([([n], "yes" if n % 2 else "no") for n in range(10)]) == []
    assert words([([n], n * 17) for n in range(10)]) == []
    assert words([([f"{'abc'[n % 3] * n}"], "abc"[n % 3] * n) for n in range(1, 10)]) == []


def test_a_stretch_that_no_input_has_is_a_word():
    names = ["ada", "bob", "cyn", "dan"]
    assert words([([name], f"Hi, {name}!") for name in names]) == ['"Hi, "', '"!"']


def test_arguments_that_are_there_to_be_compared_are_words():
    cases = [([kind, n], n) for n, kind in enumerate(["add", "sub", "mul"] * 4)]
    assert words(cases, parameters=("var_a", "var_b")) == ['"add"', '"sub"', '"mul"']


def test_words_by_hand_and_a_sixth_parameter():
    parameters = [f"var_{letter}" for letter in "abcdef"]
    assert words([([1] * 6, 1)], ["π", 3.14, 10, "hello"], parameters) == ["var_f", '"\\u03c0"', "3.14"]


def test_the_order_is_fixed_and_there_are_not_too_many():
    cases = [([n], ["c§", "a§", "b§"][n % 3]) for n in range(12)]
    assert words(cases) == ['"c\\u00a7"', '"a\\u00a7"', '"b\\u00a7"']
    many = [([n], [f"{i}{letter}" for i in range(6) for letter in "éüöäßñ"][n % 36]) for n in range(360)]
    assert words(many) == []
