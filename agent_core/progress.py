"""How far an agent has come, and what it reports of each step."""

from collections import Counter
from dataclasses import dataclass

from agent_core.batch_exchange import Batch
from agent_core.interpreter.wire_format import STATUSES
from memory.archive.attempts import Attempts

# What `Agent.step` reports, in the order of metrics.csv. All of it follows from the seed alone.
FIGURES = (
    "step",
    "attempts",
    "mean_reward",
    "batch_best",
    "best_reward",
    "best_tokens",
    "mean_tokens",
    "distinct_programs",
    "distinct_behaviours",
    "new_programs",
    *STATUSES,
    "elites",
    "elite_reward",
    "restarts",
    "counterexamples",
    "loss",
    "policy_loss",
    "imitation_loss",
    "entropy",
    "gradient_norm",
    "skipped",
)


@dataclass(frozen=True)
class Improvement:
    """A program that was better than all before it."""

    attempts: int
    reward: float
    program: str  # as people are shown it


@dataclass
class Progress:
    """What an agent counts. A restart of the policy resets none of it."""

    steps: int = 0
    attempts: int = 0
    restarts: int = 0
    skipped: int = 0  # steps in a row whose loss or gradient was not finite
    restarted_at: int = 0  # attempts at the last restart
    solved_at: int | None = None  # attempts at the first solution


def step_figures(progress: Progress, memory: Attempts, counterexamples: int, batch: Batch) -> dict[str, float]:
    """Of a step and its batch: FIGURES but those of learning."""
    found, count = batch.found, len(batch.found.rewards)
    statuses, elites = Counter(found.statuses), memory.elite_rewards
    return {
        "step": progress.steps,
        "attempts": progress.attempts,
        "mean_reward": sum(found.rewards) / count,
        "batch_best": max(found.rewards),
        "best_reward": memory.best.reward,
        "best_tokens": len(memory.best.row),
        "mean_tokens": sum(found.lengths) / count,
        "distinct_programs": len(set(found.programs)),
        "distinct_behaviours": len(set(found.behaviours)),
        "new_programs": batch.new,
        **{status: statuses[status] / count for status in STATUSES},
        "elites": len(elites),
        "elite_reward": sum(elites) / max(len(elites), 1),
        "restarts": progress.restarts,
        "counterexamples": counterexamples,
    }
