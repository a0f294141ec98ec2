"""Learning, from the settings to the verdict: what is saved is gone on with, what is in the way is said."""

import argparse
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from agent_core.agent import Agent
from agent_core.agent_state import began_from_mind
from agent_core.distributed.ranks import Ranks
from agent_core.grammar.legal_tokens import LegalTokens
from agent_core.grammar.rules import read_grammar
from agent_core.play.mind.start import TaskStart
from agent_core.play.player import Player
from agent_core.play.relabel import TaskLessons
from agent_core.play.saved import load as load_mind
from agent_core.run.console import say, show_banner, show_verdict
from agent_core.run.loop import TrainingRun
from agent_core.run.parts import Parts
from agent_core.run.recorder import NullRecorder, RunRecorder
from agent_core.run.session import keep_what_goes, other_seed, session, where_it_is
from agent_core.sandbox.executor import Executor
from agent_core.settings.config import Config, differences
from memory.history.run_log import new_run_folder, read_settings
from memory.state.checkpoint import Checkpoint
from tokenizer import Tokenizer
from utils import UserError, seed_everything

WITHOUT_FRESH = "; leave --fresh out then, for it would start anew"


def train(config: Config, options: argparse.Namespace, ranks: Ranks) -> int:
    """Learns until the task is solved, the attempts are used up, or somebody stops it. Returns the exit code."""
    parts = Parts.of(config, ranks)
    seed_everything(ranks.seed(config.run.seed))
    ranks.settle(parts.device, parts.facts(config))
    with session(config, config.executor, options.fresh, ranks) as (stop, executor, store, saved):
        start = start_of(config, parts, saved)
        agent = Agent(config, parts.task, parts.tokenizer, parts.legal_tokens, executor, ranks, start)
        begun = Begun.of(agent, saved)
        if ranks.leads:
            shared = [f"{ranks.count} ranks share each batch"] * (ranks.count > 1)
            if start is not None and saved is not None and saved.mind is not None:
                shared.append(behind(saved.mind))
            remarks = (f"note: {note}" for note in (*config.notes, *parts.task.notes, *begun.notes))
            lines = [*shared, *differences(begun.as_it_goes_on(config), options.config), *remarks]
            device = f"{parts.device} ({parts.reason})"
            show_banner(agent, parts.legal_tokens, begun.seed, device, executor.layers, lines)
        if agent.finished:
            if ranks.leads:
                store.settle()
                say(f"all {agent.progress.attempts:,} attempts are used up; set run.max_attempts higher to go on")
            return 0
        lessons = lessons_of(config, parts, saved.mind, executor, ranks) if start and saved and saved.mind else None
        recorder, folder = NullRecorder(), Path()
        if ranks.leads:
            if lessons and saved and saved.mind:
                say(*(f"note: {note}" for note in keep_what_goes(store, saved.mind, lessons.known)))
            folder = begun.folder or new_run_folder(config.paths.runs, parts.task.name)
            many = {"many": saved.run_state["many"]} if saved and "many" in saved.run_state else {}
            recorder = RunRecorder(agent, store, folder, begun.as_it_goes_on(config), many)
        if start is not None and lessons is not None:
            start.follow(lessons.learner, lessons.to_recall)
        run = TrainingRun(agent, recorder, begun.seconds, begun.seed, lessons)
        try:
            stopped = run.learn(lambda: stop.signal)
        except UserError as error:
            if not options.fresh:
                raise
            raise UserError(f"{error}{WITHOUT_FRESH}") from error
        if ranks.leads:
            show_verdict(run.result(), folder, stopped=bool(stopped), fresh=options.fresh)
        return 128 + stopped if stopped else 0


