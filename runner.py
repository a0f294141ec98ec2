"""Starts an agent with random weights on a task, and shows how it goes: `python runner.py --help`."""

import argparse
import contextlib
import hashlib
import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from agent_core.agent import Agent
from agent_core.distributed.ranks import RankLost, Ranks, SaidElsewhere, join
from agent_core.grammar.legal_tokens import LegalTokens
from agent_core.grammar.rules import read_grammar
from agent_core.run.console import let_go_of_the_unsaid, say, show_banner, show_verdict
from agent_core.run.file_score import file_score
from agent_core.run.loop import NullRecorder, RunRecorder, TrainingRun
from agent_core.run.memory_advice import advice
from agent_core.sandbox.executor import Executor
from agent_core.scoring.mismatch import printable
from agent_core.settings.config import Config, ConfigError, differences, load_config
from agent_core.tasks.task import RUNGS, Task, builtin_tasks, load_task
from memory.history.report import write_report
from memory.history.run_log import new_run_folder
from memory.state.checkpoint import Checkpoint, CheckpointStore
from memory.state.lock import MemoryLock
from tokenizer import Tokenizer
from utils import UserError, choose_device, device_of_rank, seed_everything


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command line. Returns the exit code: 0, 1 where another rank was lost, 2 for a user's mistake, 130 or
    143 after a signal."""
    options = parse(arguments)
    try:
        with join() as ranks:
            config = load_config(options.config, options.set)
            if command := other_command(options):
                return command(config) if ranks.leads else 0
            return train(config, options, ranks)
    except UserError as error:
        say(f"error: {error}", file=sys.stderr)
        return 2
    except RankLost as error:
        say(f"error: {error}", file=sys.stderr)
        return 1
    except SaidElsewhere as error:
        return error.code
    except torch.OutOfMemoryError:
        pass  # what it holds of the run is let go here, and the tensors with it
    except KeyboardInterrupt:
        return 130
    parts = Parts.of(config)
    say(f"error: {advice(config, parts.task, parts.tokenizer, parts.legal_tokens)}", file=sys.stderr)
    return 2


def other_command(options: argparse.Namespace) -> Callable[[Config], int] | None:
    """What is asked for besides learning."""
    if options.tasks:
        return list_tasks
    if options.score:
        return partial(score_files, files=options.score)
    if options.sample:
        return partial(show_samples, count=options.sample)
    if options.report is not None:
        return partial(report, folders=options.report)
    return None


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="AltLAS learns to write small programs, from random weights.")
    parser.add_argument(
        "--config",
        type=Path,
        default=Path(__file__).parent / "config.ini",
        metavar="PATH",
        help="the settings (default: config.ini beside this file)",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="section.key=value",
        help="one setting for this run only; may be repeated",
    )
    parser.add_argument("--fresh", action="store_true", help="set what was learned aside and start anew")
    parser.add_argument("--tasks", action="store_true", help="list the built-in tasks")
    parser.add_argument("--sample", type=positive, metavar="N", help="print N programs of the saved policy and rewards")
    parser.add_argument("--score", nargs="+", type=Path, metavar="FILE", help="score programs as the agent's own are")
    parser.add_argument(
        "--report",
        nargs="*",
        type=Path,
        metavar="RUN_FOLDER",
        help="write a page that compares these runs, or all there are",
    )
    return parser.parse_args(arguments)


def positive(text: str) -> int:
    if not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"must be a whole number above 0, not {text}")
    return int(text)


@dataclass(frozen=True)
class Parts:
    """What a config says to build, before anything runs."""

    tokenizer: Tokenizer
    legal_tokens: LegalTokens
    task: Task
    device: torch.device
    reason: str

    @classmethod
    def of(cls, config: Config, ranks: Ranks | None = None) -> "Parts":
        ranks = ranks or Ranks()
        tokenizer = Tokenizer.from_file(config.paths.vocabulary)
        grammar = read_grammar(config.paths.grammar, tokenizer.tokens)
        task = load_task(config.run.task, tokenizer.tokens, config.paths.vocabulary)
        if problems := _misfits(config, task, int(grammar.fewest_tokens[task.start[0]]), ranks):
            raise ConfigError(problems)
        name = config.run.device
        if ranks.count > 1:
            name = device_of_rank(name, ranks.local_rank, ranks.local_count)
        device, reason = choose_device(name)
        cores = (os.cpu_count() or 1) // ranks.local_count
        torch.set_num_threads(config.run.threads or min(4, max(1, cores // 2)))
        return cls(tokenizer, LegalTokens(grammar, tokenizer.tokens, device), task, device, reason)


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


def train(config: Config, options: argparse.Namespace, ranks: Ranks) -> int:
    """Learns until the task is solved, the attempts are used up, or somebody stops it."""
    parts = Parts.of(config, ranks)
    seed_everything(ranks.seed(config.run.seed))
    ranks.settle(parts.device, facts(config, parts))
    store = CheckpointStore(config.paths.model_state, config.paths.optimizer_state, config.paths.run_state)
    with (
        Stop() as stop,
        MemoryLock(store.folders) if ranks.leads else contextlib.nullcontext(),
        Executor(config.executor, ranks.local_count) as executor,
    ):
        saved = load(store, options.fresh, ranks)
        agent = Agent(config, parts.task, parts.tokenizer, parts.legal_tokens, executor, ranks)
        notes, folder, seconds = (), None, 0.0
        if saved:
            notes = (*saved.notes, *agent.load(saved.model_state, saved.optimizer_state, saved.run_state["agent"]))
            was = saved.run_state["agent"]
            if (was["digest"], was["progress"]["attempts"]) == (parts.task.digest, agent.progress.attempts):  # same run
                folder, seconds = Path(saved.run_state["folder"]), saved.run_state["seconds"]
        if ranks.leads:
            shared = [f"{ranks.count} ranks share each batch"] * (ranks.count > 1)
            remarks = (f"note: {note}" for note in (*config.notes, *parts.task.notes, *notes))
            lines = [*shared, *differences(config, options.config), *remarks]
            show_banner(agent, parts.legal_tokens, f"{parts.device} ({parts.reason})", executor.layers, lines)
        if agent.finished:
            if ranks.leads:
                store.settle()
                say(f"all {agent.progress.attempts:,} attempts are used up; set run.max_attempts higher to go on")
            return 0
        books = NullRecorder()
        if ranks.leads:
            folder = folder or new_run_folder(config.paths.runs, parts.task.name)
            books = RunRecorder(agent, store, folder)
        run = TrainingRun(agent, books, seconds)
        stopped = run.learn(lambda: stop.signal)
        if ranks.leads:
            show_verdict(run.result(), folder, stopped=bool(stopped))
        return 128 + stopped if stopped else 0


def load(store: CheckpointStore, fresh: bool, ranks: Ranks) -> Checkpoint | None:
    """What is saved, on all ranks; fresh: to be set aside."""
    saved = None
    if ranks.leads:
        if fresh and not ranks.restarted and (moved := store.set_aside()):
            say(f"set aside: {', '.join(map(str, moved))}")
        saved = store.load()
    saved = ranks.broadcast(saved and vars(saved))
    return saved and Checkpoint(**saved)


def facts(config: Config, parts: Parts) -> dict[str, Any]:
    """What must be the same on all ranks of a run."""
    own = ("run.task", "run.device", "run.threads", "executor.workers")  # of each machine
    settings = {
        f"{section}.{key}": value
        for section, values in config.plain().items()
        if section != "paths"
        for key, value in values.items()
        if f"{section}.{key}" not in own
    }
    return {
        **settings,
        "task": parts.task.digest,
        "grammar": parts.legal_tokens.grammar.digest,
        "vocabulary": hashlib.blake2b("\0".join(parts.tokenizer.tokens).encode(), digest_size=8).hexdigest(),
    }


class Stop:
    """Ctrl-C and SIGTERM finish the step and save; a second Ctrl-C leaves at once, the last save being whole."""

    def __init__(self):
        self.signal = 0

    def __enter__(self) -> "Stop":
        self._previous = {number: signal.signal(number, self._ask) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _ask(self, number: int, frame: object) -> None:
        if self.signal and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.signal = number


def list_tasks(config: Config) -> int:
    tokens = Tokenizer.from_file(config.paths.vocabulary).tokens
    tasks = [load_task(name, tokens) for name in builtin_tasks()]
    for rung in RUNGS:
        print(rung)
        for task in (task for task in tasks if task.rung == rung):
            print(f"  {task.name:22}{task.shortest_known_tokens:>4} tokens  {task.description}")
    return 0


def show_samples(config: Config, count: int) -> int:
    parts = Parts.of(config)
    store = CheckpointStore(config.paths.model_state, config.paths.optimizer_state, config.paths.run_state)
    with Executor(config.executor) as executor:
        agent = Agent(config, parts.task, parts.tokenizer, parts.legal_tokens, executor)
        if saved := store.load():
            agent.load(saved.model_state, saved.optimizer_state, saved.run_state["agent"])
        else:
            print("note: nothing is saved yet; these are from random weights")
        for reward, text in agent.sample(count):
            print(f"# reward {reward:.3f}", *map(printable, text.splitlines()), sep="\n", end="\n\n")
    return 0


def report(config: Config, folders: Sequence[Path]) -> int:
    path, notes = write_report(config.paths.runs, folders)
    print(*notes, f"report: {path}", sep="\n")
    return 0


def score_files(config: Config, files: Sequence[Path]) -> int:
    tokenizer = Tokenizer.from_file(config.paths.vocabulary)
    task = load_task(config.run.task, tokenizer.tokens, config.paths.vocabulary)
    grammar = read_grammar(config.paths.grammar, tokenizer.tokens)
    legal_tokens = LegalTokens(grammar, tokenizer.tokens, torch.device("cpu"))
    for note in task.notes:
        say(f"note: {note}", file=sys.stderr)
    with Executor(config.executor) as executor:
        for file in files:
            try:
                text = file.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise UserError(f"{file}: cannot be read ({error}); --score takes Python files") from None
            found = file_score(text, task, tokenizer, legal_tokens, executor, config)
            print(json.dumps({"file": str(file), **found}), flush=True)
    return 0


if __name__ == "__main__":
    code = main()
    let_go_of_the_unsaid()
    sys.exit(code)
