"""The mind is a fourth file of a generation: whole with the others or not at all, and never lost by a save without."""

import shutil

import pytest
import torch

from memory.state.checkpoint import CheckpointStore
from tests.test_checkpoint import Stop, states, stop_at, store_in  # noqa: F401 - a fixture
from utils import UserError

MIND = "run_state_mind.pth"


def mind(number):
    return {"number": number, "weight": torch.full((9,), float(number))}


@pytest.fixture
def saved(tmp_path):
    store = store_in(tmp_path / "saved")
    for number in range(3):
        store.save(*states(number), mind=mind(number))
    return tmp_path / "saved"


def number_of(loaded) -> int:
    assert loaded.mind["number"] == loaded.run_state["number"] == loaded.model_state["number"]
    assert (loaded.mind["weight"] == loaded.mind["number"]).all()
    return loaded.mind["number"]


def test_it_comes_back_and_lies_beside_the_run_state(saved):
    assert number_of(store_in(saved).load()) == 2
    assert (saved / MIND).exists()
    other = CheckpointStore(saved / "m.pth", saved / "o.pth", saved / "elsewhere" / "mine.pth")
    other.save({}, {}, {}, mind(5))
    assert (saved / "elsewhere" / "mine_mind.pth").exists()


def test_a_save_without_one_keeps_the_one_that_is_there(saved):
    for store in (store_in(saved), store_in(saved)):
        for number in (10, 11):
            store.save(*states(number))
    loaded = store_in(saved).load()
    assert (loaded.mind["number"], loaded.run_state["number"], loaded.generation) == (2, 11, 6)


def test_a_mind_can_join_what_was_saved_without(tmp_path):
    store = store_in(tmp_path)
    store.save(*states(0))
    assert store.load().mind is None
    store_in(tmp_path).save(*states(1), mind=mind(1))
    assert number_of(store_in(tmp_path).load()) == 1


def test_one_of_another_save_is_said_and_set_aside_and_never_overwritten(saved, tmp_path):
    cold = store_in(tmp_path / "cold")
    cold.save(*states(7))
    content = (saved / MIND).read_bytes()
    shutil.copy(saved / MIND, tmp_path / "cold" / MIND)
    store = store_in(tmp_path / "cold")
    loaded = store.load()
    assert loaded.mind is None
    assert loaded.run_state["number"] == 7
    assert [note.split(": ")[1] for note in loaded.notes] == ["it is left out, and set aside at the next save"]
    store.save(*states(8), mind=mind(8))
    (aside,) = (tmp_path / "cold").glob("set_aside-*")
    assert (aside / MIND).read_bytes() == content
    assert number_of(store_in(tmp_path / "cold").load()) == 8
    assert store_in(tmp_path / "cold").load().notes == ()


def test_a_copy_aside_is_all_that_is_saved_and_can_be_put_back(saved):
    store = store_in(saved)
    copies = store.copy_aside()
    store.save(*states(9), mind=mind(9))
    assert number_of(store_in(saved).load()) == 9
    for copy in copies:
        shutil.copy(copy, saved / copy.name)
    assert number_of(store_in(saved).load()) == 2


@pytest.mark.parametrize("how", ["missing", "cut", "flipped"])
def test_a_damaged_one_falls_back_to_the_save_before_with_all_files(saved, how):
    path = saved / MIND
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.unlink() if how == "missing" else path.write_bytes(content[:-9] if how == "cut" else content)
    loaded = store_in(saved).load()
    assert number_of(loaded) == 1
    assert MIND in loaded.notes[0]
    store = store_in(saved)
    store.save(*states(7), mind=mind(7))
    assert number_of(store_in(saved).load()) == 7


def test_set_aside_takes_it_along(saved):
    store = store_in(saved)
    store.load()
    assert MIND in {path.name for path in store.set_aside()}
    assert store.load() is None
    store.save(*states(0))
    assert store.load().mind is None


def test_without_any_whole_generation_the_way_out_is_said(tmp_path):
    store_in(tmp_path).save(*states(0), mind=mind(0))
    (tmp_path / MIND).unlink()
    with pytest.raises(UserError, match=rf"{MIND} is missing.*--fresh"):
        store_in(tmp_path).load()


def test_stopped_at_each_instant_of_a_save(tmp_path, saved, monkeypatch, stop_at):  # noqa: F811 - the fixture
    ended = False
    for instant in range(1, 60):
        folder = shutil.copytree(saved, tmp_path / str(instant))
        store = store_in(folder)
        stop_at(instant, Stop())
        try:
            store.save(*states(100), mind=mind(100))
            ended = True
        except Stop:
            pass
        finally:
            monkeypatch.undo()
        assert number_of(store_in(folder).load()) in ((100,) if ended else (2, 100))
        store_in(folder).save(*states(101), mind=mind(101))
        assert number_of(store_in(folder).load()) == 101
        if ended:
            break
    assert ended
    assert instant > 10
