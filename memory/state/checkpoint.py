"""What has been learned, on disk: three or four files that are one generation, saved whole or not at all.

The three states of a run, and beside them the mind where there is one, in a file that is named after the run state's.
Whole files with the same seal (see sealed.py), as many as it says, are a generation. A save without a mind keeps the
one that is there, so that no run loses it. Saving writes and syncs `*.new.pth` for all of them, then, file by file,
renames the present one to `*.previous.pth` and the new one into its place. So at every instant the old generation or
the new one is whole under these names, and loading takes the newest that is. What turns out
damaged is kept as `*.damaged.pth`.

All is loaded to the CPU: `load_state_dict` copies to where the parameters are, and the states of random generators and
Adam's step counts belong on the CPU wherever the model is.
"""

import contextlib
import io
import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch

from memory.state.sealed import attach, check_plain, count_of, is_whole, make_seal, number_of, read_whole
from utils import UserError, make_new_folder, not_written, sync_folder, write_durably

STATES = ("model_state", "optimizer_state", "run_state")
MIND = "mind"


@dataclass(frozen=True)
class Checkpoint:
    """A whole generation. `notes` are to be said aloud: what was damaged and what is used instead."""

    model_state: dict[str, Any]
    optimizer_state: dict[str, Any]
    run_state: dict[str, Any]
    generation: int
    notes: tuple[str, ...] = ()
    mind: dict[str, Any] | None = None


class _Found(NamedTuple):
    """A whole generation as it lies on the disk."""

    number: int
    places: dict[str, Path]
    contents: dict[str, bytes]


