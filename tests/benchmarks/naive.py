"""The loop that agents of this kind usually have: one program, one new interpreter, one step of learning."""

import subprocess
import sys
from pathlib import Path

import torch

from agent_core.learning.generator import CodeGenerator
from agent_core.tasks.task import FUNCTION, Task
from tokenizer import Tokenizer

try:
    import resource
except ImportError:  # not on Windows, where the jail is not either
    resource = None

MEMORY = 1 << 30  # bytes that an interpreter may have, where the system can be told so from outside


class Naive:
    """Samples, runs, compares and learns, a program at a time. The tokens that it knows can only compute and print."""

    def __init__(self, generator: CodeGenerator, tokenizer: Tokenizer, task: Task, timeout: float, folder: Path):
        """timeout: seconds for a program. folder: where it runs."""
        self._generator, self._tokenizer, self._task = generator, tokenizer, task
        self._timeout, self._folder = timeout, folder

    def step(self) -> float:
        """One attempt. Returns its reward: 1 for what was wanted, else 0."""
        programs = self._generator.generate(1)
        reward = float(self.is_right(self._tokenizer.decode(programs.ids[0])))
        self._generator.learn(torch.tensor([reward]), programs)
        return reward

    def is_right(self, text: str) -> bool:
        """Whether a program prints the wanted text, or has all test cases right."""
        task, module = self._task, self._task.module(text)
        if task.kind == "output":
            wanted, output = task.expected_output, self._output(module).removesuffix("\n")
            return output == wanted if task.case_sensitive else output.lower() == wanted.lower()
        cases = [case.arguments for case in task.test_cases]
        calls = f"for case in {cases!r}:\n    print(repr({FUNCTION}(*case)))\n"
        return self._output(module + calls) == "".join(f"{case.expected!r}\n" for case in task.test_cases)

    def _output(self, module: str) -> str:
        """What a new interpreter prints; nothing where it does not end in time."""
        command = [sys.executable, "-I", "-S", "-E", "-c", module]
        with subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=self._folder
        ) as child:
            if hasattr(resource, "prlimit"):
                resource.prlimit(child.pid, resource.RLIMIT_AS, (MEMORY, MEMORY))
            try:
                return child.communicate(timeout=self._timeout)[0].decode(errors="replace")
            except subprocess.TimeoutExpired:
                child.kill()
                return ""
