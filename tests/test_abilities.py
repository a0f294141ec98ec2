"""What a mind can do, as the report tells it: the summary, how play grew, the tables of many tasks."""

import html
import json
import re
from dataclasses import replace

import pytest

from agent_core.play.answers import pack
from agent_core.play.player import Player
from agent_core.play.progress import PLAY_FIGURES
from agent_core.play.summary import summary_of
from agent_core.run.many.schedule import Again, Standing
from agent_core.run.many.show import write_tables
from agent_core.sandbox.executor import Executor
from memory.history import panels
from memory.history.many_folder import ABILITIES, read_many
from memory.history.report import write_report
from memory.history.run_folder import read_run
from memory.history.run_log import RunLog, write_json
from memory.repertoire.repertoire import Behaviour
from tests.test_report import make_run, no_curves, text_of  # noqa: F401 - a fixture

HOSTILE = "<script>alert(1)</script>"
ABILITY = {
    "programs": 5_000,
    "behaviours": 12,
    "solved": ["add"],
    "lengths": ["1-4", "5-8", "9+"],
    "constructs": [["while", [0, 2, 0]], ["plain", [0, 9, 1]]],
    "shown": [["The longest", [{"program": f"print('{HOSTILE}')", "tokens": 7, "cases": ["f(1) \u2192 2"]}]]],
}


@pytest.fixture(autouse=True)
def few_panels(monkeypatch, no_curves):  # noqa: F811
    monkeypatch.setattr("memory.history.page.PANELS", panels.PANELS[:1])
    monkeypatch.setattr("memory.history.abilities.PLAY_PANELS", [panels.PLAY_PANELS[2]])


def play_folder(folder, looked_from=3, abilities=ABILITY):
    columns = (*PLAY_FIGURES, "elapsed_seconds", "attempts_per_second")
    with RunLog(folder, columns) as log:
        for step in range(1, 7):
            row = dict.fromkeys(columns, 0.0) | {"step": step, "attempts": 100 * step, "behaviours": 2 * step}
            if step >= looked_from:
                row |= {"loss_own_examples": 8.0, "loss_other_examples": 15.0, "held_back_written": 0.25}
            log.row(row)
        log.result({"task": "play", "seed": 3, "attempts": 600})
    if abilities is not None:
        write_json(folder / ABILITIES, abilities)
    return folder


def many_folder(folder):
    folder.mkdir()
    standings = {
        "add": Standing("x", 1, 512, solved_at=300, done=True, best_reward=1.0, tokens=6, program="return a + b"),
        "gcd": Standing("y", 3, 9_000, best_reward=0.25, tokens=9, program=f"return '{HOSTILE}'"),
        "max": Standing("z", 1, 600, solved_at=90, done=True, best_reward=1.0, tokens=5, program="return max(a, b)"),
    }
    standings["add"].again += [Again(300, None), Again(40, 33)]
    standings["max"].again += [Again(90, None)]
    write_tables(folder, standings, [])
    return folder


def page_of(runs, *folders):
    return write_report(runs, folders)[0].read_text(encoding="utf-8")


# --- the summary ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def summary(config, tokenizer, legal_tokens):
    small = replace(
        config,
        executor=replace(config.executor, workers=1),
        mind=replace(config.mind, hidden_dim=16, encoder_dim=16, context_dim=8),
        play=replace(config.play, signatures=1),
    )
    with Executor(small.executor) as executor:
        player = Player(small, tokenizer, legal_tokens, executor)
        number = player.questions.give(["var_a", "var_b"], [[3, 4], [5, 1], [-2, 7]])
        for key, (text, answers) in enumerate(
            [
                ("return var_a + var_b\n", [7, 6, 5]),
                ("return max(var_a, var_b)\n", [4, 5, 7]),
                ("return var_a + 1\n", [4, 6, -1]),
                ("return max(var_a, var_b) + var_a + var_b\n", [11, 11, 12]),
            ],
            start=1,
        ):
            row = tuple(tokenizer.encode(text).tolist())
            player.repertoire.add(key, Behaviour(number, row, 0, pack(answers), whole="var_b" in text))
        return summary_of(player)


def test_behaviours_are_counted_by_construct_and_length(summary):
    counts = {name: dict(zip(summary["lengths"], counts, strict=True)) for name, counts in summary["constructs"]}
    assert set(counts) == {"max", "plain"}
    assert {length: count for length, count in counts["plain"].items() if count} == {"5-8": 2}
    assert sum(counts["max"].values()) == 2
    assert summary["behaviours"] == 4


