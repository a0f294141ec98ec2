"""Examples as numbers: what a value looks like and how an answer compares with the arguments, hashed into buckets.

The features are generic. They say what anybody could see who does not know Python: the type, the tokens at each place
counted from the start and from the end, lengths, digits and sign, and which of two values is the greater. None of them
says what an operation would make of the arguments: what leads from these to a program is for the network to learn.

    features_of([3, 4], 7) -> about 60 numbers below BUCKETS, the same on every machine

Every value of a task file is allowed, nested as deep as it likes: what is below the second level counts by its length
and its ends only. A text that a program printed is an answer without arguments.
"""

import zlib
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from agent_core.play.mind.relations import order, relations

BUCKETS = 8_192  # of the hash, 0 being left to "nothing"
MOST_FEATURES = 160  # of one case
_FROM_START, _FROM_END = 6, 4  # places of a sequence that are looked at
_WORDS = 8  # of a text, by place
_HUGE = 2**1_000  # from here on a number is only that; a name, because Python would compute it anew each time
_COMPARED = 3  # arguments that are compared with one another, too


def features_of(arguments: Sequence[Any], answer: Any) -> list[int]:
    """The features of one case, buckets from 1 up to BUCKETS, at least one and at most MOST_FEATURES."""
    return [*features_of_answer(arguments, answer), *features_of_arguments(arguments)][:MOST_FEATURES]


def features_of_answer(arguments: Sequence[Any], answer: Any) -> list[int]:
    """The first of a case's features, which hang on the answer; at least one."""
    found = [f"arguments {len(arguments)}"]
    _describe("y", answer, found)
    numbers = [(place, argument) for place, argument in enumerate(arguments) if _is_number(argument)]
    for place, argument in enumerate(arguments):
        _compare(f"y{place}", answer, argument, found)
        if _are_sequences(answer, argument):
            found += (f"y{place} {word}" for word in relations(answer, argument, numbers))
    return list(map(_bucket, found))


def features_of_arguments(arguments: Sequence[Any]) -> list[int]:
    """The rest of them, which are the same whatever the answer is."""
    found: list[str] = []
    for place, argument in enumerate(arguments):
        _describe(f"x{place}", argument, found)
    for place in range(min(len(arguments), _COMPARED) - 1):
        _compare(f"x{place}{place + 1}", arguments[place], arguments[place + 1], found)
    return list(map(_bucket, found))


@lru_cache(maxsize=1 << 17)
def _bucket(feature: str) -> int:
    """CRC-32 is the same in every process, which Python's own hash of a text is not."""
    return 1 + zlib.crc32(feature.encode(errors="surrogatepass")) % (BUCKETS - 1)


def _describe(role: str, value: Any, found: list[str]) -> None:
    """Adds what there is to say of one value. role: which one it is."""
    kind = type(value)
    found.append(f"{role} {kind.__name__}")
    if kind is bool or value is None:
        found.append(f"{role} is {value}")
    elif kind is int or kind is float:
        _describe_number(role, value, found)
    elif kind is str or kind is list or kind is tuple:
        _describe_sequence(role, value, found)
    elif kind is dict:
        _describe_sequence(f"{role} keys", list(value), found)
        _describe_sequence(f"{role} values", list(value.values()), found)


def _describe_number(role: str, value: int | float, found: list[str]) -> None:
    found.append(f"{role} sign {order(value, 0)}")
    found.append(f"{role} size {_size(value)}")
    digits = f"{abs(value)}" if -(10**18) < value < 10**18 else "many"
    whole, _, rest = digits.partition(".")
    if len(whole) <= 2 and not rest:
        found.append(f"{role} is {value}")
    found.append(f"{role} digits {min(len(whole), 20)} {min(len(rest), 6)}")
    found += (f"{role} digit {place} {digit}" for place, digit in enumerate(whole[:_FROM_START]))
    found += (f"{role} digit -{place} {digit}" for place, digit in enumerate(whole[: -_FROM_END - 1 : -1], start=1))
    found += (f"{role} decimal {place} {digit}" for place, digit in enumerate(rest[:2]))


def _describe_sequence(role: str, value: Sequence[Any], found: list[str]) -> None:
    length = len(value)
    found.append(f"{role} length {_bounded(length)}")
    found += (f"{role} at {place} {_token(value[place])}" for place in range(min(length, _FROM_START)))
    found += (f"{role} at -{place} {_token(value[-place])}" for place in range(1, min(length, _FROM_END) + 1))
    if type(value) is str:
        words = value.split()
        if len(words) > 1:
            found.append(f"{role} words {_bounded(len(words))}")
            found += (f"{role} word {place} {word}" for place, word in enumerate(words[:_WORDS]))
    elif length:
        found.append(f"{role} of {' '.join(sorted({type(item).__name__ for item in value[:32]}))}")


