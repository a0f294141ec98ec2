"""What the trees of the DEAP peer are made of: four types, and the project's expressions as functions of them."""

import operator
import zlib
from collections.abc import Sequence

from deap import gp

from tests.benchmarks.peer_judge import Program, ranged, repeated

NUMBERS = (*range(11), 15, 100)
TEXTS = ("hello", "world", "yes", "no", "fizz", "buzz", " ", "")  # those of the vocabulary


class Kind(type):
    """A type of the trees. DEAP draws from sets of types, whose order hangs on their hash: with one that is the same
    in every process a seed fixes the run."""

    def __hash__(cls) -> int:
        return zlib.crc32(cls.__name__.encode())


class Num(metaclass=Kind):
    """A whole number or a float."""


class Bool(metaclass=Kind):
    """True or False."""


class Lst(metaclass=Kind):
    """A list of numbers."""


class Str(metaclass=Kind):
    """A text."""


class Any(metaclass=Kind):
    """A number or a text: the answer of a function that gives both."""


def kind_of(value: object) -> Kind:
    """The type of an argument or of an answer. Raises ValueError where the trees have no such type."""
    for kind, types in ((Bool, bool), (Num, int | float), (Lst, list), (Str, str)):
        if isinstance(value, types):
            return kind
    raise ValueError(f"typed trees have no type for {value!r}")


def answer_kind(answers: Sequence[object]) -> Kind:
    """The type of all answers; Any for numbers and texts. Raises ValueError for another mixture."""
    kinds = {kind_of(answer) for answer in answers}
    if len(kinds) == 1:
        return kinds.pop()
    if kinds == {Num, Str}:
        return Any
    raise ValueError(f"typed trees have no type for answers that are {', '.join(sorted(k.__name__ for k in kinds))}")


def choose(condition: bool, first: object, second: object) -> object:
    return first if condition else second


def primitive_set(arguments: Sequence[Kind], answer: Kind, names: Sequence[str]) -> gp.PrimitiveSetTyped:
    """All that trees of these types are made of. names: of the arguments."""
    pset = gp.PrimitiveSetTyped("main", arguments, answer)
    pset.renameArguments(**{f"ARG{place}": name for place, name in enumerate(names)})
    for name, (function, takes, gives) in _OPERATIONS.items():
        pset.addPrimitive(function, list(takes), gives, name=name)
    for kind in (Num, Bool, Lst, Str):
        pset.addPrimitive(choose, [Bool, kind, kind], kind, name=f"if_{kind.__name__}")
    for kind, values in ((Num, NUMBERS), (Bool, (True, False)), (Str, TEXTS)):
        for value in values:
            pset.addTerminal(value, kind)
    pset.addTerminal([], Lst, name="empty")
    if answer is Any:
        pset.addPrimitive(choose, [Bool, Any, Any], Any, name="if_Any")
        for kind, values in ((Num, NUMBERS), (Str, TEXTS)):
            pset.addPrimitive(lambda value: value, [kind], Any, name=f"any_{kind.__name__}")
            for value in values:
                pset.addTerminal(value, Any)
    return pset


_OPERATIONS: dict[str, tuple[Program, tuple[Kind, ...], Kind]] = {
    "add": (operator.add, (Num, Num), Num),
    "sub": (operator.sub, (Num, Num), Num),
    "mul": (operator.mul, (Num, Num), Num),
    "div": (operator.truediv, (Num, Num), Num),
    "floor": (operator.floordiv, (Num, Num), Num),
    "mod": (operator.mod, (Num, Num), Num),
    "neg": (operator.neg, (Num,), Num),
    "abs": (abs, (Num,), Num),
    "max": (max, (Num, Num), Num),
    "min": (min, (Num, Num), Num),
    "max_of": (max, (Lst,), Num),
    "min_of": (min, (Lst,), Num),
    "len_list": (len, (Lst,), Num),
    "len_text": (len, (Str,), Num),
    "sum": (sum, (Lst,), Num),
    "item": (operator.getitem, (Lst, Num), Num),
    "int_bool": (int, (Bool,), Num),
    "int_text": (int, (Str,), Num),
    "eq": (operator.eq, (Num, Num), Bool),
    "ne": (operator.ne, (Num, Num), Bool),
    "lt": (operator.lt, (Num, Num), Bool),
    "gt": (operator.gt, (Num, Num), Bool),
    "le": (operator.le, (Num, Num), Bool),
    "ge": (operator.ge, (Num, Num), Bool),
    "eq_list": (operator.eq, (Lst, Lst), Bool),
    "eq_text": (operator.eq, (Str, Str), Bool),
    "in_list": (lambda number, items: number in items, (Num, Lst), Bool),
    "in_text": (lambda part, text: part in text, (Str, Str), Bool),
    "both": (lambda first, second: first and second, (Bool, Bool), Bool),
    "either": (lambda first, second: first or second, (Bool, Bool), Bool),
    "not_": (operator.not_, (Bool,), Bool),
    "sorted": (sorted, (Lst,), Lst),
    "from_": (lambda items, start: items[start:], (Lst, Num), Lst),
    "until": (lambda items, stop: items[:stop], (Lst, Num), Lst),
    "slice": (lambda items, start, stop: items[start:stop], (Lst, Num, Num), Lst),
    "every": (lambda items, step: items[::step], (Lst, Num), Lst),
    "steps": (lambda items, start, stop, step: items[start:stop:step], (Lst, Num, Num, Num), Lst),
    "join": (operator.add, (Lst, Lst), Lst),
    "times": (repeated, (Lst, Num), Lst),
    "one": (lambda first: [first], (Num,), Lst),
    "two": (lambda first, second: [first, second], (Num, Num), Lst),
    "range_1": (ranged, (Num,), Lst),
    "range_2": (ranged, (Num, Num), Lst),
    "range_3": (ranged, (Num, Num, Num), Lst),
    "text": (str, (Num,), Str),
    "join_text": (operator.add, (Str, Str), Str),
    "item_text": (operator.getitem, (Str, Num), Str),
    "slice_text": (lambda text, start, stop: text[start:stop], (Str, Num, Num), Str),
    "times_text": (repeated, (Str, Num), Str),
}
