"""The batch that fits a device's memory, found by trying: what a step takes depends on too much to be computed."""

import gc

import torch

from agent_core.grammar.legal_tokens import LegalTokens, Prompt
from agent_core.learning.generator import CodeGenerator
from agent_core.settings.config import Config
from agent_core.task_run import types_shown_by
from agent_core.tasks.task import Task
from tokenizer import Tokenizer


def advice(config: Config, task: Task, tokenizer: Tokenizer, legal_tokens: LegalTokens) -> str:
    """The one line for a run that ended for lack of memory on its device, whose tensors are gone by now."""
    asked = config.generator.batch_size
    fits = fitting_batch(config, task, tokenizer, legal_tokens)
    way_out = f"generator.batch_size = {fits} fits" if fits else "not even one program fits: set run.device = cpu"
    return (
        f"the device has too little memory for generator.batch_size = {asked}; {way_out}; "
        "run again with it: what was saved before is whole"
    )


def advice_for_play(config: Config) -> str:
    """The same for play."""
    written, learned = config.play.batch_size, config.mind.batch_size
    return (
        f"the device has too little memory for play.batch_size = {written} and mind.batch_size = {learned}; "
        "run again with smaller ones, or with run.device = cpu: what was saved before is whole"
    )


def lacks_memory(error: BaseException) -> bool:
    """Whether there was too little memory on a device, or on the CPU, where PyTorch has no exception of its own."""
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "DefaultCPUAllocator" in str(error)


def fitting_batch(config: Config, task: Task, tokenizer: Tokenizer, legal_tokens: LegalTokens) -> int:
    """The largest of a half, a quarter, ... of the batch with which a step goes through; 0 for none."""
    size = config.generator.batch_size
    while size := size // 2:
        gc.collect()
        try:
            generator = CodeGenerator(tokenizer, legal_tokens, Prompt(*task.start), config, types=types_shown_by(task))
            generator.learn(torch.zeros(size), generator.generate(size))
            return size
        except (RuntimeError, MemoryError) as error:
            if not lacks_memory(error):
                raise
    return 0
