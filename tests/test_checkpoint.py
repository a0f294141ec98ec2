"""Three files, one generation: whatever is cut, flipped, killed or full, a whole one is loaded, or an error says why.

Every generation saved here holds its own number in all three states, so that a mixture would show.
"""

import errno
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import OrderedDict
from pathlib import Path

import numpy
import pytest
import torch

from memory.state import checkpoint
from memory.state.checkpoint import STATES, Checkpoint, CheckpointStore
from utils import UserError

ROOT = Path(__file__).resolve().parent.parent


def store_in(folder: Path) -> CheckpointStore:
    return CheckpointStore(*(folder / f"{name}.pth" for name in STATES))


def states(number: int) -> list[dict]:
    weights = OrderedDict(weight=torch.full((20, 10), float(number)), number=number)
    return [weights, {"moments": torch.full((20,), float(number)), "number": number}, {"number": number, "text": "é"}]


def number_of(loaded: Checkpoint) -> int:
    """The number that all three states agree on."""
    assert loaded.model_state["number"] == loaded.optimizer_state["number"] == loaded.run_state["number"]
    assert (loaded.model_state["weight"] == loaded.model_state["number"]).all()
    assert (loaded.optimizer_state["moments"] == loaded.model_state["number"]).all()
    return loaded.run_state["number"]


@pytest.fixture
def tmp_path(tmp_path_factory):
    """In memory where that can be: hundreds of saves wait for the disk otherwise, and a kill asks nothing of it."""
    if not os.access("/dev/shm", os.W_OK):
        yield tmp_path_factory.mktemp("states")
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="altlas-") as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def three_saves(tmp_path_factory):
    folder = tmp_path_factory.mktemp("three_saves")
    store = store_in(folder)
    assert [store.save(*states(number)) for number in range(3)] == [0, 1, 2]
    return folder


@pytest.fixture
def saved(tmp_path, three_saves):
    """A folder in which generations 0, 1 and 2 were saved."""
    return Path(shutil.copytree(three_saves, tmp_path / "saved"))


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


MAIN = {f"{name}.pth" for name in STATES}
PREVIOUS = {f"{name}.previous.pth" for name in STATES}


def test_nothing_saved(tmp_path):
    assert store_in(tmp_path).load() is None
    assert store_in(tmp_path / "not there").load() is None
    assert store_in(tmp_path / "not there").set_aside() == []


def test_round_trip(saved):
    loaded = store_in(saved).load()
    assert number_of(loaded) == loaded.generation == 2
    assert loaded.notes == ()
    assert names(saved) == MAIN | PREVIOUS


def test_numbers_go_on_after_a_restart(saved):
    assert store_in(saved).save(*states(3)) == 3
    assert number_of(store_in(saved).load()) == 3


def test_the_files_are_ordinary_pytorch_files(saved):
    weights = torch.load(saved / "model_state.pth", weights_only=True)
    assert (weights["weight"] == 2).all()


def test_what_a_run_state_is_made_of(tmp_path):
    parts = {
        "random": {"python": random.getstate(), "torch": torch.get_rng_state()},
        "nested": [(1, 2.5, None), {"a": {("k", 1): b"\x00\xff"}}, {True, "x"}, 2**200, float("inf"), "\n"],
    }
    store_in(tmp_path).save({}, {}, parts)
    loaded = store_in(tmp_path).load().run_state
    assert loaded["nested"] == parts["nested"]
    assert loaded["random"]["python"] == parts["random"]["python"]
    assert torch.equal(loaded["random"]["torch"], parts["random"]["torch"])


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ({"reward": numpy.float64(1)}, r"run_state\['reward'\] holds a numpy.float64"),
        ({"elites": [{"path": Path()}]}, r"run_state\['elites'\]\[0\]\['path'\] holds a pathlib"),
        ({"seen": {(1, numpy.int64(2)): 1}}, r"a key of run_state\['seen'\]\[0\]\[1\] holds a numpy.int64"),
        ({"kinds": frozenset()}, r"run_state\['kinds'\] holds a builtins.frozenset"),
    ],
)
def test_what_could_not_be_loaded_is_not_saved(saved, state, said):
    with pytest.raises(TypeError, match=said):
        store_in(saved).save({}, {}, state)
    assert number_of(store_in(saved).load()) == 2


