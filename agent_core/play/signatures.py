"""What play asks about: signatures, and inputs for each that follow from the seed.

A signature is one to five arguments, each of a kind. Its inputs come in sets of CASES. Those of set 0 define what a
behaviour is; those of the other sets show it again, as examples to learn from. In each set every second call is the one
before it with a single argument changed: where the answers differ within such a pair, they depend on that argument.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from random import Random
from typing import Any

from agent_core.play.kinds import Kind, common_kinds, draw_kind
from agent_core.tasks.values import as_text

CASES = 16  # calls in a set
SETS = 64  # beyond set 0
PRINTS = "prints"  # the name of the signature of programs that print: no arguments, and one set of one case
_ARITIES = (1, 2, 1, 3, 1, 2, 1, 4, 1, 2, 1, 3, 1, 2, 1, 5)  # of the signatures that are drawn by chance


@dataclass(frozen=True)
class Signature:
    """The kinds of the arguments, in their order; none for programs that print."""

    kinds: tuple[Kind, ...]
    seed: int

    @property
    def arity(self) -> int:
        return len(self.kinds)

    @cached_property
    def name(self) -> str:
        return "; ".join(kind.name for kind in self.kinds) or PRINTS

    def inputs(self, number: int) -> list[tuple]:
        """The calls of one set. number: 0 up to SETS."""
        if not self.kinds:
            return [()]
        if number not in self._sets:
            self._sets[number] = self._draw(number)
        return self._sets[number]

    def depends_on_all(self, answers: Sequence[Any]) -> bool:
        """Whether the answers to a whole set depend on each of the arguments, as far as its pairs show."""
        seen = {(pair % self.arity) for pair in range(CASES // 2) if answers[2 * pair] != answers[2 * pair + 1]}
        return len(seen) == self.arity

    @cached_property
    def _sets(self) -> dict[int, list[tuple]]:
        return {}

    def _draw(self, number: int) -> list[tuple]:
        key = hashlib.blake2b(f"play {self.seed} {self.name} {number}".encode(), digest_size=8).digest()
        random = Random(int.from_bytes(key))
        calls: list[tuple] = []
        for pair in range(CASES // 2):
            call = self._call(random)
            place = pair % self.arity
            for _ in range(10):
                other = (*call[:place], self.kinds[place].draw(random), *call[place + 1 :])
                if as_text(other) != as_text(call):
                    break
            calls += [call, other]
        return calls

    def _call(self, random: Random) -> tuple:
        """Arguments that now and then have to do with one another: equal, one within the other, or in order."""
        values: list[Any] = []
        for kind in self.kinds:
            value = kind.draw(random)
            for earlier, other in zip(values, self.kinds, strict=False):
                if other.name == kind.name and random.random() < 0.15:
                    value = earlier
                elif other.element and other.element.name == kind.name and earlier and random.random() < 0.5:
                    value = random.choice(earlier)
                elif isinstance(value, str) and isinstance(earlier, str) and random.random() < 0.3:
                    start = random.randint(0, len(earlier))
                    value = earlier[start : start + random.randint(0, 3)]
            values.append(value)
        return tuple(values)


@dataclass(frozen=True)
class GivenCalls:
    """The inputs of a task, asked about as a signature is; the only set that there is has number 0."""

    kinds: tuple[str, ...]  # the names of the parameters: of what kinds the arguments are, nobody says
    calls: tuple[tuple, ...]

    @property
    def arity(self) -> int:
        return len(self.kinds)

    @cached_property
    def name(self) -> str:
        """Tells apart inputs, whatever is asked about them."""
        text = as_text([self.kinds, self.calls]).encode(errors="surrogatepass")
        return f"calls {hashlib.blake2b(text, digest_size=16).hexdigest()}"

    def inputs(self, number: int) -> list[tuple]:
        return list(self.calls)


def draw_signatures(count: int, seed: int, most_arguments: int) -> list[Signature]:
    """That many signatures, no two alike, from a stream of random numbers of their own.

    The first are combinations of the common kinds, so that no seed leaves out what many tasks ask for. The rest is by
    chance.
    """
    random = Random(int.from_bytes(hashlib.blake2b(f"signatures {seed}".encode(), digest_size=8).digest()))
    forms = [form for form in _common_forms() if len(form) <= most_arguments]
    found: dict[str, Signature] = {}
    place = 0
    while len(found) < count:
        if place < len(forms):
            common = common_kinds(random)
            kinds = [common[index] for index in forms[place]]
        else:
            kinds = _draw_kinds(random, min(_ARITIES[place % len(_ARITIES)], most_arguments))
        place += 1
        signature = Signature(tuple(kinds), seed)
        found.setdefault(signature.name, signature)
    return list(found.values())


def _common_forms() -> list[tuple[int, ...]]:
    """Combinations of the common kinds, each by its number there: numbers and lists of them with everything, lists of
    texts with texts, and so on; the simplest first, and those of most tasks twice."""
    forms: list[tuple[int, ...]] = []
    for new, beside in enumerate(((), (0,), (0, 1), (0, 2), (0, 1))):
        forms += [(new,), (new, new)]
        for known in beside:
            forms += [(new, known), (known, new)]
        if new < 3:
            forms += dict.fromkeys([(new,), (new, 0, 0), (new, new, new)])
    return forms


def _draw_kinds(random: Random, arity: int) -> list[Kind]:
    kinds = [draw_kind(random) for _ in range(arity)]
    for i in range(1, arity):  # arguments that have to do with one another are what most tasks have
        earlier = random.choice(kinds[:i])
        choice = random.random()
        if choice < 0.35:
            kinds[i] = earlier
        elif choice < 0.6 and earlier.element and not earlier.name.startswith("text"):
            kinds[i] = earlier.element
    return kinds
