"""The test and check cases of a task file: what is wrong with each, what is there twice, what no program can answer."""

import json
from typing import Any

from agent_core.tasks.feasibility import Vocabulary, why_not_returned
from agent_core.tasks.fields import names, show
from agent_core.tasks.values import MOST_LEVELS, same

_CASE = ("inputs", "expected")


class CaseLists:
    """Reads the lists of one task, and knows all cases that it has read.

    problems: gets a line for each mistake. notes: gets what is no mistake and yet to be said.
    """

    def __init__(
        self, function_name: object, arity: int, tolerance: float | None, problems: list[str], notes: list[str]
    ):
        """function_name: only to be shown. arity: arguments of each call. tolerance: of answers, see `same`."""
        self._name, self._arity, self._tolerance = function_name, arity, tolerance
        self._problems, self._notes = problems, notes
        self._seen: dict[str, tuple[list, Any, str]] = {}  # by inputs as JSON: inputs, answer and place
        self._again: list[tuple[str, str]] = []  # places of cases that had been there, and where

    def read(self, cases: object, where: str) -> list[tuple[list, Any]]:
        """The inputs and answer of each case, those that are there already left out.

        where: the list's place in the file.
        """
        if type(cases) is not list:
            self._problems.append(f'{where}: must be a list of {{"inputs": [...], "expected": ...}}, not {show(cases)}')
            return []
        found = []
        for number, case in enumerate(cases):
            place = f"{where}[{number}]"
            if type(case) is not dict:
                self._problems.append(f'{place}: must be {{"inputs": [...], "expected": ...}}, not {show(case)}')
            elif not names(case, _CASE, f"{place}.", _CASE, self._problems) and self._is_new(case, place):
                found.append((case["inputs"], case["expected"]))
        return found

    def judge(self, vocabulary: Vocabulary) -> None:
        """What is to be said of all cases together, once they are read."""
        if self._again:
            place, first = self._again[0]
            others = len(self._again) - 1
            more = f" (and so are {others} more)" if others else ""
            self._notes.append(f"{place} is the same case as {first} and was dropped{more}")
        answers = [answer for _, answer, _ in self._seen.values()]
        if answers and all(same(answer, answers[0], self._tolerance) for answer in answers):
            shown = show(answers[0])
            self._notes.append(
                f"every case expects {shown}, so a program that always answers {shown} solves the task: "
                "add a case with another answer"
            )
        reasons: dict[str, list[str]] = {}
        for inputs, answer, place in self._seen.values():
            for reason in why_not_returned(answer, inputs, vocabulary):
                reasons.setdefault(reason, []).append(place)
        for reason, places in reasons.items():
            more = f" ({len(places)} cases need it)" if len(places) > 1 else ""
            self._problems.append(f"{places[0]}.expected: cannot be returned: {reason}{more}")

    def _is_new(self, case: dict, place: str) -> bool:
        inputs, expected = case["inputs"], case["expected"]
        if type(inputs) is not list:
            self._problems.append(f"{place}.inputs: must be a list, one value a parameter, not {show(inputs)}")
            return False
        if len(inputs) != self._arity:
            self._problems.append(
                f"{place}.inputs: {_counted(len(inputs), 'value')} for {_counted(self._arity, 'parameter')}"
            )
        if reason := _why_not_given(inputs):
            self._problems.append(f"{place}.inputs: {reason}")
            return False
        key = json.dumps(inputs, sort_keys=True)
        _, answer, other = self._seen.setdefault(key, (inputs, expected, place))
        if other == place:
            return True
        if same(expected, answer, self._tolerance):
            self._again.append((place, other))
        else:
            call = f"{self._name}({', '.join(map(show, inputs))})"
            self._problems.append(
                f"{place}.expected: contradicts {other}: {call} is {show(answer)} there and {show(expected)} here"
            )
        return False


def _why_not_given(value: object, levels: int = MOST_LEVELS) -> str:
    """Why no program can be given this value, or lists of so many levels; nothing if one can."""
    if not isinstance(value, list | dict):
        return ""
    if not levels:
        return f"nested more than {MOST_LEVELS} levels deep"
    items = value if isinstance(value, list) else [*value.keys(), *value.values()]
    return next(filter(None, (_why_not_given(item, levels - 1) for item in items)), "")


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
