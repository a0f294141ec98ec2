"""The benchmark beside other systems: its judge, its searches, its file of runs and its tables."""

import importlib.util
import json
import os
import subprocess
import sys
import time
from statistics import geometric_mean

import pytest

from tests.benchmarks import peer_runs, peers
from tests.benchmarks.cells import load_tasks
from tests.benchmarks.cpu_time import Stopwatch
from tests.benchmarks.peer_judge import (
    MOST_EDITED,
    WORST,
    WRONG_TRUTH,
    Example,
    Judge,
    answer_error,
    edit_distance,
    ranged,
    repeated,
)
from utils import UserError

needs_deap = pytest.mark.skipif(importlib.util.find_spec("deap") is None, reason="DEAP is not installed")
needs_alogos = pytest.mark.skipif(importlib.util.find_spec("alogos") is None, reason="alogos is not installed")


def run(task="add", seed=0, system="deap", cap=1_000, attempts=500, **changes):
    """A finished run as the results file has it, with the digest that a cell of it has now."""
    variant = "full" if system == "agent" else system
    (cell,) = peer_runs.make_all_cells(load_tasks([task]), [seed], [system], cap, [])
    solved = attempts < cap
    found = {
        "solved": solved,
        "attempts": attempts,
        "seconds": attempts / 100,
        "cpu_seconds": attempts / 200,
        "checked": solved,
        "reward": 1.0 if solved else 0.3,
        "tokens": 3,
        "program": "x",
    }
    known = {"task": task, "seed": seed, "variant": variant, "cap": cap, "overrides": [], "digest": cell.digest}
    return known | found | changes


def judge_of(tests, checks=(), cap=100):
    def right(answer, expected):
        return type(answer) is type(expected) and answer == expected

    return Judge([Example(*case) for case in tests], [Example(*case) for case in checks], right, cap)


# --- the judge --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "expected", "error"),
    [
        (7, 4, 1 + 3 / (3 + 6)),
        (1.5, 4, 1 + 2.5 / (2.5 + 6)),
        (4.0, 4, 1.0),  # the number is right, its type is not
        (10**400, 4, WORST),  # beyond every float
        (float("inf"), 4, WORST),
        (float("nan"), 4, WORST),
        (True, 1, WORST),
        ("4", 4, WORST),
        (False, True, WRONG_TRUTH),
        (0, False, WORST),
        ([3, 2], [1, 2, 3], 1 + 2 / (2 + 2)),
        ([], [1], 1 + 1 / (1 + 2)),
        ("fuzz", "fizz", 1 + 1 / (1 + 2)),
        (["fizz"], "fizz", WORST),
        (None, [1], WORST),
    ],
)
def test_the_error_of_an_answer_is_what_its_formula_says(answer, expected, error):
    assert answer_error(answer, expected, 6) == pytest.approx(error)


def test_edits_are_counted_as_levenshtein_did():
    assert edit_distance("kitten", "sitting") == 3
    assert edit_distance([1, 2, 3], [2, 3, 4]) == 2
    assert edit_distance([], [5, 5]) == 2
    assert edit_distance([1] * (MOST_EDITED + 1), [2]) == MOST_EDITED  # the lengths alone


def test_the_scale_of_numbers_is_their_mean_distance_from_the_median():
    judge = judge_of([((0,), 1), ((1,), 2), ((2,), 9)])  # median 2; distances 1, 0, 7
    assert judge.error(lambda x: 9 - 8, Example((0,), 9)) == pytest.approx(1 + 8 / (8 + 8 / 3))
    alike = judge_of([((0,), 5), ((1,), 5)])
    assert alike.error(lambda x: 6, alike.paid[0]) == pytest.approx(1.5)


