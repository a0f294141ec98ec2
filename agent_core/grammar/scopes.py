"""Which names a program may use next: the part of Python's rules that no context-free grammar can say.

A variable may be read once a statement that has ended defined it; what a block defined ends with the block, for the
block may not have run. In a function, a variable of the module may be read unless the function assigns it anywhere,
since Python then takes it for the function's own; so whichever comes first, the read or the assignment, rules out the
other. What a lambda or a comprehension binds, a variable that is known nowhere else, may be read inside only: it is a
block within an expression. Each name of each program has a few bits of state of its own; one table says what every
token does to it, another what is then legal, so a step of a whole batch is a handful of look-ups.

Worked example, `var_c = var_a` in the body of a function whose parameter is var_a:

    token    mark            var_a  var_c
                             LOCAL  none             before the first token: only var_a may be read
    var_c    target          LOCAL  PENDING          what the statement assigns
    =                        LOCAL  PENDING          `var_c = var_c` is not legal: it is not LOCAL yet
    var_a    read            LOCAL  PENDING
    NEWLINE  define_target   LOCAL  LOCAL + PENDING  from here on var_c may be read; PENDING goes with the next target
"""

import math
from collections.abc import Sequence
from itertools import product

import torch
from torch import Tensor

from agent_core.grammar.marks import Action, Guard
from tokenizer import token_class

MAX_NAMES = 62
MAX_BLOCKS = 20  # Python's own limit of nested loops


LOCAL = 1  # defined in this function or module
OUTER = 2  # in a function: readable from the module
PINNED = 4  # read from the module, so not assignable here
PENDING = 8  # target of the statement, or among the parameters so far
SAVED = 16  # only on the way in: it was LOCAL where the block that now ends began
_STATES = 32
_OTHER, _UNKNOWN, _KNOWN = range(3)  # kinds of names: functions, and variables that are known nowhere or somewhere


def _kind(state: int) -> int:
    """Of a variable in this state."""
    return _KNOWN if state & (LOCAL | OUTER) else _OTHER if state & PINNED else _UNKNOWN


def after(action: Action, named: bool, state: int) -> int:
    """The state of one name after a token. named: whether the token is this name."""
    local, outer, pinned, pending, saved = (bool(state & bit) for bit in (LOCAL, OUTER, PINNED, PENDING, SAVED))
    opens_function, closes_function = action == Action.OPEN_FUNCTION, action == Action.CLOSE_FUNCTION
    if outer and (action == Action.READ and named or action == Action.READ_TARGET and pending):
        pinned = True
    if action in (Action.TARGET, Action.DEFINE_FUNCTION):
        pending = action == Action.TARGET and named
    if action == Action.PARAMETER and named:
        pending = True
    if action in (Action.DEFINE_FUNCTION, Action.BIND, Action.BIND_TOO) and named:
        local = True
    if action in (Action.DEFINE_TARGET, Action.OPEN_LOOP) and pending:
        local, outer = True, False
    if opens_function:
        local, outer = pending, local and not pending
    if action in (Action.CLOSE, Action.CLOSE_FUNCTION, Action.RELEASE):
        local = saved
    if closes_function:
        outer = False
    if opens_function or closes_function:
        pinned = False
    return LOCAL * local | OUTER * outer | PINNED * pinned | PENDING * pending


def allows(state: int, variable: bool, sealed: bool) -> list[bool]:
    """The guards, but the last three, that a name in this state makes true: of itself, from TARGET_LOCAL on of all."""
    local, outer, pinned, pending = (bool(state & bit) for bit in (LOCAL, OUTER, PINNED, PENDING))
    readable = local or outer and not (sealed and variable)
    fresh = not (local or outer or pinned)
    return [
        readable,
        not pinned,
        not pending,
        not pinned and not pending,
        fresh,
        True,
        pending and local,
        pending and readable,
        variable and not pending,
        variable and not pinned and not pending,
        variable and fresh,
        variable and not pinned,
    ]


