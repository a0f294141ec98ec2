"""Program text as HTML, coloured by Python's own tokenizer; escaped, whatever it holds."""

import builtins
import io
import keyword
import tokenize
from html import escape

BUILTINS = frozenset(dir(builtins))


def highlight(program: str) -> str:
    """The program as HTML, with classes where Python's tokenizer sees something; escaped in any case."""
    lines = program.split("\n")
    parts, row, column = [], 0, 0

    def until(end_row: int, end_column: int) -> str:
        """What lies between here and there, of which the tokenizer may count more than there is."""
        nonlocal row, column
        taken = []
        while row < min(end_row, len(lines)):
            taken.append(lines[row][column:] + ("\n" if row < len(lines) - 1 else ""))
            row, column = row + 1, 0
        if row < len(lines):
            taken.append(lines[row][column:end_column])
            column = max(column, end_column)
        return escape("".join(taken))

    try:
        for token in tokenize.generate_tokens(io.StringIO(program, newline="\n").readline):
            parts.append(until(token.start[0] - 1, token.start[1]))
            text, kind = until(token.end[0] - 1, token.end[1]), _kind(token)
            parts.append(f'<span class="{kind}">{text}</span>' if kind and text else text)
    except (SyntaxError, tokenize.TokenError):
        pass  # what is left is no Python, and shown as it is
    return "".join(parts) + until(len(lines), 0)


def _kind(token: tokenize.TokenInfo) -> str:
    if token.type == tokenize.NAME:
        return "k" if keyword.iskeyword(token.string) else "b" if token.string in BUILTINS else ""
    return {tokenize.STRING: "s", tokenize.NUMBER: "n", tokenize.COMMENT: "c"}.get(token.type, "")
