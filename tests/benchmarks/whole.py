"""The whole loop beside its floor and beside the naive loop, and where its time goes."""

import contextlib
import copy
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import torch

from agent_core import agent
from agent_core.agent import Agent
from agent_core.learning import rollout
from agent_core.learning.generator import CodeGenerator
from agent_core.learning.learner import Learner
from agent_core.learning.operators.parents import ParentCache
from agent_core.learning.sampler import Sampler
from agent_core.run.loop import TrainingRun
from agent_core.run.parts import Parts
from agent_core.run.recorder import COLUMNS, NullRecorder
from agent_core.sandbox import dispatch
from agent_core.sandbox.executor import Executor
from agent_core.scoring.scorer import Scorer
from agent_core.settings.config import Config
from agent_core.task_run import TaskRun
from memory.archive.archive import Archive
from memory.archive.task_memory import TaskMemory
from memory.history.run_log import RunLog
from tests.benchmarks.floor import Bare, Plain, Shape
from tests.benchmarks.naive import Naive
from tests.benchmarks.timers import Timers


class Loop:
    """An agent, and what runner.py does with each of its steps."""

    def __init__(self, config: Config, parts: Parts, executor: Executor, folder: Path, state: tuple = ()):
        """state: where to start, from another loop's `state`."""
        self.agent = Agent(config, parts.task, parts.tokenizer, parts.legal_tokens, executor)
        if state:
            self.agent.load(*copy.deepcopy(state))
        self._run = TrainingRun(self.agent, NullRecorder(), 0.0, config.run.seed)
        self._log = RunLog(folder, COLUMNS, self.agent.progress.attempts)

    def step(self) -> dict[str, float]:
        figures = self.agent.step()
        self._log.row(figures | self._run._speed())
        return figures

    @property
    def state(self) -> tuple:
        """All that must survive, as a checkpoint has it."""
        generator = self.agent.generator
        return copy.deepcopy((generator.policy.state_dict(), generator.optimizer.state_dict(), self.agent.state()))

    @property
    def lengths(self) -> list[int]:
        """Tokens of each program of the last step."""
        return [len(row) for row in self.agent._latest]

    def close(self) -> None:
        self._log.close()


# What counts for which part, in the order of the table; what one of these calls counts for that one alone.
PARTS: dict[str, tuple[tuple[Any, str], ...]] = {
    "network: sampling": ((CodeGenerator, "generate"),),
    "network: forward": ((Learner, "score"),),
    "network: backward": ((torch.Tensor, "backward"),),
    "legal tokens": (
        (rollout.OpenRollouts, "__init__"),
        (rollout.OpenRollouts, "legal"),
        (rollout.OpenRollouts, "take"),
        (rollout.OpenRollouts, "programs"),
        (Sampler, "_plan"),
        (ParentCache, "examine"),
    ),
    "text": ((TaskRun, "new_modules"),),
    "look-up": ((TaskMemory, "unknown"), (rollout, "_rows")),
    "jail wait": ((Executor, "start"), (dispatch.BatchRun, "add"), (dispatch.BatchRun, "finish")),
    "reward": ((Scorer, "start"), (Scorer, "score")),
    "memory": (
        *((TaskMemory, name) for name in ("remember", "record", "novelty")),
        *((Archive, name) for name in ("elites", "elite_rewards")),
    ),
    "learn: the rest": ((CodeGenerator, "learn"),),
    "log": ((agent, "step_figures"), (RunLog, "row"), (TrainingRun, "_speed"), (Loop, "step")),
    "other": ((Agent, "step"),),
}


@dataclass
class Round:
    """What was done, and the seconds that it took. The floors have the same programs as the whole loop."""

    attempts: int = 0
    tokens: int = 0
    new: int = 0  # programs that had not been tried before
    naive_attempts: int = 0
    wall: Counter[str] = field(default_factory=Counter)  # seconds of: whole, sampling, learning, plain, naive
    processor: Counter[str] = field(default_factory=Counter)  # the same, but only what this process computed

    @property
    def rates(self) -> dict[str, float]:
        """Attempts a second, and ratios of them; the last ratio is by processor time, without the wait for the jail."""
        wall, processor = self.wall, self.processor
        whole, naive = self.attempts / wall["whole"], self.naive_attempts / wall["naive"]
        floor = self.attempts / (wall["sampling"] + wall["learning"])
        computing = (processor["sampling"] + processor["learning"]) / processor["whole"]
        return {
            "whole loop": whole,
            "floor": floor,
            "plain torch": self.attempts / wall["plain"],
            "naive loop": naive,
            "whole / floor": whole / floor,
            "whole / naive": whole / naive,
            "whole / floor, computing": computing,
        }


