"""Brackets that change nothing are left out of what play keeps; all others stay."""

import pytest

from agent_core.grammar.legal_tokens import LegalTokens, Prompt
from agent_core.grammar.rules import read_grammar
from agent_core.learning.language import Language
from agent_core.learning.program_prior import ProgramPrior
from agent_core.play.brackets import plainly_written, without_idle_brackets
from agent_core.play.trial import Found
from agent_core.settings.config import LearningConfig
from memory.repertoire.repertoire import Behaviour
from tests.conftest import ROOT
from tests.test_generator import CPU


def row_of(tokenizer, text):
    return (*(token.id for token in tokenizer.locate(text)), tokenizer.eos)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("return (var_a) + 1", "return var_a + 1"),
        ("return ((var_a))", "return var_a"),
        ("return len((var_a))", "return len(var_a)"),
        ("return [(var_b) for var_b in (var_a)]", "return [var_b for var_b in var_a]"),
        ("return var_a[(1):]", "return var_a[1:]"),
        ("return (var_a).upper()", "return var_a.upper()"),
        ("return not (var_a == 1)", "return not var_a == 1"),
        ("if (var_a):\n    return (1)\nreturn 2", "if var_a:\n    return 1\nreturn 2"),
        ("return ((var_a + 1)) * 2", "return (var_a + 1) * 2"),
    ],
)
def test_idle_brackets_go(tokenizer, text, plain):
    assert without_idle_brackets(row_of(tokenizer, text), tokenizer) == row_of(tokenizer, plain)


@pytest.mark.parametrize(
    "text",
    [
        "return (var_a + 1) * 2",
        "return (-var_a) ** 2",
        "return max(var_a, 2)",
        "return var_a if (var_b if 1 else 2) else 3",
        "return (var_a == 1) == 2",
        "return sorted(var_a, key=len)[0]",
        "return (var_a or 1)[0]",
    ],
)
def test_brackets_that_something_depends_on_stay(tokenizer, text):
    row = row_of(tokenizer, text)
    assert without_idle_brackets(row, tokenizer) == row


def test_what_is_nested_too_deeply_for_python_stays_as_it_is(tokenizer):
    row = row_of(tokenizer, "return " + "not " * 5_000 + "(var_a)")
    assert without_idle_brackets(row, tokenizer) == row


def test_what_is_kept_is_what_the_grammar_has(tokenizer):
    legal_tokens = LegalTokens(
        read_grammar(ROOT / "agent_core" / "python.grammar", tokenizer.tokens), tokenizer.tokens, CPU
    )
    language = Language(
        tokenizer, legal_tokens, 48, True, ProgramPrior(legal_tokens, tokenizer.tokens, LearningConfig())
    )
    texts = ["return (var_a) + (1 + 2)", "return 1 + ((var_a))"]
    found = [Found(i, Behaviour(1, row_of(tokenizer, text), 0, b"", True), i) for i, text in enumerate(texts)]
    plain = plainly_written(found, language, Prompt("function_body", ("var_a", "func_a")))
    assert [each.behaviour.program for each in plain] == [
        row_of(tokenizer, "return var_a + (1 + 2)"),
        row_of(tokenizer, "return 1 + var_a"),
    ]
    assert [(each.key, each.place) for each in plain] == [(0, 0), (1, 1)]
