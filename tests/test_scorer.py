"""The scorer: rewards of whole programs, counterexamples, and what is believed only when it happens twice."""

import json
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from agent_core.sandbox.executor import Call, CaseResult, Executor, RunResult
from agent_core.scoring.scorer import Scorer
from agent_core.settings.config import ExecutorConfig, ScorerConfig
from agent_core.tasks import constraints
from agent_core.tasks.task import Case, Task, builtin_tasks, load_task
from tests.fakes import InProcessExecutor

ROOT = Path(__file__).resolve().parent.parent
VOCABULARY = json.loads((ROOT / "memory" / "vocab.json").read_text())
SOLUTIONS = json.loads((ROOT / "tests" / "data" / "reference_solutions.json").read_text())
CONFIG = ScorerConfig()


def scorer_of(task, executor=None) -> Scorer:
    task = load_task(task, VOCABULARY) if isinstance(task, str) else task
    return Scorer(task, executor or InProcessExecutor(), CONFIG)


def scores_of(scorer: Scorer, *texts: str, tokens: int = 10):
    return scorer.score([scorer.task.module(text) for text in texts], [tokens] * len(texts))


def rewards(task, *texts: str, tokens: int = 10) -> list[float]:
    return [score.reward for score in scores_of(scorer_of(task), *texts, tokens=tokens)]


def rises(values) -> bool:
    return all(low < high for low, high in pairwise(values))


@pytest.mark.parametrize("name", builtin_tasks())
def test_every_reference_solution_solves_its_task(name):
    scorer = scorer_of(name)
    (score,) = scores_of(scorer, SOLUTIONS[name], tokens=scorer.task.shortest_known_tokens)
    assert score.reward == 1.0, score.cases
    assert all(score.solved_cases)
    assert scorer.version == 0
    calls = scorer.executor.calls
    assert calls[-1] == (1, len(scorer.task.test_cases) + len(scorer.task.check_cases), True)


@pytest.mark.parametrize("name", [name for name in builtin_tasks() if load_task(name, VOCABULARY).kind == "function"])
def test_constants_earn_what_running_earns(name):
    task = load_task(name, VOCABULARY)
    values = {repr(case.expected): case.expected for case in task.test_cases}
    found = rewards(task, "pass\n", "return\n", *(f"return {value}\n" for value in values))
    assert set(found) == {CONFIG.running}


@pytest.mark.parametrize(
    ("name", "texts"),
    [
        ("add", ["x\n", "pass\n", "return var_a + 1\n", "return var_a\n", "return var_a or var_b\n"]),
        ("sum_list", ["pass\n", "return len(var_a)\n", "return max(var_a or [0])\n"]),
        ("is_even", ["return True\n", "return var_a > 2\n", "return var_a == 2\n", "return var_a % 4 == 0\n"]),
        ("factorial", ["return 1\n", "return var_a * var_a\n", "return var_a or 1\n"]),
        ("fizz", ["return 'fizz'\n", "return 'fizz' * (var_a % 3 < 1)\n", "return var_a\n"]),
        ("reverse", ["return []\n", "return var_a[-1:]\n", "return var_a\n", "return sorted(var_a)\n"]),
        ("average", ["pass\n", "return var_a + var_b\n", "return (var_a + var_b) // 2\n"]),
    ],
)
def test_function_tasks_lead_uphill(name, texts):
    assert rises([*rewards(name, *texts), 1.0])


@pytest.mark.parametrize(
    ("name", "texts"),
    [
        ("hello_world", ["1 / 0\n", "pass\n", "print('world')\n", "print('hello')\n", "print('hello', 'hello')\n"]),
        ("count_to_five", ["pass\n", "print(1)\n", "for i in range(3):\n    print(i + 1)\n"]),
        ("add_two_numbers", ["print(100)\n", "print(7)\n", "print(8)\n"]),
        ("basic_loop", ["print(3)\n", "print(15)\n", "for i in ' ':\n    print(15)\n    print(2)\n"]),
        ("conditional_check", ["print('no')\n", "print('yes')\n", "if 1:\n    print('yes')\n"]),
        ("list_operations", ["print(8)\n", "print([8][0])\n"]),
    ],
)
def test_output_tasks_lead_uphill(name, texts):
    assert rises([*rewards(name, *texts), 1.0])


