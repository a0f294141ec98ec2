"""Processes that learn as one would: what they share, how they stop together, and what remains when one is lost."""

import contextlib
import csv
import hashlib
import io
import json
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import time

import pytest
import torch
from torch import distributed as dist

from agent_core.agent import Agent
from agent_core.batch_exchange import Share
from agent_core.distributed import heartbeat
from agent_core.distributed.ranks import Ranks, join
from agent_core.grammar.legal_tokens import LegalTokens, Prompt
from agent_core.grammar.rules import read_grammar
from agent_core.learning.generator import Beginning, CodeGenerator
from agent_core.learning.operators.parents import KnownPrograms
from agent_core.learning.rollout import Rollouts
from agent_core.sandbox.executor import Executor
from agent_core.settings.config import load_config
from agent_core.tasks.task import load_task
from runner import main
from tests.conftest import ROOT
from tokenizer import Tokenizer
from utils import UserError, device_of_rank

pytestmark = pytest.mark.skipif(
    not (dist.is_available() and dist.is_gloo_available()),
    reason="this PyTorch has no gloo, by which ranks talk on a CPU",
)

SETTINGS = {
    "generator.batch_size": 32,
    "model.hidden_dim": 16,
    "executor.workers": 1,
    "learning.elites": 8,
    "generator.max_length": 12,
    "run.threads": 1,
    "learning.restart_after": 100,
}


# --- processes ------------------------------------------------------------------------------------------------------


class Started:
    """Processes that are ranks, without torchrun; each does `work` and sends back what that returns."""

    def __init__(self, work, *arguments, count=2):
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["tests.test_ranks", "torch._dynamo"])  # once, instead of in every process
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.pipes, self.processes = [], []
        for rank in range(count):
            ours, theirs = context.Pipe(duplex=False)
            environment = {
                "RANK": rank,
                "WORLD_SIZE": count,
                "LOCAL_RANK": rank,
                "LOCAL_WORLD_SIZE": count,
                "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": port,
            }
            self.processes.append(context.Process(target=_at_work, args=(environment, theirs, work, arguments)))
            self.processes[-1].start()
            theirs.close()
            self.pipes.append(ours)

    def result(self, rank, seconds=60):
        """What the rank has sent; None where it died before."""
        assert self.pipes[rank].poll(seconds), f"rank {rank} does not end"
        try:
            return self.pipes[rank].recv()
        except EOFError:
            return None

    def results(self):
        found = [self.result(rank) for rank in range(len(self.pipes))]
        for process in self.processes:
            process.join(10)
        return found


def _at_work(environment, pipe, work, arguments):
    os.environ.update({name: str(value) for name, value in environment.items()})
    torch.set_num_threads(1)
    pipe.send(work(*arguments))


def run_main(arguments, beat=heartbeat.BEAT):
    """Exit code and what was printed on either stream, and when it ended."""
    heartbeat.BEAT = beat
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(arguments)
    return code, out.getvalue(), err.getvalue()


@pytest.fixture
def home(tmp_path):
    """A folder with a config of its own, which then keeps its memory there, too."""
    (tmp_path / "config.ini").write_text("[run]\ntask = hello_world\nmax_attempts = 129\n")
    return tmp_path


def arguments(home, *more, **settings):
    chosen = SETTINGS | {key.replace("__", "."): value for key, value in settings.items()}
    return ["--config", str(home / "config.ini"), *(f"--set={key}={value}" for key, value in chosen.items()), *more]


def rows(home, number=-1):
    """metrics.csv of a run without what depends on the machine."""
    folder = sorted((home / "memory" / "runs").iterdir())[number]
    with open(folder / "metrics.csv", newline="") as file:
        return [
            {k: v for k, v in row.items() if not k.endswith(("_seconds", "_per_second", "_reruns"))}
            for row in csv.DictReader(file)
        ]


def make_parts(task="hello_world", **changes):
    overrides = [f"{key}={value}" for key, value in SETTINGS.items()]
    overrides += [f"run.task={task}", *(f"{key.replace('__', '.')}={value}" for key, value in changes.items())]
    config = load_config(ROOT / "config.ini", overrides)
    tokenizer = Tokenizer.from_file(config.paths.vocabulary)
    legal_tokens = LegalTokens(
        read_grammar(config.paths.grammar, tokenizer.tokens), tokenizer.tokens, torch.device("cpu")
    )
    return config, load_task(config.run.task, tokenizer.tokens), tokenizer, legal_tokens


