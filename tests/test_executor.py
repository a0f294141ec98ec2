"""The pool: what its callers rely on, with workers, neighbours and the programs themselves doing their worst.

Some tests need a program that got past the static check and every restriction of Python: EVIL_BOOT starts workers in
which a program that begins with `#evil ` is plain Python with everything at hand, inside a jailed child.
"""

from __future__ import annotations

import json
import os
import random
import secrets
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from agent_core.interpreter.wire_format import HEADER
from agent_core.sandbox import dispatch, executor, worker
from agent_core.sandbox.executor import Executor, JailError
from agent_core.sandbox.results import Call, Malformed, RunResult, read_frames, read_result
from agent_core.settings.config import ExecutorConfig
from tests import random_programs

ROOT = Path(__file__).resolve().parent.parent
HOSTILE = [json.loads(line) for line in (ROOT / "tests/data/hostile_programs.jsonl").read_text().splitlines()]
LINUX = sys.platform.startswith("linux")
ADD = "def func_a(var_a, var_b):\n    return var_a + var_b\n"

EVIL_BOOT = """
import sys
sys.path.insert(0, sys.argv[1])
import os, time, ctypes, struct
from agent_core.sandbox import zygote
from agent_core.interpreter import run_program
from agent_core.interpreter import wire_format
honest = run_program.ProgramRunner.run
def run(self, source, call, alone):
    if source.startswith("#evil "):
        space = {"os": os, "sys": sys, "time": time, "ctypes": ctypes, "wire_format": wire_format, "alone": alone}
        exec(source[6:], space)
        return space.get("text", '[0,"evil","",[]]')
    return honest(self, source, call, alone)
run_program.ProgramRunner.run = run
zygote.main(int(sys.argv[2]))
"""
PLAIN_BOOT = """
import sys
sys.path.insert(0, sys.argv[1])
from agent_core.sandbox import zygote
import os
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(12345)
    os.setuid(12345)
zygote.main(int(sys.argv[2]))
"""

pytestmark = pytest.mark.skipif(not LINUX, reason="elsewhere the default jail is limits only")


@pytest.fixture(scope="module")
def shared():
    with Executor(ExecutorConfig(workers=2)) as pool:
        yield pool


@pytest.fixture
def pool(shared):
    """Workers that were there before the test, and must still answer after it with nothing left behind."""
    before = [one.process.pid for one in shared._workers]
    yield shared
    assert [one.process.pid for one in shared._workers] == before
    assert_well(shared)


@pytest.fixture
def evil(monkeypatch):
    monkeypatch.setattr(worker, "BOOT", EVIL_BOOT)
    with Executor(ExecutorConfig(workers=1, timeout_seconds=0.3)) as pool:
        yield pool


def assert_well(pool):
    """Every worker answers, none has a child left, and no descriptor is open but its socket and the null device."""
    count = len(pool._workers)
    assert pool.run(["print(1)"] * count) == [RunResult("finished", "1\n")] * count
    for one in pool._workers:
        assert children(one.process.pid) == []
        assert sorted(os.listdir(f"/proc/{one.process.pid}/fd")) == ["0", "1", "2", "3"]
        assert [os.readlink(f"/proc/{one.process.pid}/fd/{fd}") for fd in "012"] == ["/dev/null"] * 3