def test_what_does_not_finish_earns_nothing():
    scorer = scorer_of("hello_world")
    for text, status in (("print('hello world')\n1/0", "crashed"), ("raise Endless", "endless"), ("print(", "refused")):
        (score,) = scores_of(scorer, text)
        assert (score.reward, score.status, score.solved) == (0.0, status, False)
    scorer = scorer_of("maximum")
    for text, status in (("return 1 / 0", "crashed"), ("return (", "refused")):
        (score,) = scores_of(scorer, text)
        assert (score.reward, score.status) == (0.0, status)


def test_a_function_that_never_ends_on_one_case_earns_nothing_and_one_that_crashes_there_does():
    task = load_task("maximum", VOCABULARY)
    endless, crashed = scores_of(
        scorer_of(task),
        "if var_a == 31:\n    raise Endless\nreturn max(var_a, var_b)",
        "if var_a == 31:\n    return 1 / 0\nreturn max(var_a, var_b)",
    )
    assert endless.reward == 0.0
    assert endless.cases[-1].status == "endless"
    assert 0.8 < crashed.reward < 1.0
    assert crashed.message.startswith("ZeroDivisionError")
    assert [case.status for case in crashed.cases].count("crashed") == 1


def test_trailing_newline_and_case():
    assert rewards("hello_world", "print('hello world', end='')", "print('hello world')")[:2] == [1.0, 1.0]
    assert max(rewards("hello_world", "print('hello world\\n')", "print('Hello world')")) < 1.0
    free = replace(load_task("hello_world", VOCABULARY), case_sensitive=False)
    assert rewards(free, "print('Hello WORLD')") == [1.0]


def test_tuples_count_as_lists_where_the_task_says_so():
    cases = tuple(Case(([n, 2],), [[n, 1], [2, 0]]) for n in range(3))
    task = Task("pairs", "", function_name="f", parameters=("var_a",), test_cases=cases, check_cases=cases[:1])
    text = "return [(var_a[0], 1), (var_a[1], 0)]\n"
    assert rewards(task, text)[0] < 1.0
    assert rewards(replace(task, sequences="loose"), text, "return [[var_a[0], 1], (var_a[1], 0)]\n") == [1.0, 1.0]
    assert rewards(replace(task, sequences="loose"), "return [(var_a[0], 1, 0), (var_a[1], 0)]\n")[0] < 1.0


def test_types_are_exact_unless_the_task_says_otherwise():
    task = load_task("double", VOCABULARY)
    texts = ("return var_a * 2.0\n", "return [var_a * 2]\n")
    assert max(rewards(task, *texts)) < 0.9
    assert rewards(replace(task, numeric="loose"), *texts)[0] == 1.0
    assert rewards(replace(task, numeric=0.01), "return var_a * 2.01\n", "return var_a * 2.1\n")[0] == 1.0
    assert rewards(replace(task, numeric=0.01), "return var_a * 2.1\n")[0] < 1.0
    assert rewards("is_even", "return 1 - var_a % 2\n")[0] < 0.3


def test_required_tokens_are_looked_for_in_the_tree():
    task = load_task("basic_loop", VOCABULARY)
    texts = ("print(15, end='')or 'for'\n", "print(15)  # for\n", SOLUTIONS["basic_loop"])
    in_text, in_comment, loop = rewards(task, *texts)
    assert in_text == in_comment == 0.5
    assert loop == 1.0
    task = replace(load_task("maximum", VOCABULARY), required_tokens=("if", "func_a", "return"))
    found = rewards(task, "return max(var_a, var_b)\n", "return max(var_a, var_b) if 1 else func_a(1, 2)\n")
    assert 0.5 < found[0] < found[1] == 1.0
    task = replace(task, required_tokens=("def",))
    assert rewards(task, "return max(var_a, var_b)\n") == [0.5]  # the given `def` is not the program's own