def test_a_crash_is_the_worst_and_a_right_answer_is_none():
    judge = judge_of([((0,), 0), ((2,), 1)])
    assert judge.attempt(lambda x: 2 // x - 0) == (WORST, 0.0)
    assert (judge.attempts, judge.solved) == (1, False)


def test_a_check_that_a_would_be_solution_fails_joins_the_paid_cases():
    judge = judge_of([((1,), 1), ((2,), 2)], [((3,), 3), ((-4,), 4), ((-5,), 5)])
    errors = judge.attempt(lambda x: x)
    assert not judge.solved
    assert judge.paid[2:] == [Example((-4,), 4)]
    assert errors[:2] == (0, 0)
    assert errors[2] > 1
    assert judge.completed(lambda x: 0, (1.5, 1.5))[2:] == (judge.error(lambda x: 0, judge.paid[2]),)
    assert judge.attempts == 1  # completing is no attempt
    assert judge.attempt(abs) == (0, 0, 0)
    assert judge.solved
    assert judge.holds(abs)
    assert not judge.holds(lambda x: x)


def test_a_run_is_over_once_its_attempts_are_used_up():
    judge = judge_of([((1,), 1)], cap=2)
    for _ in range(2):
        assert not judge.over
        judge.attempt(lambda x: 0)
    assert judge.over


def test_what_would_be_too_long_crashes():
    assert ranged(1, 9, 4) == [1, 5]
    assert repeated([1], 3) == [1, 1, 1]
    for call in (lambda: ranged(10**9), lambda: repeated("hello", 10**9)):
        with pytest.raises(ValueError, match="too many"):
            call()


def test_seconds_of_a_process_and_of_its_children_are_counted():
    watch = Stopwatch()
    command = "import sys, time\nwhile time.process_time() < 0.3: pass\nprint(flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", command], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout.readline()
        if os.path.exists("/proc/self/stat"):
            assert watch.read()[1] >= 0.25
    ended = watch.read()
    assert ended[1] >= 0.25
    until = time.process_time() + 0.2
    while time.process_time() < until:
        pass
    wall, computed = watch.read()
    assert computed >= ended[1] + 0.2
    assert wall >= ended[0] + 0.2


# --- the runs ---------------------------------------------------------------------------------------------------------


def test_runs_of_the_systems_alternate_and_the_first_seeds_come_first():
    cells = peer_runs.make_all_cells(
        load_tasks(["add", "last"]), [0, 1], ["agent", "deap"], 100, ["learning.novelty=0.5"]
    )
    assert [(cell.seed, cell.task, cell.variant) for cell in cells[:5]] == [
        (0, "add", "full"),
        (0, "add", "deap"),
        (0, "last", "full"),
        (0, "last", "deap"),
        (1, "add", "full"),
    ]
    assert cells[0].config().learning.novelty == 0.5
    assert len({cell.digest for cell in cells}) == 4


def test_runs_that_are_there_are_not_made_again(tmp_path, monkeypatch, capsys):
    path = tmp_path / "results.jsonl"
    path.write_text("".join(json.dumps(run(system=system)) + "\n" for system in ("agent", "deap")))
    made = []
    monkeypatch.setattr(peer_runs, "require", lambda systems: None)

    def make_runs(cells, jobs, results, work):
        made.extend((cell.task, cell.seed, cell.variant) for cell in cells)
        for cell in cells:
            results.add(run(cell.task, cell.seed, "agent" if cell.variant == "full" else cell.variant, attempts=700))
        return 0

    monkeypatch.setattr(peers, "make_runs", make_runs)
    command = ["--tasks=add", "--seeds=2", "--cap=1000", f"--results={path}"]
    assert peers.main(command) == 0
    assert made == [("add", 1, "full"), ("add", 1, "deap")]
    made.clear()
    assert peers.main(command) == 0
    assert not made
    assert "600" in capsys.readouterr().out  # the median of 500 and 700


