"""The benchmark's own promises: variants are settings, finished runs are kept, figures and tables are right."""

import json
import os
import time
from dataclasses import asdict
from pathlib import Path

import pytest
import torch

from agent_core.grammar.legal_tokens import Prompt
from agent_core.learning.generator import CodeGenerator
from agent_core.settings.config import load_config
from tests.benchmarks import figures, ladder
from tests.benchmarks.cells import (
    CONFIG,
    PARTS,
    VARIANTS,
    Cell,
    forget_preferences,
    load_tasks,
    make_cells,
    variant_overrides,
)
from tests.benchmarks.parallel import Broken, in_parallel
from tests.benchmarks.results import Results
from utils import UserError


def run(task="add", seed=0, variant="full", cap=1_000, attempts=500, digest="d", **changes):
    """A finished run as the results file has it."""
    solved = attempts < cap
    cell = {"task": task, "seed": seed, "variant": variant, "cap": cap, "overrides": [], "digest": digest}
    found = {"solved": solved, "attempts": attempts, "seconds": 2.0, "checked": solved, "program": "x", "code": ""}
    return cell | found | {"reward": 1.0 if solved else 0.3, "tokens": 6} | changes


def cells_of(variants, *settings, seeds=(0,), cap=1_000):
    return make_cells(load_tasks(["add"]), {"add": seeds}, variants, {"add": cap}, settings)


# --- variants -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", PARTS)
def test_a_variant_without_a_part_changes_one_setting_of_the_full_agent(part):
    full = load_config(CONFIG)
    plain, less = full.plain(), load_config(CONFIG, variant_overrides(part, full)).plain()
    changed = [key for section in plain for key in plain[section] if plain[section][key] != less[section][key]]
    assert len(changed) <= 1  # none where the part is off by default
    assert set(changed) <= set(plain["learning"])


def test_without_niches_no_niche_is_ever_full():
    less = load_config(CONFIG, variant_overrides("-niches", load_config(CONFIG))).learning
    assert less.elites_per_niche == max(1, less.elites)


def test_plain_reinforce_keeps_the_entropy_bonus_and_the_baseline_and_nothing_else():
    full = load_config(CONFIG)
    learning = load_config(CONFIG, variant_overrides("reinforce", full)).learning
    kept = ("entropy_weight", "advantage_floor")
    assert [getattr(learning, name) for name in kept] == [getattr(full.learning, name) for name in kept]
    off = ("elites", "imitation_weight", "novelty", "epsilon", "mutation_share", "restart_after")
    assert [getattr(learning, name) for name in off] == [0] * len(off)


def test_the_uniform_variant_stays_uniform_while_it_learns(tokenizer, legal_tokens):
    config = load_config(CONFIG, [*variant_overrides("uniform", load_config(CONFIG)), "generator.batch_size=8"])
    generator = CodeGenerator(tokenizer, legal_tokens, Prompt("program"), config)
    forget_preferences(generator.policy)
    for _ in range(2):
        programs = generator.generate(8)
        choices = programs.legal.sum(dim=-1)[programs.chosen]
        assert torch.allclose(programs.log_probs[programs.chosen], -choices.float().log(), atol=1e-6)
        generator.learn(torch.rand(8), programs)


def test_an_unknown_variant_is_named():
    with pytest.raises(ValueError, match="luck"):
        variant_overrides("luck", load_config(CONFIG))
    with pytest.raises(UserError, match="luck"):
        ladder.chosen_variants(["luck"])


def test_variants_come_in_one_order_and_by_group():
    assert ladder.chosen_variants(["-epsilon", "uniform"]) == ["uniform", "-epsilon"]
    assert ladder.chosen_variants(["parts", "full"]) == ["full", *PARTS]
    assert ladder.chosen_variants(["all"]) == list(VARIANTS)


# --- cells and their file -------------------------------------------------------------------------------------------


def test_first_seeds_come_first_and_settings_reach_every_variant():
    cells = cells_of(["full", "-novelty"], "learning.novelty=0.5", seeds=(0, 1))
    assert [(cell.seed, cell.variant) for cell in cells] == [(0, "full"), (0, "-novelty"), (1, "full"), (1, "-novelty")]
    assert [cell.config().learning.novelty for cell in cells[:2]] == [0.5, 0.0]
    assert cells[0].config().executor.workers == 1


def test_a_variant_that_the_settings_make_the_same_as_full_is_left_out():
    assert [cell.variant for cell in cells_of(["full", "-novelty"], "learning.novelty=0")] == ["full"]


def test_the_digest_follows_what_is_learned_and_not_where_it_is_kept(tmp_path):
    plain, other = cells_of(["full"])[0], cells_of(["full"], "learning.novelty=0.123")[0]
    moved = cells_of(["full"], f"paths.runs={tmp_path}", "executor.timeout_seconds=5")[0]
    assert plain.digest != other.digest
    assert plain.digest == moved.digest