def children(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def gone(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


def wait_until(condition, seconds=10.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "this did not happen in time"
        time.sleep(0.01)


# --- programs and functions -----------------------------------------------------------------------------------------


def test_results_come_in_order_with_what_was_printed(pool):
    sources = [f"print({number})" for number in range(300)]
    assert pool.run(sources) == [RunResult("finished", f"{number}\n") for number in range(300)]
    assert pool.run([]) == []


@pytest.mark.parametrize("overlap", [True, False])
def test_programs_may_come_in_parts_while_others_run(overlap):
    sources = [f"print({number})" if number % 5 else "while True: pass" for number in range(90)]
    with Executor(ExecutorConfig(workers=2, overlap=overlap)) as pool:
        run = pool.start()
        for start in range(0, 80, 20):
            run.add(sources[start : start + 20])
        assert any(worker.jobs for worker in pool._workers) == overlap
        time.sleep(0.05)
        assert run.finish(sources[80:]) == pool.run(sources)
        assert pool.start(Call("f", ((1,), (2,)))).finish(["def f(a): return -a"])[0].cases[1].value == -2


def test_a_run_that_nobody_finishes_is_given_up(shared):
    for _ in range(3):
        shared.start().add(["while True: pass"] * 64)
        assert shared.run(["print(1)", "print(2)"]) == [RunResult("finished", "1\n"), RunResult("finished", "2\n")]


def test_statuses(pool):
    sources = ["pass", "1 / 0", "while True: pass", "import os"]
    assert [result.status for result in pool.run(sources)] == ["finished", "crashed", "endless", "refused"]


def test_names_may_have_any_letters_and_are_checked_as_what_python_takes_them_for(pool):
    """Python takes the wide letters of the last two for plain ones."""
    programs = ["\u00e4 = 7\nprint(\u00e4)\n", "print(().__\uff43\uff4c\uff41\uff53\uff53__)\n", "\uff45val('1')\n"]
    results = pool.run(programs)
    assert [result.status for result in results] == ["finished", "refused", "refused"]
    assert results[0].stdout == "7\n"


def test_values_keep_their_exact_types(pool):
    values = [True, 1, 1.0, -0.0, None, "é\n\0", [1, (2, [3])], (), [], 10**30, float("inf"), {"a": [1]}, 2**14_000]
    result = pool.run(["def f(a): return a"], Call("f", tuple((value,) for value in values)))[0]
    assert result.status == "finished"
    assert [repr(case.value) for case in result.cases[:-1]] == [repr(value) for value in values[:-1]]
    assert result.cases[-1].value == 2**14_000
    nan = pool.run(["def f(a): return a"], Call("f", ((float("nan"),),)))[0].cases[0].value
    assert nan != nan


def test_cases_have_their_own_endings(pool):
    source = "def f(a):\n    while a == 2: pass\n    return 1 // a"
    result = pool.run([source], Call("f", ((1,), (0,), (2,), (1,))))[0]
    assert [case.status for case in result.cases] == ["finished", "crashed", "endless", "endless"]
    assert result.status == "endless"


def test_arguments_that_are_not_plain_values_are_an_error_of_the_caller(pool):
    for value in ({1}, object(), b"a", len):
        with pytest.raises(TypeError):
            pool.run([ADD], Call("func_a", ((value, 1),)))


def test_cases_in_another_order_give_the_same_answers(pool):
    source = "n = [0]\ndef f(a):\n    n[0] += 1\n    n.append(a)\n    return [n[0], len(n), a]"
    cases = [(number,) for number in range(8)]
    straight = pool.run([source], Call("f", tuple(cases)))[0].cases
    back = pool.run([source], Call("f", tuple(reversed(cases))))[0].cases
    assert straight == tuple(reversed(back))


# --- hostile programs -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("alone", [False, True])
def test_all_hostile_programs_are_contained(pool, alone):
    """Among honest neighbours: no effect, nothing escaped, none holds the others up, and these do not notice."""
    honest = ["print('neighbour', 1 + 1)", "def func_a(a): return a\nprint(func_a(3))"]
    sources = [source for program in HOSTILE for source in (program["code"], *honest)]
    results = pool.run(sources, alone=alone)
    assert results[1::3] == [RunResult("finished", "neighbour 2\n")] * len(HOSTILE)
    assert results[2::3] == [RunResult("finished", "3\n")] * len(HOSTILE)
    for program, result in zip(HOSTILE, results[::3], strict=True):
        assert "PWNED" not in result.stdout
        assert not result.message.startswith("stopped by the timer"), program["id"]
        if program["kind"] == "hack":
            assert result.stdout != "hello world\n", program["id"]
    assert not Path("/tmp/sbx_fill").exists()


def test_no_hostile_program_needs_the_timer():
    """The static check or the budget of steps stops each, so the time it takes is bounded on any machine."""
    with Executor(ExecutorConfig(workers=1, timeout_seconds=600)) as patient:
        for program in HOSTILE:
            (result,) = patient.run([program["code"]])
            assert result.status in ("finished", "crashed", "endless", "refused"), program["id"]
            assert "timer" not in result.message, program["id"]
        (result,) = patient.run(["while True: pass"])
    assert (result.status, result.message) == ("endless", "more than 10000 steps")


def test_no_hostile_program_passes_as_an_answer(pool):
    """The verdict is made outside, on exact types: none of them computes add, in any order of the cases."""
    cases = ((2, 3), (-1, 1), (10**9, 1))
    expected = [5, 0, 10**9 + 1]
    for order in ((0, 1, 2), (2, 0, 1), (1, 2, 0)):
        call = Call("add", tuple(cases[place] for place in order))
        for program, result in zip(HOSTILE, pool.run([p["code"] for p in HOSTILE], call), strict=True):
            answers = [(type(case.value), case.value) for case in result.cases]
            assert answers != [(int, expected[place]) for place in order], program["id"]


def test_random_bytes_and_mutated_programs_prove_nothing(pool):
    generator = random.Random(4)
    sources = [generator.randbytes(generator.randint(1, 300)).decode("latin-1") for _ in range(150)]
    sources += [generator.randbytes(generator.randint(1, 300)).decode("utf-8", "surrogateescape") for _ in range(150)]
    for _ in range(300):
        text = list(generator.choice(HOSTILE)["code"])
        for _ in range(generator.randint(1, 8)):
            place = generator.randrange(len(text))
            kind = generator.random()
            if kind < 0.4:
                text[place] = chr(generator.randrange(1, 128))
            elif kind < 0.7:
                del text[place : place + generator.randint(1, 10)]
                text = text or ["1"]
            else:
                other = generator.choice(HOSTILE)["code"]
                text[place:place] = other[: generator.randint(1, 60)]
        sources.append("".join(text))
    results = pool.run(sources)
    assert {result.status for result in results} <= {"refused", "crashed", "endless", "finished"}
    for source, result in zip(sources, results, strict=True):
        assert "PWNED" not in result.stdout or "PWNED" in source
    assert results == pool.run(sources)


# --- a result depends on nothing but the program --------------------------------------------------------------------


def test_results_are_the_same_alone_in_any_batch_and_with_any_worker(pool):
    sources = random_programs.programs(300, seed=5) + random_programs.wider_programs(200, seed=5)
    sources += [program["code"] for program in HOSTILE]
    results = pool.run(sources)
    order = list(range(len(sources)))
    random.Random(6).shuffle(order)
    shuffled = pool.run([sources[place] for place in order])
    assert [results[place] for place in order] == shuffled
    assert pool.run(sources[::4], alone=True) == results[::4]
    with Executor(ExecutorConfig(workers=1, memory_mb=32)) as other:
        assert other.run(sources) == results
        assert other.reruns == 0


def test_nothing_stays_from_one_program_to_the_next(pool):
    sources = [
        "len = 5\nvar_a = 7\nprint(len)",
        "print(len([1]))",
        "print = 3",
        "print(2)",
        "def sum(a): return 0",
        "print(sum([1]))",
    ]
    stdouts = [result.stdout for result in pool.run(sources)]
    assert stdouts == ["5\n", "1\n", "", "2\n", "", "1\n"]
    assert pool.run(["print(var_a)"])[0].status == "refused"


def test_memory_never_decides_a_verdict(pool):
    """The greediest programs known, among their like: the budget is what ends them, with the least memory there is."""
    greedy = ["a = []\nwhile True:\n" + "  a = [a]\n" * 800, "a = []\nwhile True:\n    " + "a.append([a]);" * 200] * 8
    greedy += [
        "a = {}\nwhile True:\n" + "  a = {1: a}\n" * 600,
        "a = []\nwhile True:\n" + "  a = [a, lambda: a]\n" * 350,
    ] * 8
    greedy += ["a = []\nwhile True:\n" + "  a = [a, 'aa bb cc dd ee ff gg hh ii'.split()]\n" * 150] * 4
    greedy += ["a = []\nwhile True:\n" + "  a = [a, set([1]), {1: a}.items()]\n" * 180] * 4
    with Executor(ExecutorConfig(workers=1, memory_mb=32)) as small:
        assert {result.status for result in small.run(greedy)} == {"endless"}
    assert {result.status for result in pool.run(greedy)} == {"endless"}


# --- children that die, hang or lie ---------------------------------------------------------------------------------

DEATHS = {
    "exits as if all were well": "os._exit(0)",
    "exits": "os._exit(7)",
    "crashes": "ctypes.string_at(0)",
    "writes rubbish": "os.write(3, b'x' * 100)",
    "closes the pipe and exits": "os.close(3); os._exit(0)",
    "spins": "while True: pass",
    "floods": "while True: os.write(3, b'x' * 60000)",
    "sends a wrong index": "os.write(3, wire_format.HEADER.pack(sys._getframe(2).f_locals['nonce'], 1, 2) + b'[]')",
    "sends a huge length": "os.write(3, wire_format.HEADER.pack(sys._getframe(2).f_locals['nonce'], 0, 2**31) + b'[]')",
    "answers with nothing": "text = ''",
    "answers with an object": "text = '{}'",
    "answers deep": "text = '[' * 20000",
    "has an unknown status": 'text = \'[9,"","",[]]\'',
    "says true for a status": 'text = \'[true,"","",[]]\'',
    "prints too much": "text = '[0,\"' + 'a' * 9999 + '\",\"\",[]]'",
    "asks to be run again and again": 'text = \'[4,"","",[]]\'',
    "raises": "raise SystemExit(0)",
}


@pytest.mark.parametrize("name", DEATHS)
def test_a_child_that_dies_or_lies_costs_its_neighbours_nothing_but_time(evil, name):
    sources = ["print(1)", "#evil " + DEATHS[name], "print(2)", "while True: pass"]
    results = evil.run(sources)
    assert [results[0], results[2]] == [RunResult("finished", "1\n"), RunResult("finished", "2\n")]
    assert results[3].status == "endless"
    assert results[1].status == ("endless" if name == "spins" else "crashed")
    assert evil.reruns >= 1
    assert_well(evil)


def test_results_forged_for_neighbours_do_not_survive_a_run_alone(evil):
    """A child that has been taken over entirely can forge its whole batch: hence the second run of whatever matters."""
    forged = '[0,"hello world\\\\n","",[]]'
    code = f"""
nonce = sys._getframe(2).f_locals['nonce']
for index in range(3):
    os.write(3, wire_format.HEADER.pack(nonce, index, {len(forged) - 1}) + b'{forged}')
os._exit(0)"""
    sources = ["#evil " + code, "pass", "print(2)"]
    assert evil.run(sources)[1].stdout == "hello world\n"
    assert [result.stdout for result in evil.run(sources[1:], alone=True)] == ["", "2\n"]


def test_what_was_sent_to_a_worker_before_is_not_in_its_children(evil):
    """Requests are gone when they are answered: a child knows the programs of its own batch only."""
    code = """
seen = [value for frame in (sys._getframe(depth) for depth in range(1, 7)) for value in frame.f_locals.values()]
text = '[0,"' + str('first' 'secret' in repr(seen)) + '","",[]]'"""
    evil.run(["print('firstsecret')"])
    assert evil.run(["#evil " + code])[0].stdout == "False"
    assert evil.run(["print('firstsecret')", "#evil " + code])[1].stdout == "True"  # the test does see its own batch


# --- workers that die -----------------------------------------------------------------------------------------------


def test_killing_workers_changes_no_result():
    sources = random_programs.programs(800, seed=7)
    began = time.monotonic()
    with Executor(ExecutorConfig(workers=2)) as pool:
        pause = max(0.4, 3 * (time.monotonic() - began))  # longer than a start takes, however busy the machine is
        expected = pool.run(sources)
        stop = threading.Event()
        kills = []

        def kill_now_and_then():
            generator = random.Random(8)
            while not stop.wait(pause):  # three deaths in a row at one program would be held against the program
                victim = generator.choice(pool._workers).process
                if victim.poll() is None:
                    os.kill(victim.pid, signal.SIGKILL)
                    kills.append(victim.pid)

        killer = threading.Thread(target=kill_now_and_then)
        killer.start()
        try:
            while len(kills) < 4:
                assert pool.run(sources) == expected
        finally:
            stop.set()
            killer.join()
        assert kills
        pool.run(["pass"] * 4)
        wait_until(lambda: all(gone(pid) for pid in kills))
        assert_well(pool)


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_that_die_one_after_another_as_they_are_handed_work_change_no_result(monkeypatch, workers):
    deaths, post = [], worker.Worker.post

    def dead_before(self, message):
        if self.jobs and len(deaths) < 8:
            deaths.append(self.process.pid)
            self.process.kill()
            self.process.wait()
        post(self, message)

    monkeypatch.setattr(worker.Worker, "post", dead_before)
    with Executor(ExecutorConfig(workers=workers)) as pool:
        assert pool.run(["print(1)"]) == [RunResult("finished", "1\n")]
        assert len(deaths) == 8  # more than would be held against a program that was begun
        assert pool.reruns == 0
        assert_well(pool)


def test_a_timeout_too_short_for_anything_is_not_blamed_on_the_jail():
    with Executor(ExecutorConfig(workers=1, timeout_seconds=1e-9)) as pool:
        assert pool.run(["print(1)"])[0].status in ("endless", "finished")  # as fast as the machine is


def test_a_stopped_worker_is_given_up_and_replaced(monkeypatch):
    monkeypatch.setattr(dispatch, "PATIENCE", 0.2)
    with Executor(ExecutorConfig(workers=1, timeout_seconds=0.2)) as pool:
        os.kill(pool._workers[0].process.pid, signal.SIGSTOP)
        assert pool.run(["print(1)"]) == [RunResult("finished", "1\n")]
        assert pool.reruns >= 1


def test_ctrl_c_leaves_an_executor_that_still_works():
    with Executor(ExecutorConfig(workers=2)) as pool:
        sources = ["a = 1\nwhile True: a = a + 1"] * 2_000

        def interrupt(*_):
            raise KeyboardInterrupt

        before = signal.signal(signal.SIGALRM, interrupt)
        try:
            for delay in (0.01, 0.05, 0.1):
                signal.setitimer(signal.ITIMER_REAL, delay)
                with pytest.raises(KeyboardInterrupt):
                    pool.run(sources)
                assert pool.run(["print(1)", "print(2)"]) == [
                    RunResult("finished", "1\n"),
                    RunResult("finished", "2\n"),
                ]
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)


def test_workers_do_not_outlive_a_runner_that_is_killed():
    script = """
import sys
sys.path.insert(0, sys.argv[1])
from agent_core.sandbox.executor import Executor, ExecutorConfig
pool = Executor(ExecutorConfig(workers=2))
print(*[one.process.pid for one in pool._workers], flush=True)
pool.run(["a = 1\\nwhile True: a = a * 2 // 2"] * 100_000)
"""
    command = [sys.executable, "-c", script, str(ROOT)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as runner:
        pids = [int(word) for word in runner.stdout.readline().split()]
        wait_until(lambda: any(children(pid) for pid in pids))
        pids += [child for pid in pids for child in children(pid)]
        runner.kill()
    assert len(pids) >= 3
    wait_until(lambda: all(gone(pid) for pid in pids))


def test_closing_leaves_no_process_and_no_descriptor():
    Executor(ExecutorConfig(workers=1)).close()  # what is opened once for good is open now
    before = sorted(os.listdir("/proc/self/fd"))
    pool = Executor(ExecutorConfig(workers=3))
    pids = [one.process.pid for one in pool._workers]
    pool.run(["print(1)"] * 9)
    os.kill(pids[0], signal.SIGKILL)
    pool.run(["print(1)"] * 9)
    pids.append(pool._workers[0].process.pid)
    pool.close()
    pool.close()
    assert all(not Path(f"/proc/{pid}").exists() for pid in pids)
    assert sorted(os.listdir("/proc/self/fd")) == before
    with pytest.raises(ValueError, match="closed"):
        pool.run(["pass"])


def test_an_executor_that_is_forgotten_closes_itself():
    pool = Executor(ExecutorConfig(workers=1))
    pid = pool._workers[0].process.pid
    del pool
    assert not Path(f"/proc/{pid}").exists()


# --- which jail -----------------------------------------------------------------------------------------------------


def test_it_works_as_a_plain_user(monkeypatch):
    """Nothing needs root: workers that gave it up before they began behave the same."""
    monkeypatch.setattr(worker, "BOOT", PLAIN_BOOT)
    with Executor(ExecutorConfig(workers=1)) as pool:
        status = Path(f"/proc/{pool._workers[0].process.pid}/status").read_text()
        assert "\nUid:\t0\t" not in status
        statuses = [result.status for result in pool.run(["print(1)", "1 / 0", "while True: pass", "import os"])]
        assert statuses == ["finished", "crashed", "endless", "refused"]
        assert pool.run([ADD], Call("func_a", ((1, 2),)), alone=True)[0].cases[0].value == 3


def test_strict_stops_where_seccomp_cannot_be_had(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyseccomp", None)
    for jail in ("strict", "auto"):
        with pytest.raises(JailError, match="jail = limits"):
            Executor(ExecutorConfig(workers=1, jail=jail))


def test_strict_stops_where_the_kernel_refuses_the_filter(monkeypatch):
    monkeypatch.setattr(executor, "filter_program", lambda: b"\xff" * 16)
    with pytest.raises(JailError, match="Invalid argument"):
        Executor(ExecutorConfig(workers=1))


def test_strict_stops_where_the_filter_holds_nothing(monkeypatch):
    """The workers try what must not work; a filter that allows everything does not get past them."""
    allow_everything = bytes.fromhex("060000000000ff7f")
    monkeypatch.setattr(executor, "filter_program", lambda: allow_everything)
    with pytest.raises(JailError, match="can open a socket.*can fork"):
        Executor(ExecutorConfig(workers=1))


def test_limits_runs_the_same_after_a_loud_warning():
    with pytest.warns(RuntimeWarning, match="limits"):
        pool = Executor(ExecutorConfig(workers=1, jail="limits"))
    with pool:
        sources = random_programs.programs(100, seed=9)
        statuses = [result.status for result in pool.run(["print(1)", "1 / 0", "while True: pass", "import os"])]
        assert statuses == ["finished", "crashed", "endless", "refused"]
        with Executor(ExecutorConfig(workers=1)) as strict:
            assert pool.run(sources) == strict.run(sources)


def test_an_unknown_jail_and_an_unknown_system_are_errors(monkeypatch):
    with pytest.raises(JailError, match="loose"):
        Executor(ExecutorConfig(jail="loose"))
    monkeypatch.setattr(os, "name", "nt")
    with pytest.raises(JailError, match="dev container"):
        Executor(ExecutorConfig())


def test_a_worker_that_does_not_start_is_an_error(monkeypatch):
    monkeypatch.setattr(worker, "BOOT", "raise SystemExit(3)")
    with pytest.raises(JailError, match="exit status 3"):
        Executor(ExecutorConfig(workers=2))


# --- frames ---------------------------------------------------------------------------------------------------------

NONCE = b"12345678"


def frame(text, index=0, nonce=NONCE):
    body = text.encode() if isinstance(text, str) else text
    return HEADER.pack(nonce, index, len(body)) + body


GOOD = '[0,"a","",[[1]]]'


def test_a_well_formed_answer_is_read():
    results = read_frames(frame(GOOD) + frame(GOOD, 1), NONCE, [0, 1], 1, 10)
    assert [(result.status, result.stdout, result.cases[0].value) for result in results] == [("finished", "a", 1)] * 2


@pytest.mark.parametrize(
    "data",
    [
        b"",
        frame(GOOD)[:-1],
        frame(GOOD)[:5],
        frame(GOOD, nonce=b"87654321"),
        frame(GOOD, 1),
        frame(GOOD) + b"x",
        frame(GOOD) + frame(GOOD, 1),
        *[
            frame(text)
            for text in (
                b"\xff",
                "",
                "nonsense",
                "[0]",
                '{"t":[1]}',
                '[0,"a","",[[1]],0]',
                '[1.0,"a","",[]]',
                '["0","a","",[]]',
                '[5,"a","",[]]',
                '[-1,"a","",[]]',
                '[0,1,"",[[1]]]',
                '[0,"a",null,[[1]]]',
                '[0,"' + "a" * 11 + '","",[[1]]]',
                '[0,"\\ud800","",[[1]]]',
                '[0,"a","' + "a" * 201 + '",[[1]]]',
                '[0,"a","",[]]',
                '[0,"a","",[[1],[1]]]',
                '[1,"a","",[[1]]]',
                '[0,"a","",[1]]',
                '[0,"a","",[[]]]',
                '[0,"a","",[[1,2,3]]]',
                '[0,"a","",[[1,-1]]]',
                '[0,"a","",[[1,1000000001]]]',
                '[0,"a","",[[1,true]]]',
                '[0,"a","",[[1,2.0]]]',
                '[0,"a","",[[1,"2"]]]',
                '[0,"a","",[false]]',
                '[0,"a","",[{"t":[1]}]]',
                '[0,"a","",[[{"x":[1]}]]]',
                '[0,"a","",[[{"t":1}]]]',
                '[0,"a","",[[{"t":[1],"s":[1]}]]]',
                '[0,"a","",[[{"s":[[1]]}]]]',
                '[0,"a","",[[{"d":[[1]]}]]]',
                '[0,"a","",[[{"d":["ab",1]}]]]',
                '[0,"a","",[[{"i":5}]]]',
                '[0,"a","",[[{"i":"xyz"}]]]',
                '[0,"a","",[["\\udc00"]]]',
                '[0,"a","",[[' + "9" * 5_000 + "]]]",
                '[0,"a","",[[' + "[" * 50_000 + "]]]",
            )
        ],
    ],
    ids=lambda data: repr(data[16:40]),
)
def test_anything_else_is_malformed(data):
    with pytest.raises(Malformed):
        read_frames(data, NONCE, [0], 1, 10)


def test_calls_are_read_beside_the_value():
    (result,) = read_frames(frame('[0,"","",[[1,7],[[2]]]]'), NONCE, [0], 2, 10)
    assert [(case.value, case.calls) for case in result.cases] == [(1, 7), ([2], 0)]


def test_no_random_bytes_are_taken_for_an_answer():
    generator = random.Random(10)
    for _ in range(2_000):
        data = bytearray(frame(GOOD))
        for _ in range(generator.randint(1, 4)):
            data[generator.randrange(HEADER.size)] ^= 1 << generator.randrange(8)
        if bytes(data) == frame(GOOD):
            continue
        with pytest.raises(Malformed):
            read_frames(bytes(data), NONCE, [0], 1, 10)
    for _ in range(300):
        with pytest.raises(Malformed):
            read_frames(secrets.token_bytes(40), NONCE, [0], 1, 10)


def test_a_value_is_rebuilt_from_exact_types_only():
    text = b'[0,"","",[[{"t":[1,{"s":[2]},{"d":[["a",[true,null,1.5]]]},{"i":"-ff"}]}]]]'
    value = read_result(text, 1, 10).cases[0].value
    assert value == (1, {2}, {"a": [True, None, 1.5]}, -255)
    assert [type(part) for part in value] == [int, set, dict, int]