def test_a_changed_peer_makes_its_runs_anew(tmp_path, monkeypatch):
    before = peer_runs.peer_digest("deap", "asked")
    for module in (*peer_runs.PEERS["deap"], "peer_judge"):
        (tmp_path / f"{module}.py").write_text((peer_runs.HERE / f"{module}.py").read_text())
    monkeypatch.setattr(peer_runs, "HERE", tmp_path)
    assert peer_runs.peer_digest("deap", "asked") == before
    (tmp_path / "peer_judge.py").write_text("")
    assert peer_runs.peer_digest("deap", "asked") != before
    assert peer_runs.peer_digest("deap", "asked otherwise") != before


def test_packages_that_are_missing_are_named_with_the_line_that_installs_them(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="pip install deap alogos"):
        peer_runs.require(["full", "deap", "alogos"])
    peer_runs.require(["full"])
    assert peers.main(["--tasks=add", "--seeds=1", "--cap=10", f"--results={tmp_path / 'r.jsonl'}"]) == 2
    assert "pip install deap" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--tasks=luck"], "luck"),
        (["--tasks=hello_world"], "hello_world"),
        (["--systems=agent,luck"], "luck"),
        (["--set=run.seed=3"], "run.seed"),
    ],
)
def test_a_mistake_is_told_in_one_line(arguments, problem, tmp_path, capsys):
    assert peers.main([*arguments, f"--results={tmp_path / 'r.jsonl'}"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert problem in error
    assert error.count("\n") == 1


# --- the tables -------------------------------------------------------------------------------------------------------


def test_the_tables_say_medians_solved_and_how_many_times_as_many(tmp_path, capsys):
    attempts = {
        ("add", "agent"): [400, 800, 600],
        ("add", "deap"): [100, 300, 200],
        ("last", "agent"): [900, 1_000, 1_000],
        ("last", "deap"): [50, 50, 50],
    }
    found = [
        run(task, seed, system, attempts=n)
        for (task, system), by_seed in attempts.items()
        for seed, n in enumerate(by_seed)
    ]
    found.append(run("last", 3, "deap", attempts=7))  # which the agent has not run
    path = tmp_path / "results.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in found))
    assert peers.main(["--tasks=add,last", "--seeds=4", "--cap=1000", "--report", f"--results={path}"]) == 0
    said = capsys.readouterr()
    medians, details, means = said.out.strip().split("\n\n")
    assert "left out: 1 runs" in said.err
    assert medians.splitlines()[2].split() == ["add", "600", "200"]
    assert medians.splitlines()[3].split() == ["last", ">", "1,000", "(1", "of", "3)", "50"]
    assert details.splitlines()[2].split()[:7] == ["add", "agent", "3/3", "3/3", "600", "3.00", "6.00"]
    agent, deap = (line.split() for line in means.splitlines()[2:])
    assert agent[:4] == ["agent", "2", "4/6", f"{geometric_mean([600, 1_000]):,.0f}"]
    assert deap[:4] == ["deap", "2", "6/6", f"{geometric_mean([200, 50]):,.0f}"]
    ratio = geometric_mean([600 / 200, 1_000 / 50])
    assert deap[6:9] == [f"{ratio:.2f}"] * 3  # seconds go with attempts here


def test_a_time_too_short_to_measure_does_not_break_the_mean():
    assert peers.geometric_mean([0.0, 10.0]) == pytest.approx(0.1)


# --- DEAP -------------------------------------------------------------------------------------------------------------


def search_of(module, task, seed, cap):
    (task,) = load_tasks([task])
    judge = peer_runs.judge_of(task, cap)
    return judge, module.Search(judge, task.parameters, seed)


@needs_deap
def test_deap_solves_add_and_the_same_seed_gives_the_same_run():
    from tests.benchmarks import deap_peer

    outcomes = []
    for _ in range(2):
        judge, search = search_of(deap_peer, "add", 0, 5_000)
        found = search.run()
        assert judge.solved
        assert found.program(2, 3) == 5
        assert not any(found.errors)
        outcomes.append((judge.attempts, found.text))
    assert outcomes[0] == outcomes[1]


@needs_deap
def test_a_run_of_deap_is_a_line_with_its_seconds():
    (cell,) = peer_runs.make_all_cells(load_tasks(["sum_list"]), [1], ["deap"], 5_000, [])
    found = peer_runs.run_system(cell)
    assert (found["solved"], found["checked"], found["reward"]) == (True, True, 1.0)
    assert 0 < found["attempts"] <= 5_000
    assert 0 < found["cpu_seconds"] < 60
    assert found["task"] == "sum_list"
    assert json.loads(json.dumps(found)) == found | {"overrides": []}


@needs_deap
def test_deap_gives_up_at_the_cap():
    from tests.benchmarks import deap_peer

    judge, search = search_of(deap_peer, "triangle", 3, 700)
    found = search.run()
    assert (judge.solved, judge.attempts) == (False, 700)
    assert any(found.errors)


@needs_deap
def test_a_counterexample_is_paid_by_the_whole_population():
    from tests.benchmarks import deap_peer

    tests, check = [((n,), n) for n in range(4)], ((-3,), 3)
    judge = judge_of(tests, [check], cap=600)
    search = deap_peer.Search(judge, ["var_a"], 0)
    population = search._fresh()
    search._try(population)  # among 500 random trees some give their argument back
    assert judge.joined == 1
    assert {len(tree.errors) for tree in population if tree.errors} == {5}


@needs_deap
def test_lexicase_takes_only_those_that_are_best_on_some_case():
    from tests.benchmarks import deap_peer

    population = []
    for errors in ((0.0, 2.0), (2.0, 0.0), (1.0, 1.0), (0.0, 2.0)):
        population.append(deap_peer.Tree([]))
        population[-1].errors = errors
    chosen = [id(tree) for tree in deap_peer.lexicase(population, 200)]
    assert set(chosen) == {id(population[i]) for i in (0, 1, 3)}
    assert 60 <= chosen.count(id(population[1])) <= 140  # half of the orders begin with its case


@needs_deap
def test_what_varies_stays_within_the_limits():
    from tests.benchmarks import deap_peer

    _, search = search_of(deap_peer, "fizz", 0, 10**6)
    population = search._fresh()
    most = max(60, *map(len, population))  # a first tree may be larger, and be copied
    search._try(population)
    for _ in range(6):
        population = search._next(population)
        search._try(population)
    assert max(map(len, population)) <= most
    assert max(tree.height for tree in population) <= 17
    assert len(population) == 500


@needs_deap
def test_types_come_from_the_cases():
    from tests.benchmarks import deap_language as language

    assert language.answer_kind([1, "fizz"]) is language.Any
    assert language.answer_kind([1, 0.5]) is language.Num
    assert language.answer_kind([True]) is language.Bool
    assert language.kind_of([1]) is language.Lst
    with pytest.raises(ValueError, match="Bool, Num"):
        language.answer_kind([True, 1])


# --- alogos -----------------------------------------------------------------------------------------------------------


@needs_alogos
def test_alogos_solves_sum_list_and_writes_what_python_reads():
    from tests.benchmarks import alogos_peer

    judge, search = search_of(alogos_peer, "sum_list", 0, 10_000)
    found = search.run()
    assert judge.solved
    assert found.program([4, 5]) == 9
    assert found.size >= 4  # sum ( var_a )
    assert len(found.errors) == len(judge.paid)


@needs_alogos
def test_what_alogos_writes_cannot_fill_the_memory():
    from tests.benchmarks import alogos_peer

    assert alogos_peer.times(3, "ab") == "ababab"
    assert alogos_peer.times(3, 4) == 12
    for first, second in (("ab", 10**9), ([[1]], 3), (10**9, [1])):
        with pytest.raises(ValueError, match="too many|list of lists"):
            alogos_peer.times(first, second)