# --- one rank of its own ---------------------------------------------------------------------------------------------


def of(rank, count):
    ranks = Ranks()
    ranks.rank, ranks.count = rank, count
    return ranks


@pytest.mark.parametrize(("things", "count"), [(256, 2), (7, 3), (2, 5), (0, 2), (10, 1)])
def test_shares_are_a_partition_and_differ_by_one_at_most(things, count):
    shares = [range(things)[of(rank, count).share(things)] for rank in range(count)]
    assert [i for share in shares for i in share] == list(range(things))
    assert [len(share) for share in shares] == of(0, count).sizes(things)
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
    assert max(map(len, shares)) == -(-things // count)


def test_the_first_rank_has_the_seed_and_no_two_have_the_same():
    assert of(0, 8).seed(5) == 5
    seeds = {of(rank, 8).seed(seed) for rank in range(8) for seed in range(50)}
    assert len(seeds) == 400
    assert all(0 <= seed < 2**32 for seed in seeds)


def test_without_torchrun_there_is_one_rank(monkeypatch):
    for name in ("RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    assert type(join()) is Ranks
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "1")
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")
    assert type(join()) is Ranks
    assert join().restarted


# --- learning --------------------------------------------------------------------------------------------------------


def share_of(programs, share):
    return Rollouts(*(part if part is None else part[share] for part in vars(programs).values()))


def gradients_of_both(batches, context_dim):
    """The gradient of one rank on all programs, and that of all ranks on their shares, before it is clipped."""
    config, task, tokenizer, legal_tokens = make_parts(optimizer__gradient_clip=1e9)
    made, random = (tokenizer, legal_tokens, Prompt(*task.start), config), torch.Generator().manual_seed(1)
    found = []
    with join() as ranks:
        alone, one_of_many = (CodeGenerator(*made, each, lambda: Beginning(context_dim)) for each in (Ranks(), ranks))
        for batch, elite_count in batches:
            one_of_many.policy.load_state_dict(alone.policy.state_dict())
            elites = list(dict.fromkeys(alone.generate(20).rows()))[:elite_count]
            context = torch.randn(batch, context_dim, generator=random) if context_dim else None
            known = KnownPrograms(elites, None if context is None else context[:elite_count])
            programs = alone.generate(batch, known, context=context)
            rewards = torch.rand(batch, generator=random)
            own = share_of(programs, ranks.share(batch))
            figures = [
                alone.learn(rewards, programs, known, context=context),
                one_of_many.learn(rewards, own, known, groups=programs.mutated, context=context),
            ]
            one, many = (
                torch.cat([p.grad.reshape(-1) for p in generator.policy.parameters()])
                for generator in (alone, one_of_many)
            )
            found.append(((one - many).abs().max().item(), one.norm().item(), *figures))
    return found


@pytest.mark.parametrize(
    ("batches", "context_dim", "count"), [([(64, 8), (7, 3)], 0, 2), ([(64, 8), (7, 3)], 3, 2), ([(2, 1)], 0, 3)]
)
def test_the_gradient_of_all_ranks_is_that_of_one_on_the_same_programs(batches, context_dim, count):
    """Shares of unequal size, and, of two programs among three ranks, one of none."""
    for found in Started(gradients_of_both, batches, context_dim, count=count).results():
        for difference, size, alone, shared in found:
            assert size > 0.1
            assert difference < 1e-6
            assert shared == pytest.approx(alone, abs=1e-5)


def digest(agent):
    """All that ranks must agree on, bit for bit."""
    weights = b"".join(p.detach().numpy().tobytes() for p in agent.generator.policy.parameters())
    memory = agent.memory
    same = (
        memory.archive._niches,
        memory._behaviours._seen,
        memory.best,
        agent.history,
        agent.progress,
        agent.scorer.state(),
    )
    return hashlib.blake2b(weights).hexdigest(), hashlib.blake2b(repr(same).encode()).hexdigest()


def steps(task, count, changes):
    config, task, tokenizer, legal_tokens = make_parts(task, **changes)
    with join() as ranks, Executor(config.executor) as executor:
        agent = Agent(config, task, tokenizer, legal_tokens, executor, ranks)
        table = [agent.step() for _ in range(count)]
        mine = agent._latest
        return digest(agent), table, [len(row) for row in mine], agent.scorer.version, agent.progress.restarts


def task_file(home, name, tests, checks):
    """A function of one number."""
    cases = [[{"inputs": [i], "expected": o} for i, o in part] for part in (tests, checks)]
    path = home / f"{name}.json"
    path.write_text(
        json.dumps(
            {
                "name": name,
                "description": "Of one number.",
                "success_criteria": {
                    "function_name": name,
                    "parameters": ["var_a"],
                    "test_cases": cases[0],
                    "check_cases": cases[1],
                },
            }
        )
    )
    return str(path)


def test_all_ranks_end_every_step_alike(home):
    """A task whose first formulas fail a check, restarts, and a memory that forgets."""
    task = task_file(home, "distance", [(1, 1), (4, 4), (7, 7)], [(-2, 2), (-5, 5), (0, 0)])
    changes = {
        "run__stop_on_success": "no",
        "generator__max_length": 6,
        "scorer__memory_limit": 40,
        "learning__restart_after": 90,
    }
    (first, table, lengths, version, restarts), second = Started(steps, task, 10, changes).results()
    assert (first, table, version, restarts) == (second[0], second[1], second[3], second[4])
    assert version > 0 < restarts
    assert lengths != second[2]  # each writes its own programs
    assert len(lengths) == len(second[2]) == 16
    assert [row["attempts"] for row in table][-1] == 10 * 32


def found_apart(task):
    """Each rank writes a would-be solution that fails another check, and one that holds."""
    config, task, tokenizer, legal_tokens = make_parts(task)
    with join() as ranks, Executor(config.executor) as executor:
        agent = Agent(config, task, tokenizer, legal_tokens, executor, ranks)
        texts = (f"var_a % {8 + ranks.rank}", "var_a + 0", "1")
        own = [tuple(tokenizer.encode(f"return {text}\n").tolist()) for text in texts]
        modules = {}
        agent.task_run.new_modules(own, modules)
        batch = agent.task_run.score(Share(own, torch.zeros(3, dtype=torch.bool), 6, len(modules)), modules)
        agent.memory.record(batch.scored, 0)
        texts = [tokenizer.decode(row) for _, row, _ in batch.scored.promising]
        return texts, batch.new, [attempt for *_, attempt in batch.scored.promising], digest(agent)


def test_counterexamples_of_one_rank_are_everyones(home):
    task = task_file(home, "itself", [(1, 1), (2, 2)], [(8, 8), (9, 9), (3, 3)])
    first, second = Started(found_apart, task).results()
    assert first == second
    texts, new, attempts, _ = first
    assert [text.split()[1:] for text in texts[:4:3]] == [["var_a", "%", "8"], ["var_a", "%", "9"]]
    assert new == 6
    assert {attempt.version for attempt in attempts} == {2}
    assert [attempt.solved for attempt in attempts] == [False, True, False] * 2
    assert [attempt.niche for attempt in attempts[:4:3]] == [
        (0, 0, (True, True, False, False)),
        (0, 0, (True, True, True, False)),
    ]


def compared(task):
    """One rank writes a solution, the other a shorter program that passes every case and is wrong."""
    config, task, tokenizer, legal_tokens = make_parts(task)
    with join() as ranks, Executor(config.executor) as executor:
        agent = Agent(config, task, tokenizer, legal_tokens, executor, ranks)
        text = ("return var_a + 0 + 0\n", "return var_a % 10\n")[ranks.rank]
        own, modules = [tuple(tokenizer.encode(text).tolist())], {}
        agent.task_run.new_modules(own, modules)
        batch = agent.task_run.score(Share(own, torch.zeros(1, dtype=torch.bool), 2, len(modules)), modules)
        agent.memory.record(batch.scored, 0)
        return agent.best_program, agent.solutions.state(), agent.solutions.disputes[0].line(task), digest(agent)


def test_all_ranks_believe_the_same_solution(home):
    task = task_file(home, "itself", [(1, 1), (2, 2), (5, 5)], [(8, 8), (9, 9)])
    first, second = Started(compared, task).results()
    assert first == second
    program, state, line, _ = first
    assert program.endswith("return var_a + 0 + 0")
    assert (state["first"][0], len(state["disputed"])) == (1, 1)
    assert line == (
        "itself(10): the solution gave 10, the shorter program gave 0; which is right? add it to the task's cases"
    )


# --- whole runs ------------------------------------------------------------------------------------------------------


def test_a_run_of_two_resumes_exactly_and_goes_on_with_one_or_with_more(home, tmp_path):
    """129 attempts in batches of 32: the last batch is one program, and so nothing to one of the ranks."""
    straight, *_ = Started(run_main, arguments(home)).results()
    assert straight[0] == 0, straight
    assert "2 ranks share each batch" in straight[1]
    expected = rows(home)
    assert [int(row["attempts"]) for row in expected][-2:] == [128, 129]
    stopped = Started(run_main, arguments(home, "--fresh", run__max_attempts=64)).results()
    resumed = Started(run_main, arguments(home)).results()
    assert "resumed at 64 attempts" in resumed[0][1]
    assert "note: " not in resumed[0][1]
    assert rows(home) == expected
    assert [result[0] for result in (*stopped, *resumed)] == [0] * 4
    assert resumed[1][1:] == ("", "")  # the first rank alone has something to say
    result = json.loads(next((home / "memory" / "runs").iterdir()).joinpath("result.json").read_text())
    assert (result["ranks"], result["attempts"]) == (2, 129)

    [(code, out, _)] = Started(run_main, arguments(home, run__max_attempts=193), count=1).results()
    assert (code, len(rows(home))) == (0, 7)
    assert "note: saved by 2 ranks, going on with 1: from here on the run is another one" in out
    more = Started(run_main, arguments(home, run__max_attempts=257), count=3).results()
    assert [result[0] for result in more] == [0] * 3
    assert "note: saved by 1 ranks, going on with 3" in more[0][1]
    assert [int(row["attempts"]) for row in rows(home)][-3:] == [193, 225, 257]


def until_saved(home, generation=3):
    """Waits until so many attempts are in the table of the newest run."""
    deadline = time.monotonic() + 60
    while True:
        assert time.monotonic() < deadline
        with contextlib.suppress(OSError, IndexError, StopIteration):
            if len(rows(home)) >= generation:
                return
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("lost", "number", "reason"),
    [
        (1, signal.SIGKILL, "error: rank 1 is gone: it was killed"),
        (
            0,
            signal.SIGKILL,
            "error: the connection to another rank is lost",
        ),  # it takes the store along; torchrun's stays
        (1, signal.SIGSTOP, None),  # as a machine that is gone: the main thread waits, and the process is ended
    ],
)
def test_where_one_rank_is_lost_the_other_stops_and_says_so(home, lost, number, reason):
    settings = {"run__max_attempts": 1e6, "run__save_every": 64, "run__stop_on_success": "no"}
    ranks = Started(run_main, arguments(home, **settings), 0.2)
    until_saved(home)
    os.kill(ranks.processes[lost].pid, number)
    found = ranks.result(1 - lost)  # waits for so long only where it does not stop by itself
    ranks.processes[1 - lost].join(60)
    assert not ranks.processes[1 - lost].is_alive()
    (folder,) = (home / "memory" / "runs").iterdir()
    assert not (folder / "result.json").exists()  # it stopped in the middle: there were a million attempts to make
    if reason:
        assert found[0] == 1
        assert found[2].startswith(reason)
        assert found[2].count("\n") == 1
    else:
        assert ranks.processes[1 - lost].exitcode == 1
    ranks.processes[lost].kill()
    [(code, out, _)] = Started(run_main, arguments(home, run__max_attempts=1), count=1).results()
    assert code == 0
    assert "attempts are used up" in out


