"""Compiles an LL(1) grammar into the states and moves of a pushdown machine.

Where the symbol on top of the stack can be empty, what lies under it is legal too, and so on down; so a cell is not a
bare symbol but a symbol in its context, the tokens that come after it and how many cells down each is served. There
are finitely many such pairs (a few hundred), all found when the grammar is loaded: a long run of optional symbols would
have to repeat one, which could then begin with what may also follow it, and that is not LL(1).
"""

import math
from itertools import chain
from typing import NamedTuple

from agent_core.grammar.ll1 import Alternative, Grammar, Symbol, Terminal
from agent_core.grammar.marks import MARKS, NAMING_MARKS, Action

FINISHED = 0  # the state under every program: only <PAD> is left


_OF_BINDINGS = (Action.BIND, Action.BIND_TOO, Action.RELEASE)


class Step(NamedTuple):
    """What a token does, seen from the top cell."""

    pops: int  # cells above the one that serves the token, all of them optional and left empty
    growth: int  # by how much the fewest tokens to the end change
    mark: str
    log_weight: float  # of the token beside the others that may stand there, as the grammar's weights have it


class Cell(NamedTuple):
    """A symbol in its context: `follow` says for each token that may come after it how it would be served."""

    symbol: Symbol
    follow: frozenset[tuple[int, Step]]


def _lighter(step: Step, log_weight: float) -> Step:
    """Rounded, so that equal contexts that were reached on different ways stay equal."""
    return step._replace(log_weight=round(step.log_weight + log_weight, 6))


def _action(symbol: Symbol) -> Action | None:
    """What a token does to the names; None for a rule."""
    return MARKS[symbol.mark][1] if isinstance(symbol, Terminal) else None


def _binds(symbol: Symbol) -> bool:
    return _action(symbol) in (Action.NONE, Action.BIND, Action.BIND_TOO)


