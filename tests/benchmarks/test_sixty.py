"""The sixty functions that judge the learner: each a task that is accepted, varied, and not on the ladder."""

import json

import pytest

from agent_core.tasks.task import builtin_tasks, load_task
from tests.benchmarks.sixty import SIXTY, draw_tasks


def test_there_are_sixty_and_none_is_on_the_ladder():
    names = [function.name for function in SIXTY]
    assert len(set(names)) == len(names) == 60
    assert not set(names) & set(builtin_tasks())


@pytest.mark.parametrize("function", SIXTY, ids=lambda function: function.name)
def test_each_is_a_task_whose_cases_are_right_and_varied(function, tokenizer, tmp_path):
    file = tmp_path / f"{function.name}.json"
    file.write_text(json.dumps(function.task()))
    task = load_task(str(file), tokenizer.tokens)
    assert len(task.test_cases) >= 9
    assert len(task.check_cases) >= 20
    for case in (*task.test_cases, *task.check_cases):
        assert function.reference(*case.arguments) == case.expected
    answers = [repr(case.expected) for case in task.test_cases]
    assert max(map(answers.count, answers)) <= 0.6 * len(answers)


def test_twelve_are_drawn_by_a_seed():
    assert [f.name for f in draw_tasks(12, 1)] == [f.name for f in draw_tasks(12, 1)]
    assert [f.name for f in draw_tasks(12, 1)] != [f.name for f in draw_tasks(12, 2)]
    assert len({f.name for f in draw_tasks(12, 1)}) == 12