def test_a_signal_to_one_rank_stops_all_together(home):
    ranks = Started(run_main, arguments(home, run__max_attempts=1e6, run__stop_on_success="no"))
    until_saved(home)
    os.kill(ranks.processes[1].pid, signal.SIGTERM)
    assert [result[0] for result in ranks.results()] == [143, 143]
    assert len(rows(home)) >= 3


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"generator__batch_size": 1}, "generator.batch_size is 1, but 2 ranks are to share it"),
        ({"run__task": "hello_wrld"}, "hello_world"),
        ({"run__device": "mps"}, "device mps is for one process only"),
    ],
)
def test_a_mistake_is_said_once(home, settings, complaint):
    first, second = Started(run_main, arguments(home, **settings)).results()
    assert (first[0], second[0]) == (2, 2)
    assert first[2].startswith("error: ")
    assert complaint in first[2]
    assert first[2].count("\n") == 1
    assert second[2] == ""


def run_apart(all_arguments):
    return run_main(all_arguments[int(os.environ["RANK"])])


def test_ranks_with_other_settings_do_not_begin(home):
    both = arguments(home), arguments(home, learning__novelty=0.5)
    first, second = Started(run_apart, both).results()
    assert (first[0], second[0]) == (2, 2)
    assert first[2].startswith("error: rank 1 has another learning.novelty than rank 0 (0.5, not 0.3)")