def damage(path: Path, how: str, chance: random.Random) -> None:
    data = bytearray(path.read_bytes())
    if how == "cut":
        data = data[: chance.choice([0, 1, 100, len(data) // 2, len(data) - 241, len(data) - 1])]
    elif how == "flipped":
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    elif how == "longer":
        data += b"\0"
    elif how == "zeros":
        data[-600:] = bytes(600)
    elif how == "missing":
        path.unlink()
        return
    else:
        raise ValueError(f"no damage called {how!r}")
    path.write_bytes(data)


DAMAGES = ["cut", "flipped", "longer", "zeros", "missing"]


@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize("name", STATES)
def test_a_damaged_file_falls_back_to_the_save_before_and_says_so(saved, name, how):
    main = saved / f"{name}.pth"
    damage(main, how, random.Random(name + how))
    loaded = store_in(saved).load()
    assert number_of(loaded) == loaded.generation == 1
    (note,) = loaded.notes
    assert note.startswith(str(main))
    assert note.endswith(": going on from the save before it")


@pytest.mark.parametrize("how", ["cut", "flipped"])
@pytest.mark.parametrize("name", STATES)
def test_every_cut_and_every_flip_is_seen(saved, name, how):
    chance = random.Random(name + how)
    main = saved / f"{name}.pth"
    whole = main.read_bytes()
    for _ in range(50):
        if how == "cut":
            main.write_bytes(whole[: chance.randrange(len(whole))])
        else:
            damage(main, how, chance)
        found, problems = store_in(saved)._newest()  # what load() decides by, without its waiting
        assert found.number == 1
        assert len(problems) == 1
        assert how == "flipped" or problems[0].startswith(str(main))  # a seal may be flipped into that of another save
        main.write_bytes(whole)
    assert number_of(store_in(saved).load()) == 2


@pytest.mark.parametrize("how", DAMAGES)
def test_saving_goes_on_after_damage_and_keeps_the_damaged_file(saved, how):
    main = saved / "optimizer_state.pth"
    damage(main, how, random.Random(how))
    left = main.read_bytes() if main.exists() else None
    store = store_in(saved)
    assert number_of(store.load()) == 1
    assert [store.save(*states(2)), store.save(*states(3))] == [2, 3]
    loaded = store_in(saved).load()
    assert (number_of(loaded), loaded.notes) == (3, ())
    if left is not None:
        assert (saved / "optimizer_state.damaged.pth").read_bytes() == left


@pytest.mark.parametrize("how", DAMAGES)
def test_both_generations_damaged_is_one_error_with_the_way_out(saved, how):
    for name in ("model_state.pth", "run_state.previous.pth"):
        damage(saved / name, how, random.Random(name))
    with pytest.raises(UserError) as caught:
        store_in(saved).load()
    message = str(caught.value)
    assert "\n" not in message
    assert str(saved / "model_state.pth") in message
    assert how == "missing" or str(saved / "run_state.previous.pth") in message
    assert "start anew with --fresh" in message


def test_a_first_save_without_one_of_its_files(tmp_path):
    store_in(tmp_path).save(*states(0))
    (tmp_path / "model_state.pth").unlink()
    with pytest.raises(UserError, match=r"model_state\.pth is missing; .*--fresh"):
        store_in(tmp_path).load()


def test_files_of_two_runs_are_not_mixed(saved, tmp_path):
    other = tmp_path / "other"
    store_in(other).save(*states(7))
    os.replace(other / "model_state.pth", saved / "model_state.pth")
    loaded = store_in(saved).load()
    assert number_of(loaded) == 1
    assert loaded.notes == ("the state files are of different saves: going on from the save before it",)


def test_whoever_deletes_the_three_files_starts_anew(saved):
    for name in MAIN:
        (saved / name).unlink()
    store = store_in(saved)
    assert store.load() is None
    assert store.save(*states(9)) == 0
    assert number_of(store_in(saved).load()) == 9
    (aside,) = saved.glob("set_aside-*")
    assert names(aside) == PREVIOUS


def test_set_aside_keeps_everything(saved):
    damage(saved / "model_state.pth", "cut", random.Random(0))
    content = {path.name: path.read_bytes() for path in saved.iterdir()}
    (saved / "vocab.json").touch()
    (saved / "runs").mkdir()
    store = store_in(saved)
    moved = store.set_aside()
    assert {path.name: path.read_bytes() for path in moved} == content
    assert {path.parent.parent for path in moved} == {saved}
    assert names(saved) == {"vocab.json", "runs", moved[0].parent.name}
    assert store.load() is None
    assert store.save(*states(5)) == 0
    assert len({path.parent for path in [*moved, *store.set_aside()]}) == 2


class Stop(BaseException):
    """Stands for the moment at which the process or the disk is gone."""


@pytest.fixture
def stop_at(monkeypatch):
    """Makes the n-th call that changes or syncs a file fail; calls after it fail, too, as they never come."""

    def stop_at(instant: int, error: BaseException) -> None:
        calls = 0

        def counted(function):
            def call(*arguments, **named):
                nonlocal calls
                calls += 1
                if calls >= instant:
                    raise error
                return function(*arguments, **named)

            return call

        for name in ("replace", "rename", "fsync", "unlink"):
            monkeypatch.setattr(os, name, counted(originals[name]))

    originals = {name: getattr(os, name) for name in ("replace", "rename", "fsync", "unlink")}
    yield stop_at
    monkeypatch.undo()


@pytest.mark.parametrize("start", ["first save", "in order", "damaged", "half renamed"])
def test_stopped_at_each_instant_of_a_save(tmp_path, saved, monkeypatch, stop_at, start):
    prepared, before = saved, 2
    if start == "first save":
        prepared, before = tmp_path / "prepared", None
        prepared.mkdir()
    elif start == "damaged":
        damage(prepared / "run_state.pth", "flipped", random.Random(0))
        before = 1
    elif start == "half renamed":  # as a kill between the second and the third file leaves it
        os.rename(prepared / "run_state.pth", prepared / "run_state.new.pth")
        os.rename(prepared / "run_state.previous.pth", prepared / "run_state.pth")
    reached_the_end = False
    for instant in range(1, 60):
        folder = Path(shutil.copytree(prepared, tmp_path / str(instant)))
        store = store_in(folder)
        stop_at(instant, Stop())
        try:
            store.save(*states(100))
            reached_the_end = True
        except Stop:
            pass
        monkeypatch.undo()
        loaded = store_in(folder).load()
        after = None if loaded is None else number_of(loaded)
        assert after in ((100,) if reached_the_end else (before, 100)), f"instant {instant}"
        store = store_in(folder)
        store.save(*states(101))
        assert number_of(store_in(folder).load()) == 101
        assert not list(folder.glob("*.new.pth"))
        if reached_the_end:
            break
    assert reached_the_end
    assert instant > 8


@pytest.mark.parametrize("instant", range(1, 11))
def test_a_full_disk_is_one_line_and_the_same_store_goes_on_later(saved, monkeypatch, stop_at, instant):
    store = store_in(saved)
    store.load()
    stop_at(instant, OSError(errno.ENOSPC, "No space left on device"))
    with pytest.raises(UserError, match=r"cannot be written: No space left on device; free some space") as caught:
        store.save(*states(3))
    assert "\n" not in str(caught.value)
    monkeypatch.undo()
    assert number_of(store_in(saved).load()) in (2, 3)
    store.save(*states(4))
    assert number_of(store_in(saved).load()) == 4
    assert names(saved) == MAIN | PREVIOUS


def test_a_file_system_that_is_full_for_a_while(disk_of):
    small_disk = disk_of("300k")
    store = store_in(small_disk)
    for number in range(3):
        store.save(*states(number))
    held = names(small_disk)
    for free in range(0, 24_000, 3_000):  # less than a save needs, each time stopping somewhere else
        filler = small_disk / "filler"
        space = os.statvfs(small_disk)
        filler.write_bytes(bytes(max(0, space.f_bavail * space.f_frsize - free)))
        with pytest.raises(UserError, match="cannot be written: No space left on device; free some space"):
            store.save(*states(3)[:2], {"number": 3, "much": torch.zeros(10_000)})
        assert names(small_disk) == held | {"filler"}
        assert number_of(store_in(small_disk).load()) == 2
        filler.unlink()
    assert store.save(*states(3)) == 3


def test_a_disk_that_takes_only_a_part(saved):
    """A limit on the size of files makes the kernel refuse the rest of a write, as a full disk does."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    store = store_in(saved)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))
        with pytest.raises(UserError, match=r"run_state\.new\.pth cannot be written: File too large"):
            store.save(*states(3)[:2], {"number": 3, "much": torch.zeros(100_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    assert names(saved) == MAIN | PREVIOUS
    assert number_of(store.load()) == 2
    assert store.save(*states(3)) == 3


SAVE_UNTIL_KILLED = """
import os, sys
from pathlib import Path
sys.path.insert(0, "tests")
from test_checkpoint import number_of, states, store_in

while os.fork():  # a fresh process for each kill, without loading PyTorch again
    os.wait()
    print("gone", flush=True)
    if not sys.stdin.readline():  # the next one saves once the test has looked at what this one left
        sys.exit()
store = store_in(Path(sys.argv[1]))
loaded = store.load()
number = 0 if loaded is None else number_of(loaded) + 1
os.write(1, b"process %d\\n" % os.getpid())
while True:
    os.write(1, b"saved %d\\n" % store.save(*states(number)))  # one write: a kill leaves no part of a line
    number += 1
"""


def test_killed_at_random_instants(tmp_path):
    """A process saves without end; what it said was saved is there after a kill, or what came after that."""
    chance = random.Random(0)
    command = [sys.executable, "-c", SAVE_UNTIL_KILLED, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        said = -1
        for _ in range(20):
            pid = int(process.stdout.readline().removeprefix("process "))
            for _ in range(chance.randint(0, 1)):
                said = int(process.stdout.readline().removeprefix("saved "))
            time.sleep(chance.uniform(0, 0.01))
            os.kill(pid, signal.SIGKILL)
            while (line := process.stdout.readline()) != "gone\n":
                said = int(line.removeprefix("saved "))
            loaded = store_in(tmp_path).load()
            if loaded is None:
                assert said == -1
            else:
                assert loaded.notes == ()
                assert number_of(loaded) == loaded.generation
                assert loaded.generation in (said, said + 1)
                said = loaded.generation  # it may have been killed between saving and saying so
            print(file=process.stdin, flush=True)
        os.kill(int(process.stdout.readline().removeprefix("process ")), signal.SIGKILL)
        process.stdin.close()
        assert said > 10


def test_loading_while_another_process_saves(tmp_path, monkeypatch):
    """A rename between the reading of two files is met by looking again."""
    store = store_in(tmp_path)
    for number in range(3):
        store.save(*states(number))
    real = checkpoint.read_whole
    todo = [3]

    def read_whole(path, index):
        result = real(path, index)
        if todo:
            store.save(*states(todo.pop()))
        return result

    monkeypatch.setattr(checkpoint, "read_whole", read_whole)
    loaded = store_in(tmp_path).load()
    assert number_of(loaded) == 3
    assert loaded.notes == ()
