"""The rules of value_types.py as tables, so that a batch of programs is followed by a few gathers a token."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import numpy
import torch
from torch import Tensor

from agent_core.learning.type_states import ROOT, STATEMENT, Bracket, Effect, Mode
from agent_core.learning.value_types import HANGING, Rules
from agent_core.learning.word_types import OPERATORS, UPDATES, WORDS
from tokenizer import token_class

_BINDS_TIGHTLY = frozenset(("[", *OPERATORS, *UPDATES, *WORDS))


class ValueTypes:
    """The tables of one task over one vocabulary, on one device: a row for each mode under each bracket."""

    def __init__(self, rules: Rules, tokens: Sequence[str], device: torch.device):
        self.device = device
        alike = [rules.alike(token) for token in tokens]
        samples = dict(zip(alike, tokens, strict=True))  # of tokens that have the same effects, one
        rows, effects, modes, brackets = _every_effect(rules, list(samples.values()))
        self.brackets = len(brackets)
        values = numpy.array(
            [(e.misfit, modes[e.mode], e.change, -1 if e.bracket is None else brackets[e.bracket]) for e in effects]
        )
        table = values[numpy.array([[rows[mode, bracket] for bracket in brackets] for mode in modes])]
        misfit, next_mode, change, top = numpy.moveaxis(table, -1, 0)
        top = numpy.where(top < 0, numpy.arange(len(brackets))[:, None], top)  # the bracket that is there stays
        columns = [list(samples).index(kind) for kind in alike]

        def on_device(part: numpy.ndarray, kind: str) -> Tensor:
            return torch.from_numpy(part[:, :, columns].reshape(-1, len(tokens)).astype(kind)).to(device)

        # Narrow types: play holds the tables of all its signatures, some 10,000 rows each.
        self.misfits = on_device(2 * misfit, "i1")  # (rows, V) in halves
        self._next_mode = on_device(next_mode, "i2").flatten()
        self._change, self._top = on_device(change, "i1").flatten(), on_device(top, "i2").flatten()
        self._vocabulary = len(tokens)

    def begin(self, batch_size: int, max_length: int) -> "TypeState":
        """A batch of empty programs."""
        zeros = torch.zeros(batch_size, dtype=torch.long, device=self.device)
        return TypeState(zeros, zeros, zeros.unsqueeze(1).repeat(1, max_length + 2))

    def advance(self, state: "TypeState", token: Tensor) -> None:
        """Takes one token a program, (B,) ids."""
        at = torch.add(token, state.row, alpha=self._vocabulary)
        change = self._change.index_select(0, at)
        state.depth = (state.depth + change).clamp_(min=0, max=state.stack.shape[1] - 1)
        place = state.depth.unsqueeze(1)
        below = state.stack.gather(1, place).squeeze(1)
        top = torch.where(change < 0, below, self._top.index_select(0, at))
        state.stack.scatter_(1, place, top.unsqueeze(1))
        state.row = torch.add(top, self._next_mode.index_select(0, at), alpha=self.brackets)


@lru_cache(maxsize=32)
def value_types(rules: Rules, tokens: tuple[str, ...], device: torch.device) -> ValueTypes:
    """The tables of these rules. They take most of a second to make, and tasks and questions of the same types share
    them."""
    return ValueTypes(rules, tokens, device)


@dataclass
class TypeState:
    """Where each program of a batch stands. Changed in place by `ValueTypes.advance`."""

    row: Tensor  # (B,) of the tables
    depth: Tensor  # (B,) index of the innermost open bracket
    stack: Tensor  # (B, D) brackets that are open, by number

    def select(self, rows: Tensor) -> None:
        """Goes on with some of the programs only, by index."""
        self.row, self.depth, self.stack = (part.index_select(0, rows) for part in (self.row, self.depth, self.stack))


def _every_effect(
    rules: Rules, tokens: Sequence[str]
) -> tuple[dict[tuple[Mode, Bracket], list[int]], dict[Effect, int], dict[Mode, int], dict[Bracket, int]]:
    """What each token does in every mode under every bracket, as numbers of effects; and these numbers, and those
    of modes and brackets. The first mode and the first bracket are those of an empty program."""
    modes: dict[Mode, int] = {STATEMENT: 0}
    brackets: dict[Bracket, int] = {ROOT: 0}
    effects: dict[Effect, int] = {}
    rows: dict[tuple[Mode, Bracket], list[int]] = {}
    hanging: dict[Mode, list[int]] = {}
    while todo := [pair for pair in product(modes, brackets) if pair not in rows]:
        for mode, bracket in todo:
            if mode not in hanging:
                hanging[mode] = [i for i, token in enumerate(tokens) if _hangs_on_bracket(mode, token)]
            row = list(rows.get((mode, ROOT), ())) or [0] * len(tokens)
            for i in hanging[mode] if (mode, ROOT) in rows else range(len(tokens)):
                effect = rules.effect(mode, bracket, tokens[i])
                row[i] = effects.setdefault(effect, len(effects))
                modes.setdefault(effect.mode, len(modes))
                if effect.bracket:
                    brackets.setdefault(effect.bracket, len(brackets))
            rows[mode, bracket] = row
    return rows, effects, modes, brackets


def _hangs_on_bracket(mode: Mode, token: str) -> bool:
    """Whether what a token does may be another thing under another bracket."""
    if mode.phase == "operand":
        return token in HANGING or token_class(token) == "VARIABLE"
    return mode.phase in ("call", "function") or mode.phase == "after" and token not in _BINDS_TIGHTLY
