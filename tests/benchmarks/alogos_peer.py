"""The peer that is told no more than the agent: grammar-guided genetic programming by alogos, on untyped expressions.

A program is one expression of the project's tokens; `times` stands for `*`. Derivation trees evolve (Whigham 1995), not
the codons of grammatical evolution, which take alogos three times as long a program.
"""

import random
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import alogos

from tests.benchmarks.peer_judge import WORST, Errors, Found, Judge, Program, ranged, repeated

# All alternatives are equally likely, so that a variable must come four times to come often enough.
GRAMMAR = """
e = v | w | x | y | constant | "(" e operator e ")" | "(" prefix e ")" | function "(" e ")" | several | e "[" place "]"
  | "(" e " if " e " else " e ")"
v = {variables}
w = {variables}
x = {variables}
y = {variables}
constant = {constants}
operator = " + " | " - " | " / " | " // " | " % " | " == " | " != " | " < " | " > " | " <= " | " >= " | " and "
  | " or " | " in "
prefix = "-" | "not "
function = "len" | "sum" | "max" | "min" | "abs" | "sorted" | "str" | "int" | "range"
several = "times(" e ", " e ")" | "max(" e ", " e ")" | "min(" e ", " e ")" | "range(" e ", " e ")" | "[" e "]"
  | "[" e ", " e "]"
place = e | e ":" | ":" e | e ":" e | "::" e
"""
CONSTANTS = (*range(11), 15, 100, True, False, None, "hello", "world", "yes", "no", "fizz", "buzz", " ", "", [])


def times(first: object, second: object) -> object:
    """`first * second`. Raises ValueError where that is a long list or text, or one of lists or texts, which could be
    large inside."""
    for items, number in ((first, second), (second, first)):
        if isinstance(items, list | str) and isinstance(number, int):
            if isinstance(items, list) and any(isinstance(item, list | str) for item in items):
                raise ValueError("a list of lists")
            return repeated(items, number)
    return first * second  # type: ignore[operator]


_TOKEN = re.compile(r"'[^']*'|\w+|[=!<>/]{2}|[^\s\w]")  # of an expression
NAMES = {
    "times": times,
    "range": ranged,
    "len": len,
    "sum": sum,
    "max": max,
    "min": min,
    "abs": abs,
    "sorted": sorted,
    "str": str,
    "int": int,
}


@dataclass(frozen=True)
class Setting:
    """How alogos is used; what is not named is as it comes."""

    population: int = 500
    tournament: int = 7
    depth: int = 8  # at most, of the first derivation trees
    nodes: int = 150  # at most, of later ones; tokens of the expression count, too
    restart: int = 10_000  # attempts until a fresh population


SETTING = Setting()


class Search:
    """One run on one task."""

    def __init__(self, judge: Judge, parameters: Sequence[str], seed: int, setting: Setting = SETTING):
        """parameters: the names of the arguments."""
        self._judge = judge
        self._parameters = parameters
        self._setting = setting
        texts = [_quoted(repr(value)) for value in CONSTANTS]
        variables = " | ".join(map(_quoted, parameters))
        self._grammar = alogos.Grammar(ebnf_text=GRAMMAR.format(variables=variables, constants=" | ".join(texts)))
        self._errors: dict[str, Errors] = {}  # by program, of the present population's life
        random.seed(seed)  # alogos draws from the module

    def run(self) -> Found:
        """Until the judge says that it is over. What is found is the solution, or the best since the last restart."""
        best = ""
        while not self._judge.over:
            self._errors.clear()
            evolution = self._fresh()
            until = self._judge.attempts + self._setting.restart
            while not self._judge.over and self._judge.attempts < until:
                joined = self._judge.joined
                evolution.step()
                if self._judge.joined > joined:
                    self._complete(evolution)
            best = min(self._errors, key=lambda text: mean(self._errors[text]))
        return Found(self.program(best), best, len(_TOKEN.findall(best)), self._errors[best])

    def program(self, text: str) -> Program:
        """The function that returns what the expression is worth; one that crashes where Python cannot compile it."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)  # such as of `5[0]`
            try:
                return eval(f"lambda {', '.join(self._parameters)}: {text}", {"__builtins__": {}, **NAMES})
            except (SyntaxError, MemoryError, RecursionError):  # nested too deeply
                return lambda *arguments: 1 // 0

    def _fresh(self) -> alogos.EvolutionaryAlgorithm:
        setting = self._setting
        return alogos.EvolutionaryAlgorithm(
            self._grammar,
            self._objective,
            "min",
            system="cfggpst",  # derivation trees, kept as sequences
            population_size=setting.population,
            offspring_size=setting.population,
            parent_selection_operator="tournament",
            parent_selection_tournament_size=setting.tournament,
            init_pop_operator="pi_rhh",
            init_pop_pi_rhh_end_depth=setting.depth,
            init_pop_unique_phenotypes=False,
            max_nodes=setting.nodes,
        )

    def _objective(self, text: str) -> float:
        """The mean error. Once the run is over nothing is run any more."""
        if self._judge.over:
            return WORST
        self._errors[text] = errors = self._judge.attempt(self.program(text))
        return mean(errors)

    def _complete(self, evolution: alogos.EvolutionaryAlgorithm) -> None:
        """Makes the population's errors those on the cases that are paid now."""
        evolution.state._phe_to_fit_cache.clear()
        for individual in evolution.state.population:
            text = individual.phenotype
            if text in self._errors:
                self._errors[text] = errors = self._judge.completed(self.program(text), self._errors[text])
                individual.fitness = mean(errors)


def mean(errors: Errors) -> float:
    return sum(errors) / len(errors)


def _quoted(text: str) -> str:
    return f"'{text}'" if '"' in text else f'"{text}"'
