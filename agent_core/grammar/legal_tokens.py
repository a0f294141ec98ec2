"""Legal next tokens for a batch of programs, from the tables of an LL(1) grammar: a few gathers, no loop over programs.

Each program keeps a stack of cells (see compiler.py); the one on top says which tokens may come next, and how each of
them changes the stack. Two promises, whatever the policy prefers: every program that ends is legal to its last token,
and every program ends within `max_length`, because a token is legal only if the shortest completion still fits.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from agent_core.grammar.compiler import FINISHED, Cell, Compiler
from agent_core.grammar.ll1 import START_SYMBOLS, Grammar, GrammarError
from agent_core.grammar.scopes import Names, Scopes
from agent_core.grammar.tables import UNLIMITED, class_sizes, make_tables, up_to
from tokenizer import PAD, SPECIAL_TOKENS

__all__ = ["UNLIMITED", "LegalTokens", "OpenSpan", "Prompt", "StackState"]


class Prompt(NamedTuple):
    """Where a program begins: the grammar's start symbol, and the names that exist before its first token."""

    start: str
    defined: tuple[str, ...] = ()


@dataclass
class OpenSpan:
    """Programs of which only a span is being written: it ends with the first token served from below `base_cell`."""

    base_cell: Tensor  # (B,) index of the lowest cell of the span; 0 for a program that is written to its end
    end_token: Tensor  # (B, V) bool, the one token that may end the span: the one that comes after it


@dataclass
class StackState:
    """Where each program of a batch stands. Changed in place by `LegalTokens.advance`."""

    stack: Tensor  # (B, D) int16, states
    pointer: Tensor  # (B,) index of the top cell
    top: Tensor  # (B,) state of the top cell
    length_budget: Tensor  # (B,) tokens that may be written beyond those of the shortest completion
    scopes: Scopes

    def select(self, rows: Tensor) -> None:
        """Goes on with some of the programs only, by index."""
        self.stack, self.pointer, self.top, self.length_budget = (
            part.index_select(0, rows) for part in (self.stack, self.pointer, self.top, self.length_budget)
        )
        self.scopes.select(rows)


