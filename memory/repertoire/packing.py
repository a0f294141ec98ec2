"""A repertoire as a few tensors, and back: what a save holds of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

import numpy
import torch

from memory.repertoire.repertoire import Behaviour, Repertoire, TokenIds


@dataclass(frozen=True)
class Loaded:
    """What became of a saved repertoire."""

    known: int  # behaviours that it knows now
    dropped: int  # whose program, or whose question, there is no more
    trimmed: int  # beyond a limit that is lower now


def pack(repertoire: Repertoire) -> dict[str, Any]:
    """In the order of `keys`, which drawing depends on; `came` says in which order they came."""
    found = [repertoire.behaviours[key] for key in repertoire.keys]

    def column(values: Sequence, kind: type) -> torch.Tensor:
        return torch.from_numpy(numpy.array(values, kind))

    answers = b"".join(each.answers for each in found)
    return {
        "keys": column(list(repertoire.keys), numpy.int64),
        "clock": repertoire.clock,
        "came": column([repertoire.came(key) for key in repertoire.keys], numpy.int64),
        "tokens": column([token for each in found for token in each.program], numpy.int16),
        "lengths": column([len(each.program) for each in found], numpy.int32),
        "question": column([each.question for each in found], numpy.int32),
        "shown": column([each.shown for each in found], numpy.int32),
        "whole": column([each.whole for each in found], numpy.bool_),
        "answers": torch.frombuffer(bytearray(answers), dtype=torch.uint8) if answers else torch.zeros(0).byte(),
        "finds": column(list(repertoire.finds.items()), numpy.int64),
        "kept": column(sorted(repertoire.kept), numpy.int64),
        "sizes": column([len(each.answers) for each in found], numpy.int64),
    }


def unpack(
    packed: dict[str, Any],
    repertoire: Repertoire,
    token_of: Callable[[TokenIds], TokenIds | None],
    question_of: Callable[[int], int | None],
    accepts: Callable[[Sequence[tuple[TokenIds, int]]], Sequence[bool]],
) -> Loaded:
    """Fills an empty repertoire. token_of, question_of: a program in the ids of now, a question's number of now; None
    where it is no more. accepts: which programs, each with the number of its question, may still be written."""
    ends = list(accumulate(packed["lengths"].tolist(), initial=0))
    tokens = packed["tokens"].tolist()
    programs = [token_of(tuple(tokens[begin:end])) for begin, end in pairwise(ends)]
    ends = list(accumulate(packed["sizes"].tolist(), initial=0))
    data = packed["answers"].numpy().tobytes()
    answers = [data[begin:end] for begin, end in pairwise(ends)]
    questions = [question_of(number) for number in packed["question"].tolist()]
    columns = zip(packed["shown"].tolist(), packed["whole"].tolist(), strict=True)
    rows = [
        (key, came, Behaviour(question, program, shown, answer, whole))
        for key, came, program, question, answer, (shown, whole) in zip(
            packed["keys"].tolist(), packed["came"].tolist(), programs, questions, answers, columns, strict=True
        )
        if program is not None and question is not None
    ]
    legal = accepts([(found.program, found.question) for _, _, found in rows])
    usable = [row for row, allowed in zip(rows, legal, strict=True) if allowed]
    # An older version saved none of these, or had other places.
    finds = dict(packed["finds"].tolist() if "finds" in packed else [])
    clock = packed.get("clock", 1 + max(packed["came"].tolist(), default=-1))
    kept = packed["kept"].tolist() if "kept" in packed else []
    trimmed = repertoire.restore(usable, finds, clock, kept)
    return Loaded(len(repertoire), len(packed["keys"]) - len(usable), trimmed)
