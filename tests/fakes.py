"""An executor without a jail, for trusted programs of the tests only: same interface, same results."""

import contextlib
import copy
import io

from agent_core.sandbox.executor import Call, CaseResult, RunResult


class Endless(Exception):
    """What a test's program raises where a real one would run out of steps."""


class InProcessExecutor:
    """Runs each module in this process. `calls` keeps what was asked: (number of sources, cases, alone)."""

    def __init__(self):
        self.calls: list[tuple[int, int, bool]] = []

    def start(self, call: Call | None = None, alone: bool = False) -> "FakeRun":
        return FakeRun(self, call, alone)

    def run(self, sources, call: Call | None = None, alone: bool = False) -> list[RunResult]:
        self.calls.append((len(sources), len(call.arguments) if call else 0, alone))
        return [self._one(source, call) for source in sources]

    def _one(self, source: str, call: Call | None) -> RunResult:
        printed, names = io.StringIO(), {"Endless": Endless}
        with contextlib.redirect_stdout(printed):
            result = _caught(lambda: exec(compile(source, "<program>", "exec"), names))
            if call is None or result.status != "finished":
                return RunResult(result.status, printed.getvalue(), (), result.message)
            cases: list[CaseResult] = []
            for arguments in call.arguments:
                if cases and cases[-1].status == "endless":
                    cases.append(cases[-1])
                    continue
                fresh = copy.deepcopy(arguments)
                cases.append(_caught(lambda fresh=fresh: names[call.function](*fresh)))
        status = max((case.status for case in cases), key=("finished", "crashed", "endless").index)
        return RunResult(status, printed.getvalue(), tuple(cases))


class FakeRun:
    """Programs that an `InProcessExecutor` runs when all of them are there."""

    def __init__(self, executor: InProcessExecutor, call: Call | None, alone: bool):
        self._executor, self._call, self._alone = executor, call, alone
        self._sources: list[str] = []

    def add(self, sources, last: bool = False) -> None:
        self._sources += sources

    def finish(self, last=()) -> list[RunResult]:
        return self._executor.run([*self._sources, *last], self._call, self._alone)


def _caught(work) -> CaseResult:
    try:
        return CaseResult("finished", work())
    except SyntaxError as error:
        return CaseResult("refused", message=f"SyntaxError: {error.msg}")
    except Endless:
        return CaseResult("endless", message="more than 10,000 steps")
    except (ArithmeticError, LookupError, NameError, TypeError, ValueError, RecursionError) as error:
        return CaseResult("crashed", message=f"{type(error).__name__}: {error}")
