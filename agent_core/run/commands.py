"""What a command line asks for: learning, or one of the commands besides. Says what went wrong, and the exit code."""

import argparse
import gc
import json
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import torch

from agent_core.agent import Agent
from agent_core.distributed.ranks import RankLost, Ranks, SaidElsewhere, join
from agent_core.grammar.legal_tokens import LegalTokens
from agent_core.grammar.rules import read_grammar
from agent_core.run.console import say
from agent_core.run.file_score import file_score
from agent_core.run.many.training import train_many
from agent_core.run.memory_advice import advice, advice_for_play, lacks_memory
from agent_core.run.parts import Parts, task_and_tokenizer
from agent_core.run.play import play
from agent_core.run.streams import ReaderLeft, answer
from agent_core.run.training import start_of, train
from agent_core.sandbox.executor import Executor
from agent_core.settings.config import Config, load_config
from agent_core.tasks.feasibility import Vocabulary
from agent_core.tasks.make_task import make_task
from agent_core.tasks.selection import PLAY, are_several
from agent_core.tasks.task import FUNCTION, RUNGS, builtin_tasks, load_task
from agent_core.tasks.task_file import check
from memory.history.report import write_report
from memory.state.checkpoint import CheckpointStore
from tokenizer import Tokenizer
from utils import UserError, write_atomically

# A run holds millions of small objects, and next to none of what it leaves are cycles: at Python's own thresholds,
# looking for these takes a tenth of play's time.
_GARBAGE = 50_000, 20, 100


def carry_out(options: argparse.Namespace) -> int:
    """Does what the options ask for; returns the exit code. options: as runner.py has parsed them."""
    try:
        with join() as ranks:
            config = load_config(options.config, options.set)
            if command := other_command(options):
                return command(config) if ranks.leads else 0
            gc.set_threshold(*_GARBAGE)
            learn = play if config.run.task == PLAY else train_many if are_several(config.run.task) else train
            return learn(config, options, ranks)
    except ReaderLeft:
        return 0  # whoever asked has got as much as was wanted
    except UserError as error:
        say(f"error: {error}", file=sys.stderr)
        return 2
    except RankLost as error:
        say(f"error: {error}", file=sys.stderr)
        return 1
    except SaidElsewhere as error:
        return error.code
    except (RuntimeError, MemoryError) as error:
        if not lacks_memory(error):
            raise
        # what the error holds of the run is let go here, and the tensors with it
    say(f"error: {_advice(config)}", file=sys.stderr)
    return 2


def _advice(config: Config) -> str:
    """What to do for lack of memory."""
    if config.run.task == PLAY:
        return advice_for_play(config)
    parts = Parts.of_all(config, Ranks())[0] if are_several(config.run.task) else Parts.of(config)
    return advice(config, parts.task, parts.tokenizer, parts.legal_tokens)


def other_command(options: argparse.Namespace) -> Callable[[Config], int] | None:
    """What is asked for besides learning."""
    if options.tasks:
        return list_tasks
    if options.score:
        return partial(score_files, files=options.score)
    if options.sample:
        return partial(show_samples, count=options.sample)
    if options.make_task:
        return partial(write_task, source=options.make_task, out=options.out)
    if options.report is not None:
        return partial(report, folders=options.report)
    return None


def list_tasks(config: Config) -> int:
    tokens = Tokenizer.from_file(config.paths.vocabulary).tokens
    tasks = [load_task(name, tokens) for name in builtin_tasks()]
    for rung in RUNGS:
        answer(rung)
        for task in (task for task in tasks if task.rung == rung):
            answer(f"  {task.name:22}{task.shortest_known_tokens:>4} tokens  {task.description}")
    return 0


def show_samples(config: Config, count: int) -> int:
    _need_a_task(config, "--sample")
    parts = Parts.of(config)
    store = CheckpointStore(config.paths.model_state, config.paths.optimizer_state, config.paths.run_state)
    with Executor(config.executor) as executor:
        saved = store.load()
        start = start_of(config, parts, saved)
        agent = Agent(config, parts.task, parts.tokenizer, parts.legal_tokens, executor, start=start)
        if saved and saved.run_state["agent"]:
            agent.load(saved.model_state, saved.optimizer_state, saved.run_state["agent"])
        elif not start:
            answer("note: nothing is saved yet; these are from random weights")
        for reward, text in agent.sample(count):
            answer(f"# reward {reward:.3f}", *text.splitlines(), "")
    return 0


def write_task(config: Config, source: Path, out: Path | None) -> int:
    """Shows or writes the task file for a Python file. Raises UserError rather than overwrite anything."""
    tokens = Tokenizer.from_file(config.paths.vocabulary).tokens
    task, notes = make_task(source, tokens)
    words = check(task, source, Vocabulary(tokens, str(config.paths.vocabulary)), FUNCTION)["words"]
    said = [*notes, *[f"words of this task, beyond the vocabulary: {', '.join(words)}"] * bool(words)]
    for note in said:
        say(f"note: {note}", file=sys.stderr)
    text = json.dumps(task, ensure_ascii=False, indent=2)
    if out is None:
        answer(text)
        return 0
    if out.exists():
        raise UserError(f"{out} is there already; name another file with --out, or move that one away")
    write_atomically(out, f"{text}\n".encode())
    say(f"written: {out}; look at its cases, then run it with --set run.task={out.resolve()}")
    return 0


def report(config: Config, folders: Sequence[Path]) -> int:
    path, notes = write_report(config.paths.runs, folders)
    answer(*notes, f"report: {path}")
    return 0


def score_files(config: Config, files: Sequence[Path]) -> int:
    _need_a_task(config, "--score")
    task, tokenizer = task_and_tokenizer(config)
    grammar = read_grammar(config.paths.grammar, tokenizer.tokens)
    legal_tokens = LegalTokens(grammar, tokenizer.tokens, torch.device("cpu"))
    for note in task.notes:
        say(f"note: {note}", file=sys.stderr)
    with Executor(config.executor) as executor:
        for file in files:
            try:
                text = file.read_text(encoding="utf-8-sig")
            except (OSError, UnicodeDecodeError) as error:
                raise UserError(f"{file}: cannot be read ({error}); --score takes Python files") from None
            found = file_score(text, task, tokenizer, legal_tokens, executor, config)
            answer(json.dumps({"file": str(file), **found}))
    return 0


def _need_a_task(config: Config, option: str) -> None:
    if config.run.task == PLAY:
        raise UserError(f"{option} needs a task, and play has none; name one with --set run.task=...")
    if are_several(config.run.task):
        raise UserError(f"{option} is for one task, and run.task names several; name one with --set run.task=...")
