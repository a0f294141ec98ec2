"""A task as a run begins it, cold or from a mind that was kept in a file."""

import hashlib
import pickle
from pathlib import Path
from typing import Any

import torch

from agent_core.agent import Agent
from agent_core.distributed.ranks import Ranks
from agent_core.run.loop import TrainingRun
from agent_core.run.many.mind import Mind
from agent_core.run.parts import Parts
from agent_core.run.recorder import NullRecorder
from agent_core.run.training import player_of
from agent_core.sandbox.executor import Executor
from agent_core.settings.config import Config
from utils import UserError, seed_everything


def begin(config: Config, mind: dict[str, Any] | None, executor: Executor) -> tuple[Agent, TrainingRun]:
    """What a run with these settings begins with, recall and the mind's own learning included. mind: see `read_mind`;
    None: the task begins cold."""
    parts, start, lessons = Parts.of(config), None, None
    player = None if mind is None else player_of(config, parts, mind, executor, Ranks())
    seed_everything(config.run.seed)
    if player is not None:
        start, lessons = Mind(player, {}).visit(config, parts)
    agent = Agent(config, parts.task, parts.tokenizer, parts.legal_tokens, executor, start=start)
    return agent, TrainingRun(agent, NullRecorder(), 0.0, config.run.seed, lessons)


def read_mind(file: Path) -> dict[str, Any]:
    """A saved mind: `memory/run_state_mind.pth` of a run, or one that `tests/benchmarks/play.py` has kept. Raises
    UserError."""
    try:
        mind = torch.load(file, weights_only=True)
        mind["learner"], mind["repertoire"]
    except (OSError, RuntimeError, KeyError, TypeError, EOFError, pickle.UnpicklingError) as error:
        raise UserError(f"{file}: is no saved mind ({error})") from None
    return mind


def digest_of(file: Path) -> str:
    return hashlib.blake2b(file.read_bytes(), digest_size=8).hexdigest()
