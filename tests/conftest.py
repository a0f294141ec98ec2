"""What many tests need: the shipped vocabulary, grammar and tables, made once."""

import json
from pathlib import Path

import pytest
import torch

from agent_core.config import load_config
from agent_core.grammar import read_grammar
from agent_core.pushdown import LegalTokens
from tokenizer import Tokenizer

torch.set_num_threads(1)  # as `[run] threads` chooses on two cores: more would only wait for one another

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def config():
    return load_config(ROOT / "config.ini")


@pytest.fixture(scope="session")
def tokenizer(config):
    return Tokenizer.from_file(config.paths.vocabulary)


@pytest.fixture(scope="session")
def grammar(config, tokenizer):
    return read_grammar(config.paths.grammar, tokenizer.tokens)


@pytest.fixture(scope="session")
def machine(grammar, tokenizer):
    return LegalTokens(grammar, tokenizer.tokens, torch.device("cpu"))


@pytest.fixture
def easy_task(tmp_path):
    """The path of a task that is solved by chance within a few batches."""
    path = tmp_path / "easy.json"
    cases = [{"inputs": [i], "expected": i} for i in range(8)]
    path.write_text(json.dumps({"name": "easy", "description": "The number itself.", "success_criteria": {
        "function_name": "same", "parameters": ["var_a"], "test_cases": cases[:4], "check_cases": cases[4:]}}))
    return str(path)
