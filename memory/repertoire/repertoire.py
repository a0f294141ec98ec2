"""The repertoire: every behaviour that is known, with the shortest program for it. Bounded, and never one-sided.

A behaviour is a question (a signature, or the inputs of a task) and what a program answered. Behaviours stand in places
(see places.py). When there are more than the limit, the least useful one of the fullest place goes: first those whose
answers do not depend on all inputs, of these the longest program, of these the oldest. So rare constructs keep their
places while common ones compete among themselves, as in MAP-Elites (Mouret and Clune 2015).

Places are not alike, though. With the same room for each, what there is most of, short arithmetic, was left with a
hundredth of a full repertoire, and tasks gained nothing from more play. So a place has more room where more was found,
and where programs are shorter.
"""

import heapq
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy

TokenIds = tuple[int, ...]
_KEPT = 2  # stands in a heap behind 0, answers that depend on a part of the inputs, and 1, on all of them
_ROOM = 0.75  # of a place: this power of what was ever found there, weighted by length; 0 would be the same for all


class Behaviour(NamedTuple):
    """What is kept of one behaviour."""

    question: int  # number of the question
    program: TokenIds  # the shortest that is known
    shown: int  # number of the set of inputs that `answers` are to
    answers: bytes  # as the caller has packed them
    whole: bool  # whether the answers depend on all inputs


class Repertoire:
    """Behaviours by key, a whole number below 2**63 that says question and answers."""

    def __init__(
        self,
        limit: int,
        place_of: Callable[[TokenIds], int],
        length_weight: float,
        shortest_of: Callable[[int], int] = lambda place: 0,
    ):
        """length_weight: what each token of a program takes of its chance to be drawn, in (0, 1]. shortest_of: the
        fewest tokens that programs of a place have."""
        self.limit = limit
        self._place_of, self._length_weight, self._shortest_of = place_of, length_weight, shortest_of
        self.behaviours: dict[int, Behaviour] = {}
        self._order: dict[int, int] = {}  # when each came; tells an entry of a heap that no longer holds
        self._came = 0
        self._heaps: dict[int, list[tuple[int, int, int, int]]] = {}  # by place: the least useful first
        self.kept: set[int] = set()  # keys of those that `keep` has taken in
        # By place: how many there are, how many ever came, and what the latter are weighted by for their length.
        self._counts, self._finds = numpy.zeros((2, 0), numpy.int64)
        self._worth = numpy.zeros(0)
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
        return {place: count for place, count in enumerate(self._counts.tolist()) if count}

    @property
    def finds(self) -> dict[int, int]:
        """How many behaviours ever came to each place."""
        return {place: count for place, count in enumerate(self._finds.tolist()) if count}

    def add(self, key: int, found: Behaviour) -> bool:
        """Takes in a behaviour that is new, or whose program is shorter than the known one. Returns whether it did."""
        known = self.behaviours.get(key)
        if known is not None:
            if len(found.program) >= len(known.program):
                return False
            self._remove(key)
        self.behaviours[key] = found
        place = self._place_of(found.program)
        self._make_room(place)
        self._order[key] = self._came
        heap = self._heaps.setdefault(place, [])
        use = _KEPT if key in self.kept else int(found.whole)
        heapq.heappush(heap, (use, -len(found.program), self._came, key))
        self._came += 1
        self._finds[place] += known is None
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

    def keep(self, key: int, found: Behaviour) -> None:
        """The same of one that goes only after all others of its place. key: which is for this method alone."""
        self.kept.add(key)
        self.add(key, found)

    def programs(self, question: int) -> set[TokenIds]:
        """Those of the behaviours of one question."""
        slots = numpy.flatnonzero(self._question[: len(self._keys)] == question)
        return {self.behaviours[self._keys[slot]].program for slot in slots}

    @property
    def clock(self) -> int:
        """What the next behaviour will have as `came`."""
        return self._came

    def came(self, key: int) -> int:
        """When a behaviour came: a number that is larger for every later one."""
        return self._order[key]

    def restore(
        self,
        rows: Sequence[tuple[int, int, Behaviour]],
        finds: Mapping[int, int],
        clock: int,
        kept: Iterable[int] = (),
    ) -> int:
        """Fills an empty repertoire with what another one held: key, when it came, and the behaviour, in the order of
        its keys. finds, clock, kept: as the other one had them; an older version had not counted the first. Returns how
        many of the rows were beyond the limit, and went."""
        self.kept = {key for key, _, _ in rows} & set(kept)
        limit, self.limit = self.limit, max(self.limit, len(rows))
        self._make_columns(self.limit + 1)
        for key, came, behaviour in rows:
            self._came = came
            self.add(key, behaviour)
        self._came = clock
        if finds:  # not what was counted just now: a behaviour may have moved to where it was not found
            self._finds[:] = 0
        for place, count in finds.items():
            self._make_room(place)
            self._finds[place] = count
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

    def _make_room(self, place: int) -> None:
        """Counts for a place that has none yet."""
        new = range(len(self._counts), place + 1)
        if new:
            self._worth = numpy.append(self._worth, [self._length_weight ** self._shortest_of(each) for each in new])
            self._counts, self._finds = (numpy.pad(column, (0, len(new))) for column in (self._counts, self._finds))

    def _fullest(self) -> int:
        """The place that has the most behaviours for its room; none that has less than a quarter of an even share."""
        counts = self._counts
        room = (numpy.maximum(self._finds, counts) * self._worth) ** _ROOM
        fullness = numpy.divide(counts, room, out=numpy.zeros(len(counts)), where=counts > 0)
        fullness[4 * counts * numpy.count_nonzero(counts) < self.limit] = 0.0
        return int(fullness.argmax())  # the first of those that are as full

    def _drop_least_useful(self) -> None:
        place = self._fullest()
        heap = self._heaps[place]
        while True:
            _, _, came, key = heapq.heappop(heap)
            if self._order.get(key) == came:
                self._remove(key)
                self.kept.discard(key)
                self.dropped.append(key)
                return

    def _remove(self, key: int) -> None:
        """Takes a behaviour out; what its heap says of it no longer holds."""
        del self.behaviours[key], self._order[key]
        slot, last = self._slot.pop(key), len(self._keys) - 1
        self._counts[self._place[slot]] -= 1
        moved = self._keys.pop()
        if slot != last:
            self._keys[slot] = moved
            self._slot[moved] = slot
            for column in (self._weight, self._place, self._question):
                column[slot] = column[last]
