"""The best programs so far: the priority queue of Abolafia et al. 2018, kept in niches.

Programs that get the same cases right compete with one another only, by reward and then by length, so that near-copies
of one local optimum cannot fill the queue.

Programs that call themselves more often for some inputs than for others have niches of their own, and some places
among the elites; those without a place compete like all others. They are rare finds that pay nothing at first, and
what comes of them pays late (the idea of MAP-Elites, Mouret and Clune 2015: keep the best of each kind). Their kinds
are how many different numbers of calls they take, and how closely these keep pace with the answers or an argument; all
degrees of that have places, since the right way need not be the closest. Each of their niches keeps its shortest
program, too: more can be made of it than of one that was stretched until it fitted.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import chain, zip_longest
from operator import itemgetter

from memory.archive.attempt import GROWING, Evaluation, Niche, TokenIds

Entry = tuple[float, int, TokenIds]  # -reward, length and the program: the best comes first
_BY_LENGTH = itemgetter(1, 0, 2)


class Elites:
    """Programs to learn from again, in niches."""

    def __init__(self, count: int, per_niche: int, recursive: int = 0):
        """count: elites in all; per_niche: of each niche at most; recursive: of all, at most so many that call
        themselves, 0 = they are like all others."""
        self._count = count
        self._per_niche = per_niche
        self._recursive = recursive
        self.niches: dict[Niche, list[Entry]] = {}  # best first

    def rises(self, row: TokenIds, attempt: Evaluation) -> bool:
        """Whether the program is good enough for its niche, and not there yet."""
        if attempt.reward <= 0 or not self._count:
            return False
        niche, entry = self._niche(attempt), (-attempt.reward, len(row), row)
        held = self.niches.get(niche, [])
        return entry not in held and entry in self._fittest(niche, [*held, entry])

    def take(self, row: TokenIds, attempt: Evaluation) -> None:
        """Makes the program one of its niche, if it is good enough."""
        if self.rises(row, attempt):
            niche = self._niche(attempt)
            entries = [*self.niches.get(niche, ()), (-attempt.reward, len(row), row)]
            self.niches[niche] = self._fittest(niche, entries)

    def rows(self, places: bool) -> list[TokenIds]:
        """The best programs of all niches, best first. places: whether some are kept for those that call themselves;
        those that have none are like all others, and compete with all that solve the same cases."""
        placed = self._recursive_ones() if places else []
        others = self._alike(placed)
        # Never more than there are others: after a restart they would be all that there is to learn from.
        placed = placed[: min(self._count // 2, max(1, len(others)))]
        return [row for _, _, row in sorted(placed + others[: self._count - len(placed)])]

    def all_rows(self) -> list[TokenIds]:
        """Those of all niches, for which there may be no place among the elites."""
        return [row for entries in self.niches.values() for _, _, row in entries]

    def restart(self) -> None:
        """Forgets all but those that call themselves and have a place."""
        kept = set(self._recursive_ones())
        entries = {niche: [entry for entry in entries if entry in kept] for niche, entries in self.niches.items()}
        self.niches = {niche: left for niche, left in entries.items() if left}

    def clear(self) -> None:
        self.niches.clear()

    def _niche(self, attempt: Evaluation) -> Niche:
        return attempt.niche if self._recursive else (0, *attempt.niche[1:])

    def _fittest(self, niche: Niche, entries: Sequence[Entry]) -> list[Entry]:
        """What a niche keeps of these."""
        best = sorted(entries)[: self._per_niche]
        if not niche[0]:
            return best
        shortest = min(entries, key=_BY_LENGTH)
        return best if shortest in best else sorted([*best, shortest])

    def _alike(self, placed: Sequence[Entry]) -> list[Entry]:
        """All but those that have a place: of each set of solved cases the best, best first."""
        alike, kept = defaultdict(list), set(placed)
        for niche, entries in self.niches.items():
            alike[niche[1:]] += (entry for entry in entries if entry not in kept)
        return sorted(chain.from_iterable(sorted(entries)[: self._per_niche] for entries in alike.values()))

    def _recursive_ones(self) -> list[Entry]:
        """Those that call themselves and have a place: one of each degree of closeness in turn, from the closest down,
        and of one degree those with the most different numbers of calls first."""
        kinds: dict[int, list[Entry]] = {}
        for niche, entries in self.niches.items():
            if niche[0]:
                kinds.setdefault(niche[0], []).extend(entries)
        degrees: dict[int, list[list[Entry]]] = {}
        for recursion in sorted(kinds, reverse=True):
            degrees.setdefault(recursion // GROWING, []).append(kinds[recursion])
        turns = chain.from_iterable(zip_longest(*map(_by_turns, degrees.values())))
        return [entry for entry in turns if entry][: self._recursive]


def _by_turns(kinds: Iterable[list[Entry]]) -> list[Entry]:
    """Of each kind in this order the best and the shortest by turns."""
    pairs = (zip(sorted(entries), sorted(entries, key=_BY_LENGTH), strict=True) for entries in kinds)
    return list(dict.fromkeys(chain.from_iterable(chain.from_iterable(pairs))))
