"""The curve of the benchmark of play: what it counts, and that it can be drawn."""

from tests.benchmarks import play_curve
from tests.benchmarks.play import Cell

FOUND = {
    Cell("sampled", "add", 0, 0, False, 0): {"hits": 0},
    Cell("sampled", "add", 0, 100, False, 0): {"hits": 7},
    Cell("sampled", "sign", 0, 100, False, 0): {"hits": 0},
    Cell("sampled", "add", 1, 100, False, 0): {"hits": 1},
    Cell("sampled", "sign", 1, 100, False, 0): {"hits": 2},
    Cell("sampled", "sign", 0, 100, True, 0): {"hits": 9},
    Cell("hidden", "sign", 0, 100, False, 0): {"hits": 9},
    **{Cell("learned", "add", 0, 0, False, seed): {"attempts": count} for seed, count in enumerate((10, 90, 1_000))},
    Cell("learned", "sign", 0, 0, False, 0): {"attempts": 40},
    Cell("learned", "add", 0, 100, False, 0): {"attempts": 1},
    Cell("learned", "sign", 0, 100, False, 0): {"attempts": 16},
    Cell("learned", "gcd", 0, 100, False, 0): {"attempts": 5_000},
}


def test_tasks_are_counted_that_a_mind_writes_at_least_once():
    assert play_curve.written(FOUND) == {0: 0, 100: 1.5}  # the mean of two minds


def test_attempts_are_of_the_tasks_that_were_learned_at_every_size():
    found = play_curve.attempts(FOUND)
    assert {size: round(mean) for size, mean in found.items()} == {0: 60, 100: 4}
    assert play_curve.attempts({}) == {}


def test_it_is_a_picture(tmp_path):
    play_curve.draw(FOUND, tmp_path / "curve.png")
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
    play_curve.draw({}, tmp_path / "nothing.png")
