"""One run of the agent or of a peer on a task, under the same cases, seed and cap, as a line of the results file."""

import gc
import hashlib
import importlib
import importlib.metadata
import importlib.util
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from agent_core.tasks.task import Case, Task
from agent_core.tasks.values import same
from tests.benchmarks.cells import Cell, load_tasks, make_cells, run_cell
from tests.benchmarks.cpu_time import Stopwatch
from tests.benchmarks.peer_judge import Example, Judge
from utils import UserError

HERE = Path(__file__).resolve().parent
AGENT = "agent"
PEERS = {  # by the package's name: the modules here that use it, that with the search first
    "deap": ("deap_peer", "deap_language"),
    "alogos": ("alogos_peer",),
}
SYSTEMS = (AGENT, *PEERS)
_FULL = "full"  # what the agent is called among its variants


def system_of(run: dict) -> str:
    """Whose run it is."""
    return AGENT if run["variant"] == _FULL else run["variant"]


def require(systems: Iterable[str]) -> None:
    """Raises UserError, with the line that installs them, where packages are missing."""
    missing = [name for name in systems if name in PEERS and importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(
            f"there is no {' and no '.join(missing)} here, which the benchmark needs beside the agent; install with "
            f"{Path(sys.executable).name} -m pip install {' '.join(missing)}, or leave out with --systems"
        )


def make_all_cells(
    tasks: Sequence[Task], seeds: Sequence[int], systems: Sequence[str], cap: int, settings: Sequence[str]
) -> list[Cell]:
    """Every seed x task x system, so that the systems take turns. settings: of the agent, as `section.key=value`.

    Raises UserError.
    """
    names = [task.name for task in tasks]
    agents = make_cells(tasks, dict.fromkeys(names, seeds), [_FULL], dict.fromkeys(names, cap), settings)
    asked = {task.name: task.digest for task in tasks}
    return [
        cell if system == AGENT else Cell(cell.task, cell.seed, system, cap, (), peer_digest(system, asked[cell.task]))
        for cell in agents
        for system in systems
    ]


def peer_digest(system: str, task: str) -> str:
    """Tells apart what decides how a peer's run goes: its code, and the digest of the task."""
    files = [HERE / f"{module}.py" for module in (*PEERS[system], "peer_judge")]
    text = b"\0".join([task.encode(), *(file.read_bytes() for file in files)])
    return hashlib.blake2b(text, digest_size=8).hexdigest()


def run_system(cell: Cell) -> dict:
    """The run of a cell, the agent's or a peer's. Returns what the results file holds of it."""
    return run_cell(cell) if cell.variant == _FULL else run_peer(cell)


def run_peer(cell: Cell) -> dict:
    """Seconds are those of the search, starting up not counted. A failure counts as `cap` attempts."""
    search_class = importlib.import_module(f"tests.benchmarks.{PEERS[cell.variant][0]}").Search
    (task,) = load_tasks([cell.task])
    judge = judge_of(task, cell.cap)
    search = search_class(judge, task.parameters, cell.seed)
    gc.collect()
    gc.freeze()  # what the agent's libraries hold in this process is nothing for the peer to look through
    watch = Stopwatch()
    found = search.run()
    seconds, computed = watch.read()
    return asdict(cell) | {
        "solved": judge.solved,
        "attempts": judge.attempts if judge.solved else cell.cap,
        "seconds": round(seconds, 4),
        "cpu_seconds": round(computed, 4),
        "checked": judge.solved and judge_of(task, cell.cap).holds(found.program),
        "reward": 1.0 - sum(found.errors) / len(found.errors) / 2,
        "tokens": found.size,
        "program": found.text,
        "counterexamples": judge.joined,
        "package": importlib.metadata.version(cell.variant),
    }


def judge_of(task: Task, cap: int) -> Judge:
    """What judges programs of the task by its own cases and its own rule of what is the same."""
    return Judge(_examples(task.test_cases), _examples(task.check_cases), _right(task), cap)


def _examples(cases: Iterable[Case]) -> list[Example]:
    return [Example(case.arguments, case.expected) for case in cases]


def _right(task: Task) -> Callable[[object, object], bool]:
    return lambda answer, expected: same(answer, expected, task.tolerance)
