"""One run of the benchmark: which variant of the agent on which task from which seed, and how it went.

A variant is the agent with other settings, nothing else, so all of them go through the same code. `uniform` alone
needs a touch more: its head starts at zero, so that all legal tokens are equally likely, and its learning rate is so
small that a step cannot move them apart in 32 bits.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from agent_core.agent import Agent
from agent_core.grammar.rules import read_grammar
from agent_core.run.parts import Parts
from agent_core.sandbox.executor import Executor
from agent_core.scoring.scorer import Scorer
from agent_core.settings.config import Config, load_config
from agent_core.tasks.task import Task, load_task
from tests.benchmarks.cpu_time import Stopwatch
from tokenizer import Tokenizer
from utils import seed_everything

ROOT = Path(__file__).resolve().parent.parent.parent
CONFIG = ROOT / "config.ini"
# What decides how a run goes; [run] is the benchmark's own, and the other executor settings change only its pace.
SECTIONS = ("model", "generator", "optimizer", "learning", "scorer")
EXECUTOR_SETTINGS = ("max_steps", "memory_mb", "max_output")

_PLAIN = (
    "learning.elites=0",
    "learning.imitation_weight=0",
    "learning.novelty=0",
    "learning.epsilon=0",
    "learning.mutation_share=0",
    "learning.restart_after=0",
    "learning.fresh_length_budget=0",
    "learning.class_balance=0",
    "learning.grammar_weights=no",
    "learning.type_weight=0",
    "learning.name_weight=0",
    "learning.crossover_share=0",
)
_UNIFORM = (*_PLAIN, "learning.entropy_weight=0", "optimizer.learning_rate=1e-30")
_PARTS = {
    "-imitation": "learning.imitation_weight=0",
    "-niches": "learning.elites_per_niche={elites}",  # no niche is ever full, so the elites are the best of all
    "-recursion": "learning.recursive_elites=0",
    "-novelty": "learning.novelty=0",
    "-epsilon": "learning.epsilon=0",
    "-mutation": "learning.mutation_share=0",
    "-inner": "learning.inner_share=0",
    "-restart": "learning.restart_after=0",
    "-entropy": "learning.entropy_weight=0",
    "-budget": "learning.fresh_length_budget=0",
    "-balance": "learning.class_balance=0",
    "-weights": "learning.grammar_weights=no",
    "-types": "learning.type_weight=0",
    "-names": "learning.name_weight=0",
}
# All but the network's learning: every weight stays as it was drawn, and the search goes on without it.
_FROZEN = ("optimizer.learning_rate=1e-30", "learning.imitation_weight=0")
PARTS = tuple(_PARTS)
VARIANTS = ("uniform", "reinforce", "full", "-learning", *PARTS)


def variant_overrides(variant: str, config: Config) -> tuple[str, ...]:
    """What to set, as `section.key=value`, to make this variant of the agent that `config` describes."""
    if variant == "full":
        return ()
    if variant == "reinforce":
        return _PLAIN
    if variant == "uniform":
        return _UNIFORM
    if variant == "-learning":
        return _FROZEN
    if variant in _PARTS:
        return (_PARTS[variant].format(elites=max(1, config.learning.elites)),)
    raise ValueError(f"variant {variant!r} is none of {', '.join(VARIANTS)}")


@dataclass(frozen=True)
class Cell:
    """One run to be made."""

    task: str
    seed: int
    variant: str
    cap: int  # attempts until it counts as failed
    overrides: tuple[str, ...]  # of config.ini: the user's, then the variant's
    digest: str  # of all that decides how the run goes, besides the above and the code

    @property
    def key(self) -> tuple:
        return (self.task, self.seed, self.variant, self.digest)

    def config(self) -> Config:
        own = (
            f"run.task={self.task}",
            f"run.seed={self.seed}",
            f"run.max_attempts={self.cap}",
            "run.device=cpu",
            "run.stop_on_success=yes",
            "executor.workers=1",
        )
        return load_config(CONFIG, [*self.overrides, *own])


def make_cells(
    tasks: Sequence[Task],
    seeds: dict[str, Sequence[int]],
    variants: Sequence[str],
    caps: dict[str, int],
    settings: Sequence[str],
) -> list[Cell]:
    """Every task x seed x variant, first seeds first. seeds, caps: by the name of the task.

    A variant that differs in nothing from `full` under these settings is left out. Raises ConfigError.
    """
    full = load_config(CONFIG, settings)
    digests, overrides = {}, {}
    for variant in ("full", *variants):
        overrides[variant] = (*settings, *variant_overrides(variant, full))
        config = load_config(CONFIG, overrides[variant])
        digests |= {(variant, task.name): settings_digest(config, task) for task in tasks}
    return [
        Cell(task.name, seed, variant, caps[task.name], overrides[variant], digests[variant, task.name])
        for seed in sorted({seed for task in tasks for seed in seeds[task.name]})
        for task in tasks
        if seed in seeds[task.name]
        for variant in variants
        if variant == "full" or digests[variant, task.name] != digests["full", task.name]
    ]


def settings_digest(config: Config, task: Task) -> str:
    """Tells apart settings under which a run may go differently, the vocabulary, grammar and task among them."""
    plain = config.plain()
    executor = {key: plain["executor"][key] for key in EXECUTOR_SETTINGS}
    settings = {name: plain[name] for name in SECTIONS} | {"executor": executor}
    tokens = Tokenizer.from_file(config.paths.vocabulary).tokens
    grammar = read_grammar(config.paths.grammar, tokens).digest
    return _digest(json.dumps([settings, tokens, grammar, task.digest], sort_keys=True).encode())


def code_digest() -> str:
    """Tells apart states of the code that a run goes through."""
    folders = (ROOT / "agent_core", ROOT / "memory" / "archive")
    files = [*(file for folder in folders for file in sorted(folder.rglob("*.py"))), ROOT / "tokenizer.py"]
    return _digest(b"\0".join(file.read_bytes() for file in files))


def run_cell(cell: Cell) -> dict:
    """Runs an agent until it has solved the task or used up its attempts. Returns what the results file holds of it.

    Seconds are those of the steps, starting up not counted. A failure counts as `cap` attempts.
    """
    torch.set_num_threads(1)
    config = cell.config()
    parts = Parts.of(config)
    seed_everything(cell.seed)
    with Executor(config.executor) as executor:
        agent = Agent(config, parts.task, parts.tokenizer, parts.legal_tokens, executor)
        if cell.variant == "uniform":
            forget_preferences(agent.generator.policy)
        watch = Stopwatch()
        while not agent.solved and agent.progress.attempts < cell.cap:
            agent.step()
        (seconds, computed), best = watch.read(), agent.memory.best
    return asdict(cell) | {
        "solved": agent.solved,
        "attempts": best.attempts if agent.solved else cell.cap,
        "seconds": round(seconds, 2),
        "cpu_seconds": round(computed, 2),  # of this process and its worker
        "checked": agent.solved and holds(config, parts.task, agent.best_program, len(best.row)),
        "reward": best.reward,
        "tokens": len(best.row),
        "program": agent.best_program,
        "restarts": agent.progress.restarts,
        "counterexamples": agent.scorer.version,
        "code": code_digest(),
    }


def forget_preferences(policy: torch.nn.Module) -> None:
    """Makes all tokens equally likely to the policy, whatever came before."""
    torch.nn.init.zeros_(policy.head.weight)
    torch.nn.init.zeros_(policy.head.bias)


def holds(config: Config, task: Task, program: str, tokens: int) -> bool:
    """Whether the program, as it is shown to people, passes every test and check case before a scorer that has seen
    nothing of the run, in workers that have not either."""
    with Executor(config.executor) as executor:
        scorer = Scorer(task, executor, config.scorer)
        (score,) = scorer.score([program], [tokens], task.function_name or "")
        return score.solved and not scorer.counterexamples


def load_tasks(names: Iterable[str]) -> list[Task]:
    tokens = Tokenizer.from_file(load_config(CONFIG).paths.vocabulary).tokens
    return [load_task(name, tokens) for name in names]


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=8).hexdigest()
