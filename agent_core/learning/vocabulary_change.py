"""Fits what was saved to the settings of now: what a user may change between two runs, and what they may not."""

from collections.abc import Sequence

import torch
from torch import Tensor

from agent_core.settings.config import ModelConfig
from utils import UserError

# Tensors of the policy with one row a token.
_TOKEN_ROWS = ("embedding.weight", "head.weight", "head.bias")


def check_architecture(saved: dict[str, int], wanted: ModelConfig) -> None:
    """A saved network fits only the shape it was made with. Raises UserError with both values and the ways out."""
    for key, value in saved.items():
        now = getattr(wanted, key)
        if now != value:
            raise UserError(
                f"model.{key} is {now}, but the saved model was made with {value}: "
                f"set model.{key} = {value} to go on with it, or start anew with --fresh"
            )


def check_context(saved: int, wanted: int) -> None:
    """A saved network fits only the context it was made for. Raises UserError with both sizes and the way out."""
    if saved != wanted:
        raise UserError(
            f"programs are given a context of {wanted} numbers, but the saved model was made for one of {saved}: "
            "start anew with --fresh"
        )


def match_tokens(saved: Sequence[str], now: Sequence[str]) -> dict[int, int]:
    """Old id -> new id of the tokens that both vocabularies have, by their text."""
    ids = {token: i for i, token in enumerate(now)}
    return {old: ids[token] for old, token in enumerate(saved) if token in ids}


def carry_policy(
    saved: dict[str, Tensor], fresh: dict[str, Tensor], ids: dict[int, int], within: str = ""
) -> dict[str, Tensor]:
    """The saved weights with their rows where the tokens are now; new tokens keep the rows of `fresh`.

    within: what the names of the policy's tensors begin with, where it is a part of a larger network.
    """
    moved = {f"{within}{name}" for name in _TOKEN_ROWS}
    return {name: _moved(tensor, fresh[name], ids) if name in moved else tensor for name, tensor in saved.items()}


def carry_optimizer(
    saved: dict, parameter_names: Sequence[str], fresh: dict[str, Tensor], ids: dict[int, int], within: str = ""
) -> dict:
    """Adam's moments, moved like the weights that they belong to; new tokens start at zero.

    parameter_names: of the network, in the order in which the optimizer numbers them; within: see `carry_policy`.
    """
    state, of_tokens = {}, {f"{within}{name}" for name in _TOKEN_ROWS}
    for index, moments in saved["state"].items():
        name = parameter_names[index]
        state[index] = {
            kind: _moved(value, torch.zeros_like(fresh[name]), ids) if name in of_tokens and kind != "step" else value
            for kind, value in moments.items()
        }
    return saved | {"state": state}


def carry_program(row: Sequence[int], ids: dict[int, int]) -> tuple[int, ...] | None:
    """A program in the ids of now; None where one of its tokens is gone."""
    return tuple(ids[i] for i in row) if all(i in ids for i in row) else None


def _moved(saved: Tensor, target: Tensor, ids: dict[int, int]) -> Tensor:
    moved = target.detach().cpu().clone()
    moved[list(ids.values())] = saved[list(ids.keys())].to(moved.device)
    return moved