def _compare(role: str, value: Any, other: Any, found: list[str]) -> None:
    """Adds how a value compares with another one."""
    if type(value) is type(other) and value == other:
        found.append(f"{role} equal")
    if _is_number(value) and _is_number(other):
        found.append(f"{role} order {order(value, other)}")
        if _is_moderate(value) and _is_moderate(other):
            found.append(f"{role} difference {_size(value - other)}")
        return
    if _are_sequences(value, other):
        _compare_sequences(role, value, other, found)
        return
    for sequence, item, way in ((other, value, "in"), (value, other, "has")):
        if _is_list(sequence):
            _find(f"{role} {way}", sequence, item, found)


def _compare_sequences(role: str, value: Sequence[Any], other: Sequence[Any], found: list[str]) -> None:
    lengths = len(value) - len(other)
    found.append(f"{role} longer {max(-4, min(lengths, 4))}")
    shared = min(len(value), len(other))
    found += (f"{role} same {place} {value[place] == other[place]}" for place in range(min(shared, _FROM_START)))
    found += (
        f"{role} same -{place} {value[-place] == other[-place]}" for place in range(1, min(shared, _FROM_END) + 1)
    )
    found += (f"{role} turned {place} {value[place] == other[-1 - place]}" for place in range(min(shared, _FROM_END)))
    if shared and lengths:
        longer, shorter = (value, other) if lengths > 0 else (other, value)
        found.append(f"{role} begins {longer[:shared] == shorter}")
        found.append(f"{role} ends {longer[-shared:] == shorter}")
    if type(value) is str and type(other) is str:
        found.append(f"{role} within {value in other} {other in value}")


def _find(role: str, sequence: Sequence[Any], item: Any, found: list[str]) -> None:
    """Adds where an item is in a list, and how it compares with the numbers at its ends."""
    found.append(f"{role} {item in sequence}")
    for place in (*range(min(len(sequence), 3)), *range(-1, -min(len(sequence), 3) - 1, -1)):
        element = sequence[place]
        if type(element) is type(item) and element == item:
            found.append(f"{role} at {place}")
        if _is_number(element) and _is_number(item):
            found.append(f"{role} order {place} {order(item, element)}")


def _token(value: Any) -> str:
    """An element in a word or two."""
    kind = type(value)
    if kind is str:
        return f"'{value[:8]}"
    if kind is int or kind is float:
        return f"{value}" if -1_000 < value < 1_000 else f"size {_size(value)}"
    if kind is list or kind is tuple or kind is dict:
        ends = f"{_short(value[0])} {_short(value[-1])}" if value and kind is not dict else ""
        return f"{kind.__name__} {_bounded(len(value))} {ends}"
    return f"{value}"


def _short(value: Any) -> str:
    return (
        f"{value}"[:8]
        if type(value) in (str, bool, float) or type(value) is int and abs(value) < 10**9
        else type(value).__name__
    )


def _is_number(value: Any) -> bool:
    return type(value) in (int, float)


def _are_sequences(one: Any, other: Any) -> bool:
    """Whether both are texts, or both are lists."""
    return type(one) is str and type(other) is str or _is_list(one) and _is_list(other)


def _is_list(value: Any) -> bool:
    return type(value) in (list, tuple)


def _is_moderate(value: int | float) -> bool:
    """Whether it can be taken from any other such number: an integer that is no float cannot be taken from one."""
    return -_HUGE < value < _HUGE


def _size(value: int | float) -> str:
    """A small number itself, a larger one by its magnitude, 3 steps to a doubling below a thousand, then 1."""
    if -10 <= value <= 10:
        return f"{value:.3g}"
    sign = "-" if value < 0 else ""
    magnitude = abs(value)
    if magnitude >= _HUGE:
        return f"{sign}huge"
    whole = int(magnitude)
    bits = whole.bit_length()
    fine = (whole >> max(bits - 3, 0)) if bits <= 10 else 0
    return f"{sign}2^{bits} {fine}"


def _bounded(length: int) -> int:
    """A length: itself up to 12, beyond that in doublings."""
    return length if length <= 12 else 10 + length.bit_length()
