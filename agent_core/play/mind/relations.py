"""How the elements of one sequence stand to those of another: which are there, which are not, what became of each.

As the other features, they say what anybody could see who does not know Python: that an answer has some of a list's
elements in their order, and how those that it has look beside those that it lacks; or that it has as many, and how each
looks beside its own.
"""

from collections.abc import Iterator, Sequence
from typing import Any

MOST_ELEMENTS = 24  # of a sequence that are looked at
_LONGEST_TEXT = 6  # letters of a text that are told
_SIGNS = ("0", "+", "-")  # by how a number compares with 0: 0, 1, -1


def relations(value: Sequence[Any], other: Sequence[Any], numbers: Sequence[tuple[int, Any]]) -> Iterator[str]:
    """Words on an answer and one of the arguments, both lists or both texts. numbers: those of the arguments that are
    numbers, each with its place.

    relations([4], [4, -1], []) -> "some", "kept +", "kept ends in 4", "lost -", "lost ends in 1"
    """
    value, other = value[:MOST_ELEMENTS], other[:MOST_ELEMENTS]
    if not other:
        return
    places = _places(value, other)
    if places is not None and len(value) < len(other):
        yield "some"
        kept = set(places)
        for way, chosen in (("kept", True), ("lost", False)):
            elements = [element for place, element in enumerate(other) if (place in kept) is chosen]
            yield from (f"{way} {word}" for word in _words_on_all(elements, numbers))
    elif len(value) == len(other):
        pairs = list(zip(value, other, strict=True))
        words = dict.fromkeys(word for pair in pairs for word in _words_on_pair(*pair))
        yield from (f"each {word}" for word in words)
        if _is_permutation(value, other):
            yield "order alone"
    elif places is None and all(element in other for element in value):
        yield "from there"


def _places(value: Sequence[Any], other: Sequence[Any]) -> list[int] | None:
    """Where in the other sequence its elements are, in their order; None where they are not all there in this order."""
    places, place = [], 0
    for element in value:
        while place < len(other) and not _same(other[place], element):
            place += 1
        if place == len(other):
            return None
        places.append(place)
        place += 1
    return places


def _same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and bool(one == other)


def _is_permutation(value: Sequence[Any], other: Sequence[Any]) -> bool:
    rest = list(other)
    for element in value:
        if element not in rest:
            return False
        rest.remove(element)
    return True


def _words_on_all(elements: Sequence[Any], numbers: Sequence[tuple[int, Any]]) -> Iterator[str]:
    """What there is to say of any of these elements, each once."""
    yield from dict.fromkeys(word for element in elements for word in _words_on(element, numbers))


def _words_on(element: Any, numbers: Sequence[tuple[int, Any]]) -> Iterator[str]:
    kind = type(element)
    if kind is bool or element is None:
        yield f"{element}"
    elif kind is int or kind is float:
        yield _SIGNS[order(element, 0)]
        if kind is int and -(10**18) < element < 10**18:
            yield f"ends in {abs(element) % 10}"
        yield from (f"than {place} {order(element, number)}" for place, number in numbers)
    else:
        yield f"of {min(len(element), 12)}"
        yield from (f"length than {place} {order(len(element), number)}" for place, number in numbers)
        if kind is str:
            yield f"is {element[:_LONGEST_TEXT]}"


def _words_on_pair(one: Any, other: Any) -> Iterator[str]:
    """How an element of the answer stands to the one in its place."""
    if _same(one, other):
        yield "equal"
    kinds = type(one), type(other)
    if all(kind in (int, float) for kind in kinds):
        yield f"order {order(one, other)}"
        if all(abs(number) < 10**15 for number in (one, other)):
            yield f"more {one - other:.4g}"
    elif all(kind in (str, list, tuple) for kind in kinds):
        yield f"longer {max(-6, min(len(one) - len(other), 6))}"
        if one and other:
            yield f"first {_same(one[0], other[0])} last {_same(one[-1], other[-1])}"
            yield f"turned {_same(one[0], other[-1])} {_same(one[-1], other[0])}"
    elif kinds[1] in (str, list, tuple):
        found = [way for way, place in (("first", 0), ("second", 1), ("last", -1)) if _at(other, place, one)]
        yield from (f"is {way}" for way in found)
        yield f"is {min(len(other), 12)} {one}" if kinds[0] is int and 0 <= one <= 12 else f"of {kinds[0].__name__}"
    else:
        yield f"{kinds[0].__name__} of {kinds[1].__name__}"


def _at(sequence: Sequence[Any], place: int, element: Any) -> bool:
    return -len(sequence) <= place < len(sequence) and _same(sequence[place], element)


def order(one: float, other: float) -> int:
    """1 where the first is the greater, -1 where it is the smaller, 0 where they are alike."""
    return (one > other) - (one < other)
