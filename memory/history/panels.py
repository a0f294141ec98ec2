"""What a report draws: the quantities, each over attempts."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Panel:
    """One quantity over attempts."""

    column: str
    title: str
    note: str
    size: tuple[int, int] = (374, 196)  # pixels
    beside: str = ""  # another column, drawn with dots
    share: bool = False  # from 0 to 1
    percent: bool = False


PANELS = (
    Panel("best_reward", "Best reward", "of the best program so far; 1 is solved", (1160, 300), share=True),
    Panel("mean_reward", "Mean reward", "of each batch"),
    Panel("elite_reward", "Elite reward", "mean over the programs that are imitated"),
    Panel("entropy", "Entropy", "of the policy, nats a token"),
    Panel("distinct_programs", "Distinct programs", "share of each batch", percent=True),
    Panel("distinct_behaviours", "Distinct behaviours", "different answers, share of a batch", percent=True),
    Panel("finished", "Programs that finish", "share that runs to its end", percent=True),
)
PLAY_PANELS = (
    Panel("behaviours", "Behaviours known", "each with the shortest program for it", (1160, 300)),
    Panel("new_per_thousand", "New behaviours", "of a thousand programs"),
    Panel(
        "loss_own_examples",
        "Loss",
        "nats a short program, shown its own examples; with dots, another's",
        beside="loss_other_examples",
    ),
    Panel("held_back_written", "Held back, written", "written within 100 samples, never learned from", percent=True),
    Panel("spread", "Spread of contexts", "near 0, it no longer sees the examples"),
    Panel(
        "new_per_thousand_policy",
        "New, of the policy's",
        "of a thousand programs; with dots, by mutation",
        beside="new_per_thousand_mutation",
    ),
)