@dataclass(frozen=True)
class Begun:
    """A run as it stands before its next step: a new one, or one that was saved."""

    seed: int | None  # that it began with; None where an older version saved it and nothing says which
    folder: Path | None = None  # None for a new run
    seconds: float = 0.0
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, agent: Agent, saved: Checkpoint | None) -> "Begun":
        """Has the agent take what was saved. Whether that is the same run is seen by its task and attempts."""
        config = agent.config
        if not saved:
            return cls(config.run.seed)
        state = saved.run_state
        if state["agent"] is None:  # so far it has only played
            return cls(config.run.seed, notes=saved.notes)
        notes = (*saved.notes, *agent.load(saved.model_state, saved.optimizer_state, state["agent"]))
        was = state["agent"]
        if (was["digest"], was["progress"]["attempts"]) != (agent.task.digest, agent.progress.attempts):
            return cls(config.run.seed, notes=notes)
        folder = where_it_is(Path(state["folder"]), config.paths.runs)
        seed = state["seed"] if "seed" in state else _noted_seed(folder)
        if seed is None:
            notes += ("which seed began this run is not known: an older version saved it",)
        elif seed != config.run.seed:
            notes += (other_seed(seed, config.run.seed),)
        if folder.parent != config.paths.runs:
            notes += (f"this run goes on in {folder}; paths.runs = {config.paths.runs} is where the next one will be",)
        return cls(seed, folder, state["seconds"], notes)

    def as_it_goes_on(self, config: Config) -> Config:
        """The settings with those that a run keeps from its beginning as they were then."""
        run = config.run if self.seed is None else replace(config.run, seed=self.seed)
        paths = config.paths if self.folder is None else replace(config.paths, runs=self.folder.parent)
        return replace(config, run=run, paths=paths)


def start_of(config: Config, parts: Parts, saved: Checkpoint | None) -> TaskStart | None:
    """What the task takes of the saved mind; None where it begins, or began, cold. Raises UserError."""
    if saved is None or saved.mind is None:
        return None
    before, wanted = saved.run_state["agent"], config.mind.start_tasks and config.generator.legal_tokens_only
    if before and before["digest"] == parts.task.digest:
        warm = began_from_mind(before)
        if warm and not wanted:
            raise UserError(
                f"this run of {parts.task.name} began from the mind: set mind.start_tasks = yes and "
                "generator.legal_tokens_only = yes to go on with it, or give paths of its own to a run that begins cold"
            )
        if not warm:
            return None
    if not wanted:
        return None
    return TaskStart(saved.mind["learner"], config, parts.tokenizer, parts.device)


def lessons_of(config: Config, parts: Parts, mind: dict[str, Any], executor: Executor, ranks: Ranks) -> TaskLessons:
    """The saved mind, to take in what the task's programs do."""
    player = player_of(config, parts, mind, executor, ranks)
    return TaskLessons(player, parts.task, {name: mind[name] for name in ("seconds", "folder")})


def player_of(config: Config, parts: Parts, mind: dict[str, Any], executor: Executor, ranks: Ranks) -> Player:
    """Who holds the saved mind."""
    tokenizer, legal_tokens = Tokenizer.from_file(config.paths.vocabulary), parts.legal_tokens
    if parts.tokenizer.tokens != tokenizer.tokens:
        grammar = read_grammar(config.paths.grammar, tokenizer.tokens)
        legal_tokens = LegalTokens(grammar, tokenizer.tokens, parts.device)
    player = Player(config, tokenizer, legal_tokens, executor, ranks, mind["seed"])
    for note in load_mind(player, mind):
        if ranks.leads:
            say(f"note: {note}")
    return player


def behind(mind: dict[str, Any]) -> str:
    """What a saved mind has behind it, in a line."""
    programs, behaviours = mind["progress"]["programs"], len(mind["repertoire"]["keys"])
    solved = len(mind["progress"]["solved"])
    return f"mind: {programs:,} programs played, {behaviours:,} behaviours known, {solved:,} tasks solved"


def _noted_seed(folder: Path) -> int | None:
    """The seed that an older version noted among the settings at the run's start, if it did."""
    first: dict[str, Any] = next((entry["config"] for entry in read_settings(folder) if entry["attempts"] == 0), {})
    seed = first.get("run", {}).get("seed")
    return seed if isinstance(seed, int) else None
