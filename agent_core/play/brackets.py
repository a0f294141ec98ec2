"""Brackets that change nothing: `( var_a ) + 1` is `var_a + 1`, and is kept as that.

The shortest program of each behaviour is kept. A random one longer than that is often padded with brackets, and whoever
learns from it would learn to write them.
"""

import ast
from collections.abc import Sequence
from dataclasses import replace

from agent_core.grammar.legal_tokens import Prompt
from agent_core.learning.language import Language, TokenIds
from agent_core.play.trial import Found
from tokenizer import Tokenizer, token_class

# After one of these a bracket only groups, as it does after a variable; after other names and methods it calls.
_KEYWORDS = frozenset(("return", "if", "else", "while", "in", "and", "or", "not", "NEWLINE", "INDENT", "DEDENT"))


def plainly_written(found: Sequence[Found], language: Language, prompt: Prompt) -> list[Found]:
    """The same with programs that have no idle brackets, as far as the grammar has them that way."""
    plain = {each.place: without_idle_brackets(each.behaviour.program, language.tokenizer) for each in found}
    shorter = [each for each in found if plain[each.place] != each.behaviour.program]
    accepted = language.accepts([plain[each.place] for each in shorter], [prompt] * len(shorter))
    legal = {each.place for each, accepts in zip(shorter, accepted, strict=True) if accepts}
    return [
        replace(each, behaviour=each.behaviour._replace(program=plain[each.place])) if each.place in legal else each
        for each in found
    ]


def without_idle_brackets(row: TokenIds, tokenizer: Tokenizer) -> TokenIds:
    """The program without the brackets that its syntax tree does not depend on; as it is, if it is not Python."""
    texts, tree, place = [tokenizer.tokens[i] for i in row], None, 0
    while (place := _grouping(texts, place)) >= 0:
        if tree is None and (tree := _tree(row, tokenizer)) is None:
            return row
        close = _closing(texts, place)
        shorter = row[:place] + row[place + 1 : close] + row[close + 1 :]
        if _tree(shorter, tokenizer) == tree:
            row = shorter
            del texts[close], texts[place]
        else:
            place += 1
    return row


def _grouping(texts: list[str], start: int) -> int:
    """Where the first bracket from there on is that only groups; -1 where there is none."""
    for place in range(start, len(texts)):
        before = texts[place - 1] if place else "NEWLINE"
        calls = before[0].isalpha() or before[0] in "_." or before in (")", "]", "}")
        if texts[place] == "(" and (not calls or before in _KEYWORDS or token_class(before) == "VARIABLE"):
            return place
    return -1


def _closing(texts: list[str], place: int) -> int:
    depth = 0
    for end in range(place, len(texts)):
        depth += (texts[end] == "(") - (texts[end] == ")")
        if not depth:
            return end
    raise ValueError("a bracket is not closed")


def _tree(row: TokenIds, tokenizer: Tokenizer) -> str | None:
    """The syntax tree; None where it is not Python, or nested too deeply for Python to say."""
    try:
        return ast.dump(ast.parse(tokenizer.decode(row)))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
