"""What a mind can do, for people: its behaviours by construct and length, and some of the finest with examples."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from heapq import nsmallest
from itertools import pairwise
from typing import Any

from agent_core.play.answers import NOTHING, unpack
from agent_core.play.player import Player
from agent_core.tasks.task import FUNCTION
from agent_core.tasks.values import as_text
from memory.repertoire.repertoire import Behaviour, TokenIds

_LENGTHS = (4, 8, 12, 16, 20, 24, 32)  # the most tokens of a program in each column; the last one has no end
_OF_A_CONSTRUCT = 3  # programs that are shown of each
_FINEST = 6
_CASES = 4  # of each program that is shown
_LONGEST_CASE = 120  # letters
_LOOKED_AT = 20  # times as many as are shown, since many of them are the same program

Rated = tuple[Behaviour, int]  # with the number of its different answers
Order = Callable[[Player, Rated], tuple]


def summary_of(player: Player) -> dict[str, Any]:
    """Plain values, as a JSON file holds them."""
    places, behaviours = player.places, list(player.repertoire.behaviours.values())
    by_construct: dict[str, list[Rated]] = {name: [] for name in places.names}
    for behaviour in behaviours:
        name = places.names[places.construct_of(behaviour.program)]
        by_construct[name].append((behaviour, _variety(player, behaviour)))
    rated = [each for found in by_construct.values() for each in found]

    def shown(title: str, found: Sequence[Rated], count: int, order: Order) -> list[Any]:
        return [title, _shown(player, _first(found, count, partial(order, player)))]

    return {
        "programs": player.progress.programs,
        "behaviours": len(behaviours),
        "solved": list(player.progress.solved),
        "lengths": [*(f"{below + 1}-{most}" for below, most in pairwise([0, *_LENGTHS])), f"{_LENGTHS[-1] + 1}+"],
        "constructs": [[name, _by_length(found)] for name, found in by_construct.items() if found],
        "shown": [
            shown("Short programs with many answers", rated, _FINEST, _short_and_varied),
            shown("The longest", rated, _OF_A_CONSTRUCT, _longest),
            *(shown(name, found, _OF_A_CONSTRUCT, _varied) for name, found in by_construct.items() if found),
        ],
    }


def _by_length(rated: Sequence[Rated]) -> list[int]:
    """How many there are in each of the columns of `lengths`."""
    columns = Counter(bisect_left(_LENGTHS, len(behaviour.program)) for behaviour, _ in rated)
    return [columns[column] for column in range(len(_LENGTHS) + 1)]


def _examples(player: Player, behaviour: Behaviour) -> list[tuple[tuple, Any]]:
    """The calls and answers that it is known by; of a program that prints, no arguments and the text."""
    calls, answers = player.questions[behaviour.question].inputs(behaviour.shown), unpack(behaviour.answers)
    return [(call, answer) for call, answer in zip(calls, answers, strict=True) if answer is not NOTHING]


def _variety(player: Player, behaviour: Behaviour) -> int:
    """How many different answers it is known to give."""
    return len({as_text(answer) for _, answer in _examples(player, behaviour)})


def _varied(player: Player, rated: Rated) -> tuple:
    """Those first that depend on all their inputs, and of these those with the most answers."""
    behaviour, variety = rated
    return not behaviour.whole, -variety, len(behaviour.program), behaviour.program, behaviour.question


def _short_and_varied(player: Player, rated: Rated) -> tuple:
    """The most answers for each token, and rather of more arguments."""
    behaviour, variety = rated
    worth = variety * player.questions[behaviour.question].arity / len(behaviour.program)
    return not behaviour.whole, -worth, behaviour.program, behaviour.question


def _longest(player: Player, rated: Rated) -> tuple:
    behaviour, variety = rated
    return not behaviour.whole, -len(behaviour.program), -variety, behaviour.program, behaviour.question


def _first(rated: Iterable[Rated], count: int, order: Callable[[Rated], tuple]) -> list[Behaviour]:
    """The first ones, no program twice: one may be the answer to several questions."""
    found: dict[TokenIds, Behaviour] = {}
    for behaviour, _ in nsmallest(_LOOKED_AT * count, rated, key=order):
        found.setdefault(behaviour.program, behaviour)
    return list(found.values())[:count]


def _shown(player: Player, behaviours: Iterable[Behaviour]) -> list[dict[str, Any]]:
    """Programs as people are shown them, each with a few of its cases."""
    found = []
    for behaviour in behaviours:
        cases = _examples(player, behaviour)[:_CASES]
        found.append(
            {
                "program": player.present(behaviour),
                "tokens": len(behaviour.program),
                "cases": [_case(arguments, answer) for arguments, answer in cases],
            }
        )
    return found


def _case(arguments: tuple, answer: Any) -> str:
    """`func_a(2, 3) -> 5`; of a program that prints, what it prints."""
    text = (
        f"{FUNCTION}({', '.join(map(as_text, arguments))}) \u2192 {as_text(answer)}" if arguments else as_text(answer)
    )
    return text if len(text) <= _LONGEST_CASE else f"{text[:_LONGEST_CASE]}\u2026"
