"""Whether the agent could write what a person has written, and the first token that hinders it."""

import json

import pytest
import torch

from agent_core.grammar.legal_tokens import LegalTokens
from agent_core.grammar.rules import read_grammar
from agent_core.run.writability import missing_function, writability
from agent_core.tasks.task import builtin_tasks, load_task
from tests.conftest import ROOT
from tests.test_runner import home, run  # noqa: F401 - home is a fixture
from tokenizer import Tokenizer

SOLUTIONS = json.loads((ROOT / "tests" / "data" / "reference_solutions.json").read_text())


@pytest.fixture
def judged(tokenizer, legal_tokens):
    def judged(text: str, task: str = "double", max_length: int = 32, rules: bool = True) -> dict:
        asked = load_task(task, tokenizer.tokens)
        return writability(text, asked, tokenizer, legal_tokens if rules else None, max_length).as_json()

    return judged


def refused(tokens: int, reason: str, *place) -> dict:
    where = dict(zip(("token", "line", "column"), place, strict=False))
    return {"writable": False, "tokens": tokens, "max_length": None, "not_writable": {"reason": reason} | where}


@pytest.mark.parametrize("name", builtin_tasks())
def test_every_reference_solution_is_writable_with_the_tokens_that_are_known(name, judged, tokenizer):
    task = load_task(name, tokenizer.tokens)
    text = task.module(SOLUTIONS[name])
    if task.function_name:
        text = text.replace("func_a", task.function_name)
    tokens = len(tokenizer.encode(SOLUTIONS[name]))
    assert judged(text, name) == {"writable": True, "tokens": tokens, "max_length": tokens}


def test_a_function_may_name_its_parameters_as_it_likes(judged):
    seven = {"writable": True, "tokens": 7, "max_length": 7}
    for header in ("def double(n):", "def double(n: int) -> int:", "def double(number):  # twice"):
        name = header[11:].partition(")")[0].partition(":")[0]
        assert judged(f"{header}\n    return {name} + {name}\n") == seven | {"tokens": 6, "max_length": 6}
    assert judged("def double(n): return n + n") == seven | {"tokens": 6, "max_length": 6}
    recursive = "def double(n):\n    return n and double(n - 1) + 2\n"
    assert judged(recursive)["writable"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (
            "def double(n):\n    return [x for x in [n]][0]\n",
            refused(13, "the vocabulary has no x", "x", 2, 19),
        ),
        (
            "def double(n):\n    var_b = 1\n    return [var_b for var_b in [n]][0]\n",
            refused(17, "the grammar does not allow var_b here, or it has no value yet", "var_b", 3, 23),
        ),
        ("def double(n):\n    return n * 2.0\n", refused(6, "the vocabulary has no 2.0", "2.0", 2, 16)),
        (
            "def double(n):\n    return var_b\n",
            refused(4, "the grammar does not allow var_b here, or it has no value yet", "var_b", 2, 12),
        ),
        (
            "def double(n):\n    'Twice.'\n    return n + n\n",
            refused(8, "the vocabulary has no 'Twice.'", "'Twice.'", 2, 5),
        ),
        (
            "def double(n):\n    return [var_b for var_b in [n] for var_c in [1]][0]\n",
            refused(19, "the grammar does not allow for here", "for", 2, 36),
        ),
        ("def double(n):\n    n.real\n", refused(4, "the vocabulary has no .real", ".real", 2, 6)),
        ("x = 1\ndef double(n):\n    return n\n", refused(8, "only the body of double(var_a) is written", "x", 1, 1)),
        ("def double(n=1):\n    return n\n", refused(6, "the header is given: def double(var_a):", "def", 1, 1)),
        ("def double(n, m):\n    return n\n", refused(6, "the header is given: def double(var_a):", "def", 1, 1)),
        ("return var_a + var_a\n", refused(6, "the file must define double(var_a)")),
        ("def double(n):\n    return (\n", refused(3, "Python cannot read it", "(", 2, 12)),
    ],
)
def test_the_first_token_that_hinders_it_is_named(judged, text, found):
    assert judged(text) == found


