"""The words that a task brings: what its answers need, and nothing that can be computed."""

import json

import pytest

from agent_core.tasks.task import TaskError, builtin_tasks, load_task
from agent_core.tasks.words import missing_words
from tests.conftest import ROOT

TOKENS = json.loads((ROOT / "memory" / "vocab.json").read_text())
NARROW = json.loads((ROOT / "agent_core" / "grammar" / "narrow_vocab.json").read_text())


def words(cases):
    return missing_words(cases, TOKENS)


def test_answers_that_are_picked_from_a_few_are_words():
    cases = [([n], "Yes" if n % 2 else "No") for n in range(10)]
    assert words(cases) == ["No", "Yes"]
    assert words([([n], 404 if n % 2 else -200) for n in range(10)]) == [200, 404]


def test_what_the_vocabulary_has_or_what_is_computed_is_none():
    assert words([([n], "yes" if n % 2 else "no") for n in range(10)]) == []
    assert words([([n], n * 17) for n in range(10)]) == []
    assert words([([f"{'abc'[n % 3] * n}"], "abc"[n % 3] * n) for n in range(1, 10)]) == []


def test_a_stretch_that_no_input_has_is_a_word():
    names = ["ada", "bob", "cyn", "dan"]
    assert words([([name], f"Hi, {name}!") for name in names]) == ["Hi, ", "!"]
    assert words([([name], f"{name.upper()}!") for name in names]) == ["!"]


def test_arguments_that_are_there_to_be_compared_are_words():
    cases = [([kind, n], n) for n, kind in enumerate(["add", "sub", "mul"] * 4)]
    assert words(cases) == ["add", "sub", "mul"]


@pytest.mark.parametrize("tokens", [TOKENS, NARROW], ids=["wide", "narrow"])
@pytest.mark.parametrize("name", builtin_tasks())
def test_the_ladder_brings_no_words(name, tokens):
    assert load_task(name, tokens).words == ()


def test_a_task_file_brings_what_its_cases_need_unless_it_says_otherwise(tmp_path):
    file = tmp_path / "own.json"
    task = json.loads((ROOT / "agent_core" / "tasks" / "is_even.json").read_text())
    criteria = task["success_criteria"]
    for part in ("test_cases", "check_cases"):
        criteria[part] = [case | {"expected": "Even" if case["expected"] else 17} for case in criteria[part]]
    file.write_text(json.dumps(task))
    assert load_task(file, TOKENS).words == ('"Even"', "17")
    file.write_text(json.dumps(task | {"words": ["Even"]}))
    assert load_task(file, TOKENS).words == ('"Even"',)
    file.write_text(json.dumps(task | {"words": []}))
    with pytest.raises(TaskError, match='no token makes "Even"'):
        load_task(file, NARROW)


def test_a_task_file_says_its_words(tmp_path):
    file = tmp_path / "own.json"
    task = json.loads((ROOT / "agent_core" / "tasks" / "add.json").read_text())
    file.write_text(json.dumps(task | {"words": ["kg", 12.5, "π", 10, "hello"]}))
    assert load_task(file, TOKENS).words == ('"kg"', "12.5", '"\\u03c0"')
    file.write_text(json.dumps(task | {"words": [-1]}))
    with pytest.raises(TaskError, match=r"words: must be a list of texts and numbers from 0, not \[-1\]"):
        load_task(file, TOKENS)


def test_a_whole_number_and_the_same_number_with_a_point_are_two_words(tmp_path):
    file = tmp_path / "own.json"
    task = json.loads((ROOT / "agent_core" / "tasks" / "add.json").read_text())
    file.write_text(json.dumps(task | {"words": [404, 404.0, "x§", 404]}))
    assert load_task(file, TOKENS).words == ("404", "404.0", '"x\\u00a7"')


def test_the_order_is_fixed_and_there_are_not_too_many():
    cases = [([n], ["c§", "a§", "b§"][n % 3]) for n in range(12)]
    assert words(cases) == ["c§", "a§", "b§"]
    many = [([n], [f"{i}{letter}" for i in range(6) for letter in "éüöäßñ"][n % 36]) for n in range(360)]
    assert words(many) == []
