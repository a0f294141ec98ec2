"""What a run prints: the banner, the bar with what comes up above it, the verdict."""

import contextlib
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self, TextIO

from tqdm import tqdm

from agent_core.agent import Agent
from agent_core.grammar.legal_tokens import LegalTokens
from agent_core.progress import Improvement
from agent_core.run.streams import shown
from agent_core.scoring.disputes import Dispute
from agent_core.scoring.evidence import Evidence
from agent_core.tasks.task import Task
from utils import counted, printable

QUIET_SECONDS = 10.0  # between two lines of progress where there is no terminal


class ProgressBar:
    """Progress at a glance: one bar on a terminal, a plain line now and then elsewhere."""

    def __init__(self, most: int, done: int, unit: str = "attempts", visible: bool = True):
        """done: programs so far, of `most`; visible: not on a rank that does not lead."""
        self._unit, self._visible, self._spoken = unit, visible, time.monotonic()
        self._bar = tqdm(
            total=most,
            initial=done,
            unit=f" {unit}",
            disable=not (visible and sys.stderr.isatty()),
            dynamic_ncols=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._bar.close()

    def advance(self, done: int, line: str) -> None:
        """line: how it goes."""
        self._bar.set_postfix_str(line, refresh=False)
        self._bar.update(done - self._bar.n)
        if self._visible and self._bar.disable and time.monotonic() - self._spoken >= QUIET_SECONDS:
            say(f"{done:,} {self._unit}: {line}")
            self.spoke()

    def spoke(self) -> None:
        """Something else was said: the next line may wait."""
        self._spoken = time.monotonic()


class Bar(ProgressBar):
    """That of one task, and what comes up above it."""

    def __init__(self, agent: Agent):
        super().__init__(agent.config.run.max_attempts, agent.progress.attempts)

    def update(self, figures: Mapping[str, float]) -> None:
        line = (
            f"best {figures['best_reward']:.3f}, mean {figures['mean_reward']:.3f}, "
            f"{figures['distinct_programs']} distinct"
        )
        self.advance(int(figures["attempts"]), line)

    def show_best(self, found: Improvement, departure: str) -> None:
        """departure: where it differs from what is wanted, safe to show; empty where it does not."""
        line = f"attempt {found.attempts:,}: new best, reward {found.reward:.3f}"
        say(f"{line}; {departure}" if departure else line, *indented(found.program))

    def show_dispute(self, dispute: Dispute, task: Task) -> None:
        """A shorter program that may be wrong, and the question that decides it."""
        say(
            f"attempt {dispute.attempts:,}: a shorter program passes every case, too, but the solution stays, "
            "since they differ:",
            f"  {dispute.line(task)}",
            *indented(dispute.program),
        )

    def show_samples(self, agent: Agent) -> None:
        """What the policy writes at the moment: the newest programs of the batch just learned from."""
        for text in agent.latest(3):
            say(f"attempt {agent.progress.attempts:,}: a sample", *indented(text))


def say(*lines: str, file: TextIO | None = None) -> None:
    """Print, safe to show and above the bar if there is one, as long as anybody can read it: a run of a week does not
    end for the disk under its log, or with the terminal that it was started in. file: stdout where it is None."""
    with contextlib.suppress(OSError):
        tqdm.write(shown(*lines), file=file or sys.stdout)
        (file or sys.stdout).flush()


def indented(program: str) -> list[str]:
    """Its lines as they are shown: a token of somebody's vocabulary may hold what would control the terminal."""
    return [f"    {printable(line)}" for line in program.splitlines()]


def show_banner(
    agent: Agent, legal_tokens: LegalTokens, seed: int | None, device: str, jail: str, lines: Sequence[str]
) -> None:
    """What a run is about to do. seed: that it began with, if that is known; lines: what else there is to say."""
    task, attempts = agent.task, agent.progress.attempts
    if unused := legal_tokens.unused_tokens():
        lines = [*lines, f"note: no rule of the grammar uses {', '.join(unused)}"]
    if task.words:
        lines = [f"words of this task, beyond the vocabulary: {', '.join(task.words)}", *lines]
    say(
        f"AltLAS: {task.name}. {printable(task.description)}",
        f"device: {device}; jail: {jail}",
        f"seed {'not known' if seed is None else seed}, {agent.generator.policy.count_parameters():,} parameters, "
        f"{len(agent.tokenizer)} tokens in the vocabulary, "
        + (f"resumed at {attempts:,} attempts" if attempts else "from the first attempt"),
        *(f"  {printable(line)}" for line in lines),
    )


def show_verdict(result: Mapping[str, Any], folder: Path, stopped: bool, fresh: bool) -> None:
    """How a run ended. result: what result.json holds; fresh: whether it was started with --fresh."""
    first, disputed = result["first_solution"], len(result["disputes"])
    if result["solved"]:
        verdict = [
            f"solved {result['task']} in {counted(result['attempts'], 'attempt')}; after {result['seconds']:.1f} s "
            f"its shortest solution has {result['tokens']} tokens and {_known(result)}:"
        ]
    else:
        verdict = [
            f"not solved in {result['attempts']:,} attempts, {result['seconds']:.1f} s; "
            f"best reward {result['best_reward']:.3f}:"
        ]
    verdict += ["", *indented(result["program"]), ""]
    if first and first["program"] != result["program"]:
        verdict += [f"the first solution, at attempt {first['attempts']:,}, has {first['tokens']} tokens:", ""]
        verdict += [*indented(first["program"]), ""]
    if result["evidence"] and not (found := Evidence(**result["evidence"])).enough:
        verdict += [
            f"its answers may be a coincidence ({found.answers:.0f} bits, the program has {found.program:.0f}): "
            "give more cases, above all with rare answers"
        ]
    if disputed:
        verdict += [f"inputs on which a shorter program gave another answer: {disputed}, see above and in result.json"]
    say(
        *verdict,
        f"curves, best program and result: {folder}",
        *[f"stopped; {'without --fresh, ' * fresh}the same command goes on from here"] * stopped,
    )


def _known(result: Mapping[str, Any]) -> str:
    """What is known of a solution, and no more than that."""
    tests, checks = result["test_cases"], result["check_cases"]
    if not tests:
        return "prints the text"
    if not checks:
        return f"passes its {tests} test case{'s' * (tests != 1)}; it has no check cases"
    return f"passes its {tests} test and {checks} check case{'s' * (checks != 1)}"
