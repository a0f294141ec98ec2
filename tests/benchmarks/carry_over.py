"""Is it worth carrying over what was learned on one task to the next? Attempts until solved, with and without.

    python -m tests.benchmarks.carry_over [--first hello_world] [--second add] [--seeds 10] [--cap 100000] [--set ...]

Each seed learns the first task as `runner.py` would, polishing included, then the second from there, as after a change
of `run.task`, and the second from fresh weights. A task that is not solved counts as `cap` attempts.
"""

import argparse
import statistics
import sys
from pathlib import Path

from agent_core.agent import Agent
from agent_core.run.parts import Parts
from agent_core.sandbox.executor import Executor
from agent_core.settings.config import Config, load_config
from utils import UserError, seed_everything

CONFIG = Path(__file__).resolve().parents[2] / "config.ini"


def learn(config: Config, executor: Executor, saved: tuple | None = None) -> Agent:
    """An agent that has learned until it was finished; saved: what another one leaves behind, see `left`."""
    parts = Parts.of(config)
    seed_everything(config.run.seed)
    agent = Agent(config, parts.task, parts.tokenizer, parts.legal_tokens, executor)
    if saved:
        agent.load(*saved)
    while not agent.finished:
        agent.step()
    return agent


def left(agent: Agent) -> tuple:
    """What a save of the agent would hold."""
    return agent.generator.policy.state_dict(), agent.generator.optimizer.state_dict(), agent.state()


def compare(first: str, second: str, seed: int, cap: int, settings: list[str]) -> tuple[int, int, int]:
    """Attempts for the first task, for the second after it, and for the second alone."""

    def config(task: str) -> Config:
        return load_config(
            CONFIG, [*settings, f"run.task={task}", f"run.seed={seed}", f"run.max_attempts={cap}", "run.device=cpu"]
        )

    with Executor(config(first).executor) as executor:
        before = learn(config(first), executor)
        agents = before, learn(config(second), executor, left(before)), learn(config(second), executor)
    return tuple(agent.progress.solved_at or cap for agent in agents)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--first", default="hello_world")
    parser.add_argument("--second", default="add")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--cap", type=int, default=100_000)
    parser.add_argument("--set", action="append", default=[], metavar="section.key=value")
    return parser.parse_args(arguments)


def main() -> int:
    options = parse(None)
    print(f"| seed | {options.first} | then {options.second} | {options.second} from fresh weights |")
    print("|---|---|---|---|")
    table = []
    try:
        for seed in range(options.seeds):
            table.append(compare(options.first, options.second, seed, options.cap, options.set))
            print(f"| {seed} |", " | ".join(f"{attempts:,}" for attempts in table[-1]), "|", flush=True)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    medians = (statistics.median(column) for column in zip(*table, strict=True))
    print("| median |", " | ".join(f"{median:,.0f}" for median in medians), "|")
    return 0


if __name__ == "__main__":
    sys.exit(main())