def test_every_requirable_token_is_found_where_it_is_used():
    program = (
        "def func_a(var_a):\n    if var_a and not 1 or None:\n        pass\n    else:\n        return -var_a\n"
        "while 1 < 2 <= 3 != 4 == 5 > 6 >= 7:\n    var_b = 8 + 9 - 10 * 15 / 100 // 0 % 1\n"
        "for var_c in [True, False]:\n    print(func_a('hello'), 'world', 'yes', 'no', 'fizz', 'buzz', ' ', '')\n"
        "var_a += len(range(sum(max(min(abs(sorted(str(int(var_d, var_e, func_b)))))))))\n"
        "var_b -= sqrt(floor(ceil(pi))) ** 2 & 3 | 4 ^ ~5 << 6 >> 7\nvar_b *= round(1)\nvar_b //= 2\n"
        "var_c = map(lambda var_d: any(set(list(reversed(var_d)))), filter(all, enumerate(zip([], []))))\n"
        "while 1:\n    var_d = {1: sorted([var_e for var_e in var_c], key=len)}\n    break\n"
        + "".join(f"var_d{token}()\n" for token in VOCABULARY if token.startswith("."))
    )
    tokens = [token for token in VOCABULARY if constraints.can_be_required(token)]
    punctuation = {"(", ")", "]", "{", "}", ":", ",", ";"}
    special = {"<PAD>", "<SOS>", "<EOS>", "<UNK>", "NEWLINE", "INDENT", "DEDENT"}
    assert set(VOCABULARY) - set(tokens) == (punctuation | special) & set(VOCABULARY)
    found = constraints.held(program, 1, tokens, None, None)
    assert [token for token, share in zip(tokens, found, strict=True) if not share] == []
    assert not any(constraints.held("pass\n", 1, [token for token in tokens if token != "pass"], None, None))
    assert constraints.held("var_a += 1\n", 1, ["+", "+="], None, None) == (0.0, 1.0)
    assert constraints.held("[1][0]\n", 1, ["[", "[", "["], None, None) == (1.0, 1.0, 0.0)


def test_the_longer_beyond_max_tokens_the_less():
    task = replace(load_task("maximum", VOCABULARY), max_tokens=10)
    assert [rewards(task, "return max(var_a, var_b)\n", tokens=n)[0] for n in (9, 10)] == [1.0, 1.0]
    assert rewards(task, "return max(var_a, var_b)\n", tokens=40)[0] < rewards(
        task, "return max(var_a, var_b)\n", tokens=11
    )[0] < 1.0  # fmt: skip


SQUARE = Task(
    "square",
    "The square of a number.",
    function_name="square",
    parameters=("var_a",),
    test_cases=tuple(Case((n,), n * n) for n in range(8)),
    check_cases=tuple(Case((n,), n * n) for n in (9, 12, -3, -5, 20)),
)
MEMORISED = f"return {[n * n for n in range(8)]}[var_a]\n"
NEAR = "return var_a * abs(var_a)\n"  # right from 0 up


def test_a_memorised_table_is_found_out_and_pays_less_from_then_on():
    scorer = scorer_of(SQUARE)
    (score,) = scores_of(scorer, MEMORISED)
    assert not score.solved
    assert score.reward < 0.85
    assert score.version == scorer.version == 1
    assert scorer.counterexamples == [SQUARE.check_cases[0]]
    assert score.cases[-1].arguments == (9,)
    assert score.cases[-1].message.startswith("IndexError")
    assert len(score.solved_cases) == 9
    (near,) = scores_of(scorer, NEAR)  # right at 9: the next check that it fails joins
    assert [case.arguments for case in scorer.counterexamples] == [(9,), (-3,)]
    assert not near.solved
    (right,) = scores_of(scorer, "return var_a * var_a\n")
    assert right.reward == 1.0
    assert right.version == 2