class Compiler:
    """Finds every cell that can occur and numbers them: the states of the tables."""

    def __init__(self, grammar: Grammar, pad: int):
        self._grammar = grammar
        self._pad = pad
        self._exposing = self._rules_that_end_in_optional()
        self._name_keeping = self._rules_that_keep_names()
        self.cells: list[Cell] = [Cell("", frozenset())]  # state 0 is FINISHED
        self._states: dict[Cell, int] = {}
        self._known_contexts: dict[tuple, list[Cell]] = {}
        self._known_openings: dict[Symbol, dict[int, Step]] = {}

    def state(self, cell: Cell) -> int:
        """The number of a cell. Contexts that can never be seen are dropped, so that equal cells share a state."""
        if isinstance(cell.symbol, Terminal) or cell.symbol not in self._exposing:
            cell = Cell(cell.symbol, frozenset())
        if cell not in self._states:
            self._states[cell] = len(self.cells)
            self.cells.append(cell)
        return self._states[cell]

    def rows(self) -> list[dict[int, tuple[Step, list[int]]]]:
        """For each state the legal tokens: what each does, and the states it pushes, bottom first."""
        rows: list[dict[int, tuple[Step, list[int]]]] = [{self._pad: (Step(0, 0, "", 0.0), [FINISHED])}]
        while len(rows) < len(self.cells):  # a row may add cells
            cell = self.cells[len(rows)]
            row = {}
            for token, step in self._openings(cell.symbol).items():
                row[token] = (step._replace(pops=0), [self.state(c) for c in self._expand(cell, token)])
            if self._grammar.is_nullable(cell.symbol):
                left_out = self._log_empty(cell.symbol)
                row |= {token: (_lighter(step, left_out), []) for token, step in cell.follow}
            rows.append(row)
        return rows

    def _expand(self, cell: Cell, token: int) -> list[Cell]:
        """What is left of a cell once it has begun with `token`, bottom first."""
        if isinstance(cell.symbol, Terminal):
            return []
        rest = self._in_context(self._grammar.choose(cell.symbol, token), cell)
        begin = next(i for i, c in enumerate(rest) if token in self._first(c.symbol))
        return rest[:begin:-1] + self._expand(rest[begin], token)

    def _in_context(self, alternative: Alternative, whole: Cell) -> list[Cell]:
        """The symbols of an alternative, each with what may follow it where `whole` stands."""
        known = alternative, whole.follow
        if known in self._known_contexts:
            return self._known_contexts[known]
        cells: list[Cell] = []
        follow = whole.follow
        for symbol in reversed(alternative):
            cells.append(Cell(symbol, follow))
            here = dict(self._openings(symbol))
            if self._grammar.is_nullable(symbol):
                left_out = self._log_empty(symbol)
                here |= {token: _lighter(step, left_out)._replace(pops=step.pops + 1) for token, step in follow}
            follow = frozenset(here.items())
        self._known_contexts[known] = cells[::-1]
        return self._known_contexts[known]

    def _openings(self, symbol: Symbol) -> dict[int, Step]:
        """For each token that `symbol` can begin with, what it does seen from the cell above the symbol's."""
        if symbol in self._known_openings:
            return self._known_openings[symbol]
        openings = self._known_openings[symbol] = {}
        for token in self._first(symbol):
            mark, pushed, log_weight = self._expand_bare(symbol, token)
            growth = sum(map(self.fewest, pushed)) - self.fewest(symbol)
            openings[token] = _lighter(Step(1, growth, mark, 0.0), log_weight)
        return openings

    def _expand_bare(self, symbol: Symbol, token: int) -> tuple[str, list[Symbol], float]:
        """The token's mark; as `_expand` but without contexts; and the logarithm of the token's share."""
        if isinstance(symbol, Terminal):
            # Which names exist, the grammar does not know: each is an alternative of its own.
            named = symbol.mark in NAMING_MARKS
            return symbol.mark, [], 0.0 if named else math.log(self._grammar.share_of_token(symbol, token))
        alternative = self._grammar.choose(symbol, token)
        begin = next(i for i, s in enumerate(alternative) if token in self._first(s))
        mark, above, log_weight = self._expand_bare(alternative[begin], token)
        log_weight += math.log(self._grammar.share(symbol, alternative))
        log_weight += sum(map(self._log_empty, alternative[:begin]))
        return mark, [*alternative[begin + 1 :], *above], log_weight

    def _log_empty(self, symbol: Symbol) -> float:
        """The logarithm of the share of a rule's texts that are empty, as the grammar's weights have it."""
        assert isinstance(symbol, str)  # a terminal is never empty
        empty = next(a for a in self._grammar.rules[symbol] if all(map(self._grammar.is_nullable, a)))
        return math.log(self._grammar.share(symbol, empty)) + sum(map(self._log_empty, empty))

    def _first(self, symbol: Symbol) -> frozenset[int]:
        return symbol.tokens if isinstance(symbol, Terminal) else self._grammar.first[symbol]

    def fewest(self, symbol: Symbol) -> int:
        """Tokens of the shortest text of a symbol."""
        return 1 if isinstance(symbol, Terminal) else int(self._grammar.fewest_tokens[symbol])

    def keeps_names(self, symbol: Symbol) -> bool:
        """Whether no text of the symbol defines a name, opens or ends a block, or ends it all: so that it can be
        swapped for another. A variable that is bound and released within the text does not count."""
        if isinstance(symbol, Terminal):
            return _action(symbol) in (Action.NONE, Action.READ) and symbol.text != "EOS"
        return symbol in self._name_keeping

    def _rules_that_keep_names(self) -> set[str]:
        rules = self._grammar.rules
        binding = {
            rule for rule, alternatives in rules.items() if all(map(_binds, chain.from_iterable(alternatives)))
        }  # those that only bind, too: they must stand beside what releases
        found = set(rules)

        def keeps(symbol: Symbol, released: bool) -> bool:
            if isinstance(symbol, Terminal):
                return self.keeps_names(symbol) or released and _action(symbol) in _OF_BINDINGS
            return symbol in found or released and symbol in binding

        while less := {
            rule
            for rule in found
            for alternative in rules[rule]
            for released in [any(_action(s) == Action.RELEASE for s in alternative)]
            if not all(keeps(s, released) for s in alternative)
        }:
            found -= less
        return found

    def _rules_that_end_in_optional(self) -> set[str]:
        """The rules under which the cell below can show through: optional ones, and those that may end in one."""
        found = set(self._grammar.nullable)
        while more := {
            rule
            for rule, alternatives in self._grammar.rules.items()
            if rule not in found and any(a and a[-1] in found for a in alternatives)
        }:
            found |= more
        return found
