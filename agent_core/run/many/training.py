"""Learning many tasks, from the settings to the table: what is saved is gone on with, what is in the way is said."""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from agent_core.distributed.ranks import Ranks
from agent_core.run.console import say
from agent_core.run.many.files import NullFiles, RunFiles
from agent_core.run.many.mind import Mind
from agent_core.run.many.run import ManyRun
from agent_core.run.many.schedule import total
from agent_core.run.many.show import summary, table
from agent_core.run.many.state import KEY, ManyState
from agent_core.run.parts import Parts
from agent_core.run.recorder import PatientStore
from agent_core.run.session import keep_what_goes, other_seed, session, where_it_is
from agent_core.run.training import behind, player_of
from agent_core.sandbox.executor import Executor
from agent_core.settings.config import Config, differences
from agent_core.tasks.selection import LADDER
from memory.history.run_log import new_run_folder
from memory.state.checkpoint import Checkpoint
from utils import printable, seed_everything


def train_many(config: Config, options: argparse.Namespace, ranks: Ranks) -> int:
    """Visits the tasks until all are solved, the attempts are used up, or somebody stops it. Returns the exit code."""
    parts = Parts.of_all(config, ranks)
    seed_everything(ranks.seed(config.run.seed))
    ranks.settle(parts[0].device, parts[0].facts(config) | {"task": " ".join(each.task.digest for each in parts)})
    with session(config, config.executor, options.fresh, ranks) as (stop, executor, store, saved):
        state = _state_of(config, saved)
        known = any(each.task.name in state.standings for each in parts)
        notes = [*config.notes, *(saved.notes if saved else ()), *state.fit(parts)]
        if state.seed != config.run.seed:
            notes.append(other_seed(state.seed, config.run.seed))
        going = replace(config, run=replace(config.run, seed=state.seed))  # with the seed that it began with
        run = ManyRun(going, parts, executor, ranks, state, _mind_of(config, parts[0], saved, executor, ranks))
        if ranks.leads:
            if run.mind and saved and saved.mind and not run.finished:
                notes += keep_what_goes(store, saved.mind, run.mind.known)
            lines = [behind(saved.mind) if run.mind and saved and saved.mind else "no mind: tasks begin cold"]
            lines += [*differences(going, options.config), *(f"note: {note}" for note in notes)]
            _show_banner(run, parts, state, executor.layers, lines)
        if run.finished:
            if ranks.leads:
                store.settle()
                say(*table(run.standings), "set run.max_attempts higher, or name more tasks, to go on")
            return 0
        files, folder = NullFiles(), Path()
        if ranks.leads:
            folder = where_it_is(Path(state.folder), config.paths.runs) if known else _new_folder(config)
            patient = PatientStore(store, config.run.save_every, total(run.standings))
            files = RunFiles(patient, saved, folder, list(run.standings))
        stopped = run.go_on(files, lambda: stop.signal)
        if ranks.leads:
            again = f"stopped; {'without --fresh, ' * options.fresh}the same command goes on from here"
            say(*table(run.standings), f"curves, programs and tables: {folder}", *[again] * bool(stopped))
        return 128 + stopped if stopped else 0


def _state_of(config: Config, saved: Checkpoint | None) -> ManyState:
    """The run that was saved, or a new one."""
    if saved and KEY in saved.run_state:
        return ManyState.of(saved.run_state[KEY])
    return ManyState(config.run.seed)


def _mind_of(config: Config, parts: Parts, saved: Checkpoint | None, executor: Executor, ranks: Ranks) -> Mind | None:
    """The saved mind; None where there is none, or tasks are to begin cold."""
    if saved is None or saved.mind is None or not (config.mind.start_tasks and config.generator.legal_tokens_only):
        return None
    player = player_of(config, parts, saved.mind, executor, ranks)
    return Mind(player, {name: saved.mind[name] for name in ("seconds", "folder")})


def _new_folder(config: Config) -> Path:
    return new_run_folder(config.paths.runs, LADDER if config.run.task == LADDER else "tasks")


def _show_banner(run: ManyRun, parts: Sequence[Parts], state: ManyState, jail: str, lines: list[str]) -> None:
    first, names = parts[0], [each.task.name for each in parts]
    begun = total(run.standings) or state.current
    lines += [f"note: {each.task.name}: {note}" for each in parts for note in each.task.notes]
    if words := dict.fromkeys(word for each in parts for word in each.task.words):
        lines.insert(0, f"words of these tasks, beyond the vocabulary: {', '.join(words)}")
    say(
        f"AltLAS: {len(parts)} task{'s' * (len(parts) > 1)}. {printable(', '.join(names))}",
        f"device: {first.device} ({first.reason}); jail: {jail}",
        f"seed {state.seed}, {len(first.tokenizer)} tokens in the vocabulary, "
        + (f"resumed: {summary(run.standings)}{_under_way(state)}" if begun else "from the first attempt"),
        *(f"  {printable(line)}" for line in lines),
    )


def _under_way(state: ManyState) -> str:
    visit = state.current
    return f"; in the middle of a visit of {visit.visit.task}, {visit.tried:,} attempts so far" if visit else ""