def test_a_finished_run_is_found_again_and_another_seed_or_setting_is_not(tmp_path):
    path = tmp_path / "new" / "results.jsonl"
    cell = Cell("add", 0, "full", 1_000, (), "d")
    Results(path).add(run())
    found = Results(path)
    assert cell in found
    assert found.of([cell]) == [run()]
    for other in (
        Cell("add", 1, "full", 1_000, (), "d"),
        Cell("add", 0, "uniform", 1_000, (), "d"),
        Cell("add", 0, "full", 1_000, (), "e"),
    ):
        assert other not in found


def test_a_run_under_another_cap_answers_where_it_was_solved_within_this_one(tmp_path):
    results = Results(tmp_path / "results.jsonl")
    for found in (run(), run(seed=1, attempts=1_000), run(seed=2, cap=2_000, attempts=700)):
        results.add(found)
    cells = [Cell("add", seed, "full", cap, (), "d") for seed in range(3) for cap in (501, 499, 1_000, 2_000)]
    there = [[True, False, True, True], [False, False, True, False], [False, False, True, True]]
    assert [cell in results for cell in cells] == sum(there, [])
    assert results.of(cells[:1] + cells[3:4]) == [run(cap=501), run(cap=2_000)]
    results.add(run(cap=2_000, attempts=2_000, seed=1))
    assert results.of(cells[4:8]) == [run(attempts=1_000, seed=1), run(cap=2_000, attempts=2_000, seed=1)]


def test_a_line_that_a_kill_cut_off_costs_that_run_alone(tmp_path):
    path = tmp_path / "results.jsonl"
    Results(path).add(run(seed=0))
    whole = path.read_text()
    path.write_text(whole + json.dumps(run(seed=1))[:40])
    Results(path).add(run(seed=2))
    found = Results(path)
    assert [found.of([Cell("add", seed, "full", 1_000, (), "d")]) != [] for seed in range(3)] == [True, False, True]
    assert path.read_text().startswith(whole)


def test_a_results_file_that_cannot_be_read_is_one_message(tmp_path):
    with pytest.raises(UserError, match="--results"):
        Results(tmp_path)


# --- figures --------------------------------------------------------------------------------------------------------


def test_failures_count_at_the_cap_and_the_shortest_solution_is_shown():
    (summary,) = figures.summarise(
        [
            run(seed=2, attempts=1_000, program="wrong", tokens=2),
            run(seed=1, attempts=300),
            run(seed=0, attempts=200, program="short", tokens=5),
        ]
    )
    assert (summary.solved, summary.median_attempts, summary.program) == (2, 300, "short")
    assert summary.seeds == (0, 1, 2)
    assert summary.by_seed == "200 300 -"
    assert figures.median_text(summary) == "300"


def test_a_median_with_a_failure_in_it_says_so():
    (summary,) = figures.summarise([run(seed=0, attempts=200), run(seed=1, attempts=1_000)])
    assert figures.median_text(summary) == "> 600"
    assert summary.as_json()["attempts"] == {"0": 200, "1": 1_000}


def test_the_interval_is_the_same_each_time_and_holds_the_ratio():
    pairs = [([200, 300, 250, 900], [100, 150, 110, 90]), ([40, 50, 60], [20, 30, 25])]
    ratio, low, high = figures.ratio_interval(pairs)
    assert ratio == pytest.approx(((275 / 105) * (50 / 25)) ** 0.5)
    assert 1 < low < ratio < high
    assert figures.ratio_interval(pairs) == (ratio, low, high)
    assert figures.ratio_interval([([7, 7], [7, 7])]) == pytest.approx((1, 1, 1))


def test_parts_that_help_hurt_or_show_nothing_are_told_apart():
    attempts = {
        "full": (100, 110, 120),
        "-epsilon": (500, 600, 700),
        "-novelty": (10, 11, 12),
        "-inner": (90, 115, 130),
        "uniform": (1_000, 1_000, 1_000),
    }
    found = [
        run(seed=seed, variant=variant, attempts=n)
        for variant, counts in attempts.items()
        for seed, n in enumerate(counts)
    ]
    compared = {c.variant: c for c in figures.compare(figures.summarise(found))}
    assert {name: c.verdict for name, c in compared.items()} == {
        "-epsilon": "helps",
        "-novelty": "hurts",
        "-inner": "unproven",
        "uniform": "",
    }
    assert (compared["uniform"].solved, compared["uniform"].solved_full, compared["uniform"].runs) == (0, 3, 3)


