"""The repertoire: every behaviour that is known, with the shortest program for it. Bounded, and never one-sided.

A behaviour is a question (a signature, or the inputs of a task) and what a program answered. Behaviours stand in places
(see places.py). When there are more than the limit, the least useful one of the fullest place goes: first those whose
answers do not depend on all inputs, of these the longest program, of these the oldest. So rare constructs keep their
places while common ones compete among themselves, as in MAP-Elites (Mouret and Clune 2015).
"""

import heapq
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy

TokenIds = tuple[int, ...]


class Behaviour(NamedTuple):
    """What is kept of one behaviour."""

    question: int  # number of the question
    program: TokenIds  # the shortest that is known
    shown: int  # number of the set of inputs that `answers` are to
    answers: bytes  # as the caller has packed them
    whole: bool  # whether the answers depend on all inputs


class Repertoire:
    """Behaviours by key, a whole number below 2**63 that says question and answers."""

    def __init__(self, limit: int, place_of: Callable[[TokenIds], int], length_weight: float):
        """length_weight: what each token of a program takes of its chance to be drawn, in (0, 1]."""
        self.limit = limit
        self._place_of, self._length_weight = place_of, length_weight
        self.behaviours: dict[int, Behaviour] = {}
        self._order: dict[int, int] = {}  # when each came; tells an entry of a heap that no longer holds
        self._came = 0
        self._heaps: dict[int, list[tuple[bool, int, int, int]]] = {}  # by place: the least useful first
        self._counts: Counter[int] = Counter()  # by place
        self._keys: list[int] = []
        self._slot: dict[int, int] = {}
        self._make_columns(limit + 1)
        self.dropped: list[int] = []  # keys that have gone since the caller last emptied it

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, key: int) -> bool:
        return key in self.behaviours

    def get(self, key: int) -> Behaviour | None:
        return self.behaviours.get(key)

    @property
    def keys(self) -> Sequence[int]:
        return self._keys

    @property
    def places(self) -> dict[int, int]:
        """How many behaviours are in each place."""
        return {place: count for place, count in sorted(self._counts.items()) if count}

    def add(self, key: int, found: Behaviour) -> bool:
        """Keeps a behaviour that is new, or whose program is shorter than the known one. Returns whether it did."""
        known = self.behaviours.get(key)
        if known is not None:
            if len(found.program) >= len(known.program):
                return False
            self._remove(key)
        self.behaviours[key] = found
        place = self._place_of(found.program)
        self._order[key] = self._came
        heap = self._heaps.setdefault(place, [])
        heapq.heappush(heap, (found.whole, -len(found.program), self._came, key))
        self._came += 1
        self._counts[place] += 1
        if len(heap) > 2 * self._counts[place] + 100:  # many of its entries no longer hold
            heap[:] = [entry for entry in heap if self._order.get(entry[3]) == entry[2]]
            heapq.heapify(heap)
        slot = len(self._keys)
        self._keys.append(key)
        self._slot[key] = slot
        self._weight[slot] = self._length_weight ** len(found.program) * (2.0 if found.whole else 1.0)
        self._place[slot], self._question[slot] = place, found.question
        while len(self._keys) > self.limit:
            self._drop_least_useful()
        return key in self.behaviours

    def programs(self, question: int) -> set[TokenIds]:
        """Those of the behaviours of one question."""
        slots = numpy.flatnonzero(self._question[: len(self._keys)] == question)
        return {self.behaviours[self._keys[slot]].program for slot in slots}

    def came(self, key: int) -> int:
        """When a behaviour came: a number that is larger for every later one."""
        return self._order[key]

    def restore(self, rows: Sequence[tuple[int, int, Behaviour]]) -> int:
        """Fills an empty repertoire with what another one held: key, when it came, and the behaviour, in the order of
        its keys. Returns how many of these were beyond the limit, and went."""
        limit, self.limit = self.limit, max(self.limit, len(rows))
        self._make_columns(self.limit + 1)
        for key, came, behaviour in rows:
            self._came = came
            self.add(key, behaviour)
        self._came = 1 + max((came for _, came, _ in rows), default=-1)
        self.limit = limit
        while len(self._keys) > self.limit:
            self._drop_least_useful()
        trimmed = len(self.dropped)
        self.dropped.clear()
        return trimmed

    def _make_columns(self, size: int) -> None:
        """Of each behaviour, in the order of `_keys`, what drawing needs."""
        self._weight, self._place = numpy.zeros(size), numpy.zeros(size, numpy.int32)
        self._question = numpy.zeros(size, numpy.int32)

    def chances(self, question: int | None = None, even: float = 0.5) -> numpy.ndarray:
        """(N,) what each behaviour, in the order of `keys`, is drawn in proportion to: a share of `even` with all
        places alike, the rest by the length of its program alone. question: only those of this question."""
        count = len(self._keys)
        weight = self._weight[:count]
        if question is not None:
            weight = weight * (self._question[:count] == question)
        place = self._place[:count]
        of_place = numpy.bincount(place, weights=weight)
        total, filled = of_place.sum(), (of_place > 0).sum()
        if not total:
            return weight
        shared = weight / numpy.where(of_place > 0, of_place, 1.0)[place] / filled
        return (1 - even) * weight / total + even * shared

    def _drop_least_useful(self) -> None:
        place = max(self._counts, key=lambda place: (self._counts[place], -place))
        heap = self._heaps[place]
        while True:
            _, _, came, key = heapq.heappop(heap)
            if self._order.get(key) == came:
                self._remove(key)
                self.dropped.append(key)
                return

    def _remove(self, key: int) -> None:
        """Takes a behaviour out; what its heap says of it no longer holds."""
        del self.behaviours[key], self._order[key]
        slot, last = self._slot.pop(key), len(self._keys) - 1
        self._counts[int(self._place[slot])] -= 1
        moved = self._keys.pop()
        if slot != last:
            self._keys[slot] = moved
            self._slot[moved] = slot
            for column in (self._weight, self._place, self._question):
                column[slot] = column[last]
