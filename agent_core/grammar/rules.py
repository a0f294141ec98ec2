"""Reads a grammar file: its rules, over the tokens of a vocabulary, checked before anything is made of them.

Every mistake is a named error with its line, because users write grammars.
"""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

from agent_core.grammar.checks import CHECKS
from agent_core.grammar.ll1 import START_SYMBOLS, Alternative, Grammar, GrammarError, Symbol, Terminal
from agent_core.grammar.marks import MARKS
from tokenizer import EOS, token_class

__all__ = ["START_SYMBOLS", "Grammar", "GrammarError", "parse_grammar", "read_grammar"]

_CLASSES = ("NUMBER", "TEXT", "VARIABLE", "FUNCTION")
_SYMBOL = re.compile(r"'(?P<quoted>[^'\s]+)'|(?P<upper>[A-Z]+)|(?P<lower>[a-z_]+)|(?P<bar>\|)")
_WEIGHT = re.compile(r"\d+(\.\d+)?(?=\s)")
_LARGE = 10
_MARK = re.compile(r"\.([a-z_]+)")

Rules = dict[str, list[Alternative]]
Weights = dict[tuple[str, Alternative], float]


def read_grammar(path: Path, tokens: Sequence[str]) -> Grammar:
    """The checked grammar of a file over a vocabulary. Raises GrammarError with the rule and the line."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = f"cannot be read ({error}); restore the file or set paths.grammar"
        raise GrammarError(f"grammar {path}: {reason}") from None
    return parse_grammar(text, tokens, str(path))


def parse_grammar(text: str, tokens: Sequence[str], name: str = "grammar") -> Grammar:
    """As `read_grammar`, from the text itself; `name` is what errors call it."""
    numbers = {i: _number_weight(token) for i, token in enumerate(tokens) if token_class(token) == "NUMBER"}
    grammar = Grammar(*_parse(text, tokens, name), number_weights=numbers, digest=_digest(text))
    for start in START_SYMBOLS:
        if start not in grammar.rules:
            raise GrammarError(f"grammar: the start symbol {start} has no rule; add one")
    for check in CHECKS:
        for rule, problem in check(grammar, tokens):
            raise GrammarError(f"{name}, line {grammar.lines[rule]}, rule {rule}: {problem}")
    return grammar


def _parse(text: str, tokens: Sequence[str], name: str) -> tuple[Rules, dict[str, int], Weights]:
    rules: Rules = {}
    lines: dict[str, int] = {}
    weights: dict[str, list[float]] = {}
    rule, fresh = "", False  # fresh: an alternative begins here, so a weight may stand here
    for number, line in enumerate(text.splitlines(), start=1):
        line = _without_comment(line).rstrip()
        where = f"{name}, line {number}"
        if heading := re.match(r"([a-z_]+):", line):
            rule = heading[1]
            if rule in rules:
                raise GrammarError(f"{where}: rule {rule} is already defined in line {lines[rule]}")
            rules[rule], lines[rule], weights[rule] = [()], number, [1.0]
            line, fresh = line[heading.end() :], True
        elif line and not (rule and line[0].isspace()):
            raise GrammarError(f"{where}: expected `rule: ...`, or an indented line that continues one")
        position = 0
        while rest := line[position:].lstrip():
            position = len(line) - len(rest)
            if fresh and (weight := _WEIGHT.match(line, position)):
                fresh, position, weights[rule][-1] = False, weight.end(), float(weight[0])
                if not weights[rule][-1]:
                    raise GrammarError(f"{where}, rule {rule}: a weight must be above 0; take the alternative out")
                continue
            symbol = _SYMBOL.match(line, position)
            if not symbol:
                raise GrammarError(f"{where}, rule {rule}: cannot read {rest.split()[0]!r}")
            position, fresh = symbol.end(), bool(symbol["bar"])
            if symbol["bar"]:
                rules[rule].append(())
                weights[rule].append(1.0)
            elif symbol["lower"] != "nothing":
                mark = _MARK.match(line, position)
                position = mark.end() if mark else position
                parsed = _symbol(symbol, mark[1] if mark else "", tokens, f"{where}, rule {rule}")
                rules[rule][-1] += (parsed,)
    pairs = {rule: zip(rules[rule], weights[rule], strict=True) for rule in rules}
    return rules, lines, {(rule, alternative): weight for rule, own in pairs.items() for alternative, weight in own}


def _number_weight(text: str) -> float:
    """Small numbers are likelier than large ones, as in Elias's codes for whole numbers. From `_LARGE` on all are
    alike: a task's own numbers are often large, and are there because they are needed."""
    return 1 / (1 + min(abs(float(text)), _LARGE))


def _digest(text: str) -> str:
    lines = (_without_comment(line).rstrip() for line in text.splitlines())
    return hashlib.sha256("\n".join(line for line in lines if line).encode()).hexdigest()


def _without_comment(line: str) -> str:
    """The line before a # that stands outside quotes."""
    return re.sub(r"^((?:'[^']*'|[^#'])*).*", r"\1", line)


def _symbol(symbol: re.Match, mark: str, tokens: Sequence[str], where: str) -> Symbol:
    if symbol["lower"]:
        if mark:
            raise GrammarError(f"{where}: only a token can carry a mark, and {symbol['lower']}.{mark} is a rule")
        return symbol["lower"]
    if mark and mark not in MARKS:
        raise GrammarError(f"{where}: unknown mark .{mark}; there are {', '.join(MARKS)}")
    text = symbol["quoted"] or symbol["upper"]
    if not symbol["quoted"] and text in _CLASSES:
        matching = frozenset(i for i, token in enumerate(tokens) if token_class(token) == text)
    else:
        wanted = EOS if text == "EOS" and not symbol["quoted"] else text
        matching = frozenset(i for i, token in enumerate(tokens) if token == wanted)
    if not matching:
        raise GrammarError(f"{where}: the vocabulary has no token {text}; add one there, or take it out of the grammar")
    return Terminal(text, matching, mark)
