"""Ten kills of the hundred that tests/benchmarks/kill.py makes, in processes that need not load PyTorch again."""

import subprocess
import sys

import pytest

from tests.benchmarks import kill
from tests.conftest import ROOT


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux")
def test_runs_that_are_killed_end_as_if_they_had_not_been():
    options = ["--kills", "10", "--each", "3", "--attempts", "480", "--fork"]
    command = [sys.executable, "-m", "tests.benchmarks.kill", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "10 of 10 kills" in done.stdout


@pytest.mark.parametrize(
    ("said", "right"),
    [
        ("resumed at 1,200 attempts", True),
        ("from the first attempt", False),
        ("all 1,200 attempts are used up", True),
        ("resumed at 1,100 attempts", False),
        ("mind: 1,200 programs behind it", True),
        ("mind: new", False),
        ("", True),
    ],
)
def test_going_on_from_elsewhere_is_seen(said, right):
    if right:
        kill.check_resumed(said, 1_200)
    else:
        with pytest.raises(AssertionError, match="1200 attempts were saved"):
            kill.check_resumed(said, 1_200)
