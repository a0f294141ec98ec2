"""Judges: from a run to what it is worth, with nothing run. What they say together is tested in test_scorer.py."""

from dataclasses import replace

import pytest

from agent_core.sandbox.executor import CaseResult, RunResult
from agent_core.scoring.judges import judge_of
from agent_core.settings.config import ScorerConfig
from agent_core.tasks.task import Case, Task, builtin_tasks, load_task
from tests.test_scorer import CONFIG, SOLUTIONS, VOCABULARY, scorer_of, scores_of

DOUBLE = Task(
    "double",
    "Twice a number.",
    function_name="double",
    parameters=("var_a",),
    test_cases=tuple(Case((n,), 2 * n) for n in range(4)),
    check_cases=(Case((7,), 14), Case((9,), 18)),
)


def run_of(*values) -> RunResult:
    return RunResult("finished", "", tuple(CaseResult("finished", value) for value in values))


def test_answers_are_judged_case_by_case():
    judge = judge_of(DOUBLE, CONFIG)
    assert judge.judge(run_of(0, 2, 4, 6)).reward == 1.0
    itself = judge.judge(run_of(0, 1, 2, 3))
    assert CONFIG.running < itself.reward < 1.0
    assert itself.solved == itself.exact == (True, False, False, False)
    assert judge.judge(run_of(4, 4, 4, 4)).reward == CONFIG.running
    nothing = judge.judge(RunResult("refused"))
    assert (nothing.reward, nothing.solved) == (0.0, (False,) * 4)


def test_lists_and_texts_have_niches_for_what_they_are_partly_right_in():
    cases = Case(("ab",), "ba"), Case(("abc",), "cba")
    judge = judge_of(replace(DOUBLE, test_cases=cases, check_cases=()), CONFIG)
    assert judge.judge(run_of("a", "xya")).solved == (False, False, False, False, True)  # both end as they should
    assert judge.judge(run_of("bb", "cx")).solved == (False, False, False, True, False)
    assert judge.judge(run_of("xx", "xxa")).solved == (False, False, True, False, False)
    assert judge.judge(run_of("ba", None)).solved == (True, False, False, False, False)
    assert len(judge.judge(RunResult("refused")).solved) == judge.parts(0) == 5
    lists = replace(DOUBLE, test_cases=(Case((1,), [1, 2]), Case((2,), [])), check_cases=())
    assert judge_of(lists, CONFIG).judge(run_of([1], [])).solved == (False, True, False, True, False)
    later = judge_of(lists, CONFIG, [Case((3,), None)])
    assert len(later.judge(run_of([1], 7, None)).solved) == later.parts(1) == 6


def test_a_counterexample_makes_another_judge_and_leaves_the_one_that_is():
    (first, second) = DOUBLE.check_cases
    judge, later = judge_of(DOUBLE, CONFIG), judge_of(DOUBLE, CONFIG, [first])
    assert (judge.version, later.version) == (0, 1)
    assert (judge.unpaid_checks(), later.unpaid_checks()) == ([first, second], [second])
    assert later.paid == (*judge.paid, first)
    fitted = run_of(0, 2, 4, 6, 0)
    assert judge.judge(fitted).reward == 1.0  # the answers to its own paid cases are all that it looks at
    assert later.judge(fitted).reward < 0.9
    assert later.is_right(second, CaseResult("finished", 18))
    assert not later.is_right(second, CaseResult("finished", 18.0))
    assert not later.is_right(second, CaseResult("endless"))


def test_a_text_is_judged_as_one_case_and_has_no_checks():
    judge = judge_of(load_task("hello_world", VOCABULARY), CONFIG)
    assert judge.call(judge.paid, "func_a") is None
    right = judge.judge(RunResult("finished", "hello world\n"))
    assert (right.reward, right.solved, right.exact) == (1.0, (True, True), (True,))
    assert judge.judge(RunResult("crashed", "hello world\n"))[:3] == (0.0, (False, False), (False,))
    assert judge.unpaid_checks() == []
    with pytest.raises(ValueError, match="no check cases"):
        judge.is_right(judge.paid[0], CaseResult("finished"))


@pytest.mark.parametrize("name", builtin_tasks())
def test_the_parts_of_a_score_are_known_before_it_is_made(name):
    task = replace(load_task(name, VOCABULARY), required_tokens=("+", "-"), max_tokens=3)
    for changed in (task, replace(task, max_tokens=None), replace(task, required_tokens=())):
        (score,) = scores_of(scorer_of(changed), SOLUTIONS[name])
        assert judge_of(changed, ScorerConfig()).parts(0) == len(score.solved_cases)
    later = judge_of(DOUBLE, CONFIG, DOUBLE.check_cases)
    assert len(later.score(run_of(0, 2, 4, 6, 14, 18), "", 1, "").solved_cases) == later.parts(2) == 6
