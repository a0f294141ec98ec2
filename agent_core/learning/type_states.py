"""Where a program stands as far as types are concerned: see value_types.py."""

from typing import NamedTuple

from agent_core.learning.word_types import ANY


class Mode(NamedTuple):
    """Where a program stands between two tokens."""

    phase: str  # statement | operand (one is expected) | after (one is there) | call (its bracket is next)
    # | function (one to call back is expected) | lambda (its parameters are)
    types: int = ANY  # that fit, or that the operand may have
    compared: bool = False  # the value so far is the outcome of a comparison
    tight: bool = False  # of an operand: an operator of arithmetic or a comparison binds it at once


class Bracket(NamedTuple):
    """What is open, and what it asks for."""

    # root | call | group | list | dict | index | slice | condition, and lambda; of a comprehension source | kept | item
    kind: str
    types: int = ANY  # that fit; of index and slice, what is indexed
    compared: bool = False  # what `Mode.compared` was before it
    result: int = ANY  # of a call and a lambda: the types of what the call gives
    role: str = ""  # of a call and a lambda, see `word_types.Word`
    later: bool = False  # of a call that is an extreme, whether its first argument is there


class Effect(NamedTuple):
    """What a token does."""

    misfit: float
    mode: Mode
    change: int = 0  # brackets: 1 opens one, -1 closes it, 0 leaves or replaces it
    bracket: Bracket | None = None


STATEMENT = Mode("statement")
ROOT = Bracket("root")
