"""What one run leaves in its folder: config.json, metrics.csv, best.py, result.json, and perhaps TensorBoard's file.

A resumed run goes on writing the same folder. Rows that a stopped run wrote after its last save are dropped then, since
the same steps come again; so metrics.csv ends up as if the run had never stopped.

Where the disk is full, rows and best.py wait in memory until `sync` finds that there is space again: a run of a week
need not end for a full hour.
"""

import codecs
import contextlib
import csv
import io
import json
import os
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from memory.history.curves import Curves
from utils import DiskFull, UserError, make_new_folder, not_written, write_atomically

_LONGEST_NAME = 200  # bytes of a task's name in its folder's: with the time they must stay below 255
_MOST_WAITING = 1 << 26  # bytes of rows that wait for space: hours of them


class BestRecord(NamedTuple):
    """A program that was better than all before it; the `attempts`-th that was tried."""

    attempts: int
    reward: float
    program: str


def new_run_folder(runs: Path, task: str) -> Path:
    """Make the folder of a new run, `<task>-<YYYYmmdd-HHMMSS>`, which was not there before."""
    try:
        return make_new_folder(runs / f"{folder_name(task)}-{time.strftime('%Y%m%d-%H%M%S')}")
    except OSError as error:
        raise not_written(runs, error) from error


def folder_name(task: str) -> str:
    """A task's name as the name of a folder may be."""
    name = re.sub(r"[^\w.-]+", "_", task).strip("._")
    return name.encode(errors="replace")[:_LONGEST_NAME].decode(errors="ignore") or "task"


class RunLog:
    """Appends to the files in a run's folder; a context manager that closes them.

    columns: the names in metrics.csv, in their order, "attempts" among them, which must grow from row to row.
    attempts: where the run stands. Later rows are dropped; none are where it is 0.
    """

    def __init__(self, folder: Path, columns: Sequence[str], attempts: int = 0):
        self.folder = folder
        self._columns = tuple(columns)
        self._path = folder / "metrics.csv"
        self._attempts = attempts
        self._waiting = bytearray()  # rows that the disk has no space for
        self._late_best: Sequence[BestRecord] = ()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._keep_until(attempts)
            self._file = open(self._path, "ab", buffering=0)  # noqa: SIM115 - open as long as the log is
        except OSError as error:
            raise not_written(self._path, error) from error
        self._curves = Curves(folder, attempts)

    def __enter__(self) -> "RunLog":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def settings(self, config: Mapping[str, Mapping[str, Any]]) -> None:
        """Note in config.json that the run goes on with these settings from where it stands.

        The file is a list, each entry with the `attempts` from which its `config` held: what a resumed run changed is
        added, and what it did not change is not.
        """
        before = read_settings(self.folder)
        entries = [entry for entry in before if entry["attempts"] < self._attempts]
        if not entries or entries[-1]["config"] != config:
            entries.append({"attempts": self._attempts, "config": config})
        if entries != before:
            text = json.dumps(entries, indent=2, allow_nan=False)  # in ASCII: a path need not be UTF-8
            write_atomically(self.folder / "config.json", (text + "\n").encode())

    def row(self, values: Mapping[str, Any]) -> None:
        """Add a row, which must have exactly the columns. It is in the file, whole, when this returns; if the disk is
        full, after the next `sync` that succeeds. Raises UserError when it can be neither written nor kept."""
        if set(values) != set(self._columns):
            raise ValueError(f"a row with {sorted(values)} for the columns {sorted(self._columns)}")
        line = _line(values[column] for column in self._columns)
        if self._waiting:
            self._waiting += line
        else:
            try:
                self._append(line)
            except DiskFull:
                self._waiting += line
        if len(self._waiting) > _MOST_WAITING:
            self._catch_up()
        self._curves.row(values)

    def best(self, history: Sequence[BestRecord]) -> None:
        """Write best.py: the last program of the history as it is, and the way there in comments."""
        self._late_best = history
        with contextlib.suppress(DiskFull):
            self._write_best()
        if history:
            self._curves.best(*history[-1])

    def result(self, values: Mapping[str, Any]) -> None:
        """Write result.json, whole or not at all."""
        write_json(self.folder / "result.json", values)

    def take_note(self) -> str:
        """A line for the user where there are no curves for a reason that they do not know, once; "" for nothing."""
        note, self._curves.note = self._curves.note, ""
        return note

    def sync(self) -> None:
        """Wait until the disk has all rows and best.py: a save that counts on them comes after this. Raises UserError
        when it cannot have them; then another try later may succeed."""
        self._catch_up()
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            raise not_written(self._path, error) from error
        self._curves.flush()

    def close(self) -> None:
        self._file.close()
        self._curves.close()

    def _catch_up(self) -> None:
        """Write what waits for space; raises DiskFull when there is still none."""
        if self._waiting:
            self._append(self._waiting)
            self._waiting = bytearray()
        if self._late_best:
            self._write_best()

    def _write_best(self) -> None:
        write_atomically(self.folder / "best.py", _best_file(self._late_best).encode(errors="backslashreplace"))
        self._late_best = ()

    def _append(self, line: bytes | bytearray) -> None:
        end = os.fstat(self._file.fileno()).st_size
        try:
            left = memoryview(line)
            while left:  # a disk that takes only a part says why when it is asked to take the rest
                left = left[self._file.write(left) :]
        except OSError as error:
            os.ftruncate(self._file.fileno(), end)
            raise not_written(self._path, error) from error

    def _keep_until(self, attempts: int) -> None:
        """Leave in metrics.csv the header and the whole rows up to this many attempts."""
        header = _line(self._columns)
        try:
            lines = self._path.read_bytes().removeprefix(codecs.BOM_UTF8).splitlines(keepends=True)
        except FileNotFoundError:
            lines = []
        if lines and lines[0] != header and lines[0].endswith(b"\n"):
            raise UserError(
                f"{self._path} has other columns than this version writes; start a new run with --fresh, "
                "or move the file away"
            )
        column = self._columns.index("attempts")
        kept = [header]
        for line in lines[1:]:
            fields = next(csv.reader([line.decode(errors="replace")]))
            whole = line.endswith(b"\n") and len(fields) == len(self._columns) and fields[column].isdecimal()
            if not whole or int(fields[column]) > attempts:
                break
            kept.append(line)
        if kept != lines:
            write_atomically(self._path, b"".join(kept))


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """A file for people and scripts, whole or not at all."""
    text = json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False)
    # half a surrogate pair, which UTF-8 does not hold, is escaped as JSON escapes it, and in best.py as Python does
    write_atomically(path, (text + "\n").encode(errors="backslashreplace"))


