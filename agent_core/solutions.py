"""What a run believes to solve its task: the first solution, then what is shorter and does the same on made inputs.

A shorter program that differs is not believed, and the input on which it does is kept to be shown. See
agent_core/scoring/disputes.py for how two programs are compared.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from agent_core.distributed.ranks import Ranks
from agent_core.sandbox.executor import Executor, JailError
from agent_core.scoring.disputes import Comparison, Dispute
from agent_core.tasks.task import Task
from agent_core.tasks.values import as_text
from memory.archive.evaluation import TokenIds

_SHOWN = 100  # disputes that are kept and shown, each on another input
_REMEMBERED = 10_000  # programs that are known to be disputed


class FirstSolution(NamedTuple):
    """The first program that passed every case."""

    attempts: int
    tokens: int
    program: str  # as people are shown it


class Solutions:
    """What is believed, and what is disputed. All ranks have the same; the first one runs what is compared."""

    def __init__(self, task: Task, executor: Executor, ranks: Ranks, seed: int, text: Callable[[TokenIds], str]):
        """seed: of the run; the made inputs follow from it. text: of a program, as the policy writes it."""
        self.first: FirstSolution | None = None
        self.disputes: list[Dispute] = []  # each on another input
        self._task, self._ranks, self._text = task, ranks, text
        self._comparison = Comparison(task, executor, seed, text)
        self._disputed: dict[TokenIds, None] = {}  # the oldest first

    def believes(self, row: TokenIds, solution: TokenIds | None, attempts: int) -> bool:
        """Whether a program that passes every case may be the best. All ranks must ask, in the same order.

        solution: the best so far, if it passes every case, too; attempts: at which the program was tried.
        """
        if solution is None:
            self.first = FirstSolution(attempts, len(row), self._task.present(self._text(row)))
            return True
        if self._task.kind == "output":
            return True
        if row in self._disputed:
            return False
        found = self._compared(row, solution, attempts) if self._ranks.leads else None
        compared, fields = self._ranks.broadcast(found)
        if compared and fields:
            self._note(row, Dispute(*fields))
        return compared and not fields

    def forget_programs(self) -> None:
        """Token ids mean something else now, or other programs are legal: disputed ones are compared anew."""
        self._disputed.clear()
        self._comparison.begin(self._comparison.seed)

    def state(self) -> dict[str, Any]:
        """Plain values that `load_state` takes back."""
        return {
            "seed": self._comparison.seed,
            "first": self.first and tuple(self.first),
            "disputes": [tuple(dispute) for dispute in self.disputes],
            "disputed": list(self._disputed),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Takes back what was saved; empty: by a version that compared nothing."""
        if not state:
            return
        self._comparison.begin(state["seed"])
        self.first = FirstSolution(*state["first"]) if state["first"] else None
        self.disputes = [Dispute(*dispute) for dispute in state["disputes"]]
        self._disputed = dict.fromkeys(state["disputed"])

    def _note(self, row: TokenIds, dispute: Dispute) -> None:
        self._disputed[row] = None
        if len(self._disputed) > _REMEMBERED:
            del self._disputed[next(iter(self._disputed))]
        known = {as_text(other.arguments) for other in self.disputes}
        if len(self.disputes) < _SHOWN and as_text(dispute.arguments) not in known:
            self.disputes.append(dispute)

    def _compared(self, row: TokenIds, solution: TokenIds, attempts: int) -> tuple[bool, tuple | None]:
        """Whether the two programs could be compared, and what is disputed. On the first rank only."""
        try:
            dispute = self._comparison.dispute(row, solution, attempts)
        except JailError:  # as good as not tried: whoever asks the jail for the next step has to say it
            return False, None
        return True, dispute and tuple(dispute)
