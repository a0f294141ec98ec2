"""How far play has come, and what it reports of each step."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

SOURCES = ("chance", "policy", "mutation", "transfer")
_LEARNED = (
    "loss",
    "gradient_norm",
    "spread",
    "loss_own_examples",
    "loss_other_examples",
    "held_back_written",
)
# What a step of play reports, in the order of its metrics.csv. All of it follows from the seed alone. `attempts` are
# programs; what is new is counted in a thousand programs of its source, over about the last 20,000 programs.
PLAY_FIGURES = (
    "step",
    "attempts",
    "behaviours",
    "new_per_thousand",
    *(f"new_per_thousand_{source}" for source in SOURCES),
    *_LEARNED,
)
_WINDOW = 20_000  # programs


@dataclass
class PlayProgress:
    """What play counts."""

    programs: int = 0
    steps: int = 0
    untaught: int = 0  # programs written since the last step of learning
    untaught_on_tasks: int = 0  # programs tried on tasks since the last step of learning there
    looks: int = 0  # at what has been learned
    tried: dict[str, float] = field(default_factory=dict)  # programs by source, fading
    new: dict[str, float] = field(default_factory=dict)  # behaviours by source, fading
    solved: list[str] = field(default_factory=list)  # names of tasks
    figures: dict[str, float] = field(default_factory=dict)  # the latest of learning and looking

    def note(self, count: int, tried: Mapping[str, int], new: Mapping[str, int]) -> None:
        """Counts a step. What lies back further counts for less."""
        self.steps += 1
        self.programs += count
        self.untaught += count
        keep = max(0.0, 1 - count / _WINDOW)
        self.tried = {source: self.tried.get(source, 0.0) * keep + tried.get(source, 0) for source in SOURCES}
        self.new = {source: self.new.get(source, 0.0) * keep + new.get(source, 0) for source in SOURCES}

    def row(self, behaviours: int) -> dict[str, float]:
        """PLAY_FIGURES; 0 for what has not been measured yet."""
        new, tried = Counter(self.new), Counter(self.tried)
        return {
            "step": self.steps,
            "attempts": self.programs,
            "behaviours": behaviours,
            "new_per_thousand": 1_000 * new.total() / max(tried.total(), 1),
            **{f"new_per_thousand_{source}": 1_000 * new[source] / max(tried[source], 1) for source in SOURCES},
            **{name: self.figures.get(name, 0.0) for name in _LEARNED},
        }
