"""Whether a text can come out of any program over a vocabulary at all, so that nobody waits for what cannot come.

Refused is only what has a stretch that nothing makes: no text token whole or by one of its characters, no number, no
`True`, `False` or `None`, no list's brackets. Whether a program short enough exists is not asked. A vocabulary with
words beyond those known here (`chr`, say) might make anything, so nothing is refused then.
"""

import ast
import keyword
import re
from collections.abc import Iterable, Sequence

from agent_core.interpreter.allowlist import BUILTINS
from agent_core.interpreter.wire_format import is_writable
from agent_core.tasks.values import is_small

_KNOWN = re.compile(r"<[A-Z]+>|NEWLINE|INDENT|DEDENT|\W+|(var|func)_\w+|" + "|".join(sorted(BUILTINS)))
_NUMBER = r"\d|[-.]|e[+-](?=\d)|inf|nan"
_WORDS = r"True|False|None"
_QUOTED = [", ", "'", '"', r"\\"]
# How other values than texts, numbers and lists look when printed, after the tokens one of which it takes to make them.
_LOOKS = (
    ({"tuple", "enumerate", "zip"}, [r"\(", r"\)", ",", *_QUOTED]),
    ({"{"}, [r"\{", r"\}", ": ", *_QUOTED]),
    ({"**"}, [r"\(", r"\)", r"\+", "j"]),  # a complex number, as a root of a negative one
    ({"map", "filter", "zip", "enumerate", "reversed"}, ["<list_iterator object>"]),
    ({"lambda"}, ["<function <lambda>>"]),
)


def why_not_printed(text: str, tokens: Sequence[str], case_sensitive: bool = True) -> str | None:
    """The reason why no program over `tokens` prints `text`; None where one may."""
    if "print" not in tokens:
        return 'the vocabulary has no "print"'
    if not case_sensitive:
        text = text.lower()
    if _makes_anything(tokens):
        return None
    pieces = _pieces(tokens)
    if "," in tokens:
        pieces.append(" ")
    for line in text.split("\n"):
        if reason := _stuck(line, pieces, not case_sensitive, glue=_glues(tokens)):
            return reason
    return None


def why_not_returned(value: object, inputs: Iterable[object], tokens: Sequence[str]) -> str | None:
    """The reason why no function over `tokens` returns `value` from any of the inputs; None where one may."""
    if not is_small(value):
        return "it is deeper or larger than what is taken for an answer"
    texts = list(_texts(value))
    if not all(map(is_writable, texts)):
        return "it has half of a surrogate pair, which is no character"
    if not texts or _makes_anything(tokens):
        return None
    pieces = _pieces(tokens) + [re.escape(char) for given in inputs for text in _texts(given) for char in text]
    for text in texts:
        if reason := _stuck(text, pieces, False, glue=True):
            return reason
    return None


def _texts(value: object) -> Iterable[str]:
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
    return any(token in tokens for token in ("+", "+=", "*", "*=", "["))


def _pieces(tokens: Sequence[str]) -> list[str]:
    """Regular expressions of what one value may look like when printed."""
    literals = _literals(tokens)
    texts = [value for value in literals if type(value) is str]
    pieces = [re.escape(text) for text in texts if text]
    if "[" in tokens:  # one character of a text, and how a list looks
        pieces += [re.escape(char) for char in dict.fromkeys("".join(texts))]
        pieces += [r"\[", r"\]", ", ", "'", '"', r"\\"]
    for makers, looks in _LOOKS:
        if not makers.isdisjoint(tokens):
            pieces += looks
    if "range" in tokens:
        pieces.append(r"range\(-?\d+, -?\d+(, -?\d+)?\)")
    return [*pieces, _NUMBER, _WORDS]


def _stuck(line: str, pieces: Iterable[str], ignore_case: bool, glue: bool) -> str | None:
    """None where `line` is a row of pieces, else the place beyond which no row of them leads."""
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
    rest = line[max(reached) :]
    return f'no token makes "{rest[:20]}{"..." if len(rest) > 20 else ""}"'
