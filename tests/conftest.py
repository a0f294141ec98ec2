"""What many tests need: the shipped vocabulary, grammar and tables, made once."""

import json
import os
import subprocess
from pathlib import Path

import pytest
import torch

from agent_core.grammar.legal_tokens import LegalTokens
from agent_core.grammar.rules import read_grammar
from agent_core.settings.config import load_config
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
def legal_tokens(grammar, tokenizer):
    return LegalTokens(grammar, tokenizer.tokens, torch.device("cpu"))


@pytest.fixture
def easy_task(tmp_path):
    """The path of a task that is solved by chance within a few batches."""
    path = tmp_path / "easy.json"
    cases = [{"inputs": [i], "expected": i} for i in range(8)]
    path.write_text(
        json.dumps(
            {
                "name": "easy",
                "description": "The number itself.",
                "success_criteria": {
                    "function_name": "same",
                    "parameters": ["var_a"],
                    "test_cases": cases[:4],
                    "check_cases": cases[4:],
                },
            }
        )
    )
    return str(path)


@pytest.fixture
def disk_of(tmp_path):
    """Makes a file system of that size ("300k"), where this process may mount one."""
    mounted = []

    def make(size: str) -> Path:
        folder = tmp_path / f"disk{len(mounted)}"
        folder.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
        if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
            pytest.skip("may not mount a file system here")
        mounted.append(folder)
        return folder

    yield make
    for folder in mounted:
        subprocess.run(["umount", str(folder)], check=True)