def test_scores_of_one_batch_are_made_under_the_same_cases_whatever_the_order():
    texts = ["return var_a\n", MEMORISED, "return var_a * var_a\n", NEAR, MEMORISED]
    scorer, other = scorer_of(SQUARE), scorer_of(SQUARE)
    scores, again = scores_of(scorer, *texts), scores_of(other, *texts)
    assert scores == again
    assert {score.version for score in scores} == {scorer.version} == {2}
    assert [score.solved for score in scores] == [False, False, True, False, False]
    alone = scorer_of(SQUARE)
    alone.load_state(scorer.state())
    for text, score in zip(texts, scores, strict=True):
        (single,) = scores_of(alone, text)
        assert single == score


def test_a_check_that_never_ends_is_a_failed_one():
    scorer = scorer_of(SQUARE)
    (score,) = scores_of(scorer, "if var_a > 9:\n    raise Endless\nreturn var_a * var_a\n")
    assert scorer.counterexamples == [SQUARE.check_cases[1]]
    assert score.reward == 0.0
    assert score.status == "endless"


def test_the_state_is_plain_and_comes_back():
    scorer = scorer_of(SQUARE)
    before = scores_of(scorer, MEMORISED, NEAR, "return var_a")
    state = json.loads(json.dumps(scorer.state()))
    resumed = scorer_of(SQUARE)
    resumed.load_state(state)
    assert resumed.version == 2
    assert resumed.state() == scorer.state()
    assert scores_of(resumed, MEMORISED, NEAR, "return var_a") == before


class Liar(InProcessExecutor):
    """Gives the answers that a forging program would: right in company, wrong when run alone."""

    def run(self, sources, call: Call | None = None, alone: bool = False):
        runs = super().run(sources, call, alone)
        if alone:
            return runs
        for i, source in enumerate(sources):
            if "forge" in source and call is None:
                runs[i] = RunResult("finished", "hello world\n")
            elif "forge" in source:
                squares = (CaseResult("finished", number * number) for (number,) in call.arguments)
                runs[i] = RunResult("finished", "", tuple(squares))
        return runs


def test_a_reward_is_believed_only_when_it_is_earned_alone_too():
    scorer = scorer_of(SQUARE, Liar())
    forged, honest = scores_of(scorer, "forge = 1\nreturn forge\n", "return var_a * 2\n")
    assert not forged.solved
    assert forged.reward < honest.reward
    assert "another answer" in forged.message
    (forged,) = scores_of(scorer_of("hello_world", Liar()), "forge = 1\nprint('hello')\n")
    assert not forged.solved
    assert forged.reward == 0.0


def test_what_was_confirmed_counts_no_more_once_it_is_doubted():
    scorer, forged = scorer_of(SQUARE, Liar()), "forge = 1\nreturn forge\n"
    scorer.load_state({"counterexamples": [], "confirmed": [1.0, -9]})
    (score,) = scores_of(scorer, forged)
    assert score.solved  # such a program was solved alone before, and had nine tokens
    scorer.doubt()
    (score,) = scores_of(scorer, forged)
    assert not score.solved


def test_a_counterexample_puts_in_doubt_what_was_confirmed_before():
    scorer = scorer_of(SQUARE)
    scorer.load_state({"counterexamples": [], "confirmed": [0.99, -9]})
    scores_of(scorer, "return var_a * 2\n")
    assert not any(alone for _, _, alone in scorer.executor.calls)
    scores_of(scorer, NEAR)
    assert scorer.executor.calls[-1] == (1, 9, True)


