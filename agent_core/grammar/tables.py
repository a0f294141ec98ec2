"""The tables of a grammar: for each state on top of a stack and each token, what the token needs and what it does.

Worked example, the grammar of sums (`sum: NUMBER more`, `more: '+' NUMBER more | nothing`, `program: sum EOS`). Its
states are 0 FINISHED, 3 `EOS`, 4 `more` and 5 `NUMBER` (1 and 2 are the start symbols). After `1` the stack is

    index    0         1    2
    state    0         3    4        and the top cell is `more`, with two tokens that may come next:

    token    need  pops  push    rise
    +        2     0     [4, 5]  1     served by the top cell: it becomes `more` with `NUMBER` on it. Two tokens of
                                       the length budget: the program's shortest end now is 2 tokens further away
    <EOS>    0     1     []      -1    served one cell below the top, `more` being left empty: nothing is put there, so
                                       FINISHED is on top. It belongs to the shortest end, and costs no budget
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy
import torch
from torch import Tensor

from agent_core.grammar.compiler import FINISHED, Step
from agent_core.grammar.marks import DEEPER, MARKS, Guard
from agent_core.grammar.scopes import Names
from tokenizer import token_class

UNLIMITED = 1 << 14  # tokens needed after an illegal token: more than any program has

Rows = Sequence[dict[int, tuple[Step, list[int]]]]  # of `Compiler.rows`


@dataclass(frozen=True)
class Tables:
    """One entry for each state on top of the stack, S, and token, V. Those of `pops` 0 also say what a serving cell,
    which need not be the top one, turns into: `push` and `rise` are looked up at the state of that cell."""

    need: Tensor  # (S, V) int16 tokens of the length budget that it takes; UNLIMITED where it is not legal
    pops: Tensor  # (S, V) int16 cells above the one that serves it, all of them optional and left empty
    condition: Tensor  # (S, V) int64 where in `Scopes.facts` it says whether the names allow it
    name_move: Tensor  # (S, V, N) int32 what it does to each name, see `Names.move`
    deeper: Tensor  # (S, V) int64 blocks that it opens; -1 where it ends one
    push: Tensor  # (S, V, K) int16 the states that take the place of the serving cell, bottom first, then zeros
    rise: Tensor  # (S, V) int64 how far the new top lies above the serving cell; -1 where nothing is pushed
    log_weights: Tensor  # (S, V) float32 by the grammar's weights, beside the others; 0 where it is not legal

    def to(self, device: torch.device) -> "Tables":
        return Tables(*(getattr(self, field.name).to(device) for field in fields(self)))


def make_tables(rows: Rows, vocabulary: int, names: Names, pad: int) -> Tables:
    """The tables on the CPU. vocabulary: how many tokens there are."""
    shape = len(rows), vocabulary
    deepest_push = max(len(pushed) for row in rows for _, pushed in row.values())
    need = numpy.full(shape, UNLIMITED, dtype=numpy.int16)
    pops = numpy.zeros(shape, dtype=numpy.int16)
    condition = numpy.full(shape, names.condition(Guard.ALWAYS, pad))
    name_move = numpy.zeros((*shape, names.count), dtype=numpy.int32)
    deeper = numpy.zeros(shape, dtype=numpy.int64)
    push = numpy.zeros((*shape, deepest_push), dtype=numpy.int16)
    rise = numpy.full(shape, -1)
    log_weights = numpy.zeros(shape, dtype=numpy.float32)
    for state, row in enumerate(rows):
        for token, (step, pushed) in row.items():
            at = state, token
            guard, action = MARKS[step.mark]
            need[at] = 1 + step.growth if state != FINISHED else -UNLIMITED
            pops[at] = step.pops
            condition[at] = names.condition(guard, token)
            name_move[at] = names.move(action, token)
            deeper[at] = DEEPER.get(action, 0)
            push[at][: len(pushed)] = pushed
            rise[at] = len(pushed) - 1
            log_weights[at] = step.log_weight
    tables = (need, pops, condition, name_move, deeper, push, rise, log_weights)
    return Tables(*map(torch.from_numpy, tables))


def up_to(table: Tensor) -> Tensor:
    """(S * n, V) bool: where a table (S, V) is at most n, n from -1 to its largest number but UNLIMITED."""
    steps = torch.arange(-1, int(table[table < UNLIMITED].max()) + 1, dtype=table.dtype)
    return (table.unsqueeze(1) <= steps.unsqueeze(1)).flatten(0, 1)


def class_sizes(rows: Rows, tokens: Sequence[str]) -> Tensor:
    """(V,) float: how many tokens the grammar continues alike wherever they stand, the token itself among them: all
    numbers, all comparisons. A name is of its own class, since each says something else."""
    classes: dict[object, list[int]] = {}
    for token, text in enumerate(tokens):
        moves = tuple((state, row[token][0][:3], *row[token][1]) for state, row in enumerate(rows) if token in row)
        classes.setdefault(text if token_class(text) in ("VARIABLE", "FUNCTION") else moves, []).append(token)
    sizes = torch.ones(len(tokens))
    for members in classes.values():
        sizes[members] = float(len(members))
    return sizes
