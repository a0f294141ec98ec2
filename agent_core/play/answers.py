"""What a program did, as it is kept: its answers packed as bytes, and the key of its behaviour.

The answers are packed as a JSON list with an entry a case: [answer], or 0 where the program did not finish. Only
answers that JSON gives back as they were are kept, and only small ones.
"""

import hashlib
import json
import math
from collections.abc import Sequence
from typing import Any

from agent_core.sandbox.results import CaseResult
from agent_core.tasks.values import as_text

_LARGEST = 10**15  # of a whole number that is an answer
_LONGEST = 60  # letters and elements of an answer, all levels together
NOTHING = ("no answer",)  # stands for the answer of a case that did not finish; no program can give it


def answers_of(cases: Sequence[CaseResult]) -> list[Any] | None:
    """The answers to the cases, NOTHING where there is none; None where one of them is not to be kept."""
    answers = [case.value if case.status == "finished" else NOTHING for case in cases]
    return answers if all(answer is NOTHING or _room(answer) >= 0 for answer in answers) else None


def is_dull(arguments: Sequence[tuple], answers: Sequence[Any], least: int) -> bool:
    """Whether a behaviour is not worth keeping: fewer than `least` cases finished, all answers are alike, or they are
    all one and the same argument."""
    finished = [(call, answer) for call, answer in zip(arguments, answers, strict=True) if answer is not NOTHING]
    if len(finished) < max(least, 2):
        return True
    first = as_text(finished[0][1])
    if all(as_text(answer) == first for _, answer in finished[1:]):
        return True
    return any(
        all(type(call[place]) is type(answer) and call[place] == answer for call, answer in finished)
        for place in range(len(finished[0][0]))
    )


def key_of(question: str, answers: Sequence[Any]) -> int:
    """The key of a behaviour, below 2**63. question: the name of the signature or of the task's inputs."""
    text = f"{question}\n{as_text(list(answers))}"
    return int.from_bytes(hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=8).digest()) >> 1


def pack(answers: Sequence[Any]) -> bytes:
    return json.dumps([0 if answer is NOTHING else [answer] for answer in answers], separators=(",", ":")).encode()


def unpack(packed: bytes) -> list[Any]:
    return [entry[0] if entry else NOTHING for entry in json.loads(packed)]


def _room(value: Any, room: int = _LONGEST) -> int:
    """What is left of the room after the value; below 0 where it is too large or of a kind that is not kept."""
    kind = type(value)
    if value is None or kind is bool:
        return room - 1
    if kind is int:
        return room - 1 if -_LARGEST < value < _LARGEST else -1
    if kind is float:
        return room - 1 if math.isfinite(value) and abs(value) < _LARGEST else -1
    if kind is str:
        return room - len(value)
    if kind is not list:
        return -1
    room -= 1
    for item in value:
        if room < 0:
            break
        room = _room(item, room)
    return room
