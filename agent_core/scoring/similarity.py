"""How alike two texts or two lists are, in [0, 1] and in time that a program cannot drive up by printing a lot.

Edit distance is computed with the rows of its table packed into integers (Myers 1999, in Hyyrö's form of 2003), so a
row costs a few operations however long the other side is.
"""

from collections import Counter
from collections.abc import Hashable, Sequence
from math import acos, pi, sqrt
from typing import NamedTuple

LONGEST = 500  # items of either side that are looked at; beyond them only the lengths count


def edit_distance(a: Sequence[Hashable], b: Sequence[Hashable]) -> int:
    """Fewest insertions, deletions and replacements that turn `a` into `b`."""
    if len(a) < len(b):
        a, b = b, a  # the longer one becomes the bits, the shorter one the loop
    if not b:
        return len(a)
    places: dict[Hashable, int] = {}
    for i, item in enumerate(a):
        places[item] = places.get(item, 0) | 1 << i
    everywhere, last = (1 << len(a)) - 1, 1 << (len(a) - 1)
    up, down, distance = everywhere, 0, len(a)  # bit i: the table rises, or falls, from row i to row i + 1
    for item in b:
        here = places.get(item, 0)
        diagonal = (((here & up) + up) ^ up) | here | down
        rise, fall = down | ~(diagonal | up), up & diagonal
        distance += bool(rise & last) - bool(fall & last)
        rise, fall = rise << 1 | 1, fall << 1
        up, down = (fall | ~(diagonal | rise)) & everywhere, rise & diagonal & everywhere
    return distance


def edit_similarity(a: Sequence[Hashable], b: Sequence[Hashable]) -> float:
    """1 where they are the same, 0 where they share nothing."""
    longer = max(len(a), len(b))
    if not longer:
        return 1.0
    cut_a, cut_b = a[:LONGEST], b[:LONGEST]
    unseen = longer - max(len(cut_a), len(cut_b))
    return 1.0 - (edit_distance(cut_a, cut_b) + unseen) / longer


def prefix_similarity(a: Sequence, b: Sequence) -> float:
    """Share of the longer one that both begin with."""
    longer, same = max(len(a), len(b)), 0
    for x, y in zip(a, b, strict=False):
        if x != y:
            break
        same += 1
    return same / longer if longer else 1.0


def bag_similarity(a: Sequence[Hashable], b: Sequence[Hashable]) -> float:
    """Share of the longer one's items that the other has too, wherever they stand."""
    longer = max(len(a), len(b))
    return (Counter(a[:LONGEST]) & Counter(b[:LONGEST])).total() / longer if longer else 1.0


def ranks(values: Sequence[float]) -> list[float]:
    """The rank of each value from 0; equal values share the mean of their ranks."""
    order = sorted(range(len(values)), key=values.__getitem__)
    result = [0.0] * len(values)
    start = 0
    for end in range(1, len(order) + 1):
        if end == len(order) or values[order[end]] != values[order[start]]:
            mean = (start + end - 1) / 2
            for i in order[start:end]:
                result[i] = mean
            start = end
    return result


def centred(values: Sequence[float]) -> list[float] | None:
    """The values less their mean, at length 1; None where all are the same."""
    top = max(map(abs, values), default=0.0)
    if not top:
        return None
    values = [value / top for value in values]  # so that no square is beyond a float
    mean = sum(values) / len(values)
    values = [value - mean for value in values]
    length = sqrt(sum(value * value for value in values))
    return [value / length for value in values] if length > 1e-9 else None


def alignment(a: Sequence[float] | None, b: Sequence[float] | None) -> float:
    """Correlation of two centred series as the angle between them: 1 for 0 degrees, 0 from 90 degrees on.

    The angle tells 0.98 from 0.99, which a correlation as it is hardly does.
    """
    if a is None or b is None:
        return 0.0
    correlation = sum(x * y for x, y in zip(a, b, strict=True))
    return 1.0 - acos(min(1.0, correlation)) * 2 / pi if correlation > 0 else 0.0


class Direction(NamedTuple):
    """A series that others are aligned with."""

    values: list[float] | None  # centred
    ranks: list[float] | None  # centred

    @classmethod
    def of(cls, series: Sequence[float]) -> "Direction":
        return cls(centred(series), centred(ranks(series)))

    def aligned(self, series: Sequence[float | None], by_rank: bool) -> float:
        """Alignment of a series of as many figures, over those that are there and in proportion to their share.
        by_rank: the mean of the alignments by value and by rank, instead of the former."""
        values, by_order, share = self.values, self.ranks, 1.0
        figures = [value for value in series if value is not None]
        if len(figures) < len(series):
            if len(figures) < 2 or values is None:
                return 0.0
            share = len(figures) / len(series)
            left = [right for right, value in zip(values, series, strict=True) if value is not None]
            values, by_order = Direction.of(left)
        value = alignment(values, centred(figures))
        if not by_rank or not value:
            return share * value
        return share * (value + alignment(by_order, centred(ranks(figures)))) / 2
