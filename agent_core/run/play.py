"""Play, from the settings to the last line: what is saved is gone on with, what is in the way is said.

The three states of a run are left as they are: whoever plays between two starts of a task goes on with the task.
"""

import argparse
import contextlib
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from agent_core.distributed.ranks import Ranks
from agent_core.play.player import Player
from agent_core.play.progress import PLAY_FIGURES
from agent_core.play.saved import load as load_mind
from agent_core.play.saved import state_of
from agent_core.play.summary import summary_of
from agent_core.run.console import ProgressBar, indented, say
from agent_core.run.parts import Parts
from agent_core.run.recorder import PatientStore
from agent_core.run.session import Stop, keep_what_goes, session, where_it_is
from agent_core.sandbox.executor import JailError
from agent_core.settings.config import Config, differences
from agent_core.tasks.selection import PLAY
from memory.history.many_folder import ABILITIES
from memory.history.run_log import RunLog, new_run_folder, write_json
from memory.state.checkpoint import Checkpoint, CheckpointStore
from utils import DiskFull, UserError, seed_everything

_COLUMNS = (*PLAY_FIGURES, "elapsed_seconds", "attempts_per_second")


def play(config: Config, options: argparse.Namespace, ranks: Ranks) -> int:
    """Plays until the programs are used up, or somebody stops it. Returns the exit code."""
    if not config.generator.legal_tokens_only:
        raise UserError(
            "play writes legal programs only: set generator.legal_tokens_only = yes, or name a task to learn"
        )
    parts = Parts.of(config, ranks)
    seed_everything(ranks.seed(config.run.seed))
    ranks.settle(parts.device, parts.facts(config))
    jail = replace(config.executor, max_steps=config.play.max_steps)
    with session(config, jail, options.fresh, ranks) as (stop, executor, store, saved):
        mind = saved.mind if saved else None
        seed = mind["seed"] if mind else config.run.seed
        player = Player(config, parts.tokenizer, parts.legal_tokens, executor, ranks, seed)
        notes = [*(saved.notes if saved else ()), *(load_mind(player, mind) if mind else ())]
        if ranks.leads:
            if mind and not player.finished:
                notes += keep_what_goes(store, mind, len(player.repertoire))
            _show_banner(player, parts, executor.layers, options, [*config.notes, *notes])
        if player.finished:
            if ranks.leads:
                store.settle()
                say(f"all {player.progress.programs:,} programs are written; set run.max_attempts higher to go on")
            return 0
        run = PlayRun(player, store, saved, _folder(config, mind, ranks))
        stopped = run.play(stop)
        if ranks.leads:
            _show_end(player, run, bool(stopped), options.fresh)
        return 128 + stopped if stopped else 0