class CheckpointStore:
    """The state files and the spare ones beside them."""

    def __init__(self, model_state: Path, optimizer_state: Path, run_state: Path):
        self._paths = dict(zip(STATES, (model_state, optimizer_state, run_state), strict=True))
        self._paths[MIND] = run_state.with_name(f"{run_state.stem}_{MIND}{run_state.suffix}")
        self._settled: int | None = None  # number of the generation that is known to be in the main files
        self._mind: bytes | None = None  # that of this generation

    @property
    def folders(self) -> list[Path]:
        """Where the files lie: what a `MemoryLock` is to hold."""
        return sorted({path.parent for path in self._paths.values()})

    def save(
        self, model_state: Mapping, optimizer_state: Mapping, run_state: Mapping, mind: Mapping | None = None
    ) -> int:
        """Write the next generation; returns its number, the first being 0. mind: None for the one that is saved.

        States consist of tensors, numbers, text, bytes, None, and lists, tuples, sets and dicts of these; a TypeError
        says what could not be loaded again. Raises UserError when the disk is full or a folder cannot be written; what
        was saved before is whole then.
        """
        contents = {
            name: _serialised(state, name)
            for name, state in zip(STATES, (model_state, optimizer_state, run_state), strict=True)
        }
        try:
            number = (self._settle() if self._settled is None else self._settled) + 1
            self._settled = None  # until the last rename is done
            if mind is not None:
                self._mind = _serialised(mind, MIND)
            if self._mind is not None:
                contents[MIND] = self._mind
            seal = make_seal(number, list(contents.values()))
            try:
                for name, content in contents.items():
                    write_durably(_beside(self._paths[name], "new"), attach(seal, content))
                self._sync()
            except BaseException:
                for path in self._paths.values():
                    with contextlib.suppress(OSError):  # the first error says more
                        _beside(path, "new").unlink(missing_ok=True)
                raise
            for name in contents:
                _rotate(self._paths[name])
            self._sync()
        except OSError as error:
            raise not_written(error.filename or self.folders[0], error) from error
        self._settled = number
        return number

    def load(self) -> Checkpoint | None:
        """The newest whole generation, every tensor on the CPU; None where nothing is saved. Changes no file.

        Without any of the main files the spare ones are no reason to go on: whoever deleted them wants to start anew.
        Raises UserError when there are main files but no whole generation.
        """
        found, problems = self._newest()
        if problems:  # another process may be renaming at this moment: look again before calling anything damaged
            time.sleep(0.1)
            found, problems = self._newest()
        if found is None:
            if problems:
                raise UserError(
                    f"what was saved cannot be loaded: {'; '.join(problems)}; put back a copy if you have one, "
                    "or start anew with --fresh, which keeps these files in a folder of their own"
                )
            return None
        states = {
            name: torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
            for name, content in found.contents.items()
        }
        notes = [f"{'; '.join(problems)}: going on from the save before it"] if problems else []
        if self._is_strange(found):
            notes.append(f"{self._paths[MIND]} belongs to another save: it is left out, and set aside at the next save")
        return Checkpoint(**states, generation=found.number, notes=tuple(notes))

    def settle(self) -> None:
        """Bring the generation that `load` finds into the main files, if a kill in the middle of a save has left it
        under other names. `save` does so by itself; this is for whoever has nothing to save."""
        try:
            self._settled = self._settle()
        except OSError as error:
            raise not_written(error.filename or self.folders[0], error) from error

    def set_aside(self) -> list[Path]:
        """Move every state file into a new folder `set_aside-<time>` beside it; returns where they are now."""
        self._settled, self._mind = None, None
        # spare files first: with the main ones gone, what is left of them would be taken for nothing saved
        kinds = ("new", "previous", "damaged", "")
        return self._put_aside([_beside(path, kind) for kind in kinds for path in self._paths.values()], os.rename)

    def copy_aside(self) -> list[Path]:
        """Copy what is saved into such a folder; returns where the copies are."""
        self.settle()
        return self._put_aside(list(self._paths.values()), shutil.copyfile)

    def _put_aside(self, paths: Sequence[Path], put: Callable[[Path, Path], object]) -> list[Path]:
        folders: dict[Path, Path] = {}
        aside = []
        try:
            for path in filter(Path.exists, paths):
                if path.parent not in folders:
                    folders[path.parent] = make_new_folder(path.parent / f"set_aside-{time.strftime('%Y%m%d-%H%M%S')}")
                aside.append(folders[path.parent] / path.name)
                put(path, aside[-1])
            self._sync()
        except OSError as error:
            raise not_written(error.filename or self.folders[0], error) from error
        return aside

    def _is_strange(self, found: _Found) -> bool:
        """Whether there is a mind that belongs to no generation that is there."""
        return MIND not in found.places and self._paths[MIND].exists()

    def _newest(self) -> tuple[_Found | None, list[str]]:
        """The newest whole generation and what was wrong with a newer one; without any, why there is none."""
        files: dict[bytes, dict[str, tuple[Path, bytes]]] = {}  # by seal and state
        wrong: dict[str, list[str]] = {}  # by kind
        for kind in ("", "new", "previous"):
            for index, (name, main) in enumerate(self._paths.items()):
                path = _beside(main, kind)
                try:
                    seal, content = read_whole(path, index)
                    files.setdefault(seal, {}).setdefault(name, (path, content))
                except FileNotFoundError:
                    missing = not kind and (name != MIND or any(count_of(seal) > len(STATES) for seal in files))
                    wrong.setdefault(kind, []).extend([f"{path} is missing"] * missing)
                except OSError as error:
                    wrong.setdefault(kind, []).append(f"{path} cannot be read ({error.strerror})")
                except ValueError as error:
                    wrong.setdefault(kind, []).append(f"{path} {error}")
            problems = wrong.get("") or wrong.get("new") or ["the state files are of different saves"]
            whole = [seal for seal in files if len(files[seal]) == count_of(seal)]
            if whole and kind:  # with the new ones looked at, too: they may be a later generation
                seal = max(whole, key=number_of)
                in_order = {name: files[seal][name] for name in self._paths if name in files[seal]}
                places = {name: path for name, (path, _) in in_order.items()}
                contents = {name: content for name, (_, content) in in_order.items()}
                return _Found(number_of(seal), places, contents), problems if kind == "previous" else []
            if kind and not any(path.exists() for path in self._paths.values()):
                return None, []
        return None, problems + wrong.get("previous", [])

    def _settle(self) -> int:
        """Bring the newest whole generation into the main files, where `save` expects it; returns its number.

        Whatever instant this is stopped at, that generation stays whole. Without one, -1, and what cannot be loaded is
        set aside.
        """
        found, _ = self._newest()
        if found is None:
            if any(path.exists() or _beside(path, "previous").exists() for path in self._paths.values()):
                self.set_aside()
            return -1
        for index, (name, place) in enumerate(found.places.items()):
            main = self._paths[name]
            if place == main:
                continue
            if main.exists():
                superseded = place == _beside(main, "new") and is_whole(main, index)
                os.replace(main, _beside(main, "previous" if superseded else "damaged"))
            os.replace(place, main)
        if self._is_strange(found):
            self._put_aside([self._paths[MIND]], os.rename)
        self._sync()
        self._mind = found.contents.get(MIND)
        return found.number

    def _sync(self) -> None:
        for folder in self.folders:
            if folder.exists():
                sync_folder(folder)


def _serialised(state: Mapping, name: str) -> bytes:
    check_plain(state, name)
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


def _beside(path: Path, kind: str) -> Path:
    """model_state.pth -> model_state.new.pth; the path itself for no kind."""
    return path.with_name(f"{path.stem}.{kind}{path.suffix}") if kind else path


def _rotate(path: Path) -> None:
    if path.exists():
        os.replace(path, _beside(path, "previous"))
    os.replace(_beside(path, "new"), path)
