"""What the runs add up to: medians with failures at the cap, intervals, and tables of both, for a terminal or a README.

Left out on purpose: tests of significance. With a handful of seeds an interval says all there is to say.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy

RESAMPLES = 10_000
RESAMPLING_SEED = 0


@dataclass(frozen=True)
class Summary:
    """All seeds of one variant on one task."""

    variant: str
    task: str
    cap: int
    seeds: tuple[int, ...]
    attempts: tuple[int, ...]  # by seed; the cap where it failed
    solutions: tuple[bool, ...]  # by seed
    median_seconds: float
    checked: int  # solutions that passed every check case before a fresh scorer
    program: str  # the shortest solution, or the best that there was
    tokens: int
    reward: float

    @property
    def solved(self) -> int:
        return sum(self.solutions)

    @property
    def median_attempts(self) -> float:
        return median(self.attempts)

    @property
    def by_seed(self) -> str:
        return " ".join(f"{n:,}" if good else "-" for n, good in zip(self.attempts, self.solutions, strict=True))

    def as_json(self) -> dict:
        return {
            "variant": self.variant,
            "task": self.task,
            "cap": self.cap,
            "solved": self.solved,
            "runs": len(self.seeds),
            "median_attempts": self.median_attempts,
            "attempts": dict(zip(map(str, self.seeds), self.attempts, strict=True)),
            "median_seconds": self.median_seconds,
            "checked": self.checked,
            "reward": self.reward,
            "tokens": self.tokens,
            "program": self.program,
        }


def summarise(found: Sequence[dict]) -> list[Summary]:
    """One summary a variant, task and cap, in the order in which they first appear."""
    groups: dict[tuple, list[dict]] = {}
    for run in found:
        groups.setdefault((run["variant"], run["task"], run["cap"]), []).append(run)
    summaries = []
    for (variant, task, cap), runs in groups.items():
        runs.sort(key=lambda run: run["seed"])
        best = min(runs, key=lambda run: (-run["reward"], run["tokens"]))
        summaries.append(
            Summary(
                variant,
                task,
                cap,
                tuple(run["seed"] for run in runs),
                tuple(run["attempts"] for run in runs),
                tuple(run["solved"] for run in runs),
                round(median(run["seconds"] for run in runs), 1),
                sum(run["checked"] for run in runs),
                best["program"],
                best["tokens"],
                best["reward"],
            )
        )
    return summaries


@dataclass(frozen=True)
class Comparison:
    """A variant against `full` on the same tasks."""

    variant: str
    solved: int
    solved_full: int
    runs: int
    ratio: float  # of the variant's median attempts to full's: the geometric mean over tasks
    low: float  # 95 % interval of the ratio
    high: float

    @property
    def verdict(self) -> str:
        """What leaving the part out shows about the part."""
        if not self.variant.startswith("-"):
            return ""
        return "helps" if self.low > 1 else "hurts" if self.high < 1 else "unproven"


def compare(summaries: Sequence[Summary]) -> list[Comparison]:
    """Each variant against `full`, over the tasks and caps that both have."""
    full = {(s.task, s.cap): s for s in summaries if s.variant == "full"}
    comparisons = []
    for variant in dict.fromkeys(s.variant for s in summaries if s.variant != "full"):
        pairs = [(s, full[s.task, s.cap]) for s in summaries if s.variant == variant and (s.task, s.cap) in full]
        if pairs:
            ratio, low, high = ratio_interval([(ours.attempts, theirs.attempts) for ours, theirs in pairs])
            comparisons.append(
                Comparison(
                    variant,
                    sum(ours.solved for ours, _ in pairs),
                    sum(theirs.solved for _, theirs in pairs),
                    sum(len(ours.seeds) for ours, _ in pairs),
                    ratio,
                    low,
                    high,
                )
            )
    return comparisons


def ratio_interval(pairs: Sequence[tuple[Sequence[int], Sequence[int]]]) -> tuple[float, float, float]:
    """How many times the attempts of the second the first needs: geometric mean over tasks of the ratio of medians,
    and its 95 % percentile-bootstrap interval.

    pairs: a task each, (attempts by seed, attempts by seed); failures at the cap, so a ratio to what often fails is
    too close to 1. Seeds are drawn anew within each task and side; the two sides do not share their luck, since one
    changed draw makes another run. Source: Efron 1979.
    """
    random = numpy.random.default_rng(RESAMPLING_SEED)
    exact, drawn = 0.0, numpy.zeros(RESAMPLES)
    for sides in pairs:
        for sign, side in zip((1, -1), sides, strict=True):
            attempts = numpy.asarray(side, dtype=float)
            samples = attempts[random.integers(len(attempts), size=(RESAMPLES, len(attempts)))]
            exact += sign * math.log(median(side)) / len(pairs)
            drawn += sign * numpy.log(numpy.median(samples, axis=1)) / len(pairs)
    low, high = numpy.percentile(drawn, [2.5, 97.5])
    return math.exp(exact), float(numpy.exp(low)), float(numpy.exp(high))


# --- tables ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Table:
    """Rows of text under headings; those in `right` are set to the right."""

    headings: tuple[str, ...]
    rows: list[tuple[str, ...]]
    right: frozenset[str] = frozenset()

    def plain(self) -> str:
        columns = zip(self.headings, *self.rows, strict=True)
        widths = [max(map(len, column)) for column in columns]
        lines = [self.headings, tuple("-" * width for width in widths), *self.rows]
        return "\n".join(
            "  ".join(
                cell.rjust(width) if heading in self.right else cell.ljust(width)
                for cell, width, heading in zip(line, widths, self.headings, strict=True)
            ).rstrip()
            for line in lines
        )

    def markdown(self) -> str:
        rule = tuple("---:" if heading in self.right else "---" for heading in self.headings)
        rows = [tuple(cell.replace("|", "\\|") for cell in row) for row in self.rows]
        return "\n".join(f"| {' | '.join(line)} |" for line in [self.headings, rule, *rows])


def results_table(summaries: Sequence[Summary]) -> Table:
    headings = ("task", "variant", "solved", "median attempts", "median s", "checks hold", "tokens", "attempts by seed")
    rows = [
        (
            s.task,
            s.variant,
            f"{s.solved}/{len(s.seeds)}",
            median_text(s),
            f"{s.median_seconds:,.1f}",
            f"{s.checked}/{s.solved}",
            str(s.tokens) if s.solved else "-",
            s.by_seed,
        )
        for s in summaries
    ]
    return Table(headings, rows, frozenset(headings[2:7]))


def median_text(summary: Summary) -> str:
    """The median attempts; with `>` where a failure is in it, so that it is more than that."""
    value = summary.median_attempts
    return ("> " if value > max_solved(summary) else "") + f"{value:,.0f}"


def max_solved(summary: Summary) -> int:
    return max((n for n, good in zip(summary.attempts, summary.solutions, strict=True) if good), default=0)


def rungs_table(summaries: Sequence[Summary], rung_of: dict[str, str]) -> Table:
    """How each variant did on each rung: all runs together, and its worst task."""
    groups: dict[tuple[str, str], list[Summary]] = {}
    for summary in summaries:
        groups.setdefault((rung_of[summary.task], summary.variant), []).append(summary)
    headings = ("rung", "variant", "tasks", "solved", "cap", "worst task")
    rows = []
    for (rung, variant), members in groups.items():
        worst = min(members, key=lambda s: (s.solved / len(s.seeds), -s.median_attempts))
        rows.append(
            (
                rung,
                variant,
                str(len(members)),
                f"{sum(s.solved for s in members)}/{sum(len(s.seeds) for s in members)}",
                " ".join(f"{cap:,}" for cap in sorted({s.cap for s in members})),
                f"{worst.task} {worst.solved}/{len(worst.seeds)}",
            )
        )
    return Table(headings, rows, frozenset(headings[2:5]))


def comparison_table(comparisons: Sequence[Comparison]) -> Table:
    headings = ("variant", "solved", "full solved", "attempts, times full's", "95 % interval", "the part")
    rows = [
        (
            c.variant,
            f"{c.solved}/{c.runs}",
            str(c.solved_full),
            f"{c.ratio:.2f}",
            f"{c.low:.2f} to {c.high:.2f}",
            c.verdict,
        )
        for c in comparisons
    ]
    return Table(headings, rows, frozenset(headings[1:5]))
