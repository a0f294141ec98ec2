"""The run of many tasks: one visit after the other, as schedule.py has them."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from agent_core.agent import Agent
from agent_core.agent_state import began_from_mind
from agent_core.distributed.ranks import Ranks
from agent_core.run.console import ProgressBar, say
from agent_core.run.loop import TrainingRun
from agent_core.run.many.files import NullFiles
from agent_core.run.many.mind import Mind
from agent_core.run.many.recorder import VisitRecorder
from agent_core.run.many.schedule import Again, Plan, Standing, Visit, learned, left_to_learn, next_visit, total
from agent_core.run.many.show import visit_line
from agent_core.run.many.state import Current, ManyState, VisitRow
from agent_core.run.parts import Parts
from agent_core.run.recorder import NullRecorder
from agent_core.sandbox.executor import Executor
from agent_core.settings.config import Config


class ManyRun:
    """All ranks go through it in step."""

    def __init__(
        self,
        config: Config,
        parts: Sequence[Parts],
        executor: Executor,
        ranks: Ranks,
        state: ManyState,
        mind: Mind | None = None,
    ):
        """config: as the run goes on with it; state: with room for all of the tasks; mind: that tasks begin from; None:
        they begin cold."""
        self._config, self._executor, self._ranks = config, executor, ranks
        self._parts, self._state, self.mind = {each.task.name: each for each in parts}, state, mind
        self._files = NullFiles()
        self._before, self._began = state.seconds, time.monotonic()
        self._unsaved = 0  # attempts since the last save
        self._told: set[str] = set()
        run = config.run
        self.plan = Plan(run.max_attempts, run.visit_attempts, run.again_share if mind else 0.0)
        for standing in self.standings.values():
            standing.done = standing.done or standing.polished(run)

    @property
    def standings(self) -> dict[str, Standing]:
        """Of the tasks of now, in their order."""
        return {name: self._state.standings[name] for name in self._parts}

    @property
    def finished(self) -> bool:
        return self._state.current is None and next_visit(self.standings, self.plan) is None

    def go_on(self, files: NullFiles, signalled: Callable[[], int]) -> int:
        """Visits tasks until the run is finished or one of the ranks has been sent a signal; returns that, or 0."""
        ranks, self._files = self._ranks, files
        ranks.watch()
        self._save(self._state.current)
        with ProgressBar(self.plan.max_attempts, total(self.standings), visible=ranks.leads) as bar:
            whole = True
            while whole and not self.finished and not ranks.stopping(signalled()):
                visit = self._state.current.visit if self._state.current else next_visit(self.standings, self.plan)
                assert visit is not None
                whole = self._visit(visit, signalled, bar)
            if whole:
                self._save(self._state.current)
        files.write_tables(self._state, self.standings)
        if self.mind and ranks.leads:
            files.write_abilities(self.mind.abilities())
        return ranks.stopping(signalled())

    def _visit(self, visit: Visit, signalled: Callable[[], int], bar: ProgressBar) -> bool:
        """Begins a visit or goes on with it. Returns whether it is over; if not, it is saved."""
        parts, standing = self._parts[visit.task], self._state.standings[visit.task]
        config = self._config_of(visit)
        start, lessons = self.mind.visit(config, parts) if self.mind else (None, None)
        agent = Agent(config, parts.task, parts.tokenizer, parts.legal_tokens, self._executor, self._ranks, start)
        self._take_up(agent, visit)
        began = self._state.current.began if self._state.current else agent.progress.attempts
        recorder = NullRecorder()
        if self._ranks.leads:
            recorder = self._recorder(visit, agent, began, bar)
        seconds = 0.0 if visit.again else standing.seconds
        run = TrainingRun(agent, recorder, seconds, self._state.seed, lessons, self._unsaved)

        def over() -> bool:
            if agent.solved and not agent.finished and not visit.again and self._config.run.stop_on_success:
                return False  # a shorter solution is sought
            spent = agent.progress.attempts - began >= visit.limit
            return spent or agent.finished or (agent.solved and visit.again)

        with recorder:
            run.go_on(signalled, over)
            recorder.result(run.result())
            if not over():
                run.save()
                return False
        self._state.current = None
        self._unsaved = run.unsaved
        self._note(visit, agent, began, run.seconds)
        bar.spoke()
        return True

    def _recorder(self, visit: Visit, agent: Agent, began: int, bar: ProgressBar) -> VisitRecorder:
        """What the rank that leads writes and shows of a visit."""

        def save(current: Current, mind: Mapping | None, must: bool, sync: Callable[[], None]) -> None:
            self._state.seconds = self._seconds
            self._files.save(self._state, current, mind, must, sync)

        def show(row: Mapping[str, float]) -> None:
            line = f"{visit.task}: best {row['best_reward']:.3f}, mean {row['mean_reward']:.3f}"
            bar.advance(total(self.standings) + int(row["attempts"]) - began, line)

        recorder = VisitRecorder(agent, visit, began, save, show)
        if not visit.again and (folder := self._files.folder_of(visit.task)):
            recorder.write_to(folder, self._config)
        return recorder

    def _config_of(self, visit: Visit) -> Config:
        """The settings of a visit: how many attempts its task may have, and a seed of its own to solve it again."""
        standing = self._state.standings[visit.task]
        most, seed = standing.attempts + left_to_learn(self.standings, self.plan), self._state.seed
        if visit.again:
            most, seed = visit.limit, (seed + 1 + len(standing.again)) % 2**32
        return replace(self._config, run=replace(self._config.run, max_attempts=most, seed=seed))

    def _take_up(self, agent: Agent, visit: Visit) -> None:
        """Has the agent go on from what is known of the task: from the middle of a visit, or from the last one. Its
        policy goes on where it can: not if it begins from the mind at every visit, or did."""
        kept: Mapping[str, Any] | None = None if visit.again else self._state.kept_of(visit.task)
        if self._state.current:
            kept = vars(self._state.current)
        if kept is None:
            return
        warm = began_from_mind(kept["agent"])
        if "policy" in kept and warm == (self.mind is not None):
            notes = agent.load(kept["policy"], kept["optimizer"], kept["agent"], done_is_new=False)
        else:
            notes = agent.load(None, {}, kept["agent"], done_is_new=False)
            agent.begin_anew()
        for note in notes:
            if self._ranks.leads and note not in self._told:
                say(f"note: {note}")
            self._told.add(note)

    def _note(self, visit: Visit, agent: Agent, began: int, seconds: float) -> None:
        """Takes note of a visit that is over."""
        standing, progress, best = self._state.standings[visit.task], agent.progress, agent.memory.best
        before = learned(self.standings)
        if visit.again or standing.solved_at is None:
            standing.looked_at = before
        if visit.again:
            standing.again.append(Again(progress.attempts, progress.solved_at))
        else:
            standing.visits += 1
            standing.attempts, standing.solved_at, standing.seconds = progress.attempts, progress.solved_at, seconds
            standing.done = standing.polished(self._config.run)
            if best is not None:
                standing.best_reward, standing.tokens = best.reward, len(best.row)
                standing.program = agent.best_program
            self._keep(agent)
        reward, tried = best.reward if best else 0.0, progress.attempts - began
        so_far = total(self.standings)
        row = VisitRow(visit.task, visit.again, visit.limit, tried, progress.solved_at, reward, so_far)
        self._state.visits.append(row)
        self._files.write_tables(self._state, self.standings)
        if self._ranks.leads:
            say(visit_line(row, standing, self.standings))

    def _keep(self, agent: Agent) -> None:
        """What the next visit of the task goes on from: all but what can be had again, or comes from the mind."""
        agent.memory.rest(anew=self.mind is not None)
        weights: dict[str, Any] = {}
        if self.mind is None:
            generator = agent.generator
            weights = {"policy": generator.policy.state_dict(), "optimizer": generator.optimizer.state_dict()}
        state = agent.state() | {"start": {}}  # the next visit begins anew from the mind
        self._state.keep(agent.task.name, self._ranks.broadcast(state), weights)

    def _save(self, current: Current | None) -> None:
        """Between two visits. All ranks take part."""
        self._unsaved, self._state.seconds = 0, self._seconds
        self._files.save(self._state, current, self.mind.state() if self.mind else None)

    @property
    def _seconds(self) -> float:
        """Seconds that the run has taken, stops not counted."""
        return self._before + time.monotonic() - self._began
