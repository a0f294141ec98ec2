"""Reads and checks an LL(1) grammar: which tokens may come next is decided by one token of look-ahead.

The textbook construction (nullable, FIRST, FOLLOW; Aho, Lam, Sethi, Ullman, "Compilers", section 4.4) with every
mistake a named error, because users write grammars. `legal_tokens.py` turns the result into tables.
"""

import hashlib
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from agent_core.grammar.scopes import GUARDED_MARKS, MARKS
from tokenizer import EOS, token_class
from utils import UserError

START_SYMBOLS = ("program", "function_body")
_CLASSES = ("NUMBER", "TEXT", "VARIABLE", "FUNCTION")
_SYMBOL = re.compile(r"'(?P<quoted>[^'\s]+)'|(?P<upper>[A-Z]+)|(?P<lower>[a-z_]+)|(?P<bar>\|)")
_MARK = re.compile(r"\.([a-z_]+)")


class GrammarError(UserError):
    """The grammar file cannot be used as it is, alone or with this vocabulary."""


@dataclass(frozen=True)
class Terminal:
    """Any one of `tokens` (ids); `mark` says what the token does with names, "" for nothing."""

    text: str
    tokens: frozenset[int]
    mark: str = ""

    @property
    def needs_name(self) -> bool:
        """Whether it is legal only where the names allow it, so that no shortest program may count on it."""
        return self.mark in GUARDED_MARKS


Symbol = str | Terminal  # a str is the name of a rule
Alternative = tuple[Symbol, ...]


@dataclass(frozen=True)
class Grammar:
    """A checked grammar. `rules[name]` are its alternatives; a shortest text counts tokens and needs no name."""

    rules: dict[str, list[Alternative]]
    lines: dict[str, int]
    digest: str  # of the text without comments: tells whether the rules have changed

    @cached_property
    def nullable(self) -> frozenset[str]:
        """The rules that can be empty."""
        found: set[str] = set()
        while more := {
            rule
            for rule, alternatives in self.rules.items()
            if rule not in found and any(all(s in found for s in a) for a in alternatives)
        }:
            found |= more
        return frozenset(found)

    @cached_property
    def first(self) -> dict[str, frozenset[int]]:
        """The tokens that each rule can begin with."""
        return _fixed_point(
            self.rules, lambda rule, first: frozenset().union(*(self._first_of(a, first) for a in self.rules[rule]))
        )

    def first_of(self, symbols: Sequence[Symbol]) -> frozenset[int]:
        """The tokens that a sequence of symbols can begin with."""
        return self._first_of(symbols, self.first)

    def is_nullable(self, symbol: Symbol) -> bool:
        return symbol in self.nullable

    def _first_of(self, symbols: Sequence[Symbol], first: dict[str, frozenset[int]]) -> frozenset[int]:
        found: frozenset[int] = frozenset()
        for symbol in symbols:
            found |= symbol.tokens if isinstance(symbol, Terminal) else first[symbol]
            if not self.is_nullable(symbol):
                break
        return found

    @cached_property
    def follow(self) -> dict[str, frozenset[int]]:
        """The tokens that can come right after each rule."""
        uses: dict[str, list[tuple[str, Alternative]]] = {rule: [] for rule in self.rules}
        for user, alternatives in self.rules.items():
            for alternative in alternatives:
                for i, symbol in enumerate(alternative):
                    if isinstance(symbol, str):
                        uses[symbol].append((user, alternative[i + 1 :]))
        return _fixed_point(
            self.rules,
            lambda rule, follow: frozenset().union(
                *(
                    self.first_of(rest) | (follow[user] if all(map(self.is_nullable, rest)) else frozenset())
                    for user, rest in uses[rule]
                )
            ),
        )

    @cached_property
    def fewest_tokens(self) -> dict[str, float]:
        """The length of the shortest text of each rule that needs no name defined; inf where there is none."""
        fewest = dict.fromkeys(self.rules, math.inf)
        while True:
            better = {
                rule: min(
                    sum(fewest[s] if isinstance(s, str) else math.inf if s.needs_name else 1 for s in a)
                    for a in alternatives
                )
                for rule, alternatives in self.rules.items()
            }
            if better == fewest:
                return fewest
            fewest = better

    def choose(self, rule: str, token: int) -> Alternative | None:
        """The alternative of `rule` that begins with `token`; None where only an empty one can be meant."""
        return self._chosen.get((rule, token))

    @cached_property
    def _chosen(self) -> dict[tuple[str, int], Alternative]:
        return {
            (rule, token): alternative
            for rule, alternatives in self.rules.items()
            for alternative in alternatives
            for token in self.first_of(alternative)
        }


