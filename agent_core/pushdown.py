"""Legal next tokens for a batch of programs, from an LL(1) grammar compiled into tables: a few gathers, no loop.

Each program keeps a stack of cells. Where the symbol on top can be empty, what lies under it is legal too, and so on
down; so a cell is not a bare symbol but a symbol in its context, the tokens that come after it and how many cells down
each is served. There are finitely many such pairs (a few hundred), all found when the grammar is loaded: a long run of
optional symbols would have to repeat one, which could then begin with what may also follow it, and that is not LL(1).

Two promises, whatever the policy prefers: every program that ends is legal to its last token, and every program ends
within `max_length`, because a token is legal only if the shortest completion still fits.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from agent_core.grammar import Alternative, Grammar, GrammarError, Symbol, Terminal
from agent_core.names import MARKS, Action, NameBits, Scopes
from tokenizer import PAD, SPECIAL_TOKENS

NEVER = 1 << 14  # tokens needed after an illegal token: more than any program has
_FINISHED = 0  # the state under every program: only <PAD> is left


class _Step(NamedTuple):
    """What a token does, seen from the top cell."""

    pops: int  # cells above the one that serves the token, all of them optional and left empty
    growth: int  # by how much the fewest tokens to the end change
    mark: str


class _Cell(NamedTuple):
    """A symbol in its context: `follow` says for each token that may come after it how it would be served."""

    symbol: Symbol
    follow: frozenset[tuple[int, _Step]]


@dataclass(frozen=True)
class Within:
    """Programs of which only a stretch is written anew: it ends with the first token served from below `floor`."""

    floor: Tensor  # (B,) index of the lowest cell of the stretch; 0 for a program that is written to its end
    stop: Tensor  # (B,) the one token that may end the stretch: the one that comes after it


@dataclass
class Progress:
    """Where each program of a batch stands. Changed in place by `LegalTokens.advance`."""

    stack: Tensor  # (B, D) int16, states
    pointer: Tensor  # (B,) index of the top cell
    top: Tensor  # (B,) state of the top cell
    fewest: Tensor  # (B,) tokens of the shortest completion
    room: Tensor  # (B,) tokens that may still be written
    scopes: Scopes

    def select(self, rows: Tensor) -> None:
        """Goes on with some of the programs only, by index."""
        self.stack, self.pointer, self.top = self.stack[rows], self.pointer[rows], self.top[rows]
        self.fewest, self.room = self.fewest[rows], self.room[rows]
        self.scopes.select(rows)


class LegalTokens:
    """The tables of one grammar over one vocabulary, on one device."""

    def __init__(self, grammar: Grammar, tokens: Sequence[str], device: torch.device):
        self.device = device
        self.pad = list(tokens).index(PAD)
        self._tokens = list(tokens)
        self.grammar = grammar
        try:
            self._bits = NameBits(tokens)
        except ValueError as error:
            raise GrammarError(f"grammar: {error}") from None
        compiler = _Compiler(grammar, self.pad)
        self._starts = {start: compiler.state(_Cell(start, frozenset())) for start in ("program", "function_body")}
        rows = compiler.rows()

        states, vocabulary = len(rows), len(tokens)
        self.deepest_push = max(len(pushed) for row in rows for _, pushed in row.values())
        need = torch.full((states, vocabulary), NEVER)
        guard = torch.zeros((states, vocabulary), dtype=torch.long)
        step = torch.zeros((states, vocabulary, 3), dtype=torch.long)  # pops, growth, action
        push = torch.zeros((states, vocabulary, self.deepest_push + 1), dtype=torch.long)  # states, bottom first; count
        for state, row in enumerate(rows):
            for token, ((pops, growth, mark), pushed) in row.items():
                need[state, token] = 1 + growth if state != _FINISHED else -NEVER
                guard[state, token] = MARKS[mark][0]
                step[state, token] = torch.tensor([pops, growth, MARKS[mark][1]])
                push[state, token, :len(pushed)] = torch.tensor(pushed, dtype=torch.long)
                push[state, token, -1] = len(pushed)
        self._need, self._guard = need.to(device), guard.to(device)
        self._step, self._push = step.flatten(0, 1).to(device), push.flatten(0, 1).to(device)
        self._bit_position = torch.tensor(self._bits.position, device=device)  # (V,)
        self._name_word = torch.tensor(self._bits.word, device=device)  # (V,)
        self._pops = step[..., 0].to(device)  # (states, V)
        self._ids = torch.arange(vocabulary, device=device)
        self._offsets = torch.arange(self.deepest_push, device=device)
        self.fewest_of_state = [0, *(compiler.fewest(cell.symbol) for cell in compiler.cells[1:])]
        self.keeps_names = [False, *(compiler.keeps_names(cell.symbol) for cell in compiler.cells[1:])]

    def unused_tokens(self) -> list[str]:
        """The tokens of the vocabulary that no rule mentions, special ones left out."""
        used = (self._need < NEVER).any(dim=0).tolist()
        return [token for token, use in zip(self._tokens, used, strict=True) if not use and token not in SPECIAL_TOKENS]

    def shortest(self, start: str) -> int:
        """Tokens of the shortest program from a start symbol, <EOS> included."""
        return int(self.grammar.fewest_tokens[start])

    def begin(self, start: str, batch_size: int, max_length: int, defined: Sequence[str] = ()) -> Progress:
        """A batch of empty programs. defined: the names that exist from the start. Raises ValueError.

        max_length: the most tokens a program may have, <EOS> included.
        """
        if max_length < self.shortest(start):
            raise ValueError(f"the shortest {start} has {self.shortest(start)} tokens, max_length is {max_length}")
        depth = 2 + (self.deepest_push - 1) * max_length + self.deepest_push
        stack = torch.zeros((batch_size, depth), dtype=torch.int16, device=self.device)
        stack[:, 1] = self._starts[start]
        known = sum(self._bits.word[self._tokens.index(name)] for name in defined)
        pointer = torch.ones(batch_size, dtype=torch.long, device=self.device)
        return Progress(stack, pointer, top=torch.full_like(pointer, self._starts[start]),
                        fewest=torch.full_like(pointer, self.shortest(start)),
                        room=torch.full_like(pointer, max_length),
                        scopes=Scopes(batch_size, known, self._bits, self.device))

    def legal(self, progress: Progress, within: Within | None = None) -> Tensor:
        """(B, V) bool: the tokens that may come next. Never empty; a finished program has only <PAD>."""
        need = self._need[progress.top]  # (B, V)
        fits = need <= (progress.room - progress.fewest).unsqueeze(1)
        sealed = None
        if within is not None:
            inside = self.serving_cell(progress) >= within.floor.unsqueeze(1)
            stops = (need < NEVER) & (self._ids == within.stop.unsqueeze(1))  # what follows it is known to fit
            fits = torch.where(inside, fits, stops)
            sealed = within.floor > 0
        words = progress.scopes.facts(sealed).gather(1, self._guard[progress.top])  # (B, V)
        return fits & (words >> self._bit_position & 1).bool()

    def serving_cell(self, progress: Progress) -> Tensor:
        """(B, V) index in its stack of the cell that would take each token; meaningless for tokens that are illegal."""
        return progress.pointer.unsqueeze(1) - self._pops[progress.top]

    def advance(self, progress: Progress, token: Tensor) -> None:
        """Takes one legal token a program, (B,) ids."""
        vocabulary = len(self._tokens)
        pops, growth, action = self._step[progress.top * vocabulary + token].unbind(1)
        base = progress.pointer - pops
        served_by = progress.stack.gather(1, base.unsqueeze(1)).squeeze(1).long()
        pushed = self._push[served_by * vocabulary + token]  # (B, K + 1)
        # All K cells are written, used or not: the unused lie above the pointer, where nothing is read.
        progress.stack.scatter_(1, base.unsqueeze(1) + self._offsets, pushed[:, :-1].to(torch.int16))
        progress.pointer = base - 1 + pushed[:, -1]
        progress.top = progress.stack.gather(1, progress.pointer.unsqueeze(1)).squeeze(1).long()
        progress.fewest = progress.fewest + growth
        progress.room = progress.room - 1
        progress.scopes.apply(action, self._name_word[token])

    def accepts(self, programs: Sequence[Sequence[int]], start: str, max_length: int,
                defined: Sequence[str] = ()) -> list[bool]:
        """Which of these are whole legal programs, <EOS> included, of at most `max_length` tokens."""
        if not programs:
            return []
        longest = max(map(len, programs))
        ids = torch.full((len(programs), longest), self.pad, device=self.device)
        for row, program in enumerate(programs):
            ids[row, :len(program)] = torch.tensor(program, dtype=torch.long)
        progress = self.begin(start, len(programs), max_length, defined)
        accepted = torch.ones(len(programs), dtype=torch.bool, device=self.device)
        for t in range(longest):
            legal = self.legal(progress)
            accepted &= legal.gather(1, ids[:, t:t + 1]).squeeze(1)
            self.advance(progress, torch.where(accepted, ids[:, t], legal.int().argmax(dim=1)))
        return (accepted & self.is_finished(progress)).tolist()

    def is_finished(self, progress: Progress) -> Tensor:
        """(B,) bool: the programs that have written <EOS>."""
        return progress.top == _FINISHED


class _Compiler:
    """Finds every cell that can occur and numbers them: the states of the tables."""

    def __init__(self, grammar: Grammar, pad: int):
        self._grammar = grammar
        self._pad = pad
        self._exposing = self._rules_that_end_in_optional()
        self._name_keeping = self._rules_that_keep_names()
        self.cells: list[_Cell] = [_Cell("", frozenset())]  # state 0 is _FINISHED
        self._states: dict[_Cell, int] = {}
        self._known_openings: dict[Symbol, dict[int, _Step]] = {}

    def state(self, cell: _Cell) -> int:
        """The number of a cell. Contexts that can never be seen are dropped, so that equal cells share a state."""
        if isinstance(cell.symbol, Terminal) or cell.symbol not in self._exposing:
            cell = _Cell(cell.symbol, frozenset())
        if cell not in self._states:
            self._states[cell] = len(self.cells)
            self.cells.append(cell)
        return self._states[cell]

    def rows(self) -> list[dict[int, tuple[_Step, list[int]]]]:
        """For each state the legal tokens: what each does, and the states it pushes, bottom first."""
        rows: list[dict[int, tuple[_Step, list[int]]]] = [{self._pad: (_Step(0, 0, ""), [_FINISHED])}]
        while len(rows) < len(self.cells):  # a row may add cells
            cell = self.cells[len(rows)]
            row = {}
            for token, step in self._openings(cell.symbol).items():
                row[token] = (step._replace(pops=0), [self.state(c) for c in self._expand(cell, token)])
            if self._grammar.is_nullable(cell.symbol):
                row |= {token: (step, []) for token, step in cell.follow}
            rows.append(row)
        return rows

    def _expand(self, cell: _Cell, token: int) -> list[_Cell]:
        """What is left of a cell once it has begun with `token`, bottom first."""
        if isinstance(cell.symbol, Terminal):
            return []
        rest = self._in_context(self._grammar.choose(cell.symbol, token), cell)
        begin = next(i for i, c in enumerate(rest) if token in self._first(c.symbol))
        return rest[:begin:-1] + self._expand(rest[begin], token)

    def _in_context(self, alternative: Alternative, whole: _Cell) -> list[_Cell]:
        """The symbols of an alternative, each with what may follow it where `whole` stands."""
        cells: list[_Cell] = []
        follow = whole.follow
        for symbol in reversed(alternative):
            cells.append(_Cell(symbol, follow))
            here = dict(self._openings(symbol))
            if self._grammar.is_nullable(symbol):
                here |= {token: step._replace(pops=step.pops + 1) for token, step in follow}
            follow = frozenset(here.items())
        return cells[::-1]

    def _openings(self, symbol: Symbol) -> dict[int, _Step]:
        """For each token that `symbol` can begin with, what it does seen from the cell above the symbol's."""
        if symbol in self._known_openings:
            return self._known_openings[symbol]
        openings = self._known_openings[symbol] = {}
        for token in self._first(symbol):
            mark, pushed = self._expand_bare(symbol, token)
            openings[token] = _Step(1, sum(map(self.fewest, pushed)) - self.fewest(symbol), mark)
        return openings

    def _expand_bare(self, symbol: Symbol, token: int) -> tuple[str, list[Symbol]]:
        """As `_expand`, without contexts."""
        if isinstance(symbol, Terminal):
            return symbol.mark, []
        alternative = self._grammar.choose(symbol, token)
        begin = next(i for i, s in enumerate(alternative) if token in self._first(s))
        mark, above = self._expand_bare(alternative[begin], token)
        return mark, [*alternative[begin + 1:], *above]

    def _first(self, symbol: Symbol) -> frozenset[int]:
        return symbol.tokens if isinstance(symbol, Terminal) else self._grammar.first[symbol]

    def fewest(self, symbol: Symbol) -> int:
        """Tokens of the shortest text of a symbol."""
        return 1 if isinstance(symbol, Terminal) else int(self._grammar.fewest_tokens[symbol])

    def keeps_names(self, symbol: Symbol) -> bool:
        """Whether no text of the symbol defines a name, opens or ends a block, or ends it all: so that it can be
        swapped for another."""
        if isinstance(symbol, Terminal):
            return MARKS[symbol.mark][1] in (Action.NONE, Action.READ) and symbol.text != "EOS"
        return symbol in self._name_keeping

    def _rules_that_keep_names(self) -> set[str]:
        found = set(self._grammar.rules)
        while less := {rule for rule in found for alternative in self._grammar.rules[rule] for s in alternative
                       if not (self.keeps_names(s) if isinstance(s, Terminal) else s in found)}:
            found -= less
        return found

    def _rules_that_end_in_optional(self) -> set[str]:
        """The rules under which the cell below can show through: optional ones, and those that may end in one."""
        found = set(self._grammar.nullable)
        while more := {rule for rule, alternatives in self._grammar.rules.items()
                       if rule not in found and any(a and a[-1] in found for a in alternatives)}:
            found |= more
        return found