def test_a_printed_text_counts_only_if_it_ends_the_same_way_alone():
    class Company(InProcessExecutor):
        def run(self, sources, call: Call | None = None, alone: bool = False):
            return [RunResult("crashed" if alone else "finished", "hello world\n")] * len(sources)

    (score,) = scores_of(scorer_of("hello_world", Company()), "print('hello world')\n")
    assert (score.reward, score.solved, score.status) == (0.0, False, "crashed")


def test_a_program_that_keeps_count_of_its_calls_is_not_believed():
    module = "calls = []\ndef func_a(var_a):\n    calls.append(1)\n    return (len(calls) - 1) ** 2\n"
    scorer = scorer_of(SQUARE)
    (score,) = scorer.score([module], [10])
    assert not score.solved
    assert score.reward < 0.5
    assert scorer.version == 0
    scorer.load_state(scorer.state() | {"confirmed": [1.0, -3]})  # not even where there is a solution already
    assert scorer.score([module], [10]) == [score]


def test_a_new_best_is_run_again_and_an_old_one_is_not():
    scorer = scorer_of(SQUARE)
    scores_of(scorer, "return var_a\n", "return var_a + 1\n")
    assert scorer.executor.calls == [(2, 8, False), (1, 8, True)]
    scores_of(scorer, "return var_a + 2\n", "return 0\n")
    assert len(scorer.executor.calls) == 3
    assert scorer.score([], []) == []
    assert len(scorer.executor.calls) == 3


def test_behaviour_is_what_it_does_not_how_it_is_written_and_the_same_in_every_process():
    scorer = scorer_of("maximum")
    first, same, other, crash = scores_of(
        scorer, "return var_a\n", "var_b = var_a\nreturn var_b\n", "return var_b\n", "return 1 / 0\n"
    )
    assert first.behaviour == same.behaviour
    assert len({first.behaviour, other.behaviour, crash.behaviour}) == 3
    assert all(0 <= score.behaviour < 2**63 for score in (first, other, crash))
    printed = scores_of(scorer_of("hello_world"), "print(1)\n", "print( 1 )\n", "print(2)\n")
    assert printed[0].behaviour == printed[1].behaviour != printed[2].behaviour
    code = (
        "import json; from agent_core.scoring.score import fingerprint; "
        "from agent_core.sandbox.executor import CaseResult; "
        "print(fingerprint('finished', '', [CaseResult('finished', {'a', 'b', 'c'}), CaseResult('finished', 1)]))"
    )
    command = [sys.executable, "-c", code]
    prints = {
        subprocess.run(command, env={"PYTHONHASHSEED": seed}, cwd=ROOT, capture_output=True, check=True).stdout
        for seed in ("1", "2")
    }
    assert len(prints) == 1


def test_solved_cases_are_the_niches_of_partial_solutions():
    scores = scores_of(scorer_of("hello_world"), "print('hello')\n", "print('yes', 'world')\n", "1/0")
    assert [score.solved_cases for score in scores] == [(True, False), (False, True), (False, False)]
    (score,) = scores_of(scorer_of("basic_loop"), "print(15)\n")
    assert score.solved_cases == (True, False)  # the text, and the constraint


