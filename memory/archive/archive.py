"""The best programs so far: the priority queue of Abolafia et al. 2018, kept in niches (MAP-Elites, Mouret and Clune
2015).

Recursive programs, which call themselves more often for some inputs than for others, are rare, pay late, and would lose
to what pays at once. So in some periods of the policy (a period is what lies between two restarts) some places among
the elites are reserved for them. In the other periods those of earlier ones wait outside. Periods may be of several
kinds; then recursions wait for a period of the kind that they come from.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import astuple, replace
from itertools import chain
from typing import Any, NamedTuple

from memory.archive.evaluation import Best, Evaluation, Niche, TokenIds
from memory.archive.reserved import BY_LENGTH, Entry, reserved_entries


class Contents(NamedTuple):
    """The programs of an archive, whatever they are worth."""

    rows: list[TokenIds]  # in niches
    waiting: dict[int, list[TokenIds]]  # recursions of earlier periods, by the kind of period that they wait for
    best: Best | None

    @property
    def all_rows(self) -> list[TokenIds]:
        """Every program, some more than once."""
        return [*self.rows, *chain.from_iterable(self.waiting.values()), *([self.best.row] if self.best else [])]


class Archive:
    """The best programs of each niche. A niche is what a program has right, and how it calls itself.

    Two cases, f(1, 5) = 2 and f(3, 4) = 4; niches of one program each, two elites, one place for a recursive program:

        add(`return 2`, reward 0.3)           its niche solves (True, False)
        add(`return 1 + 1`, reward 0.3)       the same niche: no more reward, and longer, so it is not kept
        add(`return var_b`, reward 0.4)       its niche solves (False, True)
        elites                                [`return var_b`, `return 2`]
        best                                  `return var_b`

    Then comes `return var_a and func_a(0)`, reward 0.1, which solves neither case, but takes two different numbers of
    calls. It has a niche of its own. In a period that reserves places, `elites` is [`return var_b`, the recursion]; in
    one that does not, the two that earn more. `restart(reserve=False)` forgets the others, and the recursion waits;
    `restart(reserve=True)` after that makes it the only elite.
    """

    def __init__(self, count: int, per_niche: int, recursive: int = 0):
        """count: elites in all; per_niche: of each niche at most; recursive: places reserved for recursive programs at
        most, 0 = they are like all others."""
        self._count, self._per_niche, self._recursive = count, per_niche, recursive
        self._niches: dict[Niche, list[Entry]] = {}  # best first
        self._reserving = False
        self._kind = 0  # of period
        self._waiting: dict[int, list[tuple[Niche, Entry]]] = {}  # by kind of period
        self.best: Best | None = None  # the most reward, among equals the fewest tokens
        # Asked before a solution becomes the best: its row, the row of the solution before it or None, and attempts.
        self.believes: Callable[[TokenIds, TokenIds | None, int], bool] = lambda row, solution, attempts: True

    def add(self, row: TokenIds, evaluation: Evaluation, attempts: int) -> None:
        """Keeps the program if it is good enough for its niche, and as the best if it is that.

        attempts: programs tried up to this one.
        """
        self._add_entry(self._niche(evaluation), _entry(row, evaluation))
        if self._is_best(row, evaluation):
            self._note_best(row, evaluation, attempts)

    def accepts(self, row: TokenIds, evaluation: Evaluation) -> bool:
        """Whether `add` would change anything. Where it would not, it will not later in the same batch either, since
        other programs only raise the bar."""
        return self._is_best(row, evaluation) or self._fitting(self._niche(evaluation), _entry(row, evaluation)) != []

    @property
    def elites(self) -> list[TokenIds]:
        """The programs to learn from again, best first."""
        return [row for _, _, row in self._elite_entries()]

    @property
    def elite_rewards(self) -> list[float]:
        return [-minus_reward for minus_reward, _, _ in self._elite_entries()]

    def restart(self, reserve: bool, kind: int = 0) -> None:
        """A new period begins. Forgets all programs but the best one and the recursive ones for which there are places.

        reserve: whether those are among the elites from the beginning of this period, or wait for one that reserves
        places. kind: of the new period; recursions of another kind wait until there is a period of theirs again.
        """
        self._join(self._kind)
        kept = set(reserved_entries(self._niches, self._recursive))
        self._waiting[self._kind] = [
            (niche, entry) for niche, entries in self._niches.items() for entry in entries if entry in kept
        ]
        self._niches.clear()
        self._reserving, self._kind = reserve, kind
        if reserve:
            self._join(kind)

    def begin_anew(self, reserve: bool) -> None:
        """A period of the first kind begins, with all programs of the period before."""
        self._reserving, self._kind = reserve, 0
        if reserve:
            self._join(0)

    def limit_kinds(self, count: int) -> None:
        """There are only so many kinds of periods now: what waits for others waits for the first."""
        self._kind = self._kind if self._kind < count else 0
        for kind in [kind for kind in self._waiting if kind >= count]:
            self._waiting.setdefault(0, []).extend(self._waiting.pop(kind))

    def contents(self) -> Contents:
        """The programs that are held, whose scores must not be forgotten."""
        rows = [row for entries in self._niches.values() for _, _, row in entries]
        waiting = {kind: [row for _, (_, _, row) in entries] for kind, entries in self._waiting.items() if entries}
        return Contents(rows, waiting, self.best)

    def rebuild(self, contents: Contents, evaluation_of: Callable[[TokenIds], Evaluation], attempts: int) -> None:
        """Holds these programs instead, each worth what it is worth now.

        attempts: programs tried so far; another program may be the best from then on.
        """
        self._hold(contents, evaluation_of)
        if contents.best:
            now = evaluation_of(contents.best.row)
            self.best = replace(contents.best, reward=now.reward, solved=now.solved)
        for row in (*contents.rows, *chain.from_iterable(contents.waiting.values())):
            evaluation = evaluation_of(row)
            if self._is_best(row, evaluation):
                self._note_best(row, evaluation, attempts)

    def clear(self) -> None:
        """Forgets all programs. Kind and reserved places belong to the period of the policy, and stay."""
        self._niches, self._waiting, self.best = {}, {}, None

    def state(self) -> dict[str, Any]:
        """Plain values; what the programs are worth is in their scores."""
        rows, waiting, best = self.contents()
        period = {"reserving": self._reserving, "kind": self._kind}
        return {"rows": rows, "waiting": waiting, **period, "best": best and astuple(best)}

    def load_state(self, state: dict[str, Any], evaluation_of: Callable[[TokenIds], Evaluation]) -> None:
        """Takes back what was saved. Sorts into niches anew: one may hold another number of programs now."""
        self._hold(Contents(state["rows"], state["waiting"], None), evaluation_of)
        self._reserving, self._kind = state["reserving"], state["kind"]
        self.best = state["best"] and Best(*state["best"])

    def _hold(self, contents: Contents, evaluation_of: Callable[[TokenIds], Evaluation]) -> None:
        """Holds these programs in niches and waiting, with no best one yet."""
        self.clear()
        for row in contents.rows:
            evaluation = evaluation_of(row)
            self._add_entry(self._niche(evaluation), _entry(row, evaluation))
        for kind, rows in contents.waiting.items():
            evaluations = [(row, evaluation_of(row)) for row in rows]
            self._waiting[kind] = [(self._niche(each), _entry(row, each)) for row, each in evaluations]

    def _join(self, kind: int) -> None:
        """Those that wait for a period of this kind wait no longer."""
        for niche, entry in self._waiting.pop(kind, ()):
            self._add_entry(niche, entry)

    def _niche(self, evaluation: Evaluation) -> Niche:
        niche = evaluation.niche
        return niche if self._recursive or not niche.calls else Niche(0, 0, niche.solved)

    def _add_entry(self, niche: Niche, entry: Entry) -> None:
        if entries := self._fitting(niche, entry):
            self._niches[niche] = entries

    def _fitting(self, niche: Niche, entry: Entry) -> list[Entry]:
        """What the niche holds once this program joins it; nothing where it is not good enough, or there already."""
        held = self._niches.get(niche, [])
        if entry[0] >= 0 or not self._count:
            return []
        if len(held) >= self._per_niche and entry >= held[-1] and not niche.recursive:  # most programs: soon decided
            return []
        if entry in held:
            return []
        entries = [*held, entry]
        fittest = sorted(entries)[: self._per_niche]
        if niche.recursive and (shortest := min(entries, key=BY_LENGTH)) not in fittest:
            fittest = sorted([*fittest, shortest])
        return fittest if entry in fittest else []

    def _is_best(self, row: TokenIds, evaluation: Evaluation) -> bool:
        best, reward = self.best, evaluation.reward
        return best is None or reward > best.reward or (reward == best.reward and len(row) < len(best.row))

    def _note_best(self, row: TokenIds, evaluation: Evaluation, attempts: int) -> None:
        """Makes it the best, unless it is a solution that is not believed."""
        solution = self.best.row if self.best and self.best.solved else None
        if not evaluation.solved or self.believes(row, solution, attempts):
            self.best = Best(row, evaluation.reward, evaluation.solved, attempts)

    def _elite_entries(self) -> list[Entry]:
        """The best of all niches, best first. Nothing is reserved once the task is solved: many need no recursion."""
        solved = self.best is not None and self.best.solved
        reserved = reserved_entries(self._niches, self._recursive) if self._reserving and not solved else []
        others = self._best_of_each_set(set(reserved))
        # Never more than there are others: after a restart they would be all that there is to learn from.
        reserved = reserved[: min(self._count // 2, max(1, len(others)))]
        return sorted(reserved + others[: self._count - len(reserved)])

    def _best_of_each_set(self, left_out: set[Entry]) -> list[Entry]:
        """Of each set of solved cases the best, recursive or not, best first."""
        sets: dict[tuple[bool, ...], list[Entry]] = defaultdict(list)
        for niche, entries in self._niches.items():
            sets[niche.solved] += (entry for entry in entries if entry not in left_out)
        return sorted(chain.from_iterable(sorted(entries)[: self._per_niche] for entries in sets.values()))


def _entry(row: TokenIds, evaluation: Evaluation) -> Entry:
    return -evaluation.reward, len(row), row
