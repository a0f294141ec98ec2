"""How far an agent has come, and what it reports of each step."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from agent_core.batch_exchange import Batch
from agent_core.interpreter.wire_format import STATUSES
from agent_core.settings.config import RunConfig
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

    def polished(self, run: RunConfig) -> bool:
        """Whether a run that stops at a solution has sought a shorter one for as long as it should."""
        solved_at = self.solved_at
        return run.stop_on_success and solved_at is not None and self.attempts >= solved_at + run.polish_attempts

    def count(self, solved: Sequence[bool], skipped: bool) -> None:
        """Counts a step. solved: (B,) which of its programs are solutions; skipped: nothing was learned from them."""
        if self.solved_at is None:
            self.solved_at = next((self.attempts + i for i, right in enumerate(solved, start=1) if right), None)
        self.steps += 1
        self.attempts += len(solved)
        self.skipped = self.skipped + 1 if skipped else 0


def luby(i: int) -> int:
    """The i-th of 1, 1, 2, 1, 1, 2, 4, 1, 1, 2, 1, 1, 2, 4, 8, ..., i from 1."""
    block = i.bit_length()
    return 1 << (block - 1) if i == (1 << block) - 1 else luby(i - (1 << (block - 1)) + 1)


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
