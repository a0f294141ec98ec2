"""A shorter program that passes every case replaces a solution only where both do the same on made inputs, too."""

import io
import json

import pytest
import torch

from agent_core.agent import Agent
from agent_core.distributed.ranks import Ranks
from agent_core.run.console import show_verdict
from agent_core.run.loop import TrainingRun
from agent_core.run.recorder import RunRecorder
from agent_core.sandbox.executor import CaseResult, Executor, JailError
from agent_core.scoring.disputes import WHICH, first_difference
from agent_core.settings.config import load_config
from agent_core.solutions import Solutions
from agent_core.tasks.task import Case, Task, load_task
from agent_core.tasks.values import CLOSE
from memory.archive.archive import Archive
from memory.state.checkpoint import CheckpointStore
from tests.conftest import ROOT
from tests.fakes import InProcessExecutor

SAME_NUMBER = [(3, 1), (5, 5), (9, 2), (4, 4), (0, 0), (8, 7), (6, 0), (7, 7)]  # the first is never below the second
RIGHT = "return var_a <= var_b and var_b <= var_a\n"
SHORT_AND_RIGHT = "return var_a == var_b\n"
SHORT_AND_WRONG = "return var_a <= var_b\n"


def task_of(name: str, right, *inputs: tuple, checks: int = 2) -> Task:
    """A task of two parameters whose answers are those of `right`; the last inputs are checks."""
    cases = tuple(Case(arguments, right(*arguments)) for arguments in inputs)
    tests, rest = cases[: len(cases) - checks], cases[len(cases) - checks :]
    parameters = ("var_a", "var_b")
    return Task(name, "", function_name=name, parameters=parameters, test_cases=tests, check_cases=rest)


EQUAL = task_of("equal", lambda a, b: a == b, *SAME_NUMBER)


class Programs:
    """Programs as a memory has them, by their text."""

    def __init__(self, tokenizer, task: Task, executor=None, seed: int = 0):
        self.tokenizer, self.executor = tokenizer, executor or InProcessExecutor()
        self.solutions = Solutions(task, self.executor, Ranks(), seed, tokenizer.decode)

    def row(self, text: str) -> tuple[int, ...]:
        row = tuple(self.tokenizer.encode(text).tolist())
        assert self.tokenizer.unk not in row
        return row

    def believes(self, text: str, solution: str | None, attempts: int = 9) -> bool:
        return self.solutions.believes(self.row(text), solution and self.row(solution), attempts)


# --- which answers differ --------------------------------------------------------------------------------------------

THREE = CaseResult("finished", 3)
CRASH = CaseResult("crashed", None, "ZeroDivisionError: division by zero")
ENDLESS = CaseResult("endless", None, "more steps than allowed")


@pytest.mark.parametrize(
    ("solution", "other", "differ"),
    [
        (THREE, THREE, False),
        (THREE, CaseResult("finished", 4), True),
        (THREE, CaseResult("finished", 3.0), True),
        (CaseResult("finished", True), CaseResult("finished", 1), True),
        (CaseResult("finished", [1, 2]), CaseResult("finished", (1, 2)), True),
        (CaseResult("finished", float("nan")), CaseResult("finished", float("nan")), False),
        (CaseResult("finished", 0.1 + 0.2), CaseResult("finished", 0.3), False),
        (THREE, CRASH, True),  # the shorter one has no answer where there was one
        (THREE, ENDLESS, True),
        (CRASH, THREE, False),  # there was no answer to keep: the input may be none for this task
        (ENDLESS, THREE, False),
        (CRASH, CRASH, False),
        (CRASH, ENDLESS, False),
        (CaseResult("finished", "x" * 20_000), THREE, False),  # what is too large is no answer
        (THREE, CaseResult("finished", "x" * 20_000), True),
    ],
)
def test_where_two_programs_differ(solution, other, differ):
    found = first_difference([(0,), (1,)], [THREE, solution], [THREE, other], tolerance=None)
    assert (found is not None) == differ
    if found:
        assert found == ((1,), solution, other)


