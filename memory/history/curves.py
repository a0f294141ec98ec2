"""Curves for TensorBoard, where it is installed; where it is not, nothing is drawn and nothing is missed.

metrics.csv says all that the curves say, so a failure to write them never ends the run: they are gathered in memory and
written now and then, and what a full disk does not take waits. PyTorch's `SummaryWriter` would do it in a thread, which
dies of the first failure, aloud; here it is done in order, with the same records.
"""

import contextlib
import io
import os
import socket
import time
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from memory.history.optional import first_line, unheard

FLUSH_SECONDS = 10.0
_MOST_WAITING = 1 << 26  # bytes; curves that have to wait for more space than this are let go
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
    """Writes to a run's folder. attempts: where the run stands; what was drawn past it is hidden.

    `note` is the one line that there is to say where TensorBoard is there and fails: whatever it does costs the curves,
    never the run.
    """

    note = ""

    def __init__(self, folder: Path, attempts: int = 0):
        self._records: Any = None
        self._flushed = time.monotonic()
        self._waiting = io.BytesIO()
        with self._whatever_it_does(), unheard():
            if not find_spec("tensorboard"):
                return
            self._path = folder / f"events.out.tfevents.{time.time_ns() // 10**6}.{socket.gethostname()}.{os.getpid()}"
            from tensorboard.compat.proto.event_pb2 import Event, SessionLog
            from tensorboard.compat.proto.summary_pb2 import Summary
            from tensorboard.summary.writer.record_writer import RecordWriter
            from torch.utils.tensorboard.summary import text

            self._event, self._summary, self._text = Event, Summary, text
            self._records = RecordWriter(self._waiting)
            self._add(0, file_version="brain.Event:2")
            start = SessionLog(status=SessionLog.START)
            self._add(attempts + 1, session_log=start)  # hides what was drawn from there on

    def row(self, values: Mapping[str, Any]) -> None:
        """Draw those values of a row of metrics.csv that have a curve; None draws nothing."""
        if self._records:
            with self._whatever_it_does():
                drawn = {tag: values[column] for column, tag in TAGS.items() if values.get(column) is not None}
                points = [self._summary.Value(tag=tag, simple_value=value) for tag, value in drawn.items()]
                self._add(values["attempts"], summary=self._summary(value=points))
        if time.monotonic() - self._flushed > FLUSH_SECONDS:
            self.flush()

    def best(self, attempts: int, reward: float, program: str) -> None:
        """Show the best program; indented, as Markdown wants code."""
        if self._records:
            with self._whatever_it_does():
                code = "".join(f"    {line}\n" for line in program.splitlines())
                code = code.encode(errors="backslashreplace").decode()  # half a surrogate pair, which no file can hold
                self._add(attempts, summary=self._text("best program", f"reward {reward:g}\n\n{code}"))

    def flush(self) -> None:
        """Write what was drawn, or keep it for the next time."""
        self._flushed = time.monotonic()
        if not self._records:
            return
        try:
            with open(self._path, "ab", buffering=0) as file:
                left = self._waiting.getbuffer()[file.write(self._waiting.getbuffer()) :].tobytes()
        except OSError:
            if self._waiting.tell() > _MOST_WAITING:
                self._records = None
            return
        self._waiting.seek(0)
        self._waiting.truncate()
        self._waiting.write(left)  # what did not fit

    def close(self) -> None:
        self.flush()
        self._records = None

    def _add(self, attempts: int, **what: Any) -> None:
        self._records.write(self._event(wall_time=time.time(), step=attempts, **what).SerializeToString())

    @contextlib.contextmanager
    def _whatever_it_does(self) -> Iterator[None]:
        """Nothing that TensorBoard raises gets out; after a failure there are no more curves."""
        try:
            yield
        except (Exception, SystemExit) as error:  # noqa: BLE001 - an optional package may raise anything
            self._records = None
            self.note = (
                f"no curves for TensorBoard, which fails with {type(error).__name__}: {first_line(error)}; "
                "metrics.csv has all that they would show"
            )
