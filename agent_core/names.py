"""Which names a program may use next: the part of Python's rules that no context-free grammar can say.

A variable may be read once a statement that has ended defined it; what a block defined ends with the block, for the
block may not have run. In a function, a variable of the module may be read unless the function assigns it anywhere,
since Python then takes it for the function's own; so whichever comes first, the read or the assignment, rules out the
other. All of it is kept for a whole batch as sets of bits, one int64 a program, one bit a name.
"""

from collections.abc import Sequence
from enum import IntEnum, auto

import torch
from torch import Tensor

from tokenizer import token_class

MAX_NAMES = 62  # bits of an int64, the sign left alone
MAX_BLOCKS = 20  # Python's own limit of nested loops


class Guard(IntEnum):
    """What must hold for a token to be legal. Each is one word of `Scopes.facts`, tested at the token's own bit."""

    ALWAYS = 0
    READABLE = auto()  # defined, here or in the module around the function
    ASSIGNABLE = auto()  # not already read from the module around the function
    FREE_PARAMETER = auto()  # not yet a parameter of the function being defined
    TARGET_LOCAL = auto()  # the assignment's target is defined here: `+=` reads and assigns it
    TARGET_READABLE = auto()
    ROOM_FOR_BLOCK = auto()
    ROOM_FOR_LOOP = auto()  # and some variable is assignable
    ROOM_FOR_PARAMETER = auto()


class Action(IntEnum):
    """What a token, once written, does to the names."""

    NONE = 0
    READ = auto()
    TARGET = auto()
    READ_TARGET = auto()
    PARAMETER = auto()
    DEFINE_TARGET = auto()
    DEFINE_FUNCTION = auto()
    OPEN = auto()
    OPEN_LOOP = auto()
    OPEN_FUNCTION = auto()
    CLOSE = auto()
    CLOSE_FUNCTION = auto()


MARKS: dict[str, tuple[Guard, Action]] = {
    "": (Guard.ALWAYS, Action.NONE),
    "read": (Guard.READABLE, Action.READ),
    "call": (Guard.READABLE, Action.NONE),
    "target": (Guard.ASSIGNABLE, Action.TARGET),
    "update": (Guard.TARGET_LOCAL, Action.NONE),
    "update_item": (Guard.TARGET_READABLE, Action.READ_TARGET),
    "define_target": (Guard.ALWAYS, Action.DEFINE_TARGET),
    "block": (Guard.ROOM_FOR_BLOCK, Action.NONE),
    "loop": (Guard.ROOM_FOR_LOOP, Action.NONE),
    "loop_target": (Guard.ASSIGNABLE, Action.TARGET),
    "define": (Guard.ALWAYS, Action.DEFINE_FUNCTION),
    "parameter": (Guard.FREE_PARAMETER, Action.PARAMETER),
    "another_parameter": (Guard.ROOM_FOR_PARAMETER, Action.NONE),
    "open": (Guard.ALWAYS, Action.OPEN),
    "open_loop": (Guard.ALWAYS, Action.OPEN_LOOP),
    "open_function": (Guard.ALWAYS, Action.OPEN_FUNCTION),
    "close": (Guard.ALWAYS, Action.CLOSE),
    "close_function": (Guard.ALWAYS, Action.CLOSE_FUNCTION),
}
# A shortest program cannot count on these. `loop_target` and `parameter` are not among them: the token before each
# (`for`, and the comma) is legal only where one of them will be.
GUARDED_MARKS = frozenset(mark for mark, (guard, _) in MARKS.items() if guard) - {"loop_target", "parameter"}


class NameBits:
    """The bit of each variable and function of a vocabulary."""

    def __init__(self, tokens: Sequence[str]):
        names = [i for i, token in enumerate(tokens) if token_class(token) in ("VARIABLE", "FUNCTION")]
        if len(names) > MAX_NAMES:
            raise ValueError(f"{len(names)} variables and functions in the vocabulary, at most {MAX_NAMES} are allowed")
        self.position = [0] * len(tokens)  # V, which bit
        self.word = [0] * len(tokens)  # V, the bit itself; 0 for a token that is no name
        for bit, i in enumerate(names):
            self.position[i], self.word[i] = bit, 1 << bit
        self.variables = sum(self.word[i] for i in names if token_class(tokens[i]) == "VARIABLE")


