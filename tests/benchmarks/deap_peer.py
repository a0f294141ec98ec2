"""The peer of the search benchmark: strongly typed genetic programming with DEAP, lexicase selection and restarts.

Programs are expression trees over four types. A run draws populations anew from time to time; what stays are the check
cases that joined the paid ones. Lexicase selection: Spector 2012; typed trees: Montana 1995.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from deap import gp

from tests.benchmarks.deap_language import Kind, answer_kind, kind_of, primitive_set
from tests.benchmarks.peer_judge import Errors, Found, Judge, Program


@dataclass(frozen=True)
class Setting:
    """How DEAP is used."""

    population: int = 500
    crossover: float = 0.9  # chance of a pair of parents to exchange subtrees
    mutation: float = 0.1  # chance of a child to have a subtree replaced by a new one
    height: int = 17  # of what variation makes
    nodes: int = 60
    restart: int = 10_000  # attempts until a fresh population


SETTING = Setting()


class Tree(gp.PrimitiveTree):
    """A program; `errors` is empty until it has been tried."""

    errors: Errors = ()

    def copy(self) -> "Tree":
        twin = Tree(self)
        twin.errors = self.errors
        return twin


class Search:
    """One run on one task."""

    def __init__(self, judge: Judge, parameters: Sequence[str], seed: int, setting: Setting = SETTING):
        """parameters: the names of the arguments."""
        self._judge = judge
        self._setting = setting
        arguments = [kind_of(value) for value in judge.paid[0].arguments]
        self._primitives = primitive_set(arguments, answer_kind([case.expected for case in judge.paid]), parameters)
        self._best = Tree([])  # the solution, or that of the last population with the smallest errors
        random.seed(seed)  # DEAP's operators draw from the module

    def run(self) -> Found:
        """Until the judge says that it is over. What is found is the solution, or the best of the last population."""
        while not self._judge.over:
            population = self._fresh()
            until = self._judge.attempts + self._setting.restart
            self._try(population)
            while not self._judge.over and self._judge.attempts < until:
                population = self._next(population)
                self._try(population)
        return Found(self._program(self._best), str(self._best), len(self._best), self._best.errors)

    def _program(self, tree: Tree) -> Program:
        return gp.compile(tree, self._primitives)

    def _fresh(self) -> list[Tree]:
        return [Tree(gp.genHalfAndHalf(self._primitives, 1, 4)) for _ in range(self._setting.population)]

    def _try(self, population: Sequence[Tree]) -> None:
        """Tries those that are new, so that all have errors on all paid cases; stops where the run is over."""
        judge = self._judge
        for tree in population:
            if not tree.errors:
                tree.errors = judge.attempt(self._program(tree))
                if judge.over:
                    break
        for tree in population:
            if 0 < len(tree.errors) < len(judge.paid):
                tree.errors = judge.completed(self._program(tree), tree.errors)
        self._best = min((tree for tree in population if tree.errors), key=lambda tree: sum(tree.errors))

    def _next(self, population: Sequence[Tree]) -> list[Tree]:
        """The children, and the best of their elders as it is."""
        setting, children = self._setting, []
        parents = iter(lexicase(population, 2 * ((setting.population + 1) // 2)))
        for first, second in zip(parents, parents, strict=True):
            pair = [first.copy(), second.copy()]
            if random.random() < setting.crossover:
                pair = self._varied(pair, gp.cxOnePoint(Tree(first), Tree(second)))
            for i, child in enumerate(pair):
                if random.random() < setting.mutation:
                    pair[i] = self._varied([child], gp.mutUniform(Tree(child), new_subtree, self._primitives))[0]
            children += pair
        return [self._best.copy(), *children[: setting.population - 1]]

    def _varied(self, parents: Sequence[Tree], children: Sequence[Tree]) -> list[Tree]:
        """The children, each that has grown too large replaced by one of the parents."""
        most = self._setting
        return [
            child if len(child) <= most.nodes and child.height <= most.height else random.choice(parents).copy()
            for child in children
        ]


def new_subtree(pset: gp.PrimitiveSetTyped, type_: Kind) -> list:
    return gp.genFull(pset, 0, 2, type_)


def lexicase(population: Sequence[Tree], count: int) -> list[Tree]:
    """So many parents: each time the cases come in another order, and only those that are best on the first, then the
    second, and so on, stay. Trees with the same errors stay or go together, so it is done with their errors."""
    alike: dict[Errors, list[Tree]] = {}
    for tree in population:
        alike.setdefault(tree.errors, []).append(tree)
    cases, chosen = list(range(len(population[0].errors))), []
    for _ in range(count):
        random.shuffle(cases)
        left = list(alike)
        for case in cases:
            if len(left) == 1:
                break
            least = min([errors[case] for errors in left])
            left = [errors for errors in left if errors[case] == least]
        chosen.append(random.choice(alike[left[0]]))
    return chosen