def test_loose_tasks_have_loose_answers():
    assert first_difference([(0,)], [THREE], [CaseResult("finished", 3.0)], tolerance=CLOSE) is None


# --- what is believed ------------------------------------------------------------------------------------------------


def test_the_first_solution_is_believed_and_nothing_is_run_for_it(tokenizer):
    programs = Programs(tokenizer, EQUAL)
    assert programs.believes(SHORT_AND_WRONG, None, 41)
    assert programs.executor.calls == []
    first = programs.solutions.first
    assert first == (41, 6, "def equal(var_a, var_b):\n    return var_a <= var_b")


def test_a_shorter_program_that_does_the_same_is_believed_and_one_that_does_not_is_disputed(tokenizer):
    programs = Programs(tokenizer, EQUAL)
    assert programs.believes(RIGHT, None, 3)
    assert not programs.believes(SHORT_AND_WRONG, RIGHT, 70)
    assert programs.believes(SHORT_AND_RIGHT, RIGHT, 80)
    assert all(alone for _, _, alone in programs.executor.calls)
    (dispute,) = programs.solutions.disputes
    assert dispute.line(EQUAL) == (
        "equal(0, 1): the solution gave False, the shorter program gave True; "
        "which is right? add it to the task's cases"
    )
    assert WHICH in dispute.line(EQUAL)
    assert json.loads(json.dumps(dispute.as_json())) == {
        "attempts": 70,
        "tokens": 6,
        "program": "def equal(var_a, var_b):\n    return var_a <= var_b",
        "inputs": [0, 1],
        "solution": {"status": "finished", "answer": False},
        "other": {"status": "finished", "answer": True},
    }
    assert programs.solutions.first.attempts == 3


def test_a_dispute_is_remembered_and_each_input_shown_once(tokenizer):
    programs = Programs(tokenizer, EQUAL)
    assert programs.believes(RIGHT, None)
    assert not programs.believes(SHORT_AND_WRONG, RIGHT)
    runs = len(programs.executor.calls)
    assert not programs.believes(SHORT_AND_WRONG, RIGHT)
    assert len(programs.executor.calls) == runs
    assert not programs.believes("return var_a + 0 <= var_b\n", RIGHT)
    assert len(programs.executor.calls) == runs + 1  # the solution's answers are known
    assert len(programs.solutions.disputes) == 1


