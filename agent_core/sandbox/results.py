"""What comes out of the jail, read as the words of a liar: every length, index, nonce, type and range is checked.

A child that ran hostile programs may have been taken over by one. It can then write what it likes, so a batch counts
only if all of it is in order: the nonce in every frame, every program answered once and in turn, nothing left over.
Values are rebuilt from JSON as exactly None, bool, int, float, str, list, tuple, dict or set.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from agent_core.interpreter.wire_format import (
    AGAIN,
    FINISHED,
    HEADER,
    MAX_COUNTED,
    MAX_MESSAGE,
    MAX_VALUE,
    STATUSES,
    is_writable,
)


@dataclass(frozen=True)
class Call:
    """What to call once the module has run."""

    function: str  # name in the module's globals
    arguments: tuple[tuple, ...]  # one tuple of plain values per case; every case gets fresh copies


@dataclass(frozen=True, slots=True)
class CaseResult:
    """What one call came to."""

    status: str  # finished | crashed | endless
    value: object = None  # a plain value when finished
    message: str = ""  # e.g. "ZeroDivisionError: division by zero"
    calls: int = 0  # of functions that the program itself calls, when finished


@dataclass(frozen=True, slots=True)
class RunResult:
    """What one program came to: the worst of the module and its cases, in the order of STATUSES."""

    status: str  # one of wire_format.STATUSES
    stdout: str = ""
    cases: tuple[CaseResult, ...] = ()  # one per Call.arguments when the module itself finished
    message: str = ""


class Malformed(Exception):
    """These bytes are not what an honest child writes."""


def read_frames(
    data: bytes, nonce: bytes, indexes: Sequence[int], cases: int, max_output: int
) -> list[RunResult | None]:
    """The results of a child that was to run these programs, in order; None for one that must be run alone.

    Raises Malformed for anything else than exactly one well-formed frame for each.
    """
    results: list[RunResult | None] = []
    start = 0
    for index in indexes:
        body = start + HEADER.size
        if body > len(data):
            raise Malformed("a frame is missing")
        found_nonce, found_index, length = HEADER.unpack_from(data, start)
        start = body + length
        if found_nonce != nonce or found_index != index or start > len(data):
            raise Malformed("a frame's header is wrong")
        read = read_result if cases or length > 256 else _read_again
        results.append(read(data[body:start], cases, max_output))
    if start != len(data):
        raise Malformed("there is something after the last frame")
    return results


def read_result(text: bytes, cases: int, max_output: int) -> RunResult | None:
    """One frame's text as a result; None if the child asks for the program to be run alone."""
    try:
        fields = _DECODER.decode(text.decode("ascii"))
    except (ValueError, TypeError, RecursionError, OverflowError, MemoryError) as error:
        raise Malformed(f"a frame's text cannot be read: {error}") from None
    if type(fields) is not list or len(fields) != 4:
        raise Malformed("a frame has other fields")
    status, stdout, message, found = fields
    if type(status) is not int or type(found) is not list:
        raise Malformed("a frame's fields have other types")
    if status == AGAIN:
        return None
    if not FINISHED <= status < AGAIN or not _is_text(stdout, max_output) or not _is_text(message, MAX_MESSAGE):
        raise Malformed("a frame's fields are out of range")
    if status != FINISHED:
        if found:
            raise Malformed("there are cases where the program did not finish")
        return RunResult(STATUSES[status], stdout, (), message)
    if len(found) != cases:
        raise Malformed("the number of cases is wrong")
    if not cases:
        return RunResult("finished", stdout)
    # Halves of surrogate pairs come from escapes alone, and no text is longer than the frame: mostly nobody need look.
    plain = len(text) <= MAX_VALUE and rb"\u" not in text
    results = tuple([_read_case(case, plain) for case in found])
    worst = max({result.status for result in results}, key=STATUSES.index)
    message = next((result.message for result in results if result.status == worst), "")
    return RunResult(worst, stdout, results, message)


# Most programs of a batch print nothing, or fail like others did: the same bytes, so the same (immutable) result.
_read_again = lru_cache(maxsize=8_192)(read_result)


def _read_case(case: Any, plain: bool) -> CaseResult:
    """plain: whether all text in the case is known to be writable."""
    kind = type(case)
    if kind is list and len(case) in (1, 2):
        value, calls = case[0], case[1] if len(case) == 2 else 0
        if type(calls) is not int or not 0 <= calls <= MAX_COUNTED:
            raise Malformed("calls are out of range")
        if type(value) is int:
            return not calls and _FINISHED.get(value) or CaseResult("finished", value, calls=calls)
        if not (plain or _is_plain(value)):
            raise Malformed("a value is too large")
        return CaseResult("finished", value, calls=calls)
    if kind is str and _is_text(case, MAX_MESSAGE):
        return CaseResult("crashed", None, case)
    if kind is int and case == 0:
        return _ENDLESS_CASE
    raise Malformed("a case is none of the three kinds")


def _is_plain(value: Any) -> bool:
    """Whether all text in the value is writable; the rest the decoder has made sure of."""
    if type(value) is str:
        return _is_text(value, MAX_VALUE)
    if type(value) in (list, tuple, set):
        return all(_is_plain(item) for item in value)
    if type(value) is dict:
        return all(_is_plain(key) and _is_plain(item) for key, item in value.items())
    return True


def _is_text(text: object, longest: int) -> bool:
    """Whether it is a text of at most that length that can be written as UTF-8."""
    return type(text) is str and len(text) <= longest and is_writable(text)


def _tagged(pairs: list[tuple[str, object]]) -> object:
    if len(pairs) != 1:
        raise ValueError("an object with other than one key")
    tag, content = pairs[0]
    if tag == "i":
        if type(content) is not str or len(content) > MAX_VALUE:
            raise ValueError("no number")
        return int(content, 16)
    if type(content) is not list:
        raise ValueError("no list")
    if tag == "t":
        return tuple(content)
    if len(content) > MAX_VALUE:
        raise ValueError("too many elements")
    if tag == "s":
        return set(content)
    if tag == "d":
        return {key: value for key, value in content}  # noqa: C416 - dict() would take texts of two letters as pairs
    raise ValueError("an unknown tag")


_DECODER = json.JSONDecoder(object_pairs_hook=_tagged)
_FINISHED = {value: CaseResult("finished", value) for value in range(-100, 1_000)}  # most answers: made once
_ENDLESS_CASE = CaseResult("endless", None, "more steps than allowed")
