"""What types say about the next token: a soft preference for programs that do not crash by their types.

The task's cases show the types of arguments and answers. A small pushdown automaton follows each program beside the
grammar's: it knows the type of the operand just written, or the types that fit where one is expected, and keeps a
stack of open brackets, each of which asks for types of its own. For every token it says how badly it fits: 0, 1/2 where
more must follow to mend it, 1 where the program would likely crash. Nothing becomes illegal by this.

Types are sets of bits; a value of unknown type has them all, `None` has none. Approximations, on purpose: variables
that the program defines are of unknown type, so are the elements of its lists, and `[0] * 2` counts as a number. Only
right inside a lambda or a comprehension they count as elements of the arguments, which is what these bind. What
each word of the language takes and gives is in word_types.py.
"""

from collections.abc import Iterable

from agent_core.learning.type_states import ROOT, STATEMENT, Bracket, Effect, Mode
from agent_core.learning.word_types import (
    ALIKE,
    ANY,
    BOOL,
    COMPARISONS,
    DICT,
    ELEMENT,
    ITEM_METHODS,
    ITERABLE,
    LIST,
    NUMBER,
    OPERATORS,
    SET,
    TEXT,
    UPDATES,
    WORDS,
    Word,
)
from tokenizer import COMPREHENSION, token_class

_SUBSCRIPTED = TEXT | LIST | DICT
_MENDABLE = 0.5
_BITS = ((bool, BOOL), (int | float, NUMBER), (str, TEXT), (list | tuple, LIST), (dict, DICT), (set, SET))


def types_of(values: Iterable[object]) -> int:
    """The types of some values, as bits."""
    found = 0
    for value in values:
        found |= next((bit for kind, bit in _BITS if isinstance(value, kind)), 0)
    return found or ANY


def _fits(types: int, wanted: Mode) -> float:
    """How badly an operand of these types fits where one is wanted."""
    if types & wanted.types:
        return 0.0
    if not wanted.tight and wanted.types & BOOL:
        return 0.0  # it may be compared
    return _MENDABLE if types & (LIST | DICT) and wanted.types & ~LIST else 1.0  # an element of it may fit


