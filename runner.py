"""Starts an agent with random weights on a task, and shows how it goes: `python runner.py --help`."""

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from agent_core.agent import FIGURES, Agent, start_of
from agent_core.config import Config, ConfigError, differences, load_config
from agent_core.console import Bar, let_go_of_the_unsaid, say, show_banner, show_verdict
from agent_core.departure import departure, printable
from agent_core.executor import Executor
from agent_core.fitting import advice
from agent_core.grammar import read_grammar
from agent_core.pushdown import LegalTokens
from agent_core.scorer import Scorer
from agent_core.task import RUNGS, Task, builtin_tasks, load_task
from memory.checkpoint import CheckpointStore
from memory.lock import MemoryLock
from memory.report import write_report
from memory.run_log import Best, RunLog, new_run_folder
from tokenizer import Tokenizer
from utils import DiskFull, UserError, choose_device, seed_everything

COLUMNS = (*FIGURES, "jail_reruns", "jail_wait_seconds", "elapsed_seconds", "attempts_per_second")
MAX_SKIPPED = 3  # steps in a row whose loss or gradient is not finite


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command line. Returns the exit code: 0, 2 for a user's mistake, 130 or 143 after a signal."""
    options = parse(arguments)
    try:
        config = load_config(options.config, options.set)
        if options.tasks:
            return list_tasks(config)
        if options.score:
            return score_files(config, options.score)
        if options.sample:
            return show_samples(config, options.sample)
        if options.report is not None:
            return report(config, options.report)
        return train(config, options)
    except UserError as error:
        say(f"error: {error}", file=sys.stderr)
        return 2
    except torch.OutOfMemoryError:
        pass  # what it holds of the run is let go here, and the tensors with it
    except KeyboardInterrupt:
        return 130
    parts = Parts.of(config)
    say(f"error: {advice(config, parts.task, parts.tokenizer, parts.machine)}", file=sys.stderr)
    return 2


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="AltLAS learns to write small programs, from random weights.")
    parser.add_argument("--config", type=Path, default=Path(__file__).parent / "config.ini", metavar="PATH",
                        help="the settings (default: config.ini beside this file)")
    parser.add_argument("--set", action="append", default=[], metavar="section.key=value",
                        help="one setting for this run only; may be repeated")
    parser.add_argument("--fresh", action="store_true", help="set what was learned aside and start anew")
    parser.add_argument("--tasks", action="store_true", help="list the built-in tasks")
    parser.add_argument("--sample", type=positive, metavar="N", help="print N programs of the saved policy and rewards")
    parser.add_argument("--score", nargs="+", type=Path, metavar="FILE", help="score programs as the agent's own are")
    parser.add_argument("--report", nargs="*", type=Path, metavar="RUN_FOLDER",
                        help="write a page that compares these runs, or all there are")
    return parser.parse_args(arguments)


def positive(text: str) -> int:
    if not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"must be a whole number above 0, not {text}")
    return int(text)