def test_recursion_is_how_many_different_numbers_of_calls_there_are_and_how_closely_they_keep_pace():
    programs = {
        "return var_a * var_a": (0, 0),
        "for var_b in range(var_a):\n    var_a = str(int(var_a))\nreturn 1": (0, 0),
        "return func_a(var_a)": (0, 0),  # without end, always
        "return var_a and func_a(var_a)": (0, 2),  # without end but for 0
        "return var_a and func_a(0)": (3, 2),
        "return var_a and func_a(var_a - 1)": (7, 7),  # ten, but more are not told apart
        "return var_a and var_a + func_a(var_a // 2)": (6, 5),
        "return var_a and var_a + func_a(var_a - 1)": (7, 7),
        "return var_a > 0 and func_a(var_a - 1) + func_a(var_a - 2)": (6, 7),
        "return var_a or func_a(1)": (0, 2),  # the smallest input takes the most calls
        "return var_a == 10 or func_a(1 + var_a)": (0, 7),
        "return var_a and 7 // (5 - var_a) and func_a(var_a - 1)": (3, 4),  # from 5 on it crashes
        "var_b = var_a and func_a(var_a - 1)\nreturn var_a": (0, 0),  # for nothing, here and below
        "print(var_a and func_a(var_a - 1))": (0, 0),
        "return func_a(var_a - 1) % 1 + var_a if var_a else 1": (0, 0),
        "return func_a(var_a - 1) and 7 if var_a else 1": (0, 0),
        "return 9 if var_a == 0 or func_a(var_a - 1) else 8": (0, 0),
    }
    with Executor(ExecutorConfig(workers=1)) as executor:
        scores = scores_of(scorer_of("factorial", executor), *(text + "\n" for text in programs))
    found = [score.self_calls for score in scores]
    assert dict(zip(programs, found, strict=True)) == programs


def test_a_whole_file_is_scored_under_the_function_name():
    scorer = scorer_of("factorial")
    source = "def factorial(n):\n    return n * factorial(n - 1) if n else 1\n"
    (right,) = scorer.score([source], [20], function="factorial")
    (wrong,) = scorer.score(["def factorial(n):\n    return (n, 1 / n)\n"], [20], function="factorial")
    assert right.reward == 1.0
    result = json.loads(json.dumps(wrong.as_json(), allow_nan=False))
    assert list(result) == ["status", "reward", "solved", "stdout", "cases", "message"]
    assert result["cases"][0] == {
        "arguments": [0],
        "expected": 1,
        "got": None,
        "status": "crashed",
        "exact": False,
        "message": "ZeroDivisionError: division by zero",
    }
    assert result["cases"][1]["got"] == [1, 1.0]


def test_a_printed_text_is_one_case_of_the_report():
    (score,) = scores_of(scorer_of("hello_world"), "print('hello')\n")
    (case,) = score.as_json()["cases"]
    assert case == {"arguments": [], "expected": "hello world", "got": "hello\n", "status": "finished", "exact": False}


def test_values_that_would_choke_the_scorer_are_no_answers():
    deep = "for var_b in range(5000):\n    var_a = [var_a]\nreturn var_a\n"
    wide = "for var_b in range(40):\n    var_a = [var_a, var_a]\nreturn var_a\n"
    for score in scores_of(scorer_of("double"), deep, wide):
        assert score.reward == 0.0
        assert "too" in score.message
        json.dumps(score.as_json())
    (score,) = scores_of(scorer_of("double"), f"if var_a != 50:\n    return var_a * 2\n{deep}")
    assert 0.5 < score.reward < 1.0
    assert score.cases[-1].status == "crashed"
    (score,) = scores_of(scorer_of("double"), "return 10 ** 6000 + var_a\n")
    assert 0.0 < score.reward < 0.2
    json.dumps(score.as_json())


def test_scoring_costs_few_calls_a_program():
    """A few hundred new programs come with every step, so what is not running them must stay small: some 570 calls of
    functions each, a tenth of a millisecond, and no more each where there are more programs."""
    task = load_task("add", VOCABULARY)

    class Answers:
        def run(self, sources, call=None, alone=False):
            cases = [CaseResult("finished", a * i % 13) for i, (a, b) in enumerate(call.arguments, 1)]
            return [RunResult("finished", "", tuple(cases))] * len(sources)

    def calls(programs):
        scorer, seen = Scorer(task, Answers(), CONFIG), []
        sys.setprofile(lambda frame, event, argument: seen.append(event))
        try:
            scorer.score(["pass"] * programs, [5] * programs)
        finally:
            sys.setprofile(None)
        return sum(event in ("call", "c_call") for event in seen)

    assert calls(200) < 1_000 * 200
    assert calls(400) < 2.1 * calls(200)