class Rules:
    """What each token does, of one task: the types of the names that exist from the start, and of the answer.

    Two that say the same are equal.
    """

    def __init__(self, names: dict[str, int], elements: int, answer: int):
        """names: types of parameters; elements: of the elements of lists among the arguments."""
        self._names, self._elements, self._answer = names, elements, answer
        given = 0
        for types in names.values():
            given |= types & (NUMBER | TEXT)
        self._bound = elements if elements == ANY else elements | given

    def _key(self) -> tuple:
        return tuple(self._names.items()), self._elements, self._answer

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Rules) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def effect(self, mode: Mode, bracket: Bracket, token: str) -> Effect:
        return getattr(self, f"_{mode.phase}")(mode, bracket, token)

    def alike(self, token: str) -> str:
        """The same for tokens that have the same effects."""
        kind = token_class(token)
        if kind in ("NUMBER", "TEXT") or kind == "VARIABLE" and token not in self._names:
            return kind
        return ALIKE.get(token, token)

    def _statement(self, mode: Mode, bracket: Bracket, token: str) -> Effect:
        if token == "return":
            return Effect(0.0, Mode("operand", self._answer), 0, Bracket("root", self._answer))
        if token in ("if", "while", *UPDATES):
            return Effect(0.0, Mode("operand"), 0, ROOT)
        if token == "in":
            return Effect(0.0, Mode("operand", ITERABLE), 0, Bracket("root", ITERABLE))
        if token == "[":
            return Effect(0.0, Mode("operand"), 1, Bracket("index"))
        if token == "print" or token in ITEM_METHODS or token_class(token) == "FUNCTION":
            return Effect(0.0, Mode("call"), 1, Bracket("call"))
        return Effect(0.0, STATEMENT, 0, ROOT)

    def _call(self, mode: Mode, bracket: Bracket, token: str) -> Effect:
        return Effect(0.0, Mode("function" if bracket.role == "calls" else "operand", bracket.types))

    def _function(self, mode: Mode, bracket: Bracket, token: str) -> Effect:
        if token == "lambda" and bracket.role in ("calls", "extreme", "sorts"):
            return Effect(0.0, Mode("lambda"), 0, bracket._replace(kind="lambda", types=ANY, later=False))
        return Effect(0.0, Mode("after"))

    def _lambda(self, mode: Mode, bracket: Bracket, token: str) -> Effect:
        return Effect(0.0, Mode("operand") if token == ":" else mode)

    def _operand(self, mode: Mode, bracket: Bracket, token: str) -> Effect:
        compared, kind = mode.compared, token_class(token)
        if token in WORDS or kind == "FUNCTION":
            word = WORDS.get(token, Word(ANY, self._answer))
            return Effect(_fits(self._result(word), mode), Mode("call"), 1, self._opened(word, compared))
        if token == "(":
            return Effect(0.0, Mode("operand", mode.types), 1, Bracket("group", mode.types, compared=compared))
        if token == "[":
            return Effect(_fits(LIST, mode), Mode("operand"), 1, Bracket("list", compared=compared))
        if token == "{":
            return Effect(_fits(DICT, mode), Mode("operand"), 1, Bracket("dict", compared=compared))
        if token == COMPREHENSION:
            source = Bracket("source", ITERABLE, compared=compared)
            return Effect(_fits(LIST, mode), Mode("operand", ITERABLE), 1, source)
        if token in ("-", "~"):
            return Effect(_fits(NUMBER, mode), Mode("operand", NUMBER, compared, True))
        if token == "not":
            return Effect(_fits(BOOL, mode), Mode("operand", ANY, True))
        if token == "key=":
            return Effect(0.0, Mode("function"))
        if token == "if":  # the condition of a comprehension
            return Effect(0.0, Mode("operand"), 0, Bracket("kept", ANY, bracket.compared))
        if token in HANGING:  # nothing was written where something may be
            return self._left_out(mode, bracket, token)
        types = {"NUMBER": NUMBER, "TEXT": TEXT}.get(kind, 0)
        if kind == "VARIABLE":
            types = self._names.get(token, self._bound if bracket.kind in ("lambda", "kept", "item") else ANY)
        types = BOOL if token in ("True", "False") else NUMBER if token == "pi" else types
        misfit = _fits(types, mode)
        if misfit == 1 and kind == "VARIABLE" and types & TEXT and mode.types & (LIST | NUMBER):
            misfit = _MENDABLE  # by a method
        return Effect(misfit, Mode("after", types, compared))

    def _left_out(self, mode: Mode, bracket: Bracket, token: str) -> Effect:
        if token == "NEWLINE":
            return Effect(1.0, STATEMENT, 0, ROOT)
        if bracket.kind in ("list", "dict"):
            return Effect(0.0, Mode("after", LIST if bracket.kind == "list" else DICT, bracket.compared), -1)
        if bracket.kind in ("index", "slice"):
            if token == ":":
                return Effect(0.0, Mode("operand", NUMBER), 0, bracket._replace(kind="slice"))
            return Effect(0.0, Mode("after", bracket.types, bracket.compared), -1)
        misfit = 0.0 if bracket.role == "method" else 1.0  # what a method lacks, the grammar knows
        return Effect(misfit, Mode("after", bracket.result, bracket.compared), -1)

    def _after(self, mode: Mode, bracket: Bracket, token: str) -> Effect:
        types = mode.types
        if token == "[":
            indexed = types & _SUBSCRIPTED
            wanted = NUMBER if indexed and not indexed & DICT else ANY
            opened = Bracket("index", indexed or ANY, compared=mode.compared)
            return Effect(0.0 if indexed else 1.0, Mode("operand", wanted), 1, opened)
        if token in OPERATORS:
            before, wanted = OPERATORS[token]
            good = types & before
            misfit = 0.0 if good else _MENDABLE if types & BOOL else 1.0
            return Effect(misfit, Mode("operand", wanted or good or NUMBER, mode.compared, True))
        if token in WORDS and WORDS[token].receiver:
            word = WORDS[token]
            misfit = 0.0 if types & word.receiver else 1.0
            return Effect(misfit, Mode("call"), 1, self._opened(word, mode.compared))
        if token in COMPARISONS or token in ("in", "not"):
            wanted = types if token in COMPARISONS else ITERABLE if types & TEXT else ITERABLE - TEXT
            misfit = 0.0 if bracket.kind == "condition" or self._wanted(bracket) & BOOL else _MENDABLE
            return Effect(misfit, mode if token == "not" else Mode("operand", wanted or ANY, True, True))
        if token in ("and", "or"):
            return Effect(0.0, Mode("operand", self._wanted(bracket)))
        if token in UPDATES:
            return Effect(0.0, Mode("operand"), 0, ROOT)
        return self._closed(mode, bracket, token)

    def _closed(self, mode: Mode, bracket: Bracket, token: str) -> Effect:
        """A token before which the value of an expression is complete."""
        types = BOOL if mode.compared else mode.types
        misfit = 0.0 if types & self._wanted(bracket) else 1.0
        if token == "if" and bracket.kind != "source":
            return Effect(misfit, Mode("operand"), 1, Bracket("condition", self._wanted(bracket)))
        if token == "else":
            return Effect(0.0, Mode("operand", bracket.types), -1)
        if bracket.kind in ("call", "lambda"):
            return self._argument(types, misfit, bracket, token)
        if bracket.kind == "group":
            return Effect(misfit, Mode("after", types, bracket.compared), -1)
        if bracket.kind in ("index", "slice"):
            return self._subscript(misfit, bracket, token)
        if bracket.kind == "source":  # its variable follows
            return Effect(misfit, Mode("operand"), 0, Bracket("item", ANY, bracket.compared))
        if token in ("]", "}"):
            return Effect(0.0, Mode("after", DICT if token == "}" else LIST, bracket.compared), -1)
        if token in (",", ":") and bracket.kind in ("list", "dict", "kept"):
            item = Bracket("item", ANY, bracket.compared) if bracket.kind == "kept" else None
            return Effect(0.0, Mode("operand"), 0, item)
        return Effect(misfit, STATEMENT, 0, ROOT)

    def _subscript(self, misfit: float, bracket: Bracket, token: str) -> Effect:
        if token == ":":
            return Effect(misfit, Mode("operand", NUMBER), 0, bracket._replace(kind="slice"))
        inside = (
            (self._elements if bracket.types & LIST else 0) | bracket.types & TEXT | ANY * bool(bracket.types & DICT)
        )
        result = bracket.types if bracket.kind == "slice" else inside
        return Effect(misfit, Mode("after", result, bracket.compared), -1)

    def _argument(self, types: int, misfit: float, bracket: Bracket, token: str) -> Effect:
        if token == "," and bracket.role == "calls":
            return Effect(0.0, Mode("operand", ITERABLE), 0, bracket._replace(kind="call", types=ITERABLE))
        if token == ",":
            if bracket.role == "extreme":
                misfit = max(misfit, 0.0 if types & NUMBER else _MENDABLE)
                return Effect(misfit, Mode("operand", NUMBER), 0, bracket._replace(types=NUMBER, later=True))
            return Effect(1.0 if bracket.role == "single" else misfit, Mode("operand", bracket.types))
        if bracket.role == "extreme" and not bracket.later:
            misfit = 0.0 if types & ITERABLE else 1.0
        misfit = 0.0 if bracket.kind == "lambda" else misfit
        return Effect(misfit, Mode("after", bracket.result, bracket.compared), -1)

    def _opened(self, word: Word, compared: bool) -> Bracket:
        return Bracket("call", word.argument, compared, self._result(word), word.role)

    def _result(self, word: Word) -> int:
        if word.result == ELEMENT:
            return NUMBER | (0 if self._elements == ANY else self._elements)
        return word.result

    @staticmethod
    def _wanted(bracket: Bracket) -> int:
        if bracket.kind in ("index", "slice"):
            return ANY if bracket.types & DICT else NUMBER
        return ANY if bracket.kind in ("list", "dict", "item") else bracket.types


HANGING = frozenset((")", "]", "}", ":", "NEWLINE", "if", "key="))
