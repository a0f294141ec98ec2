"""Runs programs that were written for a signature, and says what each turned out to do.

First on a few inputs; only what does something goes on to all of them, and from there to a second set, which a new
behaviour must stand as well. So most programs cost little.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from agent_core.play.answers import answers_of, is_dull, key_of, pack
from agent_core.play.signatures import CASES, GivenCalls, Signature
from agent_core.sandbox.dispatch import BatchRun
from agent_core.sandbox.executor import Call, Executor
from agent_core.sandbox.results import RunResult
from agent_core.tasks.task import FUNCTION
from memory.repertoire.repertoire import Behaviour, Repertoire, TokenIds

FIRST_CASES = 4
_LONGEST_TEXT = 80  # letters of a text that is kept as what a program printed


@dataclass(frozen=True)
class Found:
    """A behaviour that is new, or whose program is shorter than the known one."""

    key: int
    behaviour: Behaviour
    place: int = -1  # of the program among those that were tried


class Tried(NamedTuple):
    """Programs of one signature that are under way in the jail."""

    signature: Signature
    number: int
    programs: Sequence[TokenIds]
    modules: Sequence[str]
    run: BatchRun


class Trial:
    """Programs of one signature in the jail."""

    def __init__(self, executor: Executor, repertoire: Repertoire):
        self._executor, self._repertoire = executor, repertoire

    def start(self, signature: Signature, number: int, programs: Sequence[TokenIds], modules: Sequence[str]) -> Tried:
        """Has the workers begin with the programs, all different, while others go on with something else.

        number: of the signature; modules: what is run for each program.
        """
        call = Call(FUNCTION, tuple(signature.inputs(0)[:FIRST_CASES])) if signature.kinds else None
        run = self._executor.start(call)
        run.add(modules, last=True)
        return Tried(signature, number, programs, modules, run)

    def finish(self, tried: Tried, shown: int) -> list[Found]:
        """What is worth keeping of the programs, in their order. Changes no repertoire.

        shown: the set of inputs that a new behaviour is shown on.
        """
        signature, number, programs, modules, run = tried
        first = run.finish()
        if not signature.kinds:
            return self._printed(signature, number, programs, first)
        calls = signature.inputs(0)
        alive = _that_did_something(range(len(modules)), first, calls[:FIRST_CASES], FIRST_CASES // 2)
        alive = self._alive(modules, list(alive), calls, CASES // 2)
        candidates: dict[int, tuple[int, bool]] = {}  # by key: the program, and whether its answers depend on all
        for i, answers in alive.items():
            key = key_of(signature.name, answers)
            rivals = [known.program] if (known := self._repertoire.get(key)) else []
            if key in candidates:
                rivals.append(programs[candidates[key][0]])
            if all(len(programs[i]) < len(rival) for rival in rivals):
                candidates[key] = i, signature.depends_on_all(answers)
        return self._confirmed(signature, number, programs, modules, shown, candidates)

    def _confirmed(
        self,
        signature: Signature,
        number: int,
        programs: Sequence[TokenIds],
        modules: Sequence[str],
        shown: int,
        candidates: dict[int, tuple[int, bool]],
    ) -> list[Found]:
        """Those of the candidates that do something on a second set of inputs, and there as the known program does."""
        found = []
        for wanted, chosen in self._by_set(candidates, shown):
            again = self._alive(modules, [candidates[key][0] for key in chosen], signature.inputs(wanted), CASES // 2)
            for key in chosen:
                i, whole = candidates[key]
                known = self._repertoire.get(key)
                answers = pack(again[i]) if i in again else None
                if answers is None or (known is not None and known.answers != answers):
                    continue  # it only looked alike
                found.append(Found(key, Behaviour(number, programs[i], wanted, answers, whole), i))
        return found

    def keys(self, signature: Signature | GivenCalls, modules: Sequence[str]) -> set[int]:
        """The behaviours of programs, whether they are worth keeping or not."""
        if not signature.kinds:
            results = self._executor.run(modules)
            return {key_of(signature.name, [result.stdout.removesuffix("\n")]) for result in results}
        calls = signature.inputs(0)
        alive = self._alive(modules, range(len(modules)), calls, len(calls) // 2)
        return {key_of(signature.name, answers) for answers in alive.values()}

    def _by_set(self, candidates: dict[int, tuple[int, bool]], shown: int) -> list[tuple[int, list[int]]]:
        """The keys by the set of inputs that they are tried on again: a known behaviour's own, or else `shown`."""
        sets: dict[int, list[int]] = {}
        for key in candidates:
            known = self._repertoire.get(key)
            sets.setdefault(known.shown if known else shown, []).append(key)
        return list(sets.items())

    def _alive(
        self, modules: Sequence[str], which: Sequence[int], calls: Sequence[tuple], least: int
    ) -> dict[int, list[Any]]:
        """The answers of those programs, by index, that do something on these calls."""
        if not which:
            return {}
        results = self._executor.run([modules[i] for i in which], Call(FUNCTION, tuple(calls)))
        return _that_did_something(which, results, calls, least)

    def _printed(
        self, signature: Signature, number: int, programs: Sequence[TokenIds], results: Sequence[RunResult]
    ) -> list[Found]:
        """Programs that print: their output is their behaviour."""
        found: dict[int, Found] = {}
        for i, result in enumerate(results):
            text = printed(result.status, result.stdout)
            if not text:
                continue
            key = key_of(signature.name, [text])
            known = self._repertoire.get(key) or (found[key].behaviour if key in found else None)
            if known is None or len(programs[i]) < len(known.program):
                found[key] = Found(key, Behaviour(number, programs[i], 0, pack([text]), True), i)
        return sorted(found.values(), key=lambda each: each.place)


def _that_did_something(
    which: Sequence[int], results: Sequence[RunResult], calls: Sequence[tuple], least: int
) -> dict[int, list[Any]]:
    """The answers of those programs, by index, that did something on these calls."""
    alive = {}
    for i, result in zip(which, results, strict=True):
        answers = answers_of(result.cases) if result.cases else None
        if answers is not None and not is_dull(calls, answers, least):
            alive[i] = answers
    return alive


def printed(status: str, stdout: str) -> str:
    """What a program printed, as it is kept; empty where that is nothing, or too much."""
    text = stdout.removesuffix("\n")
    return text if status == "finished" and len(text) <= _LONGEST_TEXT else ""