def fail_apart(argv):
    if os.environ["RANK"] == "1":
        argv = [*argv, "--set=paths.vocabulary=none.json"]
    return run_main(argv)


def test_a_mistake_on_one_machine_is_said_there_and_by_the_first_rank(home):
    first, second = Started(fail_apart, arguments(home)).results()
    assert (first[0], second[0]) == (1, 2)
    assert second[2].startswith("error: ")
    assert "none.json" in second[2]
    assert first[2].startswith("error: rank 1 has ended: ")
    assert "none.json" in first[2]


@pytest.mark.skipif(not os.path.isdir("/proc"), reason="looks for the ranks that torchrun started under /proc")
def test_torchrun_brings_a_run_back_from_the_last_save(home):
    settings = {"run__max_attempts": 640, "run__save_every": 64, "run__stop_on_success": "no"}
    [(code, *_), _] = Started(run_main, arguments(home, **settings)).results()
    assert code == 0
    expected = rows(home)
    torchrun = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "torch.distributed.run",
            "--standalone",
            "--nproc-per-node=2",
            "--max-restarts=1",
            str(ROOT / "runner.py"),
            *arguments(home, "--fresh", **settings),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    while len(list((home / "memory" / "runs").iterdir())) < 2:
        assert torchrun.poll() is None, torchrun.communicate()[0]
        time.sleep(0.02)
    until_saved(home, 8)
    os.kill(rank_of(torchrun.pid, 1), signal.SIGKILL)
    out, _ = torchrun.communicate(timeout=60)
    assert torchrun.returncode == 0, out
    assert "error: rank 1 is gone" in out
    assert "resumed at" in out
    assert out.count("set aside: ") == 1  # --fresh is for the first start
    assert rows(home) == expected


