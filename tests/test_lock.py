"""One run at a time on a memory folder."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from memory.state.lock import MemoryLock
from utils import UserError

ROOT = Path(__file__).resolve().parent.parent


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_lock_names_the_process_that_holds_it(tmp_path):
    folder = tmp_path / "memory"
    with (
        MemoryLock([folder]),
        pytest.raises(UserError, match=rf"{folder} is in use by another run \(process {os.getpid()}\)"),
    ):
        MemoryLock([folder]).__enter__()
    assert names_in(folder) == set()
    with MemoryLock([folder]):
        assert names_in(folder) == {".lock"}


def test_lock_of_several_folders_is_taken_whole_or_not(tmp_path):
    first, second = tmp_path / "a", tmp_path / "b"
    with MemoryLock([second]), pytest.raises(UserError, match="b is in use"):
        MemoryLock([first, second, first]).__enter__()
    with MemoryLock([first, second, first]):
        assert names_in(first) == names_in(second) == {".lock"}


def test_a_killed_process_lets_go_of_the_lock(tmp_path):
    code = """
import sys
from pathlib import Path
from memory.state.lock import MemoryLock
with MemoryLock([Path(sys.argv[1])]):
    print("locked", flush=True)
    sys.stdin.read()
"""
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "locked\n"
        with pytest.raises(UserError, match=rf"process {process.pid}\)"):
            MemoryLock([tmp_path]).__enter__()
        process.kill()
    assert (tmp_path / ".lock").exists()
    with MemoryLock([tmp_path]):
        assert (tmp_path / ".lock").read_text() == f"{os.getpid()}\n"


def test_an_unwritable_memory_is_one_line(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="memory cannot be written: a file is where its folder should be"):
        MemoryLock([tmp_path / "file" / "memory"]).__enter__()

    def read_only(*arguments):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(os, "open", read_only)
    with pytest.raises(UserError, match="cannot be written: Read-only file system; make the folder writable"):
        MemoryLock([tmp_path]).__enter__()
