"""The questions there are, by number: first the programs that print, then the signatures that play asks about, then the
inputs of tasks, which are learned from and not played with."""

from collections.abc import Sequence
from typing import Any

from agent_core.grammar.legal_tokens import Prompt
from agent_core.play.signatures import GivenCalls, Signature, draw_signatures
from agent_core.tasks.task import FUNCTION, Task
from tokenizer import Tokenizer, token_class
from utils import UserError

_MOST_ARGUMENTS = 5


class Questions:
    """A list of them. Raising the count adds signatures and changes none."""

    def __init__(self, count: int, seed: int, tokenizer: Tokenizer):
        names = [token for token in tokenizer.tokens if token_class(token) == "VARIABLE"]
        if not names or FUNCTION not in tokenizer.tokens:
            raise UserError(f"play and a mind need a variable and {FUNCTION}: put them back into paths.vocabulary")
        self._names = names[:_MOST_ARGUMENTS]
        self._all: list[Signature | GivenCalls] = [Signature((), seed)]
        self._all += draw_signatures(count, seed, len(self._names))
        self.printing = 0
        self.functions = range(1, count + 1)
        self._tasks = [self._task(i) for i in range(count + 1)]

    def __getitem__(self, number: int) -> Signature | GivenCalls:
        return self._all[number]

    def signature(self, number: int) -> Signature:
        """One that play asks about."""
        found = self._all[number]
        assert isinstance(found, Signature)
        return found

    def give(self, parameters: Sequence[str], calls: Sequence[Sequence[Any]]) -> int:
        """The number of the question about a task's inputs, which is new or known."""
        given = GivenCalls(tuple(parameters), tuple(map(tuple, calls)))
        if given.name in self.names:
            return self.names.index(given.name)
        self._all.append(given)
        self._tasks.append(self._task(len(self._all) - 1))
        return len(self._all) - 1

    @property
    def given(self) -> list[tuple[list[str], list[list[Any]]]]:
        """What `give` was given, for those that come after the signatures."""
        found = (each for each in self._all if isinstance(each, GivenCalls))
        return [(list(each.kinds), [list(call) for call in each.calls]) for each in found]

    @property
    def names(self) -> list[str]:
        """What each question is known by."""
        return [each.name for each in self._all]

    def alike(self, number: int) -> Sequence[int]:
        """The questions whose programs begin alike, this one among them."""
        prompt = self.prompt_of(number)
        return [i for i in range(len(self._all)) if self.prompt_of(i) == prompt]

    def parameters_of(self, number: int) -> tuple[str, ...]:
        question = self[number]
        return question.kinds if isinstance(question, GivenCalls) else tuple(self._names[: question.arity])

    def prompt_of(self, number: int) -> Prompt:
        """Where programs for the question begin."""
        return Prompt(*self.task_of(number).start)

    def task_of(self, number: int) -> Task:
        """Stands for a task with the question's signature: it has no cases."""
        return self._tasks[number]

    def _task(self, number: int) -> Task:
        if number == self.printing:
            return Task("play", "", expected_output="")
        return Task("play", "", function_name=FUNCTION, parameters=self.parameters_of(number))
