"""How often each behaviour was seen: what is known already pays less, so that the policy leaves it."""

from collections import Counter
from collections.abc import Sequence
from itertools import islice

import torch

_MOST = 100_000  # behaviours whose counts are kept


class BehaviourCounts:
    """Programs that showed each behaviour since the last restart. Those not seen for longest are forgotten first.

    add([7, 7, 8]); shares([7, 8], [False, False], power=0.5) -> [0.71, 1.0]: 2 ** -0.5, and 1 ** -0.5.
    """

    def __init__(self) -> None:
        self._seen: dict[int, int] = {}

    def add(self, behaviours: Sequence[int]) -> None:
        """Counts the behaviours of a batch."""
        for behaviour, times in Counter(behaviours).items():
            self._seen[behaviour] = self._seen.pop(behaviour, 0) + times  # the last seen are the last to be forgotten
        for behaviour in list(islice(self._seen, max(0, len(self._seen) - _MOST))):
            del self._seen[behaviour]

    def shares(self, behaviours: Sequence[int], solved: Sequence[bool], power: float) -> list[float]:
        """The share of its reward that each program is paid: a behaviour seen n times pays n ** -power; a solution
        pays all of it."""
        return [
            1.0 if right else self._seen.get(behaviour, 1) ** -power
            for right, behaviour in zip(solved, behaviours, strict=True)
        ]

    def clear(self) -> None:
        self._seen.clear()

    def state(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Behaviours and counts, (N,) each, those not seen for longest first."""
        return torch.tensor(list(self._seen), dtype=torch.long), torch.tensor(list(self._seen.values()))

    def load_state(self, state: tuple[torch.Tensor, torch.Tensor]) -> None:
        self._seen = dict(zip(*(part.tolist() for part in state), strict=True))
