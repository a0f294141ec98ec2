"""What the marks in the grammar file mean: when a token that carries one is legal, and what it does to the names."""

from enum import IntEnum, auto


class Guard(IntEnum):
    """What must hold for a token to be legal. The first few are about the name that the token is."""

    READABLE = 0  # defined, here or in the module around the function
    ASSIGNABLE = auto()  # not already read from the module around the function
    FREE_PARAMETER = auto()  # not yet a parameter of the function being defined
    FREE_TARGET = auto()  # assignable, and not yet among the variables of the loop
    FRESH = auto()  # known nowhere, so that a lambda or a comprehension may have it as its own
    ALWAYS = auto()
    TARGET_LOCAL = auto()  # the assignment's target is defined here: `+=` reads and assigns it
    TARGET_READABLE = auto()
    ROOM_FOR_PARAMETER = auto()
    ROOM_FOR_TARGET = auto()  # some variable is a FREE_TARGET
    VARIABLE_FRESH = auto()  # some of them
    VARIABLE_ASSIGNABLE = auto()
    ROOM_FOR_BINDING = auto()  # of a block more, and some variable is fresh
    ROOM_FOR_LOOP = auto()  # and some variable is assignable
    ROOM_FOR_BLOCK = auto()


class Action(IntEnum):
    """What a token, once written, does to the names."""

    NONE = 0
    READ = auto()
    TARGET = auto()
    READ_TARGET = auto()
    PARAMETER = auto()  # or another target
    BIND = auto()
    BIND_TOO = auto()
    RELEASE = auto()
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
    "another_target": (Guard.ROOM_FOR_TARGET, Action.NONE),
    "second_target": (Guard.FREE_TARGET, Action.PARAMETER),
    "define": (Guard.ALWAYS, Action.DEFINE_FUNCTION),
    "parameter": (Guard.FREE_PARAMETER, Action.PARAMETER),
    "another_parameter": (Guard.ROOM_FOR_PARAMETER, Action.NONE),
    "binding": (Guard.ROOM_FOR_BINDING, Action.NONE),
    "bound": (Guard.FRESH, Action.BIND),
    "another_binding": (Guard.VARIABLE_FRESH, Action.NONE),
    "bound_too": (Guard.FRESH, Action.BIND_TOO),
    "release": (Guard.ALWAYS, Action.RELEASE),
    "open": (Guard.ALWAYS, Action.OPEN),
    "open_loop": (Guard.ALWAYS, Action.OPEN_LOOP),
    "open_function": (Guard.ALWAYS, Action.OPEN_FUNCTION),
    "close": (Guard.ALWAYS, Action.CLOSE),
    "close_function": (Guard.ALWAYS, Action.CLOSE_FUNCTION),
}
# Of these one is legal wherever the grammar has them: the token before each (`for`, `lambda`, a comma) saw to that.
_PROMISED = frozenset(("loop_target", "second_target", "parameter", "bound", "bound_too"))
GUARDED_MARKS = frozenset(  # a shortest program cannot count on these
    mark for mark, (guard, _) in MARKS.items() if guard != Guard.ALWAYS and mark not in _PROMISED
)
NAMING_MARKS = _PROMISED | {"read", "call", "target", "define"}  # of tokens that are names

# Blocks that it opens; -1 where it ends one.
DEEPER = dict.fromkeys((Action.OPEN, Action.OPEN_LOOP, Action.OPEN_FUNCTION, Action.BIND), 1)
DEEPER |= dict.fromkeys((Action.CLOSE, Action.CLOSE_FUNCTION, Action.RELEASE), -1)
