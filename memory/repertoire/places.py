"""Places of a repertoire: what a program is made of, and how long it is.

Every place can be filled, so a repertoire that is full of short expressions still has room for loops and recursion.
Each length has places of its own: where a place took four lengths, a full repertoire kept the shortest of the four
alone, and what is learned from it had next to no programs of 13 to 15 tokens.
"""

from collections.abc import Sequence

_LONGEST = 48  # tokens; longer programs stand with these
# Constructs, the rarest first: a program counts as the first of them that it has. Of built-ins it is the last.
_LOOPS = ("calls itself", "while", "for", "def", "lambda", "comprehension with if", "comprehension")
_RARER = (*_LOOPS, "if", "dict", "slice", "item", "method")
_BUILTINS = ["range", "len", "sum", "max", "min", "abs", "sorted", "str", "int", "list", "set", "round", "reversed"]
_BUILTINS += ["enumerate", "zip", "any", "all", "floor", "ceil", "sqrt", "filter", "map"]
_COMMONER = ("bits", "logic", "comparison", "plain")
_WORDS = {word: word for word in ("while", "for", "def", "lambda")} | {"[for": "comprehension", "if": "if", "{": "dict"}
_BITS = {"&", "|", "^", "~", "<<", ">>"}
_LOGIC = {"and", "or", "not"}
_COMPARISONS = {"==", "!=", "<", ">", "<=", ">=", "in"}


class Places:
    """Numbers the places of the programs of one vocabulary."""

    def __init__(self, tokens: Sequence[str]):
        self._tokens = tokens
        self.names = (*_RARER, *_BUILTINS, *_COMMONER)
        self._numbers = {name: number for number, name in enumerate(self.names)}

    def place_of(self, row: Sequence[int]) -> int:
        """row: token ids up to <EOS>."""
        return self.construct_of(row) * _LONGEST + min(len(row), _LONGEST) - 1

    @staticmethod
    def shortest_of(place: int) -> int:
        """The fewest tokens that programs of a place have."""
        return place % _LONGEST + 1

    def construct_of(self, row: Sequence[int]) -> int:
        """An index into `names`. Only what can be reached counts."""
        return self._numbers[self._construct(_reached([self._tokens[i] for i in row]))]

    def _construct(self, texts: Sequence[str]) -> str:
        present = set(texts)
        if "def" not in present and _calls_itself(texts):
            return "calls itself"
        for word, construct in _WORDS.items():
            if word in present:
                return f"{construct} with if" if word == "[for" and "if" in present else construct
        if subscript := _subscript(texts):
            return subscript
        if any(text.startswith(".") for text in present):
            return "method"
        if called := present.intersection(_BUILTINS):
            return max(called, key=self._numbers.__getitem__)
        kinds = zip(_COMMONER, (_BITS, _LOGIC, _COMPARISONS), strict=False)
        return next((construct for construct, words in kinds if present & words), "plain")


def _reached(texts: Sequence[str]) -> Sequence[str]:
    """A function's body up to the first `return` that nothing leads around."""
    depth, returns = 0, False
    for place, text in enumerate(texts):
        depth += (text == "INDENT") - (text == "DEDENT")
        if text == "return" and not depth:
            returns = True
        elif text == "NEWLINE" and returns:
            return texts[: place + 1]
    return texts


def _calls_itself(texts: Sequence[str]) -> bool:
    """Whether a function is called that the program does not define, with arguments: without any, it could not come to
    an end."""
    calls = zip(texts, texts[1:], texts[2:], strict=False)
    return any(text.startswith("func_") and argument != ")" for text, _, argument in calls)


def _subscript(texts: Sequence[str]) -> str:
    """Whether something is taken out of a sequence: `slice`, `item`, or nothing."""
    depth: list[bool] = []
    found = ""
    for before, text in zip(("NEWLINE", *texts), texts, strict=False):
        if text == "[":
            depth.append(before.startswith(("var_", '"')) or before in (")", "]"))
            found = found or ("item" if depth[-1] else "")
        elif text == "]" and depth:
            depth.pop()
        elif text == ":" and depth and depth[-1]:
            return "slice"
    return found
