"""Legal next tokens for a batch of programs, from the tables of an LL(1) grammar: a few gathers, no loop over programs.

Each program keeps a stack of cells (see compiler.py); the one on top says which tokens may come next, and how each of
them changes the stack. Two promises, whatever the policy prefers: every program that ends is legal to its last token,
and every program ends within `max_length`, because a token is legal only if the shortest completion still fits.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy
import torch
from torch import Tensor

from agent_core.compiler import FINISHED, Cell, Compiler
from agent_core.grammar import START_SYMBOLS, Grammar, GrammarError
from agent_core.names import MARKS, NameBits, Scopes
from tokenizer import PAD, SPECIAL_TOKENS

NEVER = 1 << 14  # tokens needed after an illegal token: more than any program has


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
        compiler = Compiler(grammar, self.pad)
        self._starts = {start: compiler.state(Cell(start, frozenset())) for start in START_SYMBOLS}
        rows = compiler.rows()

        states, vocabulary = len(rows), len(tokens)
        self.deepest_push = max(len(pushed) for row in rows for _, pushed in row.values())
        need = numpy.full((states, vocabulary), NEVER)
        guard = numpy.zeros((states, vocabulary), dtype=numpy.int64)
        step = numpy.zeros((states, vocabulary, 3), dtype=numpy.int64)  # pops, growth, action
        push = numpy.zeros((states, vocabulary, self.deepest_push + 1), dtype=numpy.int64)  # bottom first; count
        for state, row in enumerate(rows):
            for token, ((pops, growth, mark), pushed) in row.items():
                need[state, token] = 1 + growth if state != FINISHED else -NEVER
                guard[state, token] = MARKS[mark][0]
                step[state, token] = pops, growth, MARKS[mark][1]
                push[state, token, :len(pushed)] = pushed
                push[state, token, -1] = len(pushed)
        tables = (torch.from_numpy(table).to(device) for table in (need, guard, step, push))
        self._need, self._guard, step, push = tables
        self._step, self._push = step.flatten(0, 1), push.flatten(0, 1)
        self._bit_position = torch.tensor(self._bits.position, device=device)  # (V,)
        self._name_word = torch.tensor(self._bits.word, device=device)  # (V,)
        self._pops = step[..., 0].contiguous()  # (states, V)
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
        return progress.top == FINISHED
