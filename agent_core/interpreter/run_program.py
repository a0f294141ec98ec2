"""One program's run inside the jail: check, rewrite, compile, run, call, and put into words what happened.

Every program gets fresh globals, a fresh copy of the built-ins and a full budget; every case of a function gets a full
budget, fresh copies of its arguments and, if the program keeps anything between calls, a fresh run of the program.
So a result depends neither on the programs before it nor on the order of the cases.
"""

from __future__ import annotations

import _ast as ast
import marshal
from types import CodeType, FunctionType

from agent_core.interpreter.cpython_facts import ADDRESS, EMPTY_DEQUE
from agent_core.interpreter.instrument import CALL, TICK, rewrite
from agent_core.interpreter.meter import Meter, without_addresses
from agent_core.interpreter.metered_builtins import metered_names
from agent_core.interpreter.static_check import Refused, check
from agent_core.interpreter.wire_format import (
    AGAIN,
    CRASHED,
    ENDLESS,
    FINISHED,
    MAX_MESSAGE,
    REFUSED,
    TOO_DEEP,
    NotPlain,
    encoded,
    quoted,
)

TYPE_CHECKING = False  # that of typing would make every fork dearer
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    CallBlobs = tuple[str, list[bytes], bool]


class OutOfMemory(Exception):
    """Beside other programs this proves nothing: it is run again, alone."""


class ProgramRunner:
    """Runs programs one after the other in a jailed process."""

    def __init__(self, meter: Meter):
        self.meter = meter
        meter.names |= metered_names(meter)

    def run(self, source: str, call: CallBlobs | None, alone: bool) -> str:
        """The frame's text for one program.

        call: the function's name, each case's arguments marshalled, and whether there is a dict among them.
        """
        space: dict[str, object] = {}
        try:
            try:
                code, stateless = self._compiled(source, call is not None and call[2])
            except MemoryError:
                if alone:
                    raise Refused("cannot be compiled: MemoryError") from None
                raise
            self.meter.begin()
            space = self._space()
            status, message, _ = self._attempt(exec, (code, space))
            stdout = self.meter.output()
            cases: list[str] = []
            if call is not None and status == FINISHED:
                outputs = [stdout]
                cases = self._cases(code, stateless, space, call, outputs)
                stdout = "".join(outputs)
        except Refused as refusal:
            return f'[{REFUSED},"",{quoted(str(refusal)[:MAX_MESSAGE])},[]]'
        except (OutOfMemory, MemoryError):
            if alone:
                return f'[{CRASHED},"","MemoryError",[]]'
            return f'[{AGAIN},"","",[]]'
        finally:
            space.clear()  # functions and their globals hold each other
        return f"[{status},{quoted(stdout[: self.meter.max_output])},{quoted(message)},[{','.join(cases)}]]"

    def _compiled(self, source: str, keyed: bool) -> tuple[CodeType, bool]:
        """The code, and whether nothing can be kept from one call of its functions to the next."""
        checked = check(source)
        stateless = all(type(statement) is ast.FunctionDef for statement in checked.tree.body)
        try:
            return compile(rewrite(checked, keyed), "<program>", "exec", dont_inherit=True), stateless
        except SyntaxError as error:
            raise Refused(f"SyntaxError: {error.msg} (line {error.lineno})") from None
        except (ValueError, RecursionError, OverflowError) as error:
            raise Refused(f"cannot be compiled: {type(error).__name__}") from None

    def _space(self) -> dict[str, object]:
        return {"__builtins__": self.meter.names.copy()}

    def _attempt(self, function: Callable[..., object], arguments: tuple) -> tuple[int, str, object]:
        """Calls the function: (status, message, value)."""
        meter = self.meter
        value, message = None, ""
        try:
            value = function(*arguments)
        except MemoryError:
            raise OutOfMemory from None
        except BaseException as error:  # noqa: BLE001 - hostile code may raise anything
            message = str(error)
            if message == EMPTY_DEQUE:  # no call slot was left
                message = TOO_DEEP
            else:
                message = f"{type(error).__name__}: {message}" if message else type(error).__name__
                if ADDRESS in message:
                    message = without_addresses(message)
        if meter.exhausted():
            return ENDLESS, f"more than {meter.max_steps} steps", None
        if message:
            return CRASHED, message[:MAX_MESSAGE], None
        if meter.room < 0:
            return CRASHED, f"OutputError: printed more than {meter.max_output} characters", None
        return FINISHED, "", value

    def _cases(
        self, code: CodeType, stateless: bool, space: dict[str, Any], call: CallBlobs, outputs: list[str]
    ) -> list[str]:
        name, blobs, _ = call
        meter = self.meter
        texts: list[str] = []
        first = True
        for blob in blobs:
            if not (first or stateless):
                meter.begin()
                space.clear()
                space.update(self._space())
                self._attempt(exec, (code, space))
            first = False
            function = space.get(name)
            if type(function) is not FunctionType:
                texts.append(quoted(f"NameError: name '{name}' is not defined as a function"))
                continue
            if meter.printed or meter.left() != meter.max_steps:
                meter.begin()
                space["__builtins__"] |= {TICK: meter.tick, CALL: meter.call}
            status, message, value = self._attempt(function, marshal.loads(blob))
            if meter.printed:
                outputs.append(meter.output())
            if status == ENDLESS:
                texts += ["0"] * (len(blobs) - len(texts))
                break
            if status == FINISHED:
                try:
                    calls = meter.calls()
                    texts.append(f"[{encoded(value)},{calls}]" if calls else f"[{encoded(value)}]")
                    continue
                except NotPlain as problem:
                    message = str(problem)
            texts.append(quoted(message))
        return texts
