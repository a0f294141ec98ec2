"""What `--score` says of one file: what it would earn, where it departs, and whether the agent could write it."""

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
    (score,) = scorer.score([text], [written.tokens], task.function_name or "")
    return {**score.as_json(), "departure": departure(task, score), **written.as_json()}
