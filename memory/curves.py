"""Curves for TensorBoard, where it is installed; where it is not, nothing is drawn and nothing is missed.

metrics.csv says all that the curves say, so a failure to write them (a full disk) ends the drawing, never the run.
TensorBoard's own writer flushes in a thread, whose errors nobody can catch: it is made to leave that to this module.
"""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FLUSH_SECONDS = 10.0
NEVER = 10**9  # seconds
TAGS = {  # by column of metrics.csv
    "mean_reward": "reward/mean",
    "best_reward": "reward/best",
    "entropy": "policy/entropy",
    "policy_loss": "loss/policy",
    "imitation_loss": "loss/imitation",
    "gradient_norm": "grad/norm",
    "attempts_per_second": "speed/attempts_per_second",
    "endless": "jail/endless",
}


class Curves:
    """Writes to a run's folder. attempts: where the run stands; what was drawn past it is hidden."""

    def __init__(self, folder: Path, attempts: int = 0):
        self._writer = None
        self._flushed = time.monotonic()
        try:
            from torch.utils.tensorboard import SummaryWriter

            self._writer = SummaryWriter(str(folder), purge_step=attempts + 1, flush_secs=NEVER)
        except (ImportError, OSError):
            return

    def row(self, values: Mapping[str, Any]) -> None:
        """Draw those values of a row of metrics.csv that have a curve; None draws nothing."""
        for column, tag in TAGS.items():
            if values.get(column) is not None:
                self._write("add_scalar", tag, values[column], values["attempts"])
        if time.monotonic() - self._flushed > FLUSH_SECONDS:
            self._flushed = time.monotonic()
            self._write("flush")

    def best(self, attempts: int, reward: float, program: str) -> None:
        """Show the best program; indented, as Markdown wants code."""
        code = "".join(f"    {line}\n" for line in program.splitlines())
        self._write("add_text", "best program", f"reward {reward:g}\n\n{code}", attempts)

    def close(self) -> None:
        self._write("close")
        self._writer = None

    def _write(self, method: str, *arguments: Any) -> None:
        if self._writer is not None:
            try:
                getattr(self._writer, method)(*arguments)
            except OSError:
                self._writer = None
