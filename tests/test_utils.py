"""Device choice, seeding and whole files."""

import errno
import os
import random
import stat
import subprocess
import sys
from pathlib import Path

import numpy
import pytest
import torch

import utils
from utils import UserError, choose_device, make_new_folder, write_atomically

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def accelerators(monkeypatch):
    """Pretends that these accelerators are there, and that those in `broken` fail when used."""

    def pretend(existing, why_not="no CUDA device found", broken=()):
        monkeypatch.setattr(utils, "_accelerators", lambda: (list(existing), why_not))
        monkeypatch.setattr(utils, "_try", lambda name: "out of order" if name in broken else None)
        monkeypatch.setattr(utils, "_describe", lambda name: f"model of {name}")

    return pretend


def test_auto_never_fails():
    device, reason = choose_device("auto")
    assert torch.zeros(1, device=device).item() == 0
    assert reason


def test_cpu_is_always_there():
    assert choose_device("cpu") == (torch.device("cpu"), "as asked")


@pytest.mark.parametrize(
    ("existing", "broken", "name", "device", "reason"),
    [
        ([], [], "auto", "cpu", "no CUDA device found"),
        (["cuda:0", "cuda:1"], [], "auto", "cuda:0", "found by auto: model of cuda:0"),
        (["cuda:0", "cuda:1"], ["cuda:0"], "auto", "cuda:1", "found by auto: model of cuda:1"),
        (["cuda:0"], ["cuda:0"], "auto", "cpu", "cuda:0 does not work: out of order"),
        (["mps"], [], "auto", "mps", "found by auto: model of mps"),
        (["cuda:0"], [], "cuda", "cuda:0", "as asked: model of cuda:0"),
        (["cuda:0", "cuda:1"], [], "cuda:1", "cuda:1", "as asked: model of cuda:1"),
    ],
)
def test_choice(accelerators, existing, broken, name, device, reason):
    accelerators(existing, broken=broken)
    assert choose_device(name) == (torch.device(device), reason)


@pytest.mark.parametrize(
    ("existing", "name", "said"),
    [
        ([], "cuda", "device cuda is not there (no CUDA device found); on this machine there is: cpu; set"),
        (["cuda:0", "mps"], "cuda:3", "device cuda:3 is not there; on this machine there is: cpu, cuda:0, mps; set"),
        (["cuda:0"], "mps", "device mps is not there; on this machine there is: cpu, cuda:0; set"),
    ],
)
def test_an_absent_device_names_those_that_exist(accelerators, existing, name, said):
    accelerators(existing)
    with pytest.raises(UserError) as caught:
        choose_device(name)
    assert str(caught.value).startswith(said)


def test_a_broken_device_that_was_asked_for(accelerators):
    accelerators(["cuda:0"], broken=["cuda:0"])
    with pytest.raises(UserError, match="device cuda is there but does not work: out of order; set"):
        choose_device("cuda")


def test_the_reason_for_no_cuda_is_kept(monkeypatch):
    def unavailable():
        utils.warnings.warn("CUDA initialization: the driver is too old (Triggered internally at x.cpp)", stacklevel=1)
        return False

    monkeypatch.setattr(torch.cuda, "is_available", unavailable)
    names, why_not = utils._accelerators()
    assert "cuda:0" not in names
    assert why_not == "no CUDA device found: CUDA initialization: the driver is too old"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_no_cuda_here():
    with pytest.raises(UserError, match="device cuda:0 is not there"):
        choose_device("cuda:0")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_here():
    assert choose_device("auto")[0] == choose_device("cuda")[0] == torch.device("cuda:0")
    with pytest.raises(UserError, match="cuda:0"):
        choose_device("cuda:999")


def draws():
    numbers = [random.random(), numpy.random.rand(), torch.rand(1).item()]
    if torch.cuda.is_available():
        numbers.append(torch.rand(1, device="cuda").item())
    return numbers


def test_the_same_seed_gives_the_same_numbers():
    utils.seed_everything(5)
    first = draws()
    utils.seed_everything(5)
    assert draws() == first
    utils.seed_everything(6)
    assert not set(draws()) & set(first)


def test_utils_loads_without_pytorch():
    code = "import sys, utils; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def test_write_atomically(tmp_path):
    path = tmp_path / "new" / "file"
    write_atomically(path, b"one")
    write_atomically(path, b"two")
    assert path.read_bytes() == b"two"
    assert os.listdir(path.parent) == ["file"]
    usual = tmp_path / "usual"
    usual.touch()
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(usual.stat().st_mode)


@pytest.mark.parametrize("function", ["fsync", "replace"])
@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_a_write_that_fails_leaves_the_old_content_and_nothing_else(tmp_path, monkeypatch, function, error):
    path = tmp_path / "file"
    write_atomically(path, b"old")

    def fail(*arguments):
        raise error

    monkeypatch.setattr(os, function, fail)
    with pytest.raises((UserError, KeyboardInterrupt)) as caught:
        write_atomically(path, b"new")
    if isinstance(error, OSError):
        assert str(caught.value).startswith(str(tmp_path))
        assert "No space left on device; free some space and run again" in str(caught.value)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_an_unwritable_folder_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="below.* cannot be written: a file is where its folder should be"):
        write_atomically(tmp_path / "file" / "below", b"")
    if os.geteuid() != 0:  # root may write everywhere
        (tmp_path / "locked").mkdir(mode=0o500)
        with pytest.raises(UserError, match=r"cannot be written: Permission denied; make the folder writable"):
            write_atomically(tmp_path / "locked" / "file", b"")


def test_new_folders_never_meet(tmp_path):
    names = [make_new_folder(tmp_path / "runs" / "x").name for _ in range(3)]
    assert names == ["x", "x-2", "x-3"]


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 attempts"), (1, "1 attempt"), (2, "2 attempts"), (1_000, "1,000 attempts")]
)
def test_one_is_not_many(count, text):
    assert utils.counted(count, "attempt") == text