def rank_of(parent, rank):
    """The process id of a rank that torchrun has started."""
    for entry in os.listdir("/proc"):
        with contextlib.suppress(OSError, ValueError):
            with open(f"/proc/{int(entry)}/stat") as file:
                if int(file.read().rpartition(")")[2].split()[1]) != parent:
                    continue
            with open(f"/proc/{entry}/environ") as file:
                if f"RANK={rank}" in file.read().split("\0"):
                    return int(entry)
    raise AssertionError(f"rank {rank} is not there")


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="two ranks on GPUs need two of them")
def test_on_gpus_a_run_of_two_resumes_exactly_too(home):
    Started(run_main, arguments(home, run__device="cuda")).results()
    expected = rows(home)
    Started(run_main, arguments(home, "--fresh", run__device="cuda", run__max_attempts=64)).results()
    assert [result[0] for result in Started(run_main, arguments(home, run__device="cuda")).results()] == [0, 0]
    assert rows(home) == expected


# --- devices ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "gpus", "local", "chosen"),
    [
        ("auto", 0, 2, "auto"),
        ("auto", 2, 2, "cuda:1"),
        ("cuda", 4, 2, "cuda:1"),
        ("cpu", 4, 2, "cpu"),
        ("cuda:3", 4, 1, "cuda:3"),
        ("cuda:3", 4, 2, "one GPU for 2 ranks"),
        ("auto", 1, 2, "2 ranks and 1 GPUs"),
    ],
)
def test_each_rank_has_a_gpu_of_its_own(monkeypatch, name, gpus, local, chosen):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    if " " in chosen:
        with pytest.raises(UserError, match=chosen):
            device_of_rank(name, 1, local)
    else:
        assert device_of_rank(name, 1, local) == chosen
