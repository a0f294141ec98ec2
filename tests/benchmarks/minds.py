"""Minds that play as long as a benchmark needs, each kept at every size, with or without what is right on a task."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from agent_core.learning.language import TokenIds
from agent_core.play.player import Player
from agent_core.play.saved import load, state_of
from agent_core.run.parts import Parts
from agent_core.sandbox.executor import Executor
from agent_core.scoring.scorer import Scorer
from agent_core.settings.config import Config, load_config
from agent_core.tasks.task import Task, builtin_tasks, load_task
from tests.benchmarks.cells import CONFIG
from tests.benchmarks.soak import resident
from tokenizer import Tokenizer
from utils import seed_everything

FEWER = 20_000  # programs of play between two saves of a mind that plays


def function_tasks() -> list[Task]:
    tokens = Tokenizer.from_file(load_config(CONFIG).paths.vocabulary).tokens
    return [task for name in builtin_tasks() if (task := load_task(name, tokens)).kind == "function"]


def settings(task: str, seed: int, more: Sequence[str] = ()) -> Config:
    own = (f"run.task={task}", f"run.seed={seed}", f"run.max_attempts={10**9}", "run.device=cpu", "executor.workers=1")
    return load_config(CONFIG, [*more, *own])


class RightDreams:
    """Says which programs of play are right on one of the tasks: those that are to be left out."""

    def __init__(self, tasks: Sequence[Task], config: Config, executor: Executor, tokenizer: Tokenizer):
        self._tokenizer = tokenizer
        self._scorers: dict[int, list[Scorer]] = {}  # by number of arguments
        for task in tasks:
            self._scorers.setdefault(len(task.parameters), []).append(Scorer(task, executor, config.scorer))
        self._arity_of: Any = None

    def bind(self, player: Player) -> None:
        self._arity_of = lambda number: player.questions[number].arity

    def __call__(self, number: int, programs: Sequence[TokenIds]) -> list[bool]:
        right = [False] * len(programs)
        texts = [self._tokenizer.decode(program) for program in programs]
        for scorer in self._scorers.get(self._arity_of(number), ()) if programs else ():
            modules = [scorer.task.module(text) for text in texts]
            scores = scorer.score(modules, [len(program) for program in programs])
            right = [before or score.solved for before, score in zip(right, scores, strict=True)]
        return right


def mind_file(folder: Path, mind: int, size: int, left_out: bool) -> Path:
    return folder / f"mind{mind}{'_left_out' * left_out}_{size}.pth"


def play_up_to(folder: Path, mind: int, size: int, left_out: bool, more: Sequence[str], until: float) -> bool:
    """Has a mind play up to a size, from where it was stopped. Returns whether it is there. Says how much memory the
    process has then."""
    wanted, going = mind_file(folder, mind, size, left_out), mind_file(folder, mind, -1, left_out)
    if wanted.exists():
        return True
    config = settings("play", mind, more)
    parts = Parts.of(config)
    torch.set_num_threads(1)
    seed_everything(mind)
    with Executor(replace(config.executor, max_steps=config.play.max_steps)) as executor:
        dreams = RightDreams(function_tasks(), config, executor, parts.tokenizer) if left_out else None
        player = Player(config, parts.tokenizer, parts.legal_tokens, executor, seed=mind, leave_out=dreams)
        if dreams is not None:
            dreams.bind(player)
        if going.exists():
            load(player, torch.load(going, weights_only=True))
        saved = player.progress.programs
        while player.progress.programs < size and time.monotonic() < until:
            player.step()
            if player.progress.programs - saved >= FEWER:
                saved = player.progress.programs
                keep(state_of(player), going)
        keep(state_of(player), going)
        if player.progress.programs < size:
            return False
        keep(state_of(player), wanted)
        print(
            f"{wanted.stem}: {player.progress.programs:,} programs, {resident('self'):,.0f} MiB of memory", flush=True
        )
    return True


def keep(state: dict[str, Any], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    torch.save(state, new)
    new.replace(path)
