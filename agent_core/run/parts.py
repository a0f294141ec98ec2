"""What the settings say to build, before anything runs, and whether it fits together."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from agent_core.distributed.ranks import Ranks
from agent_core.grammar.legal_tokens import LegalTokens
from agent_core.grammar.rules import read_grammar
from agent_core.settings.config import Config, ConfigError
from agent_core.tasks.selection import PLAY, load_tasks
from agent_core.tasks.task import Task, load_task
from tokenizer import Tokenizer
from utils import choose_device, device_of_rank

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
        task, tokenizer = task_and_tokenizer(config)
        return cls._of(config, [task], tokenizer, ranks or Ranks())[0]

    @classmethod
    def of_all(cls, config: Config, ranks: Ranks) -> list["Parts"]:
        """Of several tasks, which share all else: the words of each are tokens for all. Raises UserError as `of`."""
        tokens = Tokenizer.from_file(config.paths.vocabulary).tokens
        tasks = load_tasks(config.run.task, tokens, config.paths.vocabulary)
        words = dict.fromkeys(word for task in tasks for word in task.words)
        return cls._of(config, tasks, Tokenizer([*tokens, *words]), ranks)

    @classmethod
    def _of(cls, config: Config, tasks: Sequence[Task], tokenizer: Tokenizer, ranks: Ranks) -> list["Parts"]:
        grammar = read_grammar(config.paths.grammar, tokenizer.tokens)
        problems = [
            problem
            for task in tasks
            for problem in _misfits(config, task, int(grammar.fewest_tokens[task.start[0]]), ranks)
        ]
        if problems:
            raise ConfigError(list(dict.fromkeys(problems)))
        name = config.run.device
        if ranks.count > 1:
            name = device_of_rank(name, ranks.local_rank, ranks.local_count)
        device, reason = choose_device(name)
        cores = (os.cpu_count() or 1) // ranks.local_count
        torch.set_num_threads(config.run.threads or min(4, max(1, cores // 2)))
        legal_tokens = LegalTokens(grammar, tokenizer.tokens, device)
        return [cls(tokenizer, legal_tokens, task, device, reason) for task in tasks]

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