@dataclass(frozen=True)
class Parts:
    """What a config says to build, before anything runs."""

    tokenizer: Tokenizer
    machine: LegalTokens
    task: Task
    device: torch.device
    reason: str

    @classmethod
    def of(cls, config: Config) -> "Parts":
        tokenizer = Tokenizer.from_file(config.paths.vocabulary)
        grammar = read_grammar(config.paths.grammar, tokenizer.tokens)
        task = load_task(config.run.task, tokenizer.tokens)
        shortest = int(grammar.fewest_tokens[start_of(task)[0]])
        if config.generator.max_length < shortest:
            raise ConfigError([f"generator.max_length is {config.generator.max_length}, but the shortest program has "
                               f"{shortest} tokens, its end mark included: set it to {shortest} or more"])
        device, reason = choose_device(config.run.device)
        torch.set_num_threads(config.run.threads or min(4, max(1, (os.cpu_count() or 1) // 2)))
        return cls(tokenizer, LegalTokens(grammar, tokenizer.tokens, device), task, device, reason)


def train(config: Config, options: argparse.Namespace) -> int:
    """Learns until the task is solved, the attempts are used up, or somebody stops it."""
    parts = Parts.of(config)
    seed_everything(config.run.seed)
    store = CheckpointStore(config.paths.model_state, config.paths.optimizer_state, config.paths.run_state)
    with Stop() as stop, MemoryLock(store.folders), Executor(config.executor) as executor:
        if options.fresh and (moved := store.set_aside()):
            say(f"set aside: {', '.join(map(str, moved))}")
        agent = Agent(config, parts.task, parts.tokenizer, parts.machine, executor)
        saved = store.load()
        notes, folder, seconds = (), None, 0.0
        if saved:
            notes = (*saved.notes, *agent.load(saved.model_state, saved.optimizer_state, saved.run_state["agent"]))
            was = saved.run_state["agent"]
            if (was["digest"], was["progress"]["attempts"]) == (parts.task.digest, agent.progress.attempts):  # same run
                folder, seconds = Path(saved.run_state["folder"]), saved.run_state["seconds"]
        lines = [*differences(config, options.config), *(f"note: {note}" for note in notes)]
        show_banner(agent, parts.machine, f"{parts.device} ({parts.reason})", executor.layers, lines)
        if agent.finished:
            store.settle()
            say(f"all {agent.progress.attempts:,} attempts are used up; set run.max_attempts higher to go on")
            return 0
        folder = folder or new_run_folder(config.paths.runs, parts.task.name)
        run = Run(config, agent, executor, store, folder, seconds)
        run.learn(stop)
        show_verdict(run.result(), folder, stopped=bool(stop.signal))
        return 128 + stop.signal if stop.signal else 0


class Run:
    """One run: its folder, its clock, and the loop that learns, logs and saves."""

    def __init__(self, config: Config, agent: Agent, executor: Executor, store: CheckpointStore, folder: Path,
                 seconds: float):
        self.folder = folder
        self._config, self._agent, self._executor, self._store = config, agent, executor, store
        self._before, self._began = seconds, time.monotonic()
        self._saved_at = self._tried_at = agent.progress.attempts  # where the last save was made, or at least tried

    @property
    def seconds(self) -> float:
        """Seconds that the run has taken, stops not counted."""
        return self._before + time.monotonic() - self._began

    def learn(self, stop: "Stop") -> None:
        agent, config = self._agent, self._config
        self._save()
        with RunLog(self.folder, COLUMNS, agent.progress.attempts) as log, Bar(agent) as bar:
            log.settings(config.plain())
            while not agent.finished and not stop.signal:
                improvements = len(agent.history)
                figures = agent.step()
                log.row(figures | self._speed())
                bar.update(figures)
                if len(agent.history) > improvements:
                    log.best([Best(i.attempts, i.reward, i.program) for i in agent.history])
                    bar.show_best(agent.history[-1], agent.departure())
                if config.run.show_every and agent.progress.steps % config.run.show_every == 0:
                    bar.show_samples(agent)
                if agent.progress.skipped and agent.progress.skipped % MAX_SKIPPED == 0:
                    self._save(log)
                    raise UserError(f"loss or gradient was not finite in {MAX_SKIPPED} steps in a row; what was "
                                    "learned before is saved; lower optimizer.learning_rate and run again")
                if agent.progress.attempts - self._tried_at >= config.run.save_every and not agent.finished:
                    self._save_if_there_is_space(log)
            log.result(self.result())  # first: a run that counts as finished has its result
            self._save(log)

    def _save_if_there_is_space(self, log: RunLog) -> None:
        """On a full disk the run goes on, what was saved before being whole, and the next save is another try."""
        put_off = self._saved_at != self._tried_at
        try:
            self._save(log)
        except DiskFull as error:
            if not put_off:
                say(f"note: {error.problem}; learning goes on, and saving is tried again every "
                    f"{self._config.run.save_every:,} attempts; saved so far: {self._saved_at:,} attempts")
        else:
            if put_off:
                say(f"note: there is space again; saved at {self._saved_at:,} attempts")

    def result(self) -> dict:
        """What result.json holds."""
        agent, best = self._agent, self._agent.memory.best
        attempts = agent.progress.solved_at or agent.progress.attempts
        return {"task": agent.task.name, "seed": self._config.run.seed, "solved": agent.solved, "attempts": attempts,
                "seconds": round(self.seconds, 3),
                "attempts_per_second": round(agent.progress.attempts / self.seconds, 1),
                "best_reward": best.reward if best else 0.0, "tokens": len(best.row) if best else 0,
                "program": agent.best_program if best else "",
                "device": str(agent.generator.device), "torch_version": torch.__version__}

    def _speed(self) -> dict[str, float]:
        return {"jail_reruns": self._executor.reruns, "jail_wait_seconds": round(self._executor.wait_seconds, 3),
                "elapsed_seconds": round(self.seconds, 3),
                "attempts_per_second": round(self._agent.progress.attempts / self.seconds, 1)}

    def _save(self, log: RunLog | None = None) -> None:
        """Saves what was learned, after the rows that led there: a run that is killed resumes with all of them."""
        agent = self._agent
        self._tried_at = agent.progress.attempts
        if log:
            log.sync()
        self._store.save(agent.generator.policy.state_dict(), agent.generator.optimizer.state_dict(),
                         {"agent": agent.state(), "folder": str(self.folder), "seconds": self.seconds})
        self._saved_at = self._tried_at


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
        agent = Agent(config, parts.task, parts.tokenizer, parts.machine, executor)
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
    task = load_task(config.run.task, tokenizer.tokens)
    header = len(tokenizer.encode(task.module("pass\n"))) - len(tokenizer.encode("pass\n"))  # given, not written
    with Executor(config.executor) as executor:
        for file in files:
            try:
                text = file.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise UserError(f"{file}: cannot be read ({error}); --score takes Python files") from None
            tokens = len(tokenizer.encode(text)) - header
            score, = Scorer(task, executor, config.scorer).score([text], [tokens], task.function_name or "")
            print(json.dumps({"file": str(file), **score.as_json(), "departure": departure(task, score)}), flush=True)
    return 0


if __name__ == "__main__":
    code = main()
    let_go_of_the_unsaid()
    sys.exit(code)
