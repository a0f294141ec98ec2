"""What a jailed child writes: one frame a program, each a nonce, an index, a length and a JSON text.

    header   8 bytes nonce, 4 bytes index, 4 bytes length, little endian
    text     [status, stdout, message, cases]; a case is [value] or [value, calls] if it finished, a message if it
             crashed, 0 if endless; calls are those of functions that the program itself calls, if there were any

Values are plain JSON where JSON has them; the rest is an object with one key: {"t": [...]} a tuple, {"s": [...]} a
set, {"d": [[key, value], ...]} a dict, {"i": "ff"} an integer too long for decimal digits. Nothing here trusts the
program: exact types only, and no more than the caps below. The other end is agent_core/sandbox/results.py.
"""

from __future__ import annotations

import struct
from _json import encode_basestring_ascii as quoted  # the C half of json; json itself would make every fork dearer

from agent_core.interpreter.cpython_facts import DECIMAL_BITS
from agent_core.interpreter.metered_types import Set

TYPE_CHECKING = False  # that of typing would make every fork dearer
if TYPE_CHECKING:
    from typing import Any

STATUSES = ("finished", "crashed", "endless", "refused")  # of a program, from best to worst; a frame has the place
FINISHED, CRASHED, ENDLESS, REFUSED = range(len(STATUSES))
AGAIN = len(STATUSES)  # no status: the program ran out of memory beside others and must be run alone
# How a child ended, as its worker saw it. NO_ROOM: it never was; the error's number stands for the exit status.
DONE, DIED, TIMED_OUT, TOO_MUCH, NOT_JAILED, NO_ROOM = range(6)

HEADER = struct.Struct("<8sII")
CHILD = struct.Struct("<BiI")  # outcome, exit status, bytes of frames
LENGTH = struct.Struct("<I")
NONCE_BYTES = 8

MAX_VALUE = 16_384  # letters of one encoded value
MAX_DEPTH = 50  # containers inside each other in a value
MAX_MESSAGE = 200
TOO_DEEP = "RecursionError: maximum recursion depth exceeded"  # the message of calls without end
MAX_COUNTED = 10**9  # the most that max_steps can be


def is_writable(text: str) -> bool:
    """Whether the text can be written as UTF-8: it has no half of a surrogate pair."""
    return text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text)


class NotPlain(Exception):
    """The value is none that may cross; the text is the message of the case."""


def encoded(value: object) -> str:
    """The value as text; raises NotPlain for other types, deep nesting or too much of it."""
    text = _encode(value, [MAX_VALUE], MAX_DEPTH)
    if len(text) > MAX_VALUE:
        raise NotPlain("ValueError: the answer is too large")
    return text


def _encode(value: Any, room: list[int], depth: int) -> str:
    kind = type(value)
    room[0] -= 1
    if room[0] < 0:
        raise NotPlain("ValueError: the answer is too large")
    if kind is int:
        if -(1 << 64) < value < 1 << 64:
            return repr(value)
        bits = value.bit_length()
        if bits > 4 * MAX_VALUE:
            raise NotPlain("ValueError: the answer is too large")
        room[0] -= bits // 4
        return repr(value) if bits < DECIMAL_BITS else f'{{"i":"{value:x}"}}'
    if value is None:
        return "null"
    if kind is bool:
        return "true" if value else "false"
    if kind is str:
        room[0] -= len(value)
        if room[0] < 0:
            raise NotPlain("ValueError: the answer is too large")
        return quoted(value)
    if kind is float:
        text = repr(value)
        return _UNUSUAL.get(text, text)
    if depth == 0:
        raise NotPlain("ValueError: the answer is nested too deep")
    if kind is list:
        return "[" + ",".join([_encode(item, room, depth - 1) for item in value]) + "]"
    if kind is tuple:
        return f'{{"t":{_encode(list(value), room, depth - 1)}}}'
    if kind is Set:
        return f'{{"s":[{",".join(_encode_elements(value, room, depth - 1))}]}}'
    if kind is dict:
        return f'{{"d":{_encode([list(pair) for pair in value.items()], room, depth - 1)}}}'
    raise NotPlain(f"TypeError: the answer is a {kind.__name__}, not a plain value")


def _encode_elements(value: Set, room: list[int], depth: int) -> list[str]:
    """In the order of their texts, and with one message for all problems, so that nothing tells the order of hashes."""
    try:
        return sorted([_encode(item, room, depth) for item in value.parts()])
    except NotPlain:
        raise NotPlain("ValueError: the answer has a set that is too large or has other than plain values") from None


_UNUSUAL = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