class Scopes:
    """The names of a batch of programs that are being written."""

    def __init__(self, batch_size: int, defined: int, bits: NameBits, device: torch.device):
        """defined: the bits of the names that exist before the first token, a function's parameters and itself."""
        self._variables = bits.variables
        self._local = torch.full((batch_size,), defined, device=device)  # defined in this function or module
        self._outer = torch.zeros_like(self._local)  # in a function: readable from the module
        self._pinned = torch.zeros_like(self._local)  # read from the module, so not assignable here
        self._pending = torch.zeros_like(self._local)  # target of the statement, or parameters so far
        self._depth = torch.zeros_like(self._local)
        self._saved = torch.zeros((batch_size, MAX_BLOCKS + 1), dtype=torch.long, device=device)
        self._always = torch.full_like(self._local, -1)
        self._flags = _FLAGS.to(device)

    def select(self, rows: Tensor) -> None:
        """Goes on with some of the programs only, by index."""
        self._local, self._outer, self._pinned = self._local[rows], self._outer[rows], self._pinned[rows]
        self._pending, self._depth, self._saved = self._pending[rows], self._depth[rows], self._saved[rows]
        self._always = self._always[rows]

    def facts(self, sealed: Tensor | None = None) -> Tensor:
        """(B, len(Guard)) int64 words: a token with guard g and name bit n is legal where bit n of word g is set.

        sealed: (B,) bool, programs whose later text is already there, and may assign what the module has: they read
        no more of the module's variables.
        """
        outer = self._outer
        if sealed is not None:
            outer = outer & ~(self._variables * sealed)
        readable = self._local | outer
        room = self._depth < MAX_BLOCKS
        words = [self._always, readable, ~self._pinned, ~self._pending,
                 -(self._pending & self._local).ne(0).long(),
                 -(self._pending & readable).ne(0).long(),
                 -room.long(),
                 -(room & (~self._pinned & self._variables).ne(0)).long(),
                 -(~self._pending & self._variables).ne(0).long()]
        return torch.stack(words, dim=1)

    def apply(self, action: Tensor, name: Tensor) -> None:
        """Takes one token a program. action: (B,) of Action; name: (B,) the token's name bit, 0 for none."""
        read, target, read_target, parameter, define_target, define_function, opens, function, closes, leaves = (
            self._flags[action].unbind(1))  # (B,) each, 0 or -1: all bits clear, or all set
        self._pinned |= self._outer & (name & read | self._pending & read_target)
        self._pending = self._pending & ~(target | define_function) | name & (target | parameter)
        self._local |= name & define_function
        self._saved.scatter_(1, self._depth.unsqueeze(1), self._local.unsqueeze(1))  # counts only if a block opens
        self._depth += closes - opens
        restored = self._saved.gather(1, self._depth.unsqueeze(1)).squeeze(1)

        defined = self._pending & define_target
        kept = ~(function | leaves)
        self._outer = self._outer & kept & ~defined | self._local & ~self._pending & function
        self._pinned &= kept
        self._local = (self._local & ~(function | closes) | defined | self._pending & function | restored & closes)


def _flag_rows() -> Tensor:
    """(len(Action), 10): the masks that `Scopes.apply` names, 0 or -1."""
    columns = [{Action.READ}, {Action.TARGET}, {Action.READ_TARGET}, {Action.PARAMETER},
               {Action.DEFINE_TARGET, Action.OPEN_LOOP}, {Action.DEFINE_FUNCTION},
               {Action.OPEN, Action.OPEN_LOOP, Action.OPEN_FUNCTION}, {Action.OPEN_FUNCTION},
               {Action.CLOSE, Action.CLOSE_FUNCTION}, {Action.CLOSE_FUNCTION}]
    return torch.tensor([[-(action in column) for column in columns] for action in Action])


_FLAGS = _flag_rows()
