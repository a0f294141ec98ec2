"""How long a program or a span may become: drawn for each, so that short ones are as common as one likes."""

import math

import torch
from torch import Tensor

from agent_core.grammar.legal_tokens import UNLIMITED


def draw_length_budget(count: int, mean: float, generator: torch.Generator, device: torch.device) -> Tensor:
    """How many tokens more than the fewest may be written, from the geometric distribution of that mean; 0 = no limit.

    Returns (count,) on the device, where the generator lives.
    """
    if not mean:
        return torch.full((count,), UNLIMITED, device=device)
    uniform = torch.rand(count, generator=generator, device=device).clamp(min=1e-6)
    return (uniform.log() / math.log(mean / (mean + 1))).clamp(max=UNLIMITED).long()
