"""The questions that play asks, by number: signatures of functions, and last the programs that print."""

from collections.abc import Sequence

from agent_core.grammar.legal_tokens import Prompt
from agent_core.play.signatures import Signature, draw_signatures
from agent_core.tasks.task import FUNCTION, Task
from tokenizer import Tokenizer, token_class

_MOST_ARGUMENTS = 5


class Questions:
    """A list of signatures. Raising the count adds signatures and changes none."""

    def __init__(self, count: int, seed: int, tokenizer: Tokenizer):
        names = [token for token in tokenizer.tokens if token_class(token) == "VARIABLE"]
        self._names = names[:_MOST_ARGUMENTS]
        self._signatures = [Signature((), seed), *draw_signatures(count, seed, len(self._names))]
        self.printing = 0
        self.functions = range(1, count + 1)
        self._tasks = [self._task(i) for i in range(count + 1)]

    def __getitem__(self, number: int) -> Signature:
        return self._signatures[number]

    @property
    def names(self) -> list[str]:
        """What each question is known by."""
        return [signature.name for signature in self._signatures]

    def alike(self, number: int) -> Sequence[int]:
        """The questions with as many arguments, this one among them."""
        arity = self[number].arity
        return [i for i, other in enumerate(self._signatures) if other.arity == arity]

    def parameters_of(self, number: int) -> tuple[str, ...]:
        return tuple(self._names[: self[number].arity])

    def prompt_of(self, number: int) -> Prompt:
        """Where programs for the question begin."""
        return Prompt(*self.task_of(number).start)

    def task_of(self, number: int) -> Task:
        """Stands for a task with the question's signature: it has no cases."""
        return self._tasks[number]

    def _task(self, number: int) -> Task:
        if not self[number].kinds:
            return Task("play", "", expected_output="")
        return Task("play", "", function_name=FUNCTION, parameters=self.parameters_of(number))
