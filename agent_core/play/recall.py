"""Which known programs a task tries as they are: those that were written for arguments and answers of its types.

Nothing is run for this, and nothing that a program did is compared with what the task wants, but the types of values.
The mind says which come first, by how likely it would write them for the task's examples. Where there are too many for
it to look at, those that did something for many questions, and short ones, are chosen.
"""

from collections import defaultdict
from collections.abc import Container, Iterable, Sequence
from itertools import islice
from typing import Any

import numpy
import torch

from agent_core.grammar.legal_tokens import Prompt
from agent_core.learning.language import TokenIds
from agent_core.learning.value_types import types_of
from agent_core.play.answers import NOTHING, unpack
from agent_core.play.mind.features import features_of
from agent_core.play.mind.learner import MindLearner
from agent_core.play.questions import Questions
from agent_core.tasks.task import Task
from memory.repertoire.repertoire import Behaviour, Repertoire

_PER_DOUBLING = 4  # tokens that a program may be longer for each doubling of the questions that it answers
_AT_ONCE = 256  # programs that the mind looks at


def programs_to_recall(
    task: Task, questions: Questions, repertoire: Repertoire, most: int, first: Container[TokenIds] = ()
) -> list[TokenIds]:
    """At most so many, in no order that matters. For a text to print, any that print. first: what is not left out where
    there are more."""
    fits = {questions.printing}
    if task.kind == "function":
        arguments = _columns(case.arguments for case in task.test_cases)
        numbers = range(1, len(questions.names))  # without the programs that print
        fits = {number for number in numbers if _asks_alike(questions, number, task, arguments)}
    known: dict[TokenIds, list[Behaviour]] = defaultdict(list)
    for behaviour in repertoire.behaviours.values():
        if behaviour.question in fits:
            known[behaviour.program].append(behaviour)

    def order(row: TokenIds) -> tuple[bool, int, TokenIds]:
        return row not in first, len(row) - _PER_DOUBLING * len(known[row]).bit_length(), row

    ordered = sorted(known, key=order)
    wanted = types_of(case.expected for case in task.test_cases)  # any, where there are no cases
    answered = (row for row in ordered if any(_answers(behaviour) & wanted for behaviour in known[row]))
    return list(islice(answered, most))


def in_order_of_the_mind(
    rows: Sequence[TokenIds], learner: MindLearner, task: Task, cases: Sequence[tuple[Sequence[Any], Any]]
) -> list[TokenIds]:
    """The programs, the likeliest for the cases first. cases: the task's paid ones, arguments and answers."""
    features = [numpy.array(features_of(arguments, answer), numpy.int16) for arguments, answer in cases]
    context, prompt = learner.contexts([features]), Prompt(*task.start)
    scores: list[float] = []
    for begin in range(0, len(rows), _AT_ONCE):
        lessons = [(row, prompt, ()) for row in rows[begin : begin + _AT_ONCE]]
        with torch.no_grad():
            scores += learner.score(lessons, context.expand(len(lessons), -1)).tolist()
    return [row for _, row in sorted(zip(scores, rows, strict=True), reverse=True)]


def _asks_alike(questions: Questions, number: int, task: Task, types: list[int]) -> bool:
    """Whether programs for the question begin as those for the task do, and its arguments may be of the same types."""
    if questions.parameters_of(number) != tuple(task.parameters):
        return False
    return all(one & other for one, other in zip(_columns(questions[number].inputs(0)), types, strict=True))


def _columns(calls: Iterable[Sequence[Any]]) -> list[int]:
    """The types of each argument."""
    return [types_of(column) for column in zip(*calls, strict=True)]


def _answers(behaviour: Behaviour) -> int:
    return types_of(answer for answer in unpack(behaviour.answers) if answer is not NOTHING)