class PlayRun:
    """The clock of play, its loop, and what the leading rank writes and shows."""

    def __init__(self, player: Player, store: CheckpointStore, saved: Checkpoint | None, folder: Path | None):
        """saved: what was there; folder: where curves go, None on a rank that does not lead."""
        self._player, self.folder = player, folder
        self._store = PatientStore(store, player.config.run.save_every, player.progress.programs)
        self._others: tuple[Mapping, Mapping, Mapping] = ({}, {}, {"agent": None})
        if saved:
            self._others = saved.model_state, saved.optimizer_state, saved.run_state
        self._before = saved.mind["seconds"] if saved and saved.mind else 0.0
        self._began = time.monotonic()
        self._saved_at = player.progress.programs

    @property
    def seconds(self) -> float:
        """Seconds that play has taken, stops not counted."""
        return self._before + time.monotonic() - self._began

    def play(self, stop: Stop) -> int:
        """Goes on until the programs are used up or one of the ranks has been sent a signal; returns that, or 0."""
        player, ranks = self._player, self._player.ranks
        self._save(None)
        ranks.watch()
        with contextlib.ExitStack() as opened:
            log = None
            if self.folder is not None:
                log = opened.enter_context(RunLog(self.folder, _COLUMNS, player.progress.programs))
                log.settings(player.config.plain())
            bar = ProgressBar(player.config.run.max_attempts, player.progress.programs, "programs", ranks.leads)
            opened.enter_context(bar)
            while not player.finished and not ranks.stopping(stop.signal):
                looks = player.progress.looks
                row = self._step() | self._speed()
                if log is not None:
                    log.row(row)
                    if note := log.take_note():
                        say(f"note: {note}")
                    if player.progress.looks > looks:
                        self._tell(log)
                self._show(bar, row)
                if player.progress.programs - self._saved_at >= player.config.run.save_every and not player.finished:
                    self._save(log, must=False)
            if log is not None:
                self._tell(log)
                log.result(self.result())
            self._save(log)
        return ranks.stopping(stop.signal)

    def _show(self, bar: ProgressBar, row: Mapping[str, float]) -> None:
        """How it goes, and now and then a program that did something new."""
        known, new = row["behaviours"], row["new_per_thousand"]
        bar.advance(int(row["attempts"]), f"{known:,} behaviours, {new:.0f} of a thousand programs new")
        show_every = self._player.config.run.show_every
        if self._player.ranks.leads and show_every and row["step"] % show_every == 0:
            for text in self._player.latest():
                say(f"program {row['attempts']:,}: something new", *indented(text))

    def _tell(self, log: RunLog) -> None:
        """What it can do by now, for the report."""
        with contextlib.suppress(DiskFull):
            write_json(log.folder / ABILITIES, summary_of(self._player))

    def _step(self) -> dict[str, float]:
        """One step. Where no jail can be had for it any more, the last save is whole, and the error says so."""
        try:
            return self._player.step()
        except JailError as error:
            raise JailError(f"{error}; what was saved last is whole") from None

    def result(self) -> dict[str, Any]:
        """What result.json holds."""
        player = self._player
        return {
            "task": PLAY,
            "seed": player.seed,
            "ranks": player.ranks.count,
            "attempts": player.progress.programs,
            "behaviours": len(player.repertoire),
            "seconds": round(self.seconds, 3),
            "attempts_per_second": round(player.progress.programs / self.seconds, 1),
            "device": str(player.device),
            "torch_version": torch.__version__,
        }

    def _speed(self) -> dict[str, float]:
        return {
            "elapsed_seconds": round(self.seconds, 3),
            "attempts_per_second": round(self._player.progress.programs / self.seconds, 1),
        }

    def _save(self, log: RunLog | None, must: bool = True) -> None:
        """Makes the next generation: the states of a task as they were, and the mind. All ranks take part."""
        state = state_of(self._player) | {"seconds": self.seconds, "folder": str(self.folder or "")}
        self._saved_at = self._player.progress.programs
        if not self._player.ranks.leads:
            return

        def write(store: CheckpointStore) -> None:
            if log is not None:
                log.sync()  # first the rows: play that is killed resumes with all of them
            store.save(*self._others, mind=state)

        self._store.save(write, self._saved_at, must)


def _folder(config: Config, mind: Mapping[str, Any] | None, ranks: Ranks) -> Path | None:
    """Where play leaves its curves: where it did before, or a new folder."""
    if not ranks.leads:
        return None
    if mind and mind["folder"]:
        return where_it_is(Path(mind["folder"]), config.paths.runs)
    return new_run_folder(config.paths.runs, PLAY)


def _show_banner(player: Player, parts: Parts, jail: str, options: argparse.Namespace, notes: list[str]) -> None:
    config, programs = player.config, player.progress.programs
    shared = [f"{player.ranks.count} ranks share each batch"] * (player.ranks.count > 1)
    if player.seed != config.run.seed:
        notes.append(
            f"this mind began with seed {player.seed} and goes on with it; run.seed = {config.run.seed} waits for a "
            "start with --fresh"
        )
    parameters = sum(parameter.numel() for parameter in player.learner.network.parameters())
    lines = [*shared, *differences(config, options.config), *(f"note: {note}" for note in notes)]
    solved = len(player.progress.solved)
    behind = f"{programs:,} programs behind it, {len(player.repertoire):,} behaviours known, {solved:,} tasks solved"
    say(
        "AltLAS: play. It asks itself, and learns what its programs do.",
        f"device: {parts.device} ({parts.reason}); jail: {jail}",
        f"seed {player.seed}, {parameters:,} parameters, {len(player.tokenizer)} tokens in the vocabulary",
        f"mind: {behind if programs else 'new'}",
        *(f"  {line}" for line in lines),
    )


def _show_end(player: Player, run: PlayRun, stopped: bool, fresh: bool) -> None:
    say(
        f"played {player.progress.programs:,} programs in {run.seconds:.1f} s; "
        f"{len(player.repertoire):,} behaviours known",
        f"curves and result: {run.folder}",
        *[f"stopped; {'without --fresh, ' * fresh}the same command goes on from here"] * stopped,
    )