def test_what_uses_all_its_inputs_and_has_many_answers_comes_first(summary):
    shown = {title: [each["program"] for each in programs] for title, programs in summary["shown"]}
    assert shown["plain"] == [
        "def func_a(var_a, var_b):\n    return var_a + var_b",
        "def func_a(var_a, var_b):\n    return var_a + 1",
    ]
    assert shown["The longest"][0].endswith("return max(var_a, var_b) + var_a + var_b")
    assert shown["max"][0].endswith("return max(var_a, var_b)")
    (short, *_) = next(programs for title, programs in summary["shown"] if title.startswith("Short"))
    assert short["cases"] == ["func_a(3, 4) \u2192 7", "func_a(5, 1) \u2192 6", "func_a(-2, 7) \u2192 5"]
    json.dumps(summary, allow_nan=False)


# --- the page -------------------------------------------------------------------------------------------------------


def test_play_has_its_curves_and_what_it_can_do(tmp_path):
    play_folder(tmp_path / "play-20260101-000000")
    page = page_of(tmp_path)
    text = text_of(page)
    assert "1 run of play" in text
    assert "of 0 solved" not in text
    assert "25%" in text
    assert "12 behaviours, each with the shortest program that is known for it, after 5,000 programs of play" in text
    assert "f(1) \u2192 2" in text
    assert "<script" not in page
    assert html.escape(HOSTILE) in re.sub(r"<[^>]+>", "", page)
    assert page.count("<svg") == 1
    heads = re.findall(r"<th[^>]*>([^<]*)</th>", page)
    assert "5-8" in heads
    assert "1-4" not in heads


def test_what_play_had_not_measured_yet_is_a_gap_and_no_0(tmp_path):
    run = read_run(play_folder(tmp_path / "play-20260101-000000"))
    assert run.is_play
    assert str(run.curves["held_back_written"].tolist()) == "[nan, nan, 0.25, 0.25, 0.25, 0.25]"
    assert run.curves["behaviours"].tolist() == [2, 4, 6, 8, 10, 12]


@pytest.mark.parametrize(
    "damaged",
    [
        None,
        {},
        [],
        ABILITY | {"constructs": [["while", "no"]]},
        ABILITY | {"shown": [["x", [{"program": 3}]]]},
        "\ud800",
    ],
)
def test_damaged_abilities_are_left_out(tmp_path, damaged):
    folder = play_folder(tmp_path / "play-20260101-000000", abilities=None)
    (folder / ABILITIES).write_text(json.dumps(damaged))
    assert "What it can do" not in page_of(tmp_path)


def test_of_several_the_mind_with_the_most_behind_it_is_told_of(tmp_path):
    play_folder(tmp_path / "play-1", abilities=ABILITY | {"programs": 6_000})
    play_folder(tmp_path / "play-2")
    assert "after 6,000 programs" in text_of(page_of(tmp_path))


def test_a_table_of_tasks_that_is_damaged_counts_up_to_there(tmp_path):
    folder = many_folder(tmp_path / "ladder-20260101-000000")
    with open(folder / "tasks.csv", "a") as file:
        file.write(f'"{"x" * 200_000}')
    assert [row.task for row in read_many(folder).rows] == ["add", "gcd", "max"]


def test_many_tasks_have_their_table(tmp_path):
    many = read_many(many_folder(tmp_path / "ladder-20260101-000000"))
    assert [(row.task, row.solved_in, row.again_in, row.not_again_in) for row in many.rows] == [
        ("add", 300, 33, None),
        ("gcd", None, None, None),
        ("max", 90, None, 90),
    ]
    page = page_of(tmp_path)
    text = text_of(page)
    assert "1 run of many tasks" in text
    assert "ladder-20260101-000000: 2 of 3 solved" in text
    assert "not in 90" in text
    assert re.findall(r"<td>(add|gcd|max)</td>", page) == ["max", "add", "gcd"]
    assert "<script" not in page


def test_the_folder_of_many_tasks_can_be_named_for_the_curves_of_each(tmp_path):
    folder = many_folder(tmp_path / "tasks-1")
    make_run(folder / "add")
    make_run(folder / "gcd")
    make_run(tmp_path / "single")
    assert "Learning curves" in (named := text_of(page_of(tmp_path, folder)))
    assert "3 runs of add and many tasks" in named
    assert "2 runs of add and many tasks" in text_of(page_of(tmp_path))


def test_a_damaged_table_of_many_tasks_counts_for_nothing(tmp_path):
    folder = tmp_path / "tasks-1"
    folder.mkdir()
    (folder / "tasks.csv").write_bytes(b"task,solved_in\nadd,\xff\n\0,12,3\n,,")
    assert "tasks-1: 1 of" in text_of(page_of(tmp_path))
