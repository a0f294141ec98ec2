"""`python runner.py --report`: run folders in, one page out that lays their learning curves over one another."""

from collections.abc import Sequence
from pathlib import Path

from memory.history.many_folder import read_abilities, read_many
from memory.history.optional import check_matplotlib, failing_aloud
from memory.history.page import make_page
from memory.history.run_folder import RunFolder, read_run
from utils import UserError, write_atomically


def write_report(runs: Path, folders: Sequence[Path] = ()) -> tuple[Path, list[str]]:
    """Write `report.html` into `runs`, about these folders, or about all in `runs` where none are named.

    Returns where it is, and a line for each folder in `runs` that is left out because there is nothing to read in it;
    one that was named raises UserError then, as do no runs at all and a missing Matplotlib.
    """
    check_matplotlib()
    notes: list[str] = []
    named = list(dict.fromkeys(folder.resolve() for folder in folders))
    many = [each for folder in named or sorted(runs.glob("*")) if (each := read_many(folder))]
    if named:
        found = [read_run(each) for folder in named for each in _runs_of(folder)]
    else:
        found = list(_all_in(runs, notes)) if not many or any(runs.glob("*/metrics.csv")) else []
    abilities = read_abilities([*(run.folder for run in found), *(each.folder for each in many)])
    with failing_aloud():
        page = make_page(found, notes, many, abilities)
    path = runs / "report.html"
    write_atomically(path, page.encode(errors="replace"))  # half a surrogate pair in a JSON file
    return path, notes


def _runs_of(folder: Path) -> list[Path]:
    """A run's folder, or those of the tasks of a run of many."""
    return sorted(path.parent for path in folder.glob("*/metrics.csv")) if read_many(folder) else [folder]


def _all_in(runs: Path, notes: list[str]) -> list[RunFolder]:
    folders = sorted(path.parent for path in runs.glob("*/metrics.csv"))
    if not folders:
        raise UserError(f"there are no runs in {runs} yet; start one with python runner.py, or name run folders")
    found = []
    for folder in folders:
        try:
            found.append(read_run(folder))
        except UserError as error:
            notes.append(f"left out: {error}")
    if not found:
        raise UserError(notes[0].removeprefix("left out: "))
    return found
