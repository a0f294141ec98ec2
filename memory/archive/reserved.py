"""Which recursions get the places that are reserved for them among the elites.

They are rare finds that pay nothing at first, and what comes of them pays late. All degrees of closeness to the answers
are served in turn, since the right way need not be the closest; of one degree, the most different numbers of calls come
first; of one kind, its best program and its shortest by turns: more can be made of the shortest than of one that was
stretched until it fitted.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, zip_longest
from operator import itemgetter

from memory.archive.evaluation import Niche, TokenIds

Entry = tuple[float, int, TokenIds]  # minus the reward, length and the program: sorted, the best comes first
BY_LENGTH = itemgetter(1, 0, 2)


def reserved_entries(niches: Mapping[Niche, Sequence[Entry]], most: int) -> list[Entry]:
    """The recursive programs that get a place, at most so many, in the order in which they are served.

    Three kinds, (closeness, calls): (5, 2) with the program a; (3, 7) with b; (3, 4) with c, its best, and d, its
    shortest. most=3 -> [a, b, c]: the closest degree first, then of degree 3 the one with more numbers of calls; the
    degree 5 has no second program, so c follows.
    """
    kinds: dict[tuple[int, int], list[Entry]] = {}  # of all niches, whichever cases they solve
    for niche, entries in niches.items():
        if niche.recursive:
            kinds.setdefault((niche.closeness, niche.calls), []).extend(entries)
    degrees: dict[int, list[list[Entry]]] = {}
    for closeness, calls in sorted(kinds, reverse=True):
        degrees.setdefault(closeness, []).append(kinds[closeness, calls])
    turns = chain.from_iterable(zip_longest(*map(_best_and_shortest_by_turns, degrees.values())))
    return [entry for entry in turns if entry][:most]


def _best_and_shortest_by_turns(kinds: Iterable[list[Entry]]) -> list[Entry]:
    pairs = (zip(sorted(entries), sorted(entries, key=BY_LENGTH), strict=True) for entries in kinds)
    return list(dict.fromkeys(chain.from_iterable(chain.from_iterable(pairs))))
