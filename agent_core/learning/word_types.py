"""What each word of the language takes and gives, as types: sets of bits, all of them where nothing is known."""

from typing import NamedTuple

NUMBER, BOOL, TEXT, LIST, ITERATOR, DICT, SET = (1 << i for i in range(7))
ANY = 127
ITERABLE = TEXT | LIST | ITERATOR | DICT | SET
SIZED = ITERABLE - ITERATOR
ADDED = NUMBER | TEXT | LIST
COMBINED = NUMBER | BOOL | SET
ELEMENT = 0  # as a result: whatever the lists among the task's arguments hold


class Word(NamedTuple):
    """A built-in or a method."""

    argument: int  # what its arguments are
    result: int
    # single: more than one argument is a mistake | several | extreme: of the elements of one argument, or of several
    # arguments | sorts: takes a key | calls: calls its first argument back | method
    role: str = "several"
    receiver: int = 0  # of a method, what stands before the dot


WORDS = {
    "range": Word(NUMBER, LIST),
    "zip": Word(ITERABLE, ITERATOR),
    "len": Word(SIZED, NUMBER, "single"),
    "sum": Word(ITERABLE - TEXT, NUMBER, "single"),
    "max": Word(NUMBER | ITERABLE, ELEMENT, "extreme"),
    "min": Word(NUMBER | ITERABLE, ELEMENT, "extreme"),
    "any": Word(ITERABLE, BOOL, "single"),
    "all": Word(ITERABLE, BOOL, "single"),
    "sorted": Word(ITERABLE, LIST, "sorts"),
    "list": Word(ITERABLE, LIST, "single"),
    "set": Word(ITERABLE, SET, "single"),
    "reversed": Word(TEXT | LIST, ITERATOR, "single"),
    "enumerate": Word(ITERABLE, ITERATOR, "single"),
    "map": Word(ITERABLE, ITERATOR, "calls"),
    "filter": Word(ITERABLE, ITERATOR, "calls"),
    "abs": Word(NUMBER, NUMBER, "single"),
    "sqrt": Word(NUMBER, NUMBER, "single"),
    "floor": Word(NUMBER, NUMBER, "single"),
    "ceil": Word(NUMBER, NUMBER, "single"),
    "round": Word(NUMBER, NUMBER),
    "str": Word(ANY, TEXT, "single"),
    "int": Word(NUMBER | BOOL | TEXT, NUMBER, "single"),
    ".upper": Word(TEXT, TEXT, "method", TEXT),
    ".lower": Word(TEXT, TEXT, "method", TEXT),
    ".strip": Word(TEXT, TEXT, "method", TEXT),
    ".replace": Word(TEXT, TEXT, "method", TEXT),
    ".split": Word(TEXT, LIST, "method", TEXT),
    ".join": Word(TEXT | LIST | ITERATOR, TEXT, "method", TEXT),
    ".startswith": Word(TEXT, BOOL, "method", TEXT),
    ".endswith": Word(TEXT, BOOL, "method", TEXT),
    ".isdigit": Word(TEXT, BOOL, "method", TEXT),
    ".isalpha": Word(TEXT, BOOL, "method", TEXT),
    ".isupper": Word(TEXT, BOOL, "method", TEXT),
    ".islower": Word(TEXT, BOOL, "method", TEXT),
    ".find": Word(TEXT, NUMBER, "method", TEXT),
    ".count": Word(ANY, NUMBER, "method", TEXT | LIST),
    ".index": Word(ANY, NUMBER, "method", TEXT | LIST),
    ".pop": Word(NUMBER, ANY, "method", LIST),
    ".get": Word(ANY, ANY, "method", DICT),
    ".keys": Word(ANY, ITERATOR, "method", DICT),
    ".values": Word(ANY, ITERATOR, "method", DICT),
    ".items": Word(ANY, ITERATOR, "method", DICT),
}
UPDATES = ("=", "+=", "-=", "*=", "//=")
ITEM_METHODS = (".append", ".add", ".remove")  # in statements only
COMPARISONS = ("==", "!=", "<", ">", "<=", ">=")
# Of each operator what fits before it, and what after it: SAME is whatever came before.
SAME = 0
OPERATORS = {
    "+": (ADDED, SAME),
    "-": (NUMBER | SET, SAME),
    "*": (ADDED, NUMBER),
    **dict.fromkeys(("/", "//", "%", "**", "<<", ">>"), (NUMBER, NUMBER)),
    **dict.fromkeys(("&", "|", "^"), (COMBINED, SAME)),
}
# Tokens that have the same effects.
_LAYOUT = ("pass", "break", "def", "for", "INDENT", "DEDENT", "<PAD>", "<SOS>", "<EOS>", "<UNK>")
_GROUPS = (COMPARISONS, UPDATES, ITEM_METHODS, _LAYOUT, ("and", "or"), ("True", "False"))
ALIKE = {token: group[0] for group in _GROUPS for token in group}
_EQUAL: dict[tuple, str] = {}
for _word, _types in (WORDS | OPERATORS).items():
    ALIKE[_word] = _EQUAL.setdefault((_types, _word == "-"), _word)  # a minus may begin an operand