def read_grammar(path: Path, tokens: Sequence[str]) -> Grammar:
    """The checked grammar of a file over a vocabulary. Raises GrammarError with the rule and the line."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = f"cannot be read ({error}); restore the file or set paths.grammar"
        raise GrammarError(f"grammar {path}: {reason}") from None
    return parse_grammar(text, tokens, str(path))


def parse_grammar(text: str, tokens: Sequence[str], name: str = "grammar") -> Grammar:
    """As `read_grammar`, from the text itself; `name` is what errors call it."""
    grammar = Grammar(*_parse(text, tokens, name), digest=_digest(text))
    for rule, problem in _problems(grammar, tokens):
        raise GrammarError(f"{name}, line {grammar.lines[rule]}, rule {rule}: {problem}")
    return grammar


def _parse(text: str, tokens: Sequence[str], name: str) -> tuple[dict[str, list[Alternative]], dict[str, int]]:
    rules: dict[str, list[Alternative]] = {}
    lines: dict[str, int] = {}
    rule = ""
    for number, line in enumerate(text.splitlines(), start=1):
        line = _without_comment(line).rstrip()
        where = f"{name}, line {number}"
        if heading := re.match(r"([a-z_]+):", line):
            rule = heading[1]
            if rule in rules:
                raise GrammarError(f"{where}: rule {rule} is already defined in line {lines[rule]}")
            rules[rule], lines[rule], line = [()], number, line[heading.end() :]
        elif line and not (rule and line[0].isspace()):
            raise GrammarError(f"{where}: expected `rule: ...`, or an indented line that continues one")
        position = 0
        while rest := line[position:].lstrip():
            position = len(line) - len(rest)
            symbol = _SYMBOL.match(line, position)
            if not symbol:
                raise GrammarError(f"{where}, rule {rule}: cannot read {rest.split()[0]!r}")
            position = symbol.end()
            if symbol["bar"]:
                rules[rule].append(())
            elif symbol["lower"] != "nothing":
                mark = _MARK.match(line, position)
                position = mark.end() if mark else position
                parsed = _symbol(symbol, mark[1] if mark else "", tokens, f"{where}, rule {rule}")
                rules[rule][-1] += (parsed,)
    return rules, lines


def _digest(text: str) -> str:
    lines = (_without_comment(line).rstrip() for line in text.splitlines())
    return hashlib.sha256("\n".join(line for line in lines if line).encode()).hexdigest()


def _without_comment(line: str) -> str:
    """The line before a # that stands outside quotes."""
    return re.match(r"(?:'[^']*'|[^#'])*", line)[0]


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


def _problems(grammar: Grammar, tokens: Sequence[str]):
    """(rule, what is wrong with it), the first kind of mistake first: later checks rely on earlier ones."""
    rules = grammar.rules
    for start in START_SYMBOLS:
        if start not in rules:
            raise GrammarError(f"grammar: the start symbol {start} has no rule; add one")
    for rule, alternatives in rules.items():
        for symbol in {s for a in alternatives for s in a if isinstance(s, str) and s not in rules}:
            yield rule, f"{symbol} has no rule; define it or quote it if it is a token"
    for rule in rules.keys() - _reachable(rules):
        yield rule, f"cannot be reached from {' or '.join(START_SYMBOLS)}; remove it or use it"
    for rule in rules:
        if rule in _leftmost(grammar, rule):
            yield rule, "begins with itself (left recursion); write it as an item followed by a rule for the rest"
        if not grammar.first[rule]:
            yield rule, "can only be empty; remove it"
    endless = [rule for rule, fewest in grammar.fewest_tokens.items() if math.isinf(fewest)]
    for rule in sorted(endless, key=lambda rule: any(s in endless and s != rule for a in rules[rule] for s in a)):
        yield rule, "never ends without a name being defined; give it an alternative that does"
    for rule, alternatives in rules.items():
        taken: dict[int, Alternative] = {}
        for alternative in alternatives:
            for token in grammar.first_of(alternative):
                if token in taken:
                    yield rule, f"two alternatives begin with {tokens[token]}; one token must decide"
                taken[token] = alternative
        if sum(all(map(grammar.is_nullable, a)) for a in alternatives) > 1:
            yield rule, "two alternatives can be empty; one must be enough"
        if grammar.is_nullable(rule):
            for token in grammar.first[rule] & grammar.follow[rule]:
                yield rule, f"can be empty, and {tokens[token]} can both begin it and come after it"
    for start in START_SYMBOLS:
        if any(not a or not isinstance(a[-1], Terminal) or a[-1].text != "EOS" for a in rules[start]):
            yield start, "must end with EOS"


def _reachable(rules: dict[str, list[Alternative]]) -> set[str]:
    found: set[str] = set()
    waiting = list(START_SYMBOLS)
    while waiting:
        if (rule := waiting.pop()) not in found:
            found.add(rule)
            waiting += [s for a in rules[rule] for s in a if isinstance(s, str)]
    return found


def _leftmost(grammar: Grammar, rule: str) -> set[str]:
    """The rules that a text of `rule` can begin with, through any number of steps."""
    found: set[str] = set()
    waiting = [rule]
    while waiting:
        for alternative in grammar.rules[waiting.pop()]:
            for symbol in alternative:
                if isinstance(symbol, str) and symbol not in found:
                    found.add(symbol)
                    waiting.append(symbol)
                if not grammar.is_nullable(symbol):
                    break
    return found


def _fixed_point(rules, improve) -> dict[str, frozenset[int]]:
    """The least sets, one a rule, that `improve(rule, sets)` no longer enlarges."""
    sets = dict.fromkeys(rules, frozenset())
    while True:
        larger = {rule: improve(rule, sets) for rule in rules}
        if larger == sets:
            return sets
        sets = larger
