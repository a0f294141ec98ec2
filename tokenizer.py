"""Source text to token ids and back, over a vocabulary that a user can edit.

A program's ids are what Python's own `tokenize` module finds in its text, looked up in the vocabulary, and end in
<EOS>. Literals are matched by value, so 'hello' and "hello" are the same token. Indentation is two tokens, INDENT and
DEDENT, and the end of a line is NEWLINE, as in Python's grammar. A method with its dot is one token, and so is `key=`.

A list comprehension is written in the order in which it is worked out, so that whoever writes it from left to right
knows the list, and has the variable, before the element is due. `[v * 2 for v in xs if v]` is these tokens:

    [for  xs  v  if  v  :  v  *  2  ]
"""

import ast
import io
import json
import re
import tokenize
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from utils import UserError

PAD, SOS, EOS, UNK = "<PAD>", "<SOS>", "<EOS>", "<UNK>"
SPECIAL_TOKENS = (PAD, SOS, EOS, UNK)
LAYOUT_TOKENS = ("NEWLINE", "INDENT", "DEDENT")
COMPREHENSION = "[for"
_NOT_PYTHON = frozenset(SPECIAL_TOKENS + LAYOUT_TOKENS)
_JOINED = re.compile(r"\.[A-Za-z]\w*|key=")
_OPENING, _CLOSING = frozenset([*"([{", COMPREHENSION]), frozenset(")]}")
# After one of these an operand is due, in the first part of a comprehension.
_EXPECTING = re.compile(r"not|and|or|in|[^\w\s\"')\]}]+|\[for")
_SKIPPED = frozenset((tokenize.COMMENT, tokenize.NL, tokenize.ENCODING, tokenize.ENDMARKER))


class LocatedToken(NamedTuple):
    """A token of a text: its id, <UNK>'s where the vocabulary does not hold it, and where it begins, from 1."""

    id: int
    text: str
    line: int
    column: int


class VocabularyError(UserError):
    """The vocabulary file cannot be used as it is."""


@lru_cache(maxsize=10_000)
def token_class(token: str) -> str:
    """The class that grammars know a token by: SPECIAL, LAYOUT, NUMBER, TEXT, VARIABLE, FUNCTION or WORD."""
    if token in SPECIAL_TOKENS:
        return "SPECIAL"
    if token in LAYOUT_TOKENS:
        return "LAYOUT"
    if re.fullmatch(r"var_\w+", token):
        return "VARIABLE"
    if re.fullmatch(r"func_\w+", token):
        return "FUNCTION"
    value = _literal(token)
    if isinstance(value, str):
        return "TEXT"
    return "NUMBER" if type(value) in (int, float) else "WORD"


def read_vocabulary(path: Path) -> list[str]:
    """The tokens of a vocabulary file, a JSON list of strings in the order of their ids. Raises VocabularyError."""
    try:
        tokens = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        reason = f"cannot be read ({error}); restore the file or set paths.vocabulary"
        raise VocabularyError(f"vocabulary {path}: {reason}") from None
    except (ValueError, RecursionError) as error:
        reason = f"not JSON ({error}); it must be a list of strings, one per token"
        raise VocabularyError(f"vocabulary {path}: {reason}") from None
    if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
        raise VocabularyError(f"vocabulary {path}: must be a JSON list of strings, one per token")
    for problem in _problems(tokens):
        raise VocabularyError(f"vocabulary {path}: {problem}")
    return tokens


class Tokenizer:
    """Encodes and decodes over one vocabulary. `tokens[i]` is the text of id i."""

    def __init__(self, tokens: Sequence[str]):
        for problem in _problems(tokens):
            raise VocabularyError(f"vocabulary: {problem}")
        self.tokens = list(tokens)
        self.pad, self.sos, self.eos, self.unk = (self.tokens.index(token) for token in SPECIAL_TOKENS)
        self._ids = {_key(token): i for i, token in enumerate(self.tokens)}

    @classmethod
    def from_file(cls, path: Path) -> "Tokenizer":
        return cls(read_vocabulary(path))

    def __len__(self) -> int:
        return len(self.tokens)

    def encode(self, text: str) -> Tensor:
        """Token ids of `text`, ending in <EOS>: (T,) int64. What the vocabulary does not hold becomes <UNK>."""
        return torch.tensor([*(token.id for token in self.locate(text)), self.eos])

    def locate(self, text: str) -> list[LocatedToken]:
        """The tokens of `text` with their places, without <EOS>; one <UNK> where Python's tokenizer gives up."""
        found = _python_tokens(text)
        found = _as_worked_out(found) if _key(COMPREHENSION) in self._ids else found
        return [LocatedToken(self._ids.get(token.key, self.unk), *token[1:]) for token in found]

    def rename(self, token: LocatedToken, name: str) -> LocatedToken:
        """The token as if `name` stood in its place."""
        return token._replace(id=self._ids.get(_key(name), self.unk))

    def decode(self, ids: Tensor | Iterable[int]) -> str:
        """Source text of the ids before the first <EOS>; <PAD> and <SOS> leave no trace.

        Ids that are no legal program are written down as they come, and the text is then not Python either.
        """
        lines: list[str] = []
        line: list[str] = []
        depth = 0
        for i in ids.tolist() if isinstance(ids, Tensor) else ids:
            if i == self.eos:
                break
            token = self.tokens[i]
            if token in LAYOUT_TOKENS:
                if line or token == "NEWLINE":
                    lines.append("    " * depth + " ".join(_as_python(line) if COMPREHENSION in line else line))
                    line = []
                depth = max(0, depth + {"NEWLINE": 0, "INDENT": 1, "DEDENT": -1}[token])
            elif i not in (self.pad, self.sos):
                line.append(token)
        if line:
            lines.append("    " * depth + " ".join(_as_python(line) if COMPREHENSION in line else line))
        return "".join(line + "\n" for line in lines)


