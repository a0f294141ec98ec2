"""One run: the loop that learns."""

import contextlib
import time
from collections.abc import Callable
from typing import Any

import torch

from agent_core.agent import Agent
from agent_core.play.relabel import TaskLessons
from agent_core.run.recorder import NullRecorder
from agent_core.sandbox.executor import JailError
from utils import UserError

MAX_SKIPPED = 3  # steps in a row whose loss or gradient is not finite


class _Moment:
    """What a step draws and finds before its programs have run: a step that cannot be finished must leave none of it,
    or the run that goes on from there would be another one."""

    def __init__(self, agent: Agent):
        self._agent, self._restarts = agent, agent.progress.restarts
        self._scorer = agent.scorer.state()
        self._random = [generator.get_state() for generator in self._generators()]

    def come_back(self) -> None:
        """Makes it that moment again. After a restart, which is a whole thing of its own, chance has moved on."""
        self._agent.scorer.load_state(self._scorer)
        if self._agent.progress.restarts == self._restarts:
            for generator, state in zip(self._generators(), self._random, strict=True):
                generator.set_state(state)

    def _generators(self) -> tuple[torch.Generator, torch.Generator]:
        randomness = self._agent.generator.randomness
        return randomness.tokens, randomness.plans


class TrainingRun:
    """The clock of a run, and its loop. All ranks go through it in step."""

    def __init__(
        self,
        agent: Agent,
        recorder: NullRecorder,
        seconds: float,
        seed: int | None,
        lessons: TaskLessons | None = None,
        unsaved: int = 0,
    ):
        """seconds: what the run took before it was stopped; seed: that it began with, None where that is not known;
        lessons: the mind that takes in what is tried, if the task began from one; unsaved: attempts since the last
        save, on other tasks."""
        self._lessons = lessons
        if lessons is not None:
            agent.task_run.on_scores = lessons.note
        self._agent, self._recorder, self._seed = agent, recorder, seed
        self._before, self._began = seconds, time.monotonic()
        self._saved_at = agent.progress.attempts - unsaved  # or tried to

    @property
    def seconds(self) -> float:
        """Seconds that the run has taken, stops not counted."""
        return self._before + time.monotonic() - self._began

    @property
    def unsaved(self) -> int:
        """Attempts since the last save."""
        return self._agent.progress.attempts - self._saved_at

    def learn(self, signalled: Callable[[], int]) -> int:
        """Goes on until the run is finished or one of the ranks has been sent a signal; returns that, or 0.

        signalled: the signal that this process has been sent, or 0.
        """
        ranks = self._agent.ranks
        self.save()
        ranks.watch()
        with self._recorder as recorder:
            self.go_on(signalled, lambda: self._agent.finished)
            recorder.result(self.result())  # first: a run that counts as finished has its result
            self.save()
        return ranks.stopping(signalled())

    def go_on(self, signalled: Callable[[], int], over: Callable[[], bool]) -> None:
        """Steps, with the saves between them, until it is over or one of the ranks has been sent a signal."""
        agent, ranks = self._agent, self._agent.ranks
        while not over() and not ranks.stopping(signalled()):
            self._step(self._recorder)
            if agent.progress.skipped and agent.progress.skipped % MAX_SKIPPED == 0:
                self.save()
                raise UserError(
                    f"loss or gradient was not finite in {MAX_SKIPPED} steps in a row; what was "
                    "learned before is saved; lower optimizer.learning_rate and run again"
                )
            if self.unsaved >= agent.config.run.save_every and not over():
                self.save(must=False)

    def _step(self, recorder: NullRecorder) -> None:
        """One step, noted. Where no jail can be had for it any more, what was learned before it is saved."""
        agent = self._agent
        improvements, attempts, before = len(agent.history), agent.progress.attempts, _Moment(agent)
        try:
            figures = agent.step()
        except JailError as error:
            before.come_back()
            raise self._with_all_saved(error) from None
        if self._lessons is not None:
            self._lessons.keep(agent.progress.attempts - attempts)
            if agent.solved:
                self._lessons.solved()
        try:
            recorder.step(figures | self._speed(), improved=len(agent.history) > improvements)
        except JailError as error:  # to show a new best program, it is run once more
            raise self._with_all_saved(error) from None

    def _with_all_saved(self, error: JailError) -> JailError:
        """Saves, if this rank can do so alone. Returns the error with what became of that."""
        saved = "what was saved last is whole"
        if self._agent.ranks.count == 1:
            with contextlib.suppress(UserError):  # the first error says more
                self.save()
                saved = "all that was learned is saved"
        return JailError(f"{error}; {saved}")

    def result(self) -> dict[str, Any]:
        """What result.json holds."""
        agent, best = self._agent, self._agent.memory.best
        attempts = agent.progress.solved_at or agent.progress.attempts
        return {
            "task": agent.task.name,
            "seed": self._seed,
            "ranks": agent.ranks.count,
            "solved": agent.solved,
            "attempts": attempts,
            "seconds": round(self.seconds, 3),
            "attempts_per_second": round(agent.progress.attempts / self.seconds, 1),
            "best_reward": best.reward if best else 0.0,
            "tokens": len(best.row) if best else 0,
            "program": agent.best_program if best else "",
            "test_cases": len(agent.task.test_cases),
            "check_cases": len(agent.task.check_cases),
            "first_solution": first._asdict() if (first := agent.solutions.first) and agent.solved else None,
            "evidence": (found := agent.evidence) and found._asdict(),
            "disputes": [dispute.as_json() for dispute in agent.solutions.disputes],
            "device": str(agent.generator.device),
            "torch_version": torch.__version__,
        }

    def _speed(self) -> dict[str, float]:
        exchange = self._agent.task_run.exchange
        return {
            "jail_reruns": exchange.reruns,
            "jail_wait_seconds": round(exchange.wait_seconds, 3),
            "elapsed_seconds": round(self.seconds, 3),
            "attempts_per_second": round(self._agent.progress.attempts / self.seconds, 1),
        }

    def save(self, must: bool = True) -> None:
        """Makes the next generation of all states. must: whether to fail where the disk is full."""
        generator = self._agent.generator
        self._recorder.save(
            generator.policy.state_dict(),
            generator.optimizer.state_dict(),
            {"agent": self._agent.state(), "seconds": self.seconds, "seed": self._seed},
            self._lessons.state() if self._lessons else None,
            must,
        )
        self._saved_at = self._agent.progress.attempts
