"""Where chance comes from in sampling: two generators a rank, and how they go on when a run is resumed."""

from typing import Any

import torch

from agent_core.distributed.ranks import Ranks


class Randomness:
    """The generators of one rank. All of them follow from the run's seed."""

    def __init__(self, seed: int, device: torch.device, ranks: Ranks):
        self._device, self._ranks = device, ranks
        seed = ranks.seed(seed)
        self.tokens = torch.Generator(device).manual_seed(seed)  # weights, and what is drawn for each token
        self.plans = torch.Generator().manual_seed(seed)  # what operators draw: on the CPU on every device

    def state(self) -> dict[str, Any]:
        """That of all ranks, the first one's apart: it goes on whatever the number of ranks is then."""
        own = {"random": self.tokens.get_state(), "plan_random": self.plans.get_state()}
        first, *others = self._ranks.gather(own)
        return {**first, "others": others, "device": self._device.type}

    def load(self, state: dict[str, Any]) -> list[str]:
        """Takes back this rank's part of `state`. A rank that was not there draws what nobody has drawn before.

        Returns what there is to say about it.
        """
        rank, count, notes = self._ranks.rank, self._ranks.count, []
        saved = [state, *state.get("others", [])]
        if len(saved) != count:
            notes.append(
                f"saved by {len(saved)} ranks, going on with {count}: from here on the run is "
                "another one than it would have been there"
            )
        if rank >= len(saved):
            seed = self._ranks.seed(state["random"].tolist())
            self.plans.manual_seed(seed)
            self.tokens.manual_seed(seed)
            return notes
        self.plans.set_state(saved[rank]["plan_random"])
        if state["device"] == self._device.type:
            self.tokens.set_state(saved[rank]["random"])
        else:
            notes.append(
                f"saved on {state['device']}, going on on {self._device.type}: from here on the run "
                "is another one than it would have been there"
            )
        return notes