def _literal(token: str) -> object:
    """The value of a Python literal, or None where the token is no literal (and for the word None)."""
    try:
        return ast.literal_eval(token)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None


def _key(token: str) -> tuple:
    """What two tokens share exactly when they mean the same."""
    if token_class(token) in ("NUMBER", "TEXT"):
        value = _literal(token)
        return type(value), repr(value)
    return ("word", token)


class _Found(NamedTuple):
    key: tuple
    text: str
    line: int
    column: int


def _python_tokens(text: str) -> list[_Found]:
    """The Python tokens of `text`, lines and columns from 1; where Python's tokenizer gives up, a key that no
    vocabulary holds."""
    found, line, column = list[_Found](), 1, 1
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            line, column = token.start[0], token.start[1] + 1
            if token.type in _SKIPPED:
                continue
            name = tokenize.tok_name[token.type]
            layout = name in LAYOUT_TOKENS
            key = ("word", name) if layout else _key(token.string)
            if not layout and found and _JOINED.fullmatch(joined := found[-1][1] + token.string):
                _, _, line, column = found.pop()
                key, token = _key(joined), token._replace(string=joined)
            found.append(_Found(key, name if layout else token.string, line, column))
    except (tokenize.TokenError, SyntaxError):
        found.append(_Found(("word", ""), "", line, column))
    return found


def _as_worked_out(tokens: Sequence[_Found]) -> list[_Found]:
    """Python's tokens, with those of each comprehension in the order of the policy's language."""
    found, at = list[_Found](), 0
    while at < len(tokens):
        end = at + next(_top_level(tokens[at:], *_CLOSING), 0) if tokens[at].text == "[" else at
        loop = at + next(_top_level(tokens[at:end], "for", depth=-1), 0)
        if loop > at and [token.text for token in tokens[loop + 2 : loop + 3]] == ["in"]:
            rest = tokens[loop + 3 : end]
            condition = next(_top_level(rest, "if"), len(rest))
            colon = [tokens[end]._replace(key=_key(":"), text=":")] if rest[condition:] else []
            found.append(tokens[at]._replace(key=_key(COMPREHENSION)))
            for part in (rest[:condition], tokens[loop + 1 : loop + 2], rest[condition:], colon, tokens[at + 1 : loop]):
                found += _as_worked_out(part)
            at = end
        found.append(tokens[at])
        at += 1
    return found


def _top_level(tokens: Sequence[_Found], *wanted: str, depth: int = 0) -> Iterator[int]:
    """Where these texts stand outside all brackets; a closing one stands outside those that it closes."""
    for i, token in enumerate(tokens):
        depth -= token.text in _CLOSING
        if token.text in wanted and not depth:
            yield i
        depth += token.text in _OPENING


def _as_python(line: list[str]) -> list[str]:
    """The tokens of a line, with those of each comprehension in Python's order; what is none stays as it is."""
    found, brackets = list[str](), list[int]()
    for token in line:
        found.append(token)
        if token in _OPENING:
            brackets.append(len(found) - 1)
        elif token in _CLOSING and brackets and found[at := brackets.pop()] == COMPREHENSION:
            found[at:] = _moved_back(found[at:])
    return found


def _moved_back(whole: list[str]) -> list[str]:
    """A comprehension in Python's order: its variable is what follows a value, with no operator between them."""
    depths = list(accumulate((token in _OPENING) - (token in _CLOSING) for token in whole))
    outer = [i for i in range(2, len(whole) - 1) if depths[i] == 1]
    i = next((i for i in outer if whole[i].startswith("var_") and not _EXPECTING.fullmatch(whole[i - 1])), None)
    if i is None:
        return whole
    colon = next((j for j in outer if j > i and whole[j] == ":"), i) if whole[i + 1] == "if" else i
    return ["[", *whole[colon + 1 : -1], "for", whole[i], "in", *whole[1:i], *whole[i + 1 : colon], "]"]


def _problems(tokens: Sequence[str]) -> Iterable[str]:
    for token in _NOT_PYTHON.difference(tokens):
        yield f"the token {token} is missing; add it back"
    seen: dict[tuple, int] = {}
    for i, token in enumerate(tokens):
        if token not in _NOT_PYTHON:
            keys = [key for key, *_ in _python_tokens(token)]
            one = len(keys) == 2 and keys[0] == _key(token) and "\n" not in token  # and then NEWLINE
            if not one and token != COMPREHENSION:
                yield f"entry {i}, {token!r}, is not one Python token; split it or quote it"
        if _key(token) in seen:
            yield f"entries {seen[_key(token)]} and {i} are the same token, {token}; remove one"
        seen[_key(token)] = i