@dataclass(frozen=True)
class Breakdown:
    """Where the seconds of some steps went."""

    attempts: int
    seconds: dict[str, float]  # by part
    total: float  # measured around whole steps


class Bench:
    """All that is measured with one batch size, from one state."""

    def __init__(self, config: Config, parts: Parts, executor: Executor, folder: Path, state: tuple):
        """folder: an empty one for what the loops leave behind."""
        self.loop = Loop(config, parts, executor, folder, state)
        self._device = parts.device
        random = torch.Generator(parts.device).manual_seed(config.run.seed)
        policy, sos = self.loop.agent.generator.policy, parts.tokenizer.sos
        self._bare, self._plain = Bare(policy, sos, random), Plain(policy, sos, random)
        self._naive_agent = Agent(config, parts.task, parts.tokenizer, parts.legal_tokens, executor)
        self._state = state
        self._naive = Naive(
            self._naive_agent.generator, parts.tokenizer, parts.task, config.executor.timeout_seconds, folder
        )

    def round(self, seconds: float) -> Round:
        """The whole loop for that long, each step followed by its floors; then the naive loop for that long."""
        found = Round()
        while found.wall["whole"] < seconds:
            figures = self._timed(found, "whole", self.loop.step)
            lengths = self.loop.lengths
            found.attempts += len(lengths)
            found.tokens += sum(lengths)
            found.new += int(figures["new_programs"])
            shape = Shape.of(lengths, self._device)
            tokens = self._timed(found, "sampling", self._bare.sample, shape)
            self._timed(found, "learning", self._bare.learn, tokens, shape)
            tokens = self._timed(found, "plain", self._plain.sample, shape)
            self._timed(found, "plain", self._plain.learn, tokens, shape)
        self._naive_agent.load(*copy.deepcopy(self._state))  # not what it has become by itself
        while found.wall["naive"] < seconds:
            self._timed(found, "naive", self._naive.step)
            found.naive_attempts += 1
        return found

    def breakdown(self, seconds: float, clock: Callable[[], float]) -> Breakdown:
        """Where the time of the whole loop goes, measured for so many seconds of the wall."""

        def settled() -> float:
            self._settle()
            return clock()

        attempts, total, began = 0, 0.0, time.perf_counter()
        with Timers(settled) as timers:
            for part, places in PARTS.items():
                for owner, name in places:
                    timers.wrap(owner, name, part)
            while not attempts or time.perf_counter() - began < seconds:
                started = settled()
                self.loop.step()
                total += settled() - started
                attempts += len(self.loop.lengths)
        return Breakdown(attempts, timers.seconds, total)

    def _timed(self, found: Round, what: str, work: Callable, *arguments: Any) -> Any:
        """What it returned; the seconds that it took go to the round."""
        self._settle()
        began, computed = time.perf_counter(), time.process_time()
        result = work(*arguments)
        self._settle()
        found.processor[what] += time.process_time() - computed
        found.wall[what] += time.perf_counter() - began
        return result

    def _settle(self) -> None:
        """Waits until the device has done all that it was given."""
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)

    def close(self) -> None:
        self.loop.close()


def warmed_up(config: Config, parts: Parts, executor: Executor, folder: Path, attempts: int) -> tuple:
    """The state of a run after so many attempts; weights, elites and memory are then no longer those of a beginning."""
    with contextlib.closing(Loop(config, parts, executor, folder)) as loop:
        while loop.agent.progress.attempts < attempts:
            loop.step()
        return loop.state


def median_of(rounds: Sequence[Round], name: str) -> float:
    """The median over rounds of one of `Round.rates`; a ratio is made within each round."""
    return median(found.rates[name] for found in rounds)
