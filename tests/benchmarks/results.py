"""The file in which finished runs of a benchmark are kept."""

import json
import os
from collections.abc import Iterable
from pathlib import Path

from tests.benchmarks.cells import Cell
from utils import UserError, not_written


class Results:
    """The file of finished runs, a JSON object a line; a run is written once it is finished, and never again."""

    def __init__(self, path: Path):
        """Reads what is there; a line that a kill cut off counts for nothing. Raises UserError."""
        self.path = path
        self._found: dict[tuple, dict[int, dict]] = {}  # by key, then by cap
        try:
            text = path.read_text(encoding="utf-8") if path.exists() else ""
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"{path}: cannot be read ({error}); name another file with --results") from None
        for line in text.splitlines():
            try:
                found = json.loads(line)
                self._keep(found)
            except (ValueError, KeyError, TypeError):
                continue
        self._torn = bool(text) and not text.endswith("\n")

    def __contains__(self, cell: Cell) -> bool:
        return self._of(cell) is not None

    def of(self, cells: Iterable[Cell]) -> list[dict]:
        """What is known of these cells, in their order."""
        return [found | {"cap": cell.cap} for cell in cells if (found := self._of(cell))]

    def _of(self, cell: Cell) -> dict | None:
        """The cell's run, or one under another cap that was solved within this one, as it would have been here."""
        runs = self._found.get(cell.key, {})
        solved = (run for run in runs.values() if run["solved"] and run["attempts"] <= cell.cap)
        return runs.get(cell.cap) or next(solved, None)

    def add(self, found: dict) -> None:
        """Keeps a finished run, on the disk when this returns. Raises UserError."""
        line = ("\n" if self._torn else "") + json.dumps(found, ensure_ascii=False) + "\n"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with open(self.path, "ab", buffering=0) as file:
                file.write(line.encode())  # one write to the end, so two benchmarks may share a file
                os.fsync(file.fileno())
        except OSError as error:
            raise not_written(self.path, error) from error
        self._torn = False
        self._keep(found)

    def _keep(self, found: dict) -> None:
        key = tuple(found[name] for name in ("task", "seed", "variant", "digest"))
        self._found.setdefault(key, {})[found["cap"]] = found