@pytest.mark.parametrize("seed", range(5))
def test_the_examples_that_were_believed_are_disputed(tokenizer, seed):
    """Nested lists that are equal, and texts that are a repetition of another one."""
    rows = [([[1, 2], [0, 0]], [[1, 2], [0, 0]]), ([], []), ([[3]], [[3]]), ([[1, 2]], [[2, 1]]), ([[0, 0]], [])]
    rows += [([[5], [6]], [[5], [7]]), ([[2], [2]], [[2], [2]]), ([[1, 1]], [[1, 2]])]
    nested = task_of("equal", lambda a, b: a == b, *rows)
    programs = Programs(tokenizer, nested, seed=seed)
    right = "return False <= 2 and var_a <= var_b and 4 + 2 and ( var_b <= var_a )\n"
    wrong = "return var_b * 2 <= var_a + var_a and var_b >= var_a\n"
    assert programs.believes(right, None)
    assert not programs.believes(wrong, right)
    a, b = programs.solutions.disputes[0].arguments
    assert (a == b) != (b * 2 <= a + a and b >= a)

    words = [("abab", "ab"), ("aaa", "a"), ("ab", "ba"), ("ababab", "ab"), ("b", "b"), ("ab", "abb"), ("aa", "aa")]
    repeated = task_of("repeats", lambda a, b: a == b * (len(a) // len(b)), *words)
    programs = Programs(tokenizer, repeated, seed=seed)
    right, wrong = (
        "return var_a == var_b * ( len ( var_a ) // len ( var_b ) )\n",
        "return var_a + var_b in var_b + var_a\n",
    )
    assert programs.believes(right, None)
    assert not programs.believes(wrong, right)
    a, b = programs.solutions.disputes[0].arguments
    assert (a == b * (len(a) // len(b))) != (a + b in b + a)


def test_a_text_to_print_has_no_inputs_and_nothing_to_dispute(tokenizer):
    programs = Programs(tokenizer, load_task("hello_world", tokenizer.tokens))
    assert programs.believes("print ( 'hello' , 'world' )\n", None)
    assert programs.believes("print ( 'hello' )\n", "print ( 'hello' , 'world' )\n")
    assert programs.executor.calls == []


def test_the_inputs_after_one_that_never_ends_are_asked_too(tokenizer):
    task = task_of("minus", lambda a, b: a - b, *SAME_NUMBER)
    endless = "while var_a == 2 :\n    pass\nreturn var_a - var_b\n"
    with Executor(load_config(ROOT / "config.ini", ["executor.workers=1", "executor.max_steps=500"]).executor) as jail:
        programs = Programs(tokenizer, task, jail)
        assert programs.believes(endless, None)
        assert programs.believes("return var_a - var_b\n", endless)  # where the first does not end, nothing is known
        assert not programs.believes("return var_a - var_b * ( var_b != 6 )\n", endless)
        (dispute,) = programs.solutions.disputes
        assert dispute.arguments[0] != 2
        assert dispute.arguments[1] == 6
        assert programs.believes("return var_a - var_b\n", "return var_a - var_b + 0\n")
        assert not programs.believes(endless, "return var_a - var_b + 0\n")
        assert (
            programs.solutions.disputes[-1]
            .line(task)
            .endswith("the shorter program did not end (more steps than executor.max_steps allows); " + WHICH)
        )


def test_what_the_jail_cannot_run_now_is_not_believed_now(tokenizer):
    class Gone(InProcessExecutor):
        broken = True

        def run(self, sources, call=None, alone=False):
            if self.broken:
                raise JailError("no process can be made")
            return super().run(sources, call, alone)

    programs = Programs(tokenizer, EQUAL, Gone())
    assert programs.believes(RIGHT, None)
    assert not programs.believes(SHORT_AND_RIGHT, RIGHT)
    assert programs.solutions.disputes == []
    programs.executor.broken = False
    assert programs.believes(SHORT_AND_RIGHT, RIGHT)


def test_its_state_is_plain_and_comes_back(tokenizer):
    programs = Programs(tokenizer, EQUAL, seed=3)
    assert programs.believes(RIGHT, None)
    assert not programs.believes(SHORT_AND_WRONG, RIGHT)
    buffer = io.BytesIO()
    torch.save(programs.solutions.state(), buffer)
    buffer.seek(0)
    resumed = Programs(tokenizer, EQUAL, seed=4)
    resumed.solutions.load_state(torch.load(buffer, weights_only=True))
    assert resumed.solutions.state() == programs.solutions.state()
    assert resumed.solutions.first == programs.solutions.first
    assert resumed.solutions.disputes == programs.solutions.disputes
    assert not resumed.believes(SHORT_AND_WRONG, RIGHT)
    assert resumed.executor.calls == []
    old = Programs(tokenizer, EQUAL)
    old.solutions.load_state({})  # of a version that compared nothing
    assert old.solutions.first is None


# --- in a run --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def executor(config):
    with Executor(config.executor) as pool:
        yield pool


def file_of(tmp_path, task: Task) -> str:
    def listed(cases):
        return [{"inputs": list(case.arguments), "expected": case.expected} for case in cases]

    criteria = {"function_name": task.function_name, "parameters": list(task.parameters)}
    criteria |= {"test_cases": listed(task.test_cases), "check_cases": listed(task.check_cases)}
    path = tmp_path / "task.json"
    path.write_text(json.dumps({"name": task.name, "description": "", "success_criteria": criteria}))
    return str(path)


def agent_on(tmp_path, executor, tokenizer, legal_tokens, task=EQUAL, **changes) -> Agent:
    overrides = [f"run.task={file_of(tmp_path, task)}", "generator.batch_size=64", "generator.max_length=16"]
    overrides += [f"{key.replace('__', '.')}={value}" for key, value in changes.items()]
    config = load_config(ROOT / "config.ini", overrides)
    return Agent(config, load_task(config.run.task, tokenizer.tokens), tokenizer, legal_tokens, executor)


def try_out(agent: Agent, *texts: str) -> str:
    """Has the agent score and remember these programs, in this order, as if it had written them. Returns the best."""
    rows = [tuple(agent.tokenizer.encode(text).tolist()) for text in texts]
    modules = [agent.task.module(agent.tokenizer.decode(row)) for row in rows]
    agent.memory.remember(rows, agent.scorer.score(modules, list(map(len, rows))))
    agent.memory.record(agent.memory.batch(rows), agent.progress.attempts)
    agent.progress.attempts += len(rows)
    agent.progress.solved_at = agent.progress.solved_at or (agent.progress.attempts if agent.solved else None)
    return agent.best_program.partition("return ")[2]


def test_without_the_comparison_right_is_traded_for_wrong_and_with_it_the_right_one_stays(
    tmp_path, executor, tokenizer, legal_tokens
):
    trading = agent_on(tmp_path, executor, tokenizer, legal_tokens)
    trading.memory.archive.believes = Archive(1, 1).believes  # what an archive does by itself
    assert try_out(trading, RIGHT) == "var_a <= var_b and var_b <= var_a"
    assert try_out(trading, SHORT_AND_WRONG) == "var_a <= var_b"
    agent = agent_on(tmp_path, executor, tokenizer, legal_tokens)
    assert try_out(agent, RIGHT) == "var_a <= var_b and var_b <= var_a"
    assert try_out(agent, SHORT_AND_WRONG) == "var_a <= var_b and var_b <= var_a"
    assert try_out(agent, SHORT_AND_RIGHT, SHORT_AND_WRONG) == "var_a == var_b"
    assert len(agent.solutions.disputes) == 1
    assert agent.memory.elites == trading.memory.elites or len(agent.memory.elites) == len(trading.memory.elites)


def test_both_of_one_batch_are_compared(tmp_path, executor, tokenizer, legal_tokens):
    agent = agent_on(tmp_path, executor, tokenizer, legal_tokens)
    assert try_out(agent, RIGHT, SHORT_AND_WRONG, "return 1\n") == "var_a <= var_b and var_b <= var_a"
    assert agent.solutions.first.tokens == 10
    assert len(agent.solutions.disputes) == 1


def test_the_run_shows_the_input_and_the_verdict_names_both(tmp_path, executor, tokenizer, legal_tokens, capsys):
    agent = agent_on(tmp_path, executor, tokenizer, legal_tokens)
    store = CheckpointStore(*(tmp_path / f"{name}.pth" for name in ("model", "optimizer", "run")))
    recorder = RunRecorder(agent, store, tmp_path / "run", agent.config)
    with recorder as books:
        run = TrainingRun(agent, books, 2.0, 0)
        row = agent.step() | run._speed()
        try_out(agent, RIGHT)
        try_out(agent, SHORT_AND_WRONG)
        books.step(row, improved=True)
        books.step(row, improved=False)
        shown = capsys.readouterr().out
        assert shown.count(WHICH) == 1
        assert (
            "attempt 66: a shorter program passes every case, too, but the solution stays, since they differ:\n"
            "  equal(0, 1): the solution gave False, the shorter program gave True; "
            "which is right? add it to the task's cases\n"
            "    def equal(var_a, var_b):\n"
            "        return var_a <= var_b\n"
        ) in shown
        try_out(agent, SHORT_AND_RIGHT)
        result = run.result()
    assert json.loads(json.dumps(result)) == result
    assert (result["tokens"], result["test_cases"], result["check_cases"]) == (6, 6, 2)
    assert result["first_solution"] == {
        "attempts": 65,
        "tokens": 10,
        "program": "def equal(var_a, var_b):\n    return var_a <= var_b and var_b <= var_a",
    }
    assert [dispute["inputs"] for dispute in result["disputes"]] == [[0, 1]]
    show_verdict(result | {"seconds": 2.0}, tmp_path, stopped=False, fresh=False)
    assert capsys.readouterr().out == (
        "solved equal in 65 attempts; after 2.0 s its shortest solution has 6 tokens and passes its 6 test and 2 check "
        "cases:\n\n"
        "    def equal(var_a, var_b):\n        return var_a == var_b\n\n"
        "the first solution, at attempt 65, has 10 tokens:\n\n"
        "    def equal(var_a, var_b):\n        return var_a <= var_b and var_b <= var_a\n\n"
        "its answers may be a coincidence (13 bits, the program has 11): give more cases, above all with rare answers\n"
        "inputs on which a shorter program gave another answer: 1, see above and in result.json\n"
        f"curves, best program and result: {tmp_path}\n"
    )


@pytest.mark.parametrize(
    ("tests", "checks", "known"),
    [
        (11, 30, "passes its 11 test and 30 check cases"),
        (3, 1, "passes its 3 test and 1 check case"),
        (3, 0, "passes its 3 test cases; it has no check cases"),
        (1, 0, "passes its 1 test case; it has no check cases"),
        (0, 0, "prints the text"),
    ],
)
def test_the_verdict_says_what_is_known(tmp_path, capsys, tests, checks, known):
    result = {
        "task": "t",
        "solved": True,
        "attempts": 5,
        "seconds": 1.0,
        "tokens": 4,
        "program": "pass",
        "evidence": None,
        "disputes": [],
    }
    result |= {"test_cases": tests, "check_cases": checks, "first_solution": None}
    show_verdict(result, tmp_path, stopped=False, fresh=False)
    assert f"its shortest solution has 4 tokens and {known}:\n\n    pass\n\ncurves" in capsys.readouterr().out


def test_disputes_decide_nothing_but_which_program_is_the_best(tmp_path, executor, tokenizer, legal_tokens, easy_task):
    """Whatever is believed, the same programs are written, and each step reports the same but for the best's length."""
    # So that the first solution is a long one:
    settings = {"learning__fresh_length_budget": 0.0, "learning__grammar_weights": False, "run__seed": 2}
    tables, tokens = [], []
    for believes in (None, lambda row, solution, attempts: True, lambda row, solution, attempts: solution is None):
        task = load_task(easy_task, tokenizer.tokens)
        agent = agent_on(tmp_path, executor, tokenizer, legal_tokens, task, **settings)
        if believes:
            agent.memory.archive.believes = believes
        rows = []
        while not agent.solved or agent.progress.attempts < agent.progress.solved_at + 1_500:
            rows.append(agent.step())
        tokens.append(rows[-1].pop("best_tokens"))
        tables.append([{name: value for name, value in row.items() if name != "best_tokens"} for row in rows])
    assert tables[0] == tables[1] == tables[2]
    assert tokens[0] == tokens[1] < tokens[2]


def test_a_run_that_is_resumed_keeps_its_disputes(tmp_path, executor, tokenizer, legal_tokens):
    agent = agent_on(tmp_path, executor, tokenizer, legal_tokens)
    agent.step()
    try_out(agent, RIGHT)
    try_out(agent, SHORT_AND_WRONG)
    buffer = io.BytesIO()
    states = agent.generator.policy.state_dict(), agent.generator.optimizer.state_dict(), agent.state()
    torch.save(states, buffer)
    buffer.seek(0)
    resumed = agent_on(tmp_path, executor, tokenizer, legal_tokens)
    assert resumed.load(*torch.load(buffer, weights_only=True)) == []
    assert resumed.solutions.state() == agent.solutions.state()
    assert try_out(resumed, SHORT_AND_WRONG) == "var_a <= var_b and var_b <= var_a"
    assert len(resumed.solutions.disputes) == 1
    longer = agent_on(tmp_path, executor, tokenizer, legal_tokens, generator__max_length=17)
    buffer.seek(0)
    notes = longer.load(*torch.load(buffer, weights_only=True))
    assert any("scored anew" in note for note in notes)
    assert longer.best_program.endswith("return var_a <= var_b and var_b <= var_a")
