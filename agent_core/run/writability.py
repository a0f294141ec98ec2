"""Whether the agent could write a program that a person has written; if not, the first token that is beyond it."""

import ast
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from agent_core.grammar.legal_tokens import LegalTokens
from agent_core.tasks.task import FUNCTION, Task
from tokenizer import LocatedToken, Tokenizer, token_class

_HEADROOM = 100  # tokens that the grammar is given beyond those of a program, so that its length is judged apart


@dataclass(frozen=True)
class Writability:
    """What is to be said of one program. Of a function only the body is written: the task gives its header."""

    tokens: int  # its end mark included
    max_length: int | None = None  # the least generator.max_length that is enough; None where none is
    reason: str = ""  # empty where it is writable
    hindrance: LocatedToken | None = None  # the first token that could not be written

    def as_json(self) -> dict[str, Any]:
        found: dict[str, Any] = {"writable": not self.reason, "tokens": self.tokens, "max_length": self.max_length}
        if self.reason:
            found["not_writable"] = {"reason": self.reason}
        if self.hindrance:
            found["not_writable"] |= {
                "token": self.hindrance.text,
                "line": self.hindrance.line,
                "column": self.hindrance.column,
            }
        return found


def missing_function(text: str, task: Task) -> str:
    """That the file must define the task's function, where it defines no such name; empty where it does, or where
    Python's own complaint about the file says more."""
    if task.function_name is None:
        return ""
    for source in (text, textwrap.dedent(text)):  # a body is often copied with its indentation
        try:
            tree = ast.parse(source)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        defined = {getattr(node, "name", None) for node in tree.body}
        defined |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and type(node.ctx) is ast.Store}
        return "" if task.function_name in defined else f"the file must define {_header(task)}"
    return ""


def writability(
    text: str, task: Task, tokenizer: Tokenizer, legal_tokens: LegalTokens | None, max_length: int
) -> Writability:
    """Whether the policy could write this Python file as its program for the task.

    legal_tokens: None where the policy may write any token; max_length: as it is set. The parameters of a function may
    have any names: they are read as the task's own, and the function's name as `func_a`.
    """
    tokens = tokenizer.locate(text)
    if task.function_name is not None:
        try:
            tokens = _body(text, tokens, task, tokenizer)
        except _NotWritable as problem:
            header = 0 if missing_function(text, task) else len(tokenizer.locate(task.module("pass\n"))) - 2
            return Writability(max(1, len(tokens) + 1 - header), None, problem.reason, problem.token)
    ids = [token.id for token in tokens]
    count = len(ids) + 1
    unknown = ids.index(tokenizer.unk) if tokenizer.unk in ids else None
    if legal_tokens is not None:
        whole = ids[:unknown] if unknown is not None else [*ids, tokenizer.eos]
        illegal = _first_illegal(whole, legal_tokens, task)
        if illegal is not None:
            at = tokens[illegal] if illegal < len(tokens) else None
            return Writability(count, None, _why_illegal(at), at)
    if unknown is not None:
        at = tokens[unknown]
        return Writability(count, None, f"the vocabulary has no {at.text}" if at.text else "Python cannot read it", at)
    if count > max_length:
        return Writability(count, count, f"it has {count} tokens, and generator.max_length is {max_length}")
    return Writability(count, count)


class _NotWritable(Exception):
    """The file is not laid out as a program for the task. token: where; None for the whole of it."""

    def __init__(self, reason: str, token: LocatedToken | None):
        super().__init__(reason)
        self.reason, self.token = reason, token


def _header(task: Task) -> str:
    return f"{task.function_name}({', '.join(task.parameters)})"


def _body(text: str, tokens: list[LocatedToken], task: Task, tokenizer: Tokenizer) -> list[LocatedToken]:
    """The tokens of the function's body, its parameters and the function itself under the policy's names."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line, column = getattr(error, "lineno", None) or 1, getattr(error, "offset", None) or 1
        found = next((token for token in tokens if (token.line, token.column) >= (line, column)), None)
        raise _NotWritable("Python cannot read it", found) from None

    def first_of(node: ast.stmt) -> LocatedToken:
        return next(token for token in tokens if token.line >= node.lineno)

    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == task.function_name]
    if not functions:
        raise _NotWritable(f"the file must define {_header(task)}", None)
    function = functions[-1]
    for node in tree.body:
        if node is not function:
            raise _NotWritable(f"only the body of {_header(task)} is written", first_of(node))
    given = function.args
    others = [given.vararg, given.kwarg, *given.posonlyargs, *given.kwonlyargs, *given.defaults]
    names = [argument.arg for argument in given.args]
    if function.decorator_list or any(others) or len(names) != len(task.parameters):
        raise _NotWritable(f"the header is given: def {_header(task)}:", first_of(function))
    body = _after_header(tokens)
    renamed = dict(zip(names, task.parameters, strict=True)) | {function.name: FUNCTION}
    taken = {token.text for token in body} - set(renamed)
    if taken & set(renamed.values()):  # they would become one with another name
        return body
    return [tokenizer.rename(token, renamed[token.text]) if token.text in renamed else token for token in body]


def _after_header(tokens: Sequence[LocatedToken]) -> list[LocatedToken]:
    """What comes after `def name(...):`, without the indentation that all of it has."""
    depth = 0
    for i, token in enumerate(tokens):
        depth += (token.text in ("(", "[", "{")) - (token.text in (")", "]", "}"))
        if token.text == ":" and not depth:
            rest = list(tokens[i + 1 :])
            return rest[2:-1] if rest[0].text == "NEWLINE" else rest
    raise ValueError("a function without a header")  # which is no Python


def _first_illegal(ids: Sequence[int], legal_tokens: LegalTokens, task: Task) -> int | None:
    """The index of the first token that the grammar does not allow where it stands, however long the program."""
    start, defined = task.start
    stacks = legal_tokens.begin(start, 1, len(ids) + legal_tokens.shortest(start) + _HEADROOM, defined)
    for i, number in enumerate(ids):
        if not legal_tokens.legal(stacks)[0, number]:
            return i
        legal_tokens.advance(stacks, torch.tensor([number], device=legal_tokens.device))
    return None


def _why_illegal(token: LocatedToken | None) -> str:
    if token is None:
        return "the grammar does not allow it to end here"
    if token_class(token.text) in ("VARIABLE", "FUNCTION"):
        return f"the grammar does not allow {token.text} here, or it has no value yet"
    return f"the grammar does not allow {token.text} here"
