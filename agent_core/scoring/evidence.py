"""How much the cases of a task say for a program that answers all of them.

The answers can be told one by one: one that came before by how often it did, a new one by what it is made of. They can
be told by the program as well, which takes as many bits as its probability under the prior says. So many bits as the
program takes less, it explains (minimum description length, Rissanen 1978). To save k bits by chance has a probability
of at most 2**-k. A program that saves nothing may answer all cases and mean nothing: of thirty answers that are False
but for two, each formula that is mostly false has nearly all.
"""

import math
from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

from agent_core.tasks.task import Task
from agent_core.tasks.values import as_text

ENOUGH = 10.0  # bits that a program must save: by chance one in a thousand does so
_LETTERS = math.log2(95)  # bits of a letter: those of ASCII that can be printed
_DIGIT = math.log2(10)
_CONSTANT = math.log2(3)  # True, False, None


class Evidence(NamedTuple):
    """Bits that the answers of all cases take, told one by one, and bits that the program takes."""

    answers: float
    program: float

    @property
    def enough(self) -> bool:
        """Whether the program explains what it answers."""
        return self.answers - self.program >= ENOUGH


def evidence(task: Task, program_bits: float) -> Evidence | None:
    """None for a task whose one answer is the text to print: the task itself says all of it."""
    if task.kind != "function":
        return None
    cases = [*task.test_cases, *task.check_cases]
    return Evidence(round(bits_of(case.expected for case in cases), 1), round(program_bits, 1))


def bits_of(answers: Iterable[Any]) -> float:
    """Of the answers in this order, each told to somebody who knows those before it.

    After n answers the next one is a new one with probability 1 / (n + 1), and one that came k times with k / (n + 1).
    """
    seen: Counter[str] = Counter()
    bits = 0.0
    for n, answer in enumerate(answers):
        text = as_text(answer)
        bits += math.log2((n + 1) / (seen[text] or 1)) + (0 if seen[text] else _literal(answer))
        seen[text] += 1
    return bits


def _literal(value: Any) -> float:
    """Bits of a value of which nothing is known."""
    if isinstance(value, bool) or value is None:
        return _CONSTANT
    if isinstance(value, int):
        return 1 + _count(abs(value))  # the sign, too
    if isinstance(value, float):
        return 1 + _DIGIT * sum(letter.isdigit() for letter in repr(value))
    if isinstance(value, str):
        return _count(len(value)) + _LETTERS * len(value)
    return _count(len(value)) + sum(map(_literal, value))


def _count(number: int) -> float:
    """Bits of a number from 0 on, of any size: its length in binary, and its digits (Elias 1975)."""
    return 2 * math.log2(number + 1) + 1
