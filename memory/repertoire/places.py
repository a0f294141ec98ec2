"""Places of a repertoire: what a program is made of, and how long it is.

Every place can be filled, so a repertoire that is full of short expressions still has room for loops and recursion.
"""

from collections.abc import Sequence

_LENGTHS = 4  # tokens between one place and the next
_LONGEST = 12  # places by length; the last one has no end
# Constructs, the rarest first: a program counts as the first of them that it has.
CONSTRUCTS = ("calls itself", "while", "for", "def", "if", "slice", "item", "builtin", "logic", "comparison", "plain")
_LOGIC = {"and", "or", "not"}
_COMPARISONS = {"==", "!=", "<", ">", "<=", ">=", "in"}


class Places:
    """Numbers the places of the programs of one vocabulary."""

    def __init__(self, tokens: Sequence[str], builtins: Sequence[str]):
        """builtins: the names of functions that come with the language; each is a construct of its own."""
        self._tokens = tokens
        self._builtins = {name: i for i, name in enumerate(builtins) if name in tokens}
        self.names = (*CONSTRUCTS[:7], *builtins, *CONSTRUCTS[8:])

    def place_of(self, row: Sequence[int]) -> int:
        """row: token ids up to <EOS>."""
        return self.construct_of(row) * _LONGEST + min(len(row) // _LENGTHS, _LONGEST - 1)

    def construct_of(self, row: Sequence[int]) -> int:
        """An index into `names`."""
        texts = [self._tokens[i] for i in row]
        present = set(texts)
        if "def" not in present and any(text.startswith("func_") for text in present):
            return 0
        for construct, word in ((1, "while"), (2, "for"), (3, "def"), (4, "if")):
            if word in present:
                return construct
        subscript = _subscript(texts)
        if subscript:
            return 5 if subscript == "slice" else 6
        called = [self._builtins[text] for text in texts if text in self._builtins]
        if called:
            return 7 + max(called)
        logic = 7 + len(self.names) - len(CONSTRUCTS) + 1
        return logic if present & _LOGIC else logic + 1 if present & _COMPARISONS else logic + 2


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
