"""How far an agent has come, and what it reports of each step."""

from collections import Counter
from dataclasses import dataclass

from agent_core.batch_exchange import Batch
from agent_core.interpreter.wire_format import STATUSES
from memory.archive.archive import Archive

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


def step_figures(progress: Progress, archive: Archive, counterexamples: int, batch: Batch) -> dict[str, float]:
    """Of a step and its batch: FIGURES but those of learning."""
    scored, count = batch.scored, len(batch.scored.rewards)
    statuses, elite_rewards, best = Counter(scored.statuses), archive.elite_rewards, archive.best
    return {
        "step": progress.steps,
        "attempts": progress.attempts,
        "mean_reward": sum(scored.rewards) / count,
        "batch_best": max(scored.rewards),
        "best_reward": best.reward if best else 0.0,
        "best_tokens": len(best.row) if best else 0,
        "mean_tokens": sum(scored.lengths) / count,
        "distinct_programs": len(set(scored.programs)),
        "distinct_behaviours": len(set(scored.behaviours)),
        "new_programs": batch.new,
        **{status: statuses[status] / count for status in STATUSES},
        "elites": len(elite_rewards),
        "elite_reward": sum(elite_rewards) / max(len(elite_rewards), 1),
        "restarts": progress.restarts,
        "counterexamples": counterexamples,
    }
