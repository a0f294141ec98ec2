"""What the settings say to build, before anything runs, and whether it fits together."""

import hashlib
import os
from dataclasses import dataclass
from typing import Any

import torch

from agent_core.distributed.ranks import Ranks
from agent_core.grammar.legal_tokens import LegalTokens
from agent_core.grammar.rules import read_grammar
from agent_core.settings.config import Config, ConfigError
from agent_core.tasks.task import Task, load_task
from tokenizer import Tokenizer
from utils import choose_device, device_of_rank

PLAY = "play"  # as run.task: no task, the agent asks itself
_NO_TASK = Task(PLAY, "It asks itself, and learns what its programs do.", expected_output="")

# Settings that are each machine's own: ranks of one run may differ in them.
_OWN = ("run.task", "run.device", "run.threads", "executor.workers")


def task_and_tokenizer(config: Config) -> tuple[Task, Tokenizer]:
    """The task of the settings, and a tokenizer that knows the task's own words besides the vocabulary's tokens."""
    tokens = Tokenizer.from_file(config.paths.vocabulary).tokens
    if config.run.task == PLAY:
        return _NO_TASK, Tokenizer(tokens)
    task = load_task(config.run.task, tokens, config.paths.vocabulary)
    return task, Tokenizer([*tokens, *task.words])


@dataclass(frozen=True)
class Parts:
    """Tokenizer, grammar, task and device of a run."""

    tokenizer: Tokenizer
    legal_tokens: LegalTokens
    task: Task
    device: torch.device
    reason: str  # for this device

    @classmethod
    def of(cls, config: Config, ranks: Ranks | None = None) -> "Parts":
        """Raises UserError for what is missing, wrong, or does not fit."""
        ranks = ranks or Ranks()
        task, tokenizer = task_and_tokenizer(config)
        grammar = read_grammar(config.paths.grammar, tokenizer.tokens)
        if problems := _misfits(config, task, int(grammar.fewest_tokens[task.start[0]]), ranks):
            raise ConfigError(problems)
        name = config.run.device
        if ranks.count > 1:
            name = device_of_rank(name, ranks.local_rank, ranks.local_count)
        device, reason = choose_device(name)
        cores = (os.cpu_count() or 1) // ranks.local_count
        torch.set_num_threads(config.run.threads or min(4, max(1, cores // 2)))
        return cls(tokenizer, LegalTokens(grammar, tokenizer.tokens, device), task, device, reason)

    def facts(self, config: Config) -> dict[str, Any]:
        """What must be the same on all ranks of a run."""
        settings = {
            f"{section}.{key}": value
            for section, values in config.plain().items()
            if section != "paths"
            for key, value in values.items()
            if f"{section}.{key}" not in _OWN
        }
        tokens = "\0".join(self.tokenizer.tokens).encode(errors="surrogatepass")
        return {
            **settings,
            "task": self.task.digest,
            "grammar": self.legal_tokens.grammar.digest,
            "vocabulary": hashlib.blake2b(tokens, digest_size=8).hexdigest(),
        }


def _misfits(config: Config, task: Task, shortest: int, ranks: Ranks) -> list[str]:
    """Settings that fit neither the task nor the number of ranks. shortest: tokens of the shortest program."""
    generator, most, printed = config.generator, config.executor.max_output, len(task.expected_output or "") + 1
    problems = []
    if generator.max_length < shortest:
        problems.append(
            f"generator.max_length is {generator.max_length}, but the shortest program has {shortest} "
            f"tokens, its end mark included: set it to {shortest} or more"
        )
    if most < printed:
        problems.append(
            f"executor.max_output is {most}, but what {task.name} asks for has {printed} characters, its "
            f"line end included: set it to {printed} or more"
        )
    if generator.batch_size < ranks.count:
        problems.append(
            f"generator.batch_size is {generator.batch_size}, but {ranks.count} ranks are to share it: "
            "set it higher, or start fewer"
        )
    return problems