def read_settings(folder: Path) -> list[dict[str, Any]]:
    """What `RunLog.settings` noted, oldest first; nothing where the file is missing (an older run) or damaged."""
    try:
        entries = json.loads((folder / "config.json").read_bytes())
    except (OSError, ValueError, RecursionError):
        return []
    return entries if isinstance(entries, list) and all(map(_is_entry, entries)) else []


def _is_entry(entry: Any) -> bool:
    """Whether it is an entry of config.json: attempts, and settings by section and key."""
    return (
        isinstance(entry, dict)
        and isinstance(entry.get("attempts"), int)
        and isinstance(entry.get("config"), dict)
        and all(isinstance(section, dict) for section in entry["config"].values())
    )


def _line(values: Iterable[Any]) -> bytes:
    """One CSV row. Floats in the shortest form that reads back the same, so equal runs give equal files."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(list(values))
    line = text.getvalue().encode()
    if len(line.splitlines()) != 1:
        raise ValueError(f"a row of metrics.csv must be one line, not {line!r}")
    return line


def _best_file(history: Sequence[BestRecord]) -> str:
    """The text of best.py; every line but the last program's is a comment."""
    lines = ["# The best program so far, and below it those that were the best before it, newest first.\n"]
    for position, (attempts, reward, program) in enumerate(reversed(history)):
        lines.append(f"\n# attempt {attempts:_}, reward {reward:.4f}\n")
        prefix = "" if position == 0 else "#     "
        lines += [f"{prefix}{line}\n" for line in program.splitlines()]
    return "".join(lines)
