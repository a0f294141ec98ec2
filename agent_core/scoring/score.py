"""What one program earned and what it did."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from agent_core.sandbox.executor import CaseResult
from agent_core.scoring.self_calls import NO_SELF_CALLS, SelfCalls
from agent_core.tasks.task import Case
from agent_core.tasks.values import as_json, as_text


@dataclass(frozen=True)
class CaseScore:
    """One call: what was asked, what is right, what came."""

    arguments: tuple
    expected: object
    got: object
    status: str  # finished | crashed | endless
    exact: bool
    message: str = ""


@dataclass(frozen=True, slots=True)
class Score:
    """What one program earned and what it did."""

    reward: float  # in [0, 1]; 1.0 only when solved
    solved: bool
    status: str  # finished | crashed | endless | refused
    message: str
    stdout: str
    behaviour: int  # the same for programs that did the same, in every process; 63 bits
    solved_cases: tuple[bool, ...]  # as `Judgement.solved`; then the constraints
    version: int  # how many counterexamples were known
    self_calls: SelfCalls = NO_SELF_CALLS
    paid: tuple[Case, ...] = ()
    answers: tuple[CaseResult, ...] = ()
    exact: tuple[bool, ...] = ()

    @property
    def cases(self) -> tuple[CaseScore, ...]:
        """One entry a paid case, made when asked for; a text to print is one case without arguments."""
        return tuple(
            CaseScore(case.arguments, case.expected, answer.value, answer.status, hit, answer.message)
            for case, answer, hit in zip(self.paid, self.answers, self.exact, strict=False)
        )

    def as_json(self) -> dict:
        """What `--score` prints of it."""
        cases = [
            {
                "arguments": as_json(case.arguments),
                "expected": as_json(case.expected),
                "got": as_json(case.got),
                "status": case.status,
                "exact": case.exact,
                **({"message": case.message} if case.message else {}),
            }
            for case in self.cases
        ]
        return {
            "status": self.status,
            "reward": self.reward,
            "solved": self.solved,
            "stdout": self.stdout,
            "cases": cases,
            "message": self.message,
        }


def fingerprint(status: str, stdout: str, answers: Sequence[CaseResult]) -> int:
    """A number for what a program did, not for how it is written: the answers of a function, the text of a program."""
    did = "\n".join([f"{answer.status} {as_text(answer.value)}" for answer in answers]) or f"{status} {stdout!r}"
    return int.from_bytes(hashlib.blake2b(did.encode("utf-8", "replace"), digest_size=8).digest()) >> 1
