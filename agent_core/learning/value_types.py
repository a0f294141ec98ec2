"""What types say about the next token: a soft preference for programs that do not crash by their types.

The task's cases show the types of arguments and answers. A small pushdown automaton follows each program beside the
grammar's: it knows the type of the operand just written, or the types that fit where one is expected, and keeps a
stack of open brackets, each of which asks for types of its own. For every token it says how badly it fits: 0, 1/2 where
more must follow to mend it, 1 where the program would likely crash. Nothing becomes illegal by this.

Types are sets of bits; a value of unknown type has them all, `None` has none. Approximations, on purpose: variables
that the program defines are of unknown type, so are the elements of its lists, and `[0] * 2` counts as a number.
"""

from collections.abc import Iterable
from typing import NamedTuple

from tokenizer import token_class

NUMBER, BOOL, TEXT, LIST = 1, 2, 4, 8
ANY, SEQUENCE = 15, TEXT | LIST
_ARGUMENT = {
    "range": NUMBER,
    "len": SEQUENCE,
    "sum": LIST,
    "max": NUMBER | LIST,
    "min": NUMBER | LIST,
    "abs": NUMBER,
    "sorted": SEQUENCE,
    "str": ANY,
    "int": ANY - LIST,
}
_RESULT = {"range": LIST, "sorted": LIST, "str": TEXT}
_RESULT |= dict.fromkeys(("len", "sum", "max", "min", "abs", "int"), NUMBER)
_SEVERAL = ("range", "max", "min")  # built-ins of more than one argument
_COMPARISONS = ("==", "!=", "<", ">", "<=", ">=")
_ALIKE = (
    _COMPARISONS,
    ("/", "//", "%"),
    ("and", "or"),
    ("True", "False"),
    ("max", "min"),
    ("=", "+="),
    ("pass", "def", "for", "INDENT", "DEDENT", "<PAD>", "<SOS>", "<EOS>", "<UNK>"),
)
_BINDS_TIGHTLY = ("[", "+", "-", "*", "/", "//", "%", "=", "+=")
_MENDABLE = 0.5


class Mode(NamedTuple):
    """Where a program stands between two tokens."""

    phase: str  # statement | operand (one is expected) | after (one is there) | call (its bracket is next)
    types: int = ANY  # that fit, or that the operand may have
    compared: bool = False  # the value so far is the outcome of a comparison
    tight: bool = False  # of an operand: an operator of arithmetic or a comparison binds it at once


class Bracket(NamedTuple):
    """What is open, and what it asks for."""

    kind: str  # root | call | group | list | index | slice | condition
    types: int = ANY  # that fit; of index and slice, what is indexed
    name: str = ""  # of a call, the function
    later: bool = False  # of a call, whether its first argument is there
    compared: bool = False  # what `Mode.compared` was before it


class Effect(NamedTuple):
    """What a token does."""

    misfit: float
    mode: Mode
    change: int = 0  # brackets: 1 opens one, -1 closes it, 0 leaves or replaces it
    bracket: Bracket | None = None


STATEMENT = Mode("statement")
ROOT = Bracket("root")


def types_of(values: Iterable[object]) -> int:
    """The types of some values, as bits."""
    found = 0
    for value in values:
        found |= (
            BOOL
            if isinstance(value, bool)
            else NUMBER
            if isinstance(value, int | float)
            else TEXT
            if isinstance(value, str)
            else LIST
            if isinstance(value, list | tuple)
            else 0
        )
    return found or ANY


def _fits(types: int, wanted: Mode) -> float:
    """How badly an operand of these types fits where one is wanted."""
    if types & wanted.types:
        return 0.0
    if not wanted.tight and wanted.types & BOOL:
        return 0.0  # it may be compared
    return _MENDABLE if types & LIST and wanted.types & ~LIST else 1.0  # an element of it may fit


