"""The operators that there are. A new one is a file with a function from a `Request` to a `RolloutPlan`, a setting for
its share of a batch, and a line here."""

from collections.abc import Sequence

import torch

from agent_core.grammar.legal_tokens import Prompt
from agent_core.learning.language import Language, TokenIds
from agent_core.learning.operators import crossover, mutation, recall
from agent_core.learning.operators.parents import Parent
from agent_core.learning.operators.proposal import Operator, Request
from agent_core.learning.plan import RolloutPlan, join
from agent_core.settings.config import LearningConfig

OPERATORS = (
    Operator("mutation", lambda learning: learning.mutation_share, mutation.propose),
    Operator("crossover", lambda learning: learning.crossover_share, crossover.propose),
)


def counts_of(learning: LearningConfig, share: slice, taken: int = 0) -> list[int]:
    """How many programs each operator proposes among those of a batch that one rank writes.

    share: which ones; taken: how many of these are not for operators. All ranks together ask each operator for its
    share of the batch, as far as there is room left by the operators before it.
    """
    counts, room = [], share.stop - share.start - taken
    for operator in OPERATORS:
        begin, end = (int(place * operator.share(learning)) for place in (share.start, share.stop))
        counts.append(min(end - begin, room))
        room -= counts[-1]
    return counts


def plan_batch(
    parents: Sequence[Parent],
    prompts: Sequence[Prompt],
    share: slice,
    language: Language,
    learning: LearningConfig,
    random: torch.Generator,
    recalled: Sequence[TokenIds] = (),
) -> RolloutPlan | None:
    """The plan of one rank's programs; None where all of them are fresh.

    prompts: of each of them; a program's parents are those of the same prompt. Programs of one prompt are fresh ones
    first, then those of each operator. share: which of the whole batch they are. Everything is drawn on the CPU, where
    `random` lives. recalled: not more than there are prompts, which are alike then; they come before all others.
    """
    places: dict[Prompt, list[int]] = {}  # of the programs of each prompt
    for place, prompt in enumerate(prompts):
        places.setdefault(prompt, []).append(place)
    plans: list[RolloutPlan] = []
    fresh: list[int] = []
    others: list[int] = []
    for prompt, own in places.items():
        candidates = [parent for parent in parents if parent.prompt == prompt]
        counts = counts_of(learning, share if len(places) == 1 else slice(0, len(own)), len(recalled))
        proposed = [
            operator.propose(Request(candidates, count, learning, random, language))
            for operator, count in zip(OPERATORS, counts, strict=True)
            if count and candidates
        ]
        if recalled:
            proposed.append(recall.propose(recalled, language))
        first = len(own) - sum(len(plan.span_begin) for plan in proposed)
        plans, fresh, others = [*plans, *proposed], fresh + own[:first], others + own[first:]
    if not plans:
        return None
    plan = join(plans, len(prompts), language.tokenizer.pad)
    if recalled:
        plan = plan.select(torch.arange(len(prompts)).roll(len(recalled)))
    if len(places) > 1:
        plan = plan.select(torch.tensor(fresh + others).argsort())
    return plan.to(language.device)