@pytest.mark.parametrize(
    "line",
    [
        "return [var_b + n for var_b in [n] if n][0]",
        "return sorted([n], key=lambda var_b: -var_b)[0]",
        "return list(map(lambda var_b, var_c: var_b + var_c, [n], [n]))[0]",
        "return str(n).upper().count('hello') ** 2 | n << 1",
        "return {n: n + n, 1: sqrt(pi)}.get(n, floor(n))",
    ],
)
def test_the_wider_language_is_writable(judged, line):
    assert judged(f"def double(n):\n    {line}\n")["writable"]


def test_the_length_is_judged_apart_from_the_grammar(judged):
    text = "def double(n):\n    return n + n\n"
    assert judged(text, max_length=6)["writable"]
    assert judged(text, max_length=5) == {
        "writable": False,
        "tokens": 6,
        "max_length": 6,
        "not_writable": {"reason": "it has 6 tokens, and generator.max_length is 5"},
    }
    long = "def double(n):\n" + "    n += 0\n" * 300 + "    return n + n\n"
    assert judged(long, max_length=2_000) == {"writable": True, "tokens": 1206, "max_length": 1206}


def test_without_the_grammar_only_vocabulary_and_length_hinder(judged):
    comprehension = "def double(n):\n    var_b = 1\n    return [var_b for var_b in [n]][0] + n\n"
    assert not judged(comprehension)["writable"]
    assert judged(comprehension, rules=False)["writable"]
    assert not judged("def double(n):\n    return n * 2.0\n", rules=False)["writable"]


def test_a_text_to_print_is_judged_as_a_whole(judged):
    assert judged("print('hello', 'world')\n", "hello_world") == {"writable": True, "tokens": 8, "max_length": 8}
    assert judged("print('hello world')\n", "hello_world") == refused(
        6, "the vocabulary has no 'hello world'", "'hello world'", 1, 7
    )
    assert judged("", "hello_world") == refused(1, "the grammar does not allow it to end here")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("return var_a + var_a\n", "the file must define double(var_a)"),
        ("    return var_a + var_a\n", "the file must define double(var_a)"),
        ("var_a + var_a\n", "the file must define double(var_a)"),
        ("", "the file must define double(var_a)"),
        ("def doubled(a):\n    return a + a\n", "the file must define double(var_a)"),
        ("def double(a):\n    return a + a\n", ""),
        ("def twice(a):\n    return a + a\ndouble = twice\n", ""),
        ("def double(a:\n", ""),
    ],
)
def test_a_file_that_does_not_define_the_function_is_told_what_to_define(tokenizer, text, complaint):
    assert missing_function(text, load_task("double", tokenizer.tokens)) == complaint
    assert missing_function(text, load_task("hello_world", tokenizer.tokens)) == ""


def test_scoring_says_whether_the_agent_could_write_it(home, capsys):  # noqa: F811
    files = {
        "good.py": "def double(n):\n    return n + n\n",
        "comprehension.py": "def double(n):\n    return sum([n for _ in range(2)])\n",
        "body.py": "return var_a + var_a\n",
        "typed.py": "def double(n: list[int] | 'Any') -> int:\n    return n + n\n",
    }
    for name, text in files.items():
        (home / name).write_text(text)
    assert run(home, "--score", *(str(home / name) for name in files), run__task="double") == 0
    good, comprehension, body, typed = map(json.loads, capsys.readouterr().out.splitlines())
    assert (good["solved"], good["writable"], good["tokens"], good["max_length"]) == (True, True, 6, 6)
    assert typed | {"file": good["file"]} == good
    assert (comprehension["solved"], comprehension["writable"], comprehension["max_length"]) == (True, False, None)
    assert comprehension["not_writable"] == {
        "reason": "the vocabulary has no _",
        "token": "_",
        "line": 2,
        "column": 23,
    }
    assert (body["solved"], body["reward"], body["cases"]) == (False, 0.0, [])
    assert body["message"] == body["departure"] == "the file must define double(var_a)"
    assert "NameError" not in json.dumps(body)


def test_tokens_that_were_added_are_found(tmp_path, config, tokenizer):
    tokens = [*tokenizer.tokens, "2.0"]
    grammar = LegalTokens(read_grammar(config.paths.grammar, tokens), tokens, torch.device("cpu"))
    task = load_task("double", tokens)
    assert not writability("def double(n):\n    return n * 2.0\n", task, Tokenizer(tokens), grammar, 32).reason