def test_variants_are_compared_only_where_full_ran_too():
    found = [run(variant="full"), run(variant="-epsilon", task="double"), run(variant="-inner", cap=2_000)]
    assert figures.compare(figures.summarise(found)) == []


def test_tables_line_up_and_markdown_keeps_its_columns():
    table = figures.Table(("name", "n"), [("a|b", "1"), ("c", "1,000")], frozenset({"n"}))
    assert table.plain() == "name      n\n----  -----\na|b       1\nc     1,000"
    assert table.markdown() == "| name | n |\n| --- | ---: |\n| a\\|b | 1 |\n| c | 1,000 |"


def test_the_tables_name_what_was_solved_by_task_and_by_rung():
    summaries = figures.summarise([run(seed=0), run(seed=1, attempts=1_000), run("double"), run("length", cap=9_000)])
    rows = figures.results_table(summaries).rows
    assert rows[0] == ("add", "full", "1/2", "> 750", "2.0", "1/1", "6", "500 -")
    rungs = figures.rungs_table(summaries, {"add": "compute it", "double": "compute it", "length": "handle it"}).rows
    assert rungs == [
        ("compute it", "full", "2", "2/3", "1,000", "add 1/2"),
        ("handle it", "full", "1", "1/1", "9,000", "length 1/1"),
    ]


# --- the command ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "seeds"), [("3", [0, 1, 2]), ("3-5", [3, 4, 5]), ("0,2,5", [0, 2, 5]), ("4,", [4])])
def test_seeds_are_how_many_or_which(text, seeds):
    assert ladder.seeds_of(text) == seeds


@pytest.mark.parametrize("text", ["0", "", "x", "5-3", "-1"])
def test_other_seeds_are_refused(text):
    with pytest.raises(ladder.argparse.ArgumentTypeError):
        ladder.seeds_of(text)


def test_the_whole_ladder_has_the_seeds_and_caps_of_its_rungs():
    tasks, cells = ladder.plan(ladder.parse(["--all"]))
    assert len(tasks) == 34
    assert {(cell.cap, cell.variant) for cell in cells if cell.task == "add"} == {(300_000, "full")}
    assert {(cell.cap, cell.seed) for cell in cells if cell.task == "gcd"} == {(1_000_000, seed) for seed in range(3)}
    _, fewer = ladder.plan(ladder.parse(["--all", "--rungs", "repeat it", "--seeds", "0,", "--cap", "9"]))
    assert {(cell.cap, cell.seed) for cell in fewer} == {(9, 0)}
    assert len(fewer) == 6


@pytest.mark.parametrize(
    "words",
    [
        ["--tasks", "ad"],
        ["--rungs", "say"],
        ["--variants", "all,x"],
        ["--set", "run.seed=1"],
        ["--set", "learning.novelty=7"],
    ],
)
def test_what_cannot_be_done_is_one_message(words, capsys):
    assert ladder.main([*words, "--report"]) == 2
    assert capsys.readouterr().err.startswith("error: ")


def test_a_report_makes_no_run_and_shows_those_that_are_there(tmp_path, capsys):
    path = tmp_path / "results.jsonl"
    words = [
        "--tasks",
        "add",
        "--variants",
        "full,reinforce",
        "--seeds",
        "1",
        "--results",
        str(path),
        "--cap",
        "20000",
        "--markdown",
    ]
    for cell, attempts in zip(ladder.plan(ladder.parse(words))[1], (700, 20_000), strict=True):
        Results(path).add(run(cap=20_000, attempts=attempts, variant=cell.variant) | asdict(cell))
    assert ladder.main([*words, "--report"]) == 0
    shown = capsys.readouterr().out
    assert "| add | full | 0/1 | > 20,000 |" in shown
    assert "| add | reinforce | 1/1 | 700 |" in shown
    assert [entry["solved"] for entry in json.loads((tmp_path / "results.summary.json").read_text())] == [1, 0]


# --- many at a time -------------------------------------------------------------------------------------------------


def half(number):
    if number == 0:
        os._exit(3)
    return 10 / (number - 2)


def touch_and_wait(path):
    Path(path).write_text("")
    time.sleep(60)


def test_each_outcome_comes_back_and_what_broke_does_not_end_the_others():
    outcomes = dict(in_parallel(half, [0, 1, 2, 4], 2, lambda: False))
    assert (outcomes[1], outcomes[4]) == (-10.0, 5.0)
    assert isinstance(outcomes[0], Broken)
    assert "exit status 3" in outcomes[0].problem
    assert "ZeroDivisionError" in outcomes[2].problem


def test_what_is_under_way_ends_when_told_to_stop(tmp_path):
    began = tmp_path / "began"
    assert list(in_parallel(touch_and_wait, [began], 1, began.exists)) == []