class LegalTokens:
    """The tables of one grammar over one vocabulary, on one device."""

    def __init__(self, grammar: Grammar, tokens: Sequence[str], device: torch.device):
        self.device = device
        self.pad = list(tokens).index(PAD)
        self._tokens = list(tokens)
        self.grammar = grammar
        try:
            self._names = Names(tokens, device)
        except ValueError as error:
            raise GrammarError(f"grammar: {error}") from None
        compiler = Compiler(grammar, self.pad)
        self._starts = {start: compiler.state(Cell(start, frozenset())) for start in START_SYMBOLS}
        rows = compiler.rows()
        tables = make_tables(rows, len(tokens), self._names, self.pad)
        # Which tokens fit, by state and tokens to spare, and which are served within so many cells of the top. Both
        # numbers count from -1: nothing to spare at all, and the whole span used up.
        self._fits, self._within = up_to(tables.need).to(device), up_to(tables.pops).to(device)
        self._budgets, self._reaches = (len(table) // len(rows) for table in (self._fits, self._within))
        self._used = (tables.need < UNLIMITED).any(dim=0)  # (V,)
        tables = tables.to(device)
        self._condition = tables.condition  # (S, V)
        self.log_weights = tables.log_weights  # (S, V)
        # For tokens that have been chosen, by state * V + token:
        self._spent = tables.need.clamp(min=0).flatten().long()  # a finished program spends nothing more
        self._popped, self._deeper, self._rise = tables.pops.flatten(), tables.deeper.flatten(), tables.rise.flatten()
        self._name_move, self._push = tables.name_move.flatten(0, 1), tables.push.flatten(0, 1)
        self.deepest_push = tables.push.shape[-1]
        self._offsets = torch.arange(self.deepest_push, device=device)
        self.class_sizes = class_sizes(rows, self._tokens).to(device)  # (V,)

        symbols = [cell.symbol for cell in compiler.cells]
        numbers = {symbol: number for number, symbol in enumerate(dict.fromkeys(symbols))}
        self.symbol_of_state = [numbers[symbol] for symbol in symbols]  # a number for each symbol of the grammar
        self.fewest_of_state = [0, *map(compiler.fewest, symbols[1:])]
        self.keeps_names = [False, *map(compiler.keeps_names, symbols[1:])]

    def unused_tokens(self) -> list[str]:
        """The tokens of the vocabulary that no rule mentions, special ones left out."""
        used = zip(self._tokens, self._used.tolist(), strict=True)
        return [token for token, use in used if not use and token not in SPECIAL_TOKENS]

    def shortest(self, start: str) -> int:
        """Tokens of the shortest program from a start symbol, <EOS> included."""
        return int(self.grammar.fewest_tokens[start])

    def begin(self, start: str, batch_size: int, max_length: int, defined: Sequence[str] = ()) -> StackState:
        """A batch of empty programs. defined: the names that exist from the start. Raises ValueError.

        max_length: the most tokens a program may have, <EOS> included.
        """
        return self.begin_each([Prompt(start, tuple(defined))] * batch_size, max_length)

    def begin_each(self, prompts: Sequence[Prompt], max_length: int) -> StackState:
        """As `begin`, where each program has a prompt of its own, (B,)."""
        distinct = {prompt: number for number, prompt in enumerate(dict.fromkeys(prompts))}
        for start in dict.fromkeys(prompt.start for prompt in distinct):
            if max_length < self.shortest(start):
                raise ValueError(f"the shortest {start} has {self.shortest(start)} tokens, max_length is {max_length}")
        which = torch.tensor([distinct[prompt] for prompt in prompts], dtype=torch.long, device=self.device)  # (B,)

        def of_each(values: Sequence[int]) -> Tensor:
            """(B,) what is given for each distinct prompt."""
            return torch.tensor(values, dtype=torch.long, device=self.device).index_select(0, which)

        depth = 2 + (self.deepest_push - 1) * max_length + self.deepest_push
        stack = torch.zeros((len(prompts), depth), dtype=torch.int16, device=self.device)
        top = of_each([self._starts[prompt.start] for prompt in distinct])
        stack[:, 1] = top
        known = [[self._tokens.index(name) for name in prompt.defined] for prompt in distinct]
        return StackState(
            stack,
            pointer=torch.ones_like(top),
            top=top,
            length_budget=of_each([max_length - self.shortest(prompt.start) for prompt in distinct]),
            scopes=Scopes(self._names.states(known).index_select(0, which), self._names),
        )

    def legal(self, stacks: StackState, span: OpenSpan | None = None) -> Tensor:
        """(B, V) bool: the tokens that may come next. Never empty; a finished program has only <PAD>."""
        top = stacks.top
        length_budget = (stacks.length_budget + 1).clamp_(0, self._budgets - 1)
        fits = self._fits.index_select(0, torch.add(length_budget, top, alpha=self._budgets))  # (B, V)
        sealed = None
        if span is not None:
            reach = (stacks.pointer - span.base_cell + 1).clamp_(max=self._reaches - 1)
            inside = self._within.index_select(0, torch.add(reach, top, alpha=self._reaches))
            fits = span.end_token ^ (inside & (fits ^ span.end_token))  # outside only the end: what follows it does fit
            sealed = span.base_cell > 0
        return fits & stacks.scopes.facts(sealed).gather(1, self._condition.index_select(0, top))

    def advance(self, stacks: StackState, token: Tensor) -> Tensor:
        """Takes one legal token a program, (B,) ids. Returns (B,) indexes of the cells that took them, each in its
        stack as it was before."""
        move = self._at(stacks.top, token)
        base = stacks.pointer - self._popped.index_select(0, move)
        served_by = stacks.stack.gather(1, base.unsqueeze(1)).squeeze(1)
        served = self._at(served_by.long(), token)
        # All K cells are written, used or not: the unused lie above the pointer, where nothing is read.
        stacks.stack.scatter_(1, base.unsqueeze(1) + self._offsets, self._push.index_select(0, served))
        stacks.pointer = base + self._rise.index_select(0, served)
        stacks.top = stacks.stack.gather(1, stacks.pointer.unsqueeze(1)).squeeze(1).long()
        stacks.length_budget = stacks.length_budget - self._spent.index_select(0, move)
        stacks.scopes.apply(self._name_move.index_select(0, move), self._deeper.index_select(0, move))
        return base

    def _at(self, state: Tensor, token: Tensor) -> Tensor:
        """(B,) indexes into the flattened tables."""
        return torch.add(token, state, alpha=len(self._tokens))

    def accepts(
        self, programs: Sequence[Sequence[int]], start: str, max_length: int, defined: Sequence[str] = ()
    ) -> list[bool]:
        """Which of these are whole legal programs, <EOS> included, of at most `max_length` tokens."""
        return self.accepts_each(programs, [Prompt(start, tuple(defined))] * len(programs), max_length)

    def accepts_each(self, programs: Sequence[Sequence[int]], prompts: Sequence[Prompt], max_length: int) -> list[bool]:
        """As `accepts`, where each program has a prompt of its own."""
        if not programs:
            return []
        longest = max(map(len, programs))
        ids = torch.full((len(programs), longest), self.pad, device=self.device)
        for row, program in enumerate(programs):
            ids[row, : len(program)] = torch.tensor(program, dtype=torch.long)
        stacks = self.begin_each(prompts, max_length)
        accepted = torch.ones(len(programs), dtype=torch.bool, device=self.device)
        for t in range(longest):
            legal = self.legal(stacks)
            accepted &= legal.gather(1, ids[:, t : t + 1]).squeeze(1)
            self.advance(stacks, torch.where(accepted, ids[:, t], legal.int().argmax(dim=1)))
        return (accepted & self.is_finished(stacks)).tolist()

    def is_finished(self, stacks: StackState) -> Tensor:
        """(B,) bool: the programs that have written <EOS>."""
        return stacks.top == FINISHED