class Rules:
    """What each token does, of one task: the types of the names that exist from the start, and of the answer."""

    def __init__(self, names: dict[str, int], elements: int, answer: int):
        """names: types of parameters; elements: of the elements of lists among the arguments."""
        self._names, self._elements, self._answer = names, elements, answer

    @property
    def key(self) -> tuple:
        """Rules of one key are alike."""
        return tuple(self._names.items()), self._elements, self._answer

    def effect(self, mode: Mode, bracket: Bracket, token: str) -> Effect:
        return getattr(self, f"_{mode.phase}")(mode, bracket, token)

    def alike(self, token: str) -> str:
        """The same for tokens that have the same effects."""
        kind = token_class(token)
        if kind in ("NUMBER", "TEXT") or kind == "VARIABLE" and token not in self._names:
            return kind
        group = next((group for group in _ALIKE if token in group), (token,))
        return group[0]

    def _statement(self, mode: Mode, bracket: Bracket, token: str) -> Effect:
        if token == "return":
            return Effect(0.0, Mode("operand", self._answer), 0, Bracket("root", self._answer))
        if token in ("if", "while", "=", "+="):
            return Effect(0.0, Mode("operand"), 0, ROOT)
        if token == "in":
            return Effect(0.0, Mode("operand", SEQUENCE), 0, Bracket("root", SEQUENCE))
        if token == "[":
            return Effect(0.0, Mode("operand", NUMBER), 1, Bracket("index"))
        if token == "print" or token_class(token) == "FUNCTION":
            return Effect(0.0, Mode("call"), 1, Bracket("call", ANY, token))
        return Effect(0.0, STATEMENT, 0, ROOT)

    def _call(self, mode: Mode, bracket: Bracket, token: str) -> Effect:
        return Effect(0.0, Mode("operand", bracket.types))

    def _operand(self, mode: Mode, bracket: Bracket, token: str) -> Effect:
        compared = mode.compared
        if token in _RESULT or token_class(token) == "FUNCTION":
            result, argument = _RESULT.get(token, self._answer), _ARGUMENT.get(token, ANY)
            return Effect(_fits(result, mode), Mode("call"), 1, Bracket("call", argument, token, False, compared))
        if token == "(":
            return Effect(0.0, Mode("operand", mode.types), 1, Bracket("group", mode.types, compared=compared))
        if token == "[":
            return Effect(_fits(LIST, mode), Mode("operand"), 1, Bracket("list", compared=compared))
        if token == "-":
            return Effect(_fits(NUMBER, mode), Mode("operand", NUMBER, compared, True))
        if token == "not":
            return Effect(_fits(BOOL, mode), Mode("operand", ANY, True))
        if token in (")", "]", ":", "NEWLINE"):  # nothing was written where something may be
            return self._left_out(mode, bracket, token)
        kind = token_class(token)
        types = {"NUMBER": NUMBER, "TEXT": TEXT, "VARIABLE": self._names.get(token, ANY)}.get(kind, 0)
        types = BOOL if token in ("True", "False") else types
        return Effect(_fits(types, mode), Mode("after", types, compared))

    def _left_out(self, mode: Mode, bracket: Bracket, token: str) -> Effect:
        if token == "NEWLINE":
            return Effect(1.0, STATEMENT, 0, ROOT)
        if bracket.kind == "list":
            return Effect(0.0, Mode("after", LIST, bracket.compared), -1)
        if bracket.kind in ("index", "slice"):
            if token == ":":
                return Effect(0.0, mode, 0, bracket._replace(kind="slice"))
            return Effect(0.0, Mode("after", bracket.types, bracket.compared), -1)
        return Effect(1.0, Mode("after", _RESULT.get(bracket.name, self._answer), bracket.compared), -1)

    def _after(self, mode: Mode, bracket: Bracket, token: str) -> Effect:
        types = mode.types
        if token == "[":
            misfit = 0.0 if types & SEQUENCE else 1.0
            return Effect(
                misfit, Mode("operand", NUMBER), 1, Bracket("index", types & SEQUENCE or ANY, compared=mode.compared)
            )
        if token == "+":
            good = types & ~BOOL
            return Effect(0.0 if good else _MENDABLE, Mode("operand", good or NUMBER, mode.compared, True))
        if token in ("-", "/", "//", "%", "*"):
            good = types & (ANY - BOOL if token == "*" else NUMBER)
            misfit = 0.0 if good else _MENDABLE if types & BOOL else 1.0
            return Effect(misfit, Mode("operand", NUMBER, mode.compared, True))
        if token in _COMPARISONS or token == "in":
            wanted = types if token != "in" else SEQUENCE if types & TEXT else LIST
            misfit = 0.0 if bracket.kind == "condition" or self._wanted(bracket) & BOOL else _MENDABLE
            return Effect(misfit, Mode("operand", wanted or ANY, True, True))
        if token in ("and", "or"):
            return Effect(0.0, Mode("operand", self._wanted(bracket)))
        if token in ("=", "+="):
            return Effect(0.0, Mode("operand"), 0, ROOT)
        return self._closed(mode, bracket, token)

    def _closed(self, mode: Mode, bracket: Bracket, token: str) -> Effect:
        """A token before which the value of an expression is complete."""
        types = BOOL if mode.compared else mode.types
        misfit = 0.0 if types & self._wanted(bracket) else 1.0
        if token == "if":
            return Effect(misfit, Mode("operand"), 1, Bracket("condition", self._wanted(bracket)))
        if token == "else":
            return Effect(0.0, Mode("operand", bracket.types), -1)
        if bracket.kind == "call":
            return self._argument(types, misfit, bracket, token)
        if bracket.kind == "group":
            return Effect(misfit, Mode("after", types, bracket.compared), -1)
        if bracket.kind == "list":
            if token == ",":
                return Effect(0.0, Mode("operand"))
            return Effect(0.0, Mode("after", LIST, bracket.compared), -1)
        if bracket.kind in ("index", "slice"):
            if token == ":":
                return Effect(misfit, Mode("operand", NUMBER), 0, bracket._replace(kind="slice"))
            inside = (self._elements if bracket.types & LIST else 0) | bracket.types & TEXT
            result = bracket.types if bracket.kind == "slice" else inside
            return Effect(misfit, Mode("after", result, bracket.compared), -1)
        return Effect(misfit, STATEMENT, 0, ROOT)

    def _argument(self, types: int, misfit: float, bracket: Bracket, token: str) -> Effect:
        name = bracket.name
        if token == ",":
            if name in ("max", "min"):
                return Effect(
                    max(misfit, 0.0 if types & NUMBER else _MENDABLE),
                    Mode("operand", NUMBER),
                    0,
                    bracket._replace(types=NUMBER, later=True),
                )
            fits = misfit if name in _SEVERAL or name not in _RESULT else 1.0
            return Effect(fits, Mode("operand", bracket.types), 0, bracket._replace(later=True))
        if name in ("max", "min") and not bracket.later:
            misfit = 0.0 if types & SEQUENCE else 1.0
        return Effect(misfit, Mode("after", _RESULT.get(name, self._answer), bracket.compared), -1)

    @staticmethod
    def _wanted(bracket: Bracket) -> int:
        return NUMBER if bracket.kind in ("index", "slice") else ANY if bracket.kind == "list" else bracket.types


def hangs_on_bracket(mode: Mode, token: str) -> bool:
    """Whether what a token does may be another thing under another bracket."""
    if mode.phase == "operand":
        return token in (")", "]", ":", "NEWLINE")
    return mode.phase == "call" or mode.phase == "after" and token not in _BINDS_TIGHTLY
