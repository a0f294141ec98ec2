"""An LL(1) grammar and what follows from its rules: what can be empty, what begins it, what comes after it.

The textbook construction (nullable, FIRST, FOLLOW; Aho, Lam, Sethi, Ullman, "Compilers", section 4.4), and beside it
the length of each rule's shortest text.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from agent_core.grammar.marks import GUARDED_MARKS
from utils import UserError

START_SYMBOLS = ("program", "function_body")


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
    weights: dict[tuple[str, Alternative], float]  # above 0, how likely an alternative is beside the others of its rule
    number_weights: dict[int, float]  # how likely a number is beside others, by its token
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

    def share(self, rule: str, alternative: Alternative) -> float:
        """How likely the grammar's author holds an alternative among those of its rule."""
        return self.weights[rule, alternative] / sum(self.weights[rule, other] for other in self.rules[rule])

    def share_of_token(self, terminal: Terminal, token: int) -> float:
        """How likely one token of a class is among those of the class."""
        weights = self.number_weights
        return weights.get(token, 1.0) / sum(weights.get(other, 1.0) for other in terminal.tokens)

    def choose(self, rule: str, token: int) -> Alternative:
        """The alternative of `rule` that begins with `token`, which must be one of `first[rule]`."""
        return self._chosen[rule, token]

    @cached_property
    def _chosen(self) -> dict[tuple[str, int], Alternative]:
        return {
            (rule, token): alternative
            for rule, alternatives in self.rules.items()
            for alternative in alternatives
            for token in self.first_of(alternative)
        }


def _fixed_point(
    rules: Iterable[str], improve: Callable[[str, dict[str, frozenset[int]]], frozenset[int]]
) -> dict[str, frozenset[int]]:
    """The least sets, one a rule, that `improve(rule, sets)` no longer enlarges."""
    sets: dict[str, frozenset[int]] = dict.fromkeys(rules, frozenset())
    while True:
        larger = {rule: improve(rule, sets) for rule in rules}
        if larger == sets:
            return sets
        sets = larger
