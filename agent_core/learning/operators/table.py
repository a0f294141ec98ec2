"""The operators that there are. A new one is a file with a function from a `Request` to a `RolloutPlan`, a setting for
its share of a batch, and a line here."""

from collections.abc import Sequence

import torch

from agent_core.learning.language import Language
from agent_core.learning.operators import mutation
from agent_core.learning.operators.parents import Parent
from agent_core.learning.operators.proposal import Operator, Request
from agent_core.learning.plan import RolloutPlan, join
from agent_core.settings.config import LearningConfig

OPERATORS = (Operator("mutation", lambda learning: learning.mutation_share, mutation.propose),)


def counts_of(learning: LearningConfig, share: slice) -> list[int]:
    """How many programs each operator proposes among those of a batch that one rank writes.

    share: which ones. All ranks together ask each operator for its share of the batch, as far as there is room left
    by the operators before it.
    """
    counts, room = [], share.stop - share.start
    for operator in OPERATORS:
        begin, end = (int(place * operator.share(learning)) for place in (share.start, share.stop))
        counts.append(min(end - begin, room))
        room -= counts[-1]
    return counts


def plan_batch(
    parents: Sequence[Parent],
    batch_size: int,
    counts: Sequence[int],
    language: Language,
    learning: LearningConfig,
    random: torch.Generator,
) -> RolloutPlan | None:
    """The plan of a batch: fresh programs first, then those of each operator; None where all of them are fresh.

    counts: programs of each operator. Everything is drawn on the CPU, where `random` lives.
    """
    tokenizer = language.tokenizer
    plans = [
        operator.propose(Request(parents, count, learning, random, tokenizer))
        for operator, count in zip(OPERATORS, counts, strict=True)
        if count and parents
    ]
    return join(plans, batch_size, tokenizer.pad).to(language.device) if plans else None