class Names:
    """The variables and functions of a vocabulary, and the tables of what tokens do to them."""

    def __init__(self, tokens: Sequence[str], device: torch.device):
        """Raises ValueError for more than MAX_NAMES names."""
        self.ids = [i for i, token in enumerate(tokens) if token_class(token) in ("VARIABLE", "FUNCTION")]
        if len(self.ids) > MAX_NAMES:
            raise ValueError(
                f"{len(self.ids)} variables and functions in the vocabulary, at most {MAX_NAMES} are allowed"
            )
        self.count = max(1, len(self.ids))  # one that no token is, where there are none
        variables = [token_class(tokens[i]) == "VARIABLE" for i in self.ids] or [False]
        kinds = [_kind(state) if variable else _OTHER for variable in variables for state in range(_STATES)]
        self.kinds = torch.tensor(kinds, dtype=torch.int8, device=device)  # (N * states,)
        self.columns = torch.tensor(self.ids or [0], device=device)  # (N,) their tokens
        # A name's number is part of its state, so that one table serves all: state + _STATES * number.
        self._span = _STATES * self.count
        firsts = torch.arange(0, self._span, _STATES, dtype=torch.int32)
        moves = torch.tensor(
            [
                [after(action, named, state) for state in range(_STATES)]
                for action, named in product(Action, (False, True))
            ],
            dtype=torch.int32,
        )
        self.first_states = firsts.to(device)  # (N,)
        self.after = (moves.unsqueeze(1) + firsts.view(-1, 1)).flatten().to(device)  # (actions, 2, N, states)
        facts = torch.tensor(
            [
                [allows(state, variable, sealed) for variable in variables for state in range(_STATES)]
                for sealed in (False, True)
            ]
        )
        self.facts = facts.flatten(0, 1).to(device)  # (2 * N * states, guards but the last three)
        self.sealed = self._span  # what to add to the states of a program that is sealed

    def states(self, defined: Sequence[Sequence[int]]) -> Tensor:
        """(P, N) the states of all names where nothing has been written.

        defined: P times the tokens of the names that exist then: a function's parameters and itself.
        """
        known = [[LOCAL * (name in names) for name in self.ids] or [0] for names in defined]
        return self.first_states + torch.tensor(known, dtype=torch.int32, device=self.first_states.device).view(
            len(defined), self.count
        )

    def condition(self, guard: Guard, token: int) -> int:
        """Where in `Scopes.facts` it says whether `guard` holds for `token`."""
        own = len(Guard) - 3  # facts of each name
        if guard <= Guard.ALWAYS:
            return guard + own * (self.ids.index(token) if guard < Guard.ALWAYS else 0)
        return own * self.count + guard - Guard.TARGET_LOCAL

    def move(self, action: Action, token: int) -> list[int]:
        """(N,) what to add to the states of all names to find those after `token` in `after`."""
        named = [token == name for name in self.ids] or [False]
        return [(2 * action + own) * self._span for own in named]


class Scopes:
    """The names of a batch of programs that are being written."""

    def __init__(self, states: Tensor, names: Names):
        """states: (B, N) of the names before the first token, see `Names.states`."""
        batch_size, device = len(states), states.device
        self._names = names
        self._states = states
        self._depth = torch.zeros(batch_size, dtype=torch.long, device=device)
        # Of each program the states where each block that is open began, and a place for those of now.
        self._saved = torch.zeros((batch_size, MAX_BLOCKS + 1, names.count), dtype=torch.int32, device=device)
        self._first_saved = torch.arange(0, batch_size * (MAX_BLOCKS + 1), MAX_BLOCKS + 1, device=device)

    def select(self, rows: Tensor) -> None:
        """Goes on with some of the programs only, by index."""
        self._states, self._depth, self._saved = (
            part.index_select(0, rows) for part in (self._states, self._depth, self._saved)
        )
        self._first_saved = self._first_saved[: len(rows)]

    def facts(self, sealed: Tensor | None = None) -> Tensor:
        """(B, facts) bool, to be looked up at `Names.condition`.

        sealed: (B,) bool, programs whose later text is already there, and may assign what the module has: they read
        no more of the module's variables.
        """
        batch, states = len(self._depth), self._states
        if sealed is not None:
            states = torch.add(states, sealed.unsqueeze(1), alpha=self._names.sealed)
        own = self._names.facts.index_select(0, states.flatten()).view(batch, self._names.count, -1)
        some = own[:, :, Guard.TARGET_LOCAL :].any(dim=1)
        room = (self._depth < MAX_BLOCKS).unsqueeze(1)
        return torch.cat([own.flatten(1), some, room & some[:, -2:], room], dim=1)  # in the order of the guards

    @property
    def columns(self) -> Tensor:
        """(N,) the token of each name."""
        return self._names.columns

    def preferences(self, strength: float) -> Tensor:
        """(B, N) log-weights of the names, by which all known ones together stay as likely, and all others together.

        Of the variables that are known nowhere the first would do as well as any, and what is bound by a block that is
        open was bound to be read: all others of their kind are less likely by `strength`, in nats.
        """
        names, shape = self._names, self._states.shape
        kinds = names.kinds.index_select(0, self._states.flatten()).view(shape)
        before = names.kinds.index_select(0, self._saved[:, 0].flatten()).view(shape)  # where the outermost block began
        unknown, known = kinds == _UNKNOWN, kinds == _KNOWN
        first = unknown & (unknown.cumsum(dim=1) == 1)
        bound = known & (before == _UNKNOWN) & (self._depth > 0).unsqueeze(1)
        less, groups = math.exp(-strength), torch.stack((unknown, known)).to(torch.float32)
        weights = torch.where(torch.stack((first, bound)), 1.0, less) * groups
        weights *= groups.sum(dim=2, keepdim=True) / weights.sum(dim=2, keepdim=True).clamp(min=less)
        return (weights.sum(dim=0) + (kinds == _OTHER)).log()

    def apply(self, move: Tensor, deeper: Tensor) -> None:
        """Takes one token a program. move: (B, N) of `Names.move`; deeper: (B,) blocks it opens, -1 where one ends."""
        saved = self._saved.flatten(0, 1)
        saved.index_copy_(0, self._first_saved + self._depth, self._states)  # counts only if a block opens
        self._depth = self._depth + deeper
        began = saved.index_select(0, self._first_saved + self._depth)
        at = torch.add(move + self._states, began & LOCAL, alpha=SAVED // LOCAL)
        self._states = self._names.after.index_select(0, at.flatten()).view_as(at)
