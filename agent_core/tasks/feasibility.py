"""Whether a text can come out of any program over a vocabulary at all, so that nobody waits for what cannot come.

Refused is only what has a stretch that nothing makes: no text token whole or by one of its characters, no number, no
`True`, `False` or `None`, no list's brackets. Whether a program short enough exists is not asked. A vocabulary with
words beyond those known here (`chr`, say) might make anything, so nothing is refused then.
"""

import ast
import json
import keyword
import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from agent_core.interpreter.allowlist import BUILTINS, METHODS
from agent_core.interpreter.wire_format import is_writable
from agent_core.tasks.values import MOST_ITEMS, MOST_LEVELS, is_small

_KNOWN = re.compile(
    r"<[A-Z]+>|NEWLINE|INDENT|DEDENT|\W+|(var|func)_\w+|key=|\[for|"
    + "|".join([*sorted(BUILTINS), *(rf"\.{method}" for method in sorted(METHODS))])
)
_NUMBER = r"\d|[-.]|e[+-](?=\d)|inf|nan"
_WORDS = r"True|False|None"
_HALF = "it has half of a surrogate pair, which is no character; write the whole character"
_TOO_LARGE = (
    "it is deeper or larger than what is taken for an answer "
    f"({MOST_LEVELS} levels, {MOST_ITEMS:,} elements and letters)"
)
_QUOTED = [", ", "'", '"', r"\\"]
# How other values than texts, numbers and lists look when printed, after the tokens one of which it takes to make them.
_LOOKS = (
    ({"tuple", "enumerate", "zip"}, [r"\(", r"\)", ",", *_QUOTED]),
    ({"{"}, [r"\{", r"\}", ": ", *_QUOTED]),
    ({"**"}, [r"\(", r"\)", r"\+", "j"]),  # a complex number, as a root of a negative one
    ({"map", "filter", "zip", "enumerate", "reversed"}, ["<list_iterator object>"]),
    ({"lambda"}, ["<function <lambda>>"]),
)


class Vocabulary(NamedTuple):
    """The tokens there are, and the file that they are in, as people are told of it."""

    tokens: Sequence[str]
    place: str

    def way_out(self, token: str) -> str:
        """What to do to have the token, as it is written in the file."""
        return f"add {json.dumps(token, ensure_ascii=False)} to {self.place}"


def why_not_printed(text: str, vocabulary: Vocabulary, case_sensitive: bool = True) -> str | None:
    """The reason why no program over the vocabulary prints `text`, and the way out; None where one may."""
    tokens = vocabulary.tokens
    if "print" not in tokens:
        return f'the vocabulary has no "print"; {vocabulary.way_out("print")}'
    if not case_sensitive:
        text = text.lower()
    if not is_writable(text):
        return _HALF
    if _makes_anything(tokens):
        return None
    pieces = _pieces(tokens)
    if "," in tokens:
        pieces.append(" ")
    glue = _glues(tokens)
    for line in text.split("\n"):
        if rest := _stuck(line, pieces, not case_sensitive, glue):
            return _no_token(rest, vocabulary, rest if glue else line)
    return None


def why_not_returned(value: Any, inputs: Iterable[Any], vocabulary: Vocabulary) -> list[str]:
    """The reasons why no function over the vocabulary returns `value` from these inputs, one a text that nothing makes,
    each with the way out; empty where one may.

    inputs: of the call whose answer this is. A text in another call's inputs is out of reach.
    """
    if not is_small(value):
        return [_TOO_LARGE]
    texts = list(dict.fromkeys(_texts(value)))
    if not all(map(is_writable, texts)):
        return [_HALF]
    if not texts or _makes_anything(vocabulary.tokens):
        return []
    pieces = _pieces(vocabulary.tokens)
    letters = "".join(text for given in inputs for text in _texts(given))
    pieces += _each_letter(letters, vocabulary.tokens)
    missing = [rest for text in texts if (rest := _stuck(text, pieces, False, glue=True))]
    return [_no_token(rest, vocabulary, rest) for rest in dict.fromkeys(missing)]


def _no_token(rest: str, vocabulary: Vocabulary, needed: str) -> str:
    """rest: what no token makes; needed: the text whose token would help."""
    shown = json.dumps(f"{rest[:20]}..." if len(rest) > 20 else rest, ensure_ascii=False)
    if len(needed) > 40:
        return f"no token makes {shown}; add tokens for it to {vocabulary.place}"
    return f"no token makes {shown}; {vocabulary.way_out(json.dumps(needed, ensure_ascii=False))}"


def _texts(value: Any) -> Iterable[str]:
    if type(value) is str:
        yield value
    elif type(value) is list:
        for item in value:
            yield from _texts(item)
    elif type(value) is dict:
        for key, item in value.items():
            yield key
            yield from _texts(item)


def _literals(tokens: Iterable[str]) -> list[object]:
    found = []
    for token in tokens:
        try:
            found.append(ast.literal_eval(token))
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            continue
    return found


def _makes_anything(tokens: Iterable[str]) -> bool:
    return any(not (_KNOWN.fullmatch(token) or keyword.iskeyword(token) or _literals([token])) for token in tokens)


def _glues(tokens: Sequence[str]) -> bool:
    """Whether texts can be joined without anything between them."""
    return any(token in tokens for token in ("+", "+=", "*", "*=", "[", ".join", ".replace"))


def _pieces(tokens: Sequence[str]) -> list[str]:
    """Regular expressions of what one value may look like when printed."""
    literals = _literals(tokens)
    texts = [value for value in literals if type(value) is str]
    pieces = [re.escape(text) for text in texts if text]
    if "[" in tokens:  # one character of a text, and how a list looks
        pieces += _each_letter("".join(texts), tokens)
        pieces += [r"\[", r"\]", ", ", "'", '"', r"\\"]
    for makers, looks in _LOOKS:
        if not makers.isdisjoint(tokens):
            pieces += looks
    if "range" in tokens:
        pieces.append(r"range\(-?\d+, -?\d+(, -?\d+)?\)")
    return [*pieces, _NUMBER, _WORDS]


def _each_letter(text: str, tokens: Iterable[str]) -> list[str]:
    """The pieces that single letters of a text are, in the other case, too, where there are methods for that."""
    found = text + text.upper() * (".upper" in tokens) + text.lower() * (".lower" in tokens)
    return [re.escape(letter) for letter in dict.fromkeys(found)]


def _stuck(line: str, pieces: Iterable[str], ignore_case: bool, glue: bool) -> str | None:
    """None where `line` is a row of pieces, else what is left of it where no row of them leads further."""
    flags = re.IGNORECASE if ignore_case else 0
    patterns = [re.compile(piece, flags) for piece in dict.fromkeys(pieces)]
    space = " " in pieces
    reached, starts = {0}, [0]  # ends of rows of pieces so far
    while starts:
        start = starts.pop()
        ends = {match.end() for pattern in patterns if (match := pattern.match(line, start))}
        if not glue:  # the next piece comes after print's own space
            ends = {end + (space and line[end : end + 1] == " ") for end in ends}
            ends = {end for end in ends if end == len(line) or line[end - 1] == " "}
        for end in ends - reached:
            reached.add(end)
            starts.append(end)
    if len(line) in reached:
        return None
    return line[max(reached) :]
