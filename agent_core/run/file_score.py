"""What `--score` says of one file: what it would earn, where it departs, and whether the agent could write it."""

import ast
from typing import Any

from agent_core.grammar.legal_tokens import LegalTokens
from agent_core.run.writability import missing_function, writability
from agent_core.sandbox.executor import Executor
from agent_core.scoring.mismatch import departure
from agent_core.scoring.scorer import Scorer
from agent_core.settings.config import Config
from agent_core.tasks.task import Task
from tokenizer import Tokenizer


def file_score(
    text: str, task: Task, tokenizer: Tokenizer, legal_tokens: LegalTokens, executor: Executor, config: Config
) -> dict[str, Any]:
    """The fields of a line of `--score` but the file's name. text: a whole Python file."""
    generator = config.generator
    rules = legal_tokens if generator.legal_tokens_only else None
    written = writability(text, task, tokenizer, rules, generator.max_length)
    if complaint := missing_function(text, task):
        nothing = {"status": "refused", "reward": 0.0, "solved": False, "stdout": "", "cases": []}
        return {**nothing, "message": complaint, "departure": complaint, **written.as_json()}
    scorer = Scorer(task, executor, config.scorer)
    (score,) = scorer.score([_without_header_types(text, task)], [written.tokens], task.function_name or "")
    return {**score.as_json(), "departure": departure(task, score), **written.as_json()}


def _without_header_types(text: str, task: Task) -> str:
    """The file without the types in the header of the task's function. The header is given, so nobody writes them, and
    the jail has no such names as `list[int]` or `Any`."""
    try:
        tree = ast.parse(text)
        headers = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == task.function_name]
        places: list[tuple[ast.AST, str]] = [(header, "returns") for header in headers]
        nodes = [node for header in headers for node in ast.walk(header.args)]
        places += [(node, "annotation") for node in nodes if isinstance(node, ast.arg)]
        typed = [(holder, name) for holder, name in places if getattr(holder, name) is not None]
        for holder, name in typed:
            setattr(holder, name, None)
        return ast.unparse(tree) if typed else text
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return text  # the jail says what is wrong with it
