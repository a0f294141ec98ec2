"""The speed benchmark's own promises: parts sum up, the floor has the same programs, mistakes are told."""

import types
from collections import Counter
from itertools import count

import pytest
import torch

from agent_core.grammar.legal_tokens import Prompt
from agent_core.learning.generator import CodeGenerator
from agent_core.model import CodePolicy
from agent_core.run.parts import Parts
from agent_core.sandbox.executor import Executor
from agent_core.settings.config import load_config
from agent_core.tasks.task import load_task
from memory.archive.task_memory import TaskMemory
from tests.benchmarks import lookups, throughput
from tests.benchmarks.cells import CONFIG
from tests.benchmarks.figures import Table
from tests.benchmarks.floor import Bare, Plain, Shape
from tests.benchmarks.growth import Cell, cost
from tests.benchmarks.naive import Naive
from tests.benchmarks.timers import Timers
from tests.benchmarks.whole import PARTS, Bench, Breakdown, Round, median_of, warmed_up

CPU = torch.device("cpu")
LENGTHS = [3, 9, 1, 4, 4, 9, 2, 5, 3, 3]
SMALL = [
    "run.device=cpu",
    "run.stop_on_success=no",
    "run.max_attempts=1e12",
    "generator.batch_size=16",
    "generator.max_length=12",
    "executor.workers=1",
]


# --- timers ---------------------------------------------------------------------------------------------------------


class Work:
    """Takes time on a clock that only moves when it is told to."""

    def __init__(self):
        self.now = 0.0

    def outer(self):
        self.now += 1
        self.inner()
        self.now += 2
        return self.value

    def inner(self):
        self.now += 10

    @property
    def value(self):
        self.now += 100
        return "value"

    def fails(self):
        self.now += 1_000
        raise ValueError("it fails")


def test_each_moment_counts_for_the_innermost_part_alone():
    work = Work()
    with Timers(lambda: work.now) as timers:
        timers.wrap(Work, "outer", "outside")
        timers.wrap(Work, "inner", "inside")
        timers.wrap(Work, "value", "inside")
        work.now = 5.0  # before anything was called
        assert work.outer() == "value"
        work.now += 7  # between two calls
        work.inner()
    assert timers.seconds == {"outside": 3, "inside": 120}


def test_an_error_ends_its_part_and_what_was_wrapped_is_itself_again():
    before = dict(vars(Work))
    work = Work()
    with Timers(lambda: work.now) as timers:
        timers.wrap(Work, "fails", "failing")
        timers.wrap(Work, "inner", "inside")
        with pytest.raises(ValueError, match="it fails"):
            work.fails()
        work.inner()
    assert timers.seconds == {"failing": 1_000, "inside": 10}
    assert dict(vars(Work)) == before


def test_functions_of_a_module_are_timed_and_a_name_that_is_gone_is_told():
    module = types.ModuleType("some_module")
    module.double = lambda number: 2 * number
    with Timers() as timers:
        timers.wrap(module, "double", "doubling")
        assert module.double(4) == 8
        with pytest.raises(AttributeError, match="some_module has no triple"):
            timers.wrap(module, "triple", "tripling")
    assert timers.seconds["doubling"] > 0


# --- the floor ------------------------------------------------------------------------------------------------------


@pytest.fixture
def policy():
    torch.manual_seed(0)
    return CodePolicy(7, 4, 6, 2)


def test_programs_leave_the_batch_at_their_recorded_lengths():
    shape = Shape.of(LENGTHS, CPU)
    assert shape.lengths.tolist() == sorted(LENGTHS, reverse=True)
    assert shape.sizes == [sum(length > place for length in LENGTHS) for place in range(9)]
    assert shape.programs.bincount().tolist() == shape.lengths.tolist()
    # One of ten has ended after the first token, which is less than an eighth.
    assert shape.widths == [10, 10, 8, 5, 3, 2, 2, 2, 2]


def test_the_floor_samples_and_learns_exactly_the_recorded_tokens(policy):
    read, scored = [], []
    policy.head.register_forward_hook(
        lambda _, inputs, output: (scored if output.requires_grad else read).append(len(output))
    )
    bare, shape = Bare(policy, 1, torch.Generator().manual_seed(0)), Shape.of(LENGTHS, CPU)
    tokens = bare.sample(shape)
    bare.learn(tokens, shape)
    assert len(tokens) == sum(LENGTHS)
    assert 0 <= tokens.min() <= tokens.max() < 7
    assert read == shape.widths
    assert scored == [sum(LENGTHS)]


def test_the_floor_and_plain_torch_compute_the_same_gradients(policy):
    shape = Shape.of(LENGTHS, CPU)
    padded = torch.randint(7, (len(LENGTHS), 9), generator=torch.Generator().manual_seed(1))
    counts = shape.lengths.unsqueeze(1) > torch.arange(9)
    ours, theirs = (
        kind(policy, 1, torch.Generator().manual_seed(2)).learn(tokens, shape)
        for kind, tokens in ((Bare, padded.t()[counts.t()]), (Plain, padded))
    )
    for one, other in zip(ours, theirs, strict=True):
        assert torch.allclose(one, other, atol=1e-6)
    assert Plain(policy, 1, torch.Generator()).sample(shape).shape == (10, 9)
    assert all(weight.grad is None for weight in policy.parameters())


# --- the loops ------------------------------------------------------------------------------------------------------


def test_a_round_measures_all_loops_on_the_same_programs_and_the_parts_sum_to_the_step(
    tokenizer, legal_tokens, tmp_path
):
    config = load_config(CONFIG, SMALL)
    parts = Parts(tokenizer, legal_tokens, load_task("hello_world", tokenizer.tokens), CPU, "")
    methods = {place: vars(place[0])[place[1]] for places in PARTS.values() for place in places}
    with Executor(config.executor) as executor:
        state = warmed_up(config, parts, executor, tmp_path / "warm", 32)
        bench = Bench(config, parts, executor, tmp_path / "measured", state)
        assert bench.loop.agent.progress.attempts == 32
        shapes = []
        sample = bench._bare.sample
        bench._bare.sample = lambda shape: (shapes.append(shape), sample(shape))[1]
        found = bench.round(0.05)
        waited = executor.wait_seconds
        breakdown = bench.breakdown(0.05, throughput.time.perf_counter)
        waited = executor.wait_seconds - waited
        ticks = count()
        ticked = bench.breakdown(0.05, lambda: float(next(ticks)))
        bench.close()
    measured = breakdown.attempts + ticked.attempts
    assert found.attempts == 16 * len(shapes) == bench.loop.agent.progress.attempts - 32 - measured
    assert found.tokens == sum(int(shape.lengths.sum()) for shape in shapes)
    assert found.naive_attempts > 0
    assert min(found.rates.values()) > 0
    assert tuple(breakdown.seconds) == tuple(PARTS)
    # By a clock that counts how often it is read, all but one tick before and one after each step are in the parts.
    assert ticked.total - sum(ticked.seconds.values()) == 2 * ticked.attempts / 16
    assert waited <= breakdown.seconds["jail wait"] <= breakdown.total
    assert {place: vars(place[0])[place[1]] for place in methods} == methods
    rows = (tmp_path / "measured" / "metrics.csv").read_text().splitlines()
    assert len(rows) == 1 + (found.attempts + measured) / 16


def taken(attempts, whole, floor):
    """A round of programs of nine tokens."""
    wall = Counter(whole=whole, sampling=floor / 2, learning=floor / 2, plain=1.0, naive=1.0)
    return Round(attempts, 9 * attempts, attempts // 10, 20, wall, Counter(whole=1.0, sampling=0.25, learning=0.25))


def test_medians_of_ratios_are_of_ratios_made_within_each_round():
    rounds = [taken(100, whole, floor) for whole, floor in ((1, 0.5), (4, 1), (2, 0.2))]
    assert [median_of(rounds, name) for name in ("whole loop", "floor")] == [50, 200]
    assert median_of(rounds, "whole / floor") == 0.25
    assert median_of(rounds, "whole / floor, computing") == 0.5
    assert median_of(rounds, "whole / naive") == 2.5


@pytest.mark.parametrize(
    ("task", "right", "wrong"),
    [
        ("hello_world", 'print ( "hello" , "world" )\n', 'print ( "hello" )\n'),
        ("add", "return var_a + var_b\n", "return var_a\n"),
        ("hello_world", "print ( 'hello' , 'world' )\n", "while True :\n    pass\n"),
    ],
)
def test_the_naive_loop_knows_a_solution_and_learns_from_one_program(
    tokenizer, legal_tokens, tmp_path, task, right, wrong
):
    config = load_config(CONFIG, SMALL)
    asked = load_task(task, tokenizer.tokens)
    prompt = Prompt("function_body" if asked.parameters else "program", asked.parameters)
    generator = CodeGenerator(tokenizer, legal_tokens, prompt, config)
    naive = Naive(generator, tokenizer, asked, 0.3, tmp_path)
    assert naive.is_right(right)
    assert not naive.is_right(wrong)
    assert naive.step() in (0.0, 1.0)


# --- growth ---------------------------------------------------------------------------------------------------------


def test_longer_programs_are_measured_by_the_token():
    found = cost(Cell(("run.device=cpu",), 8, 12, 0.01, processor_time=False))
    assert 2 <= found.tokens <= 12
    assert min(found.sampling, found.learning) > 0


def test_made_up_programs_all_differ_and_memory_of_them_stays_bounded():
    programs = [lookups.made_up(number)[0] for number in range(6_000)]
    assert len(set(programs)) == 6_000
    made = []
    tenths = list(lookups.fill(6_000, lambda: made.append(TaskMemory(1_000, elites=32, per_niche=1)) or made[-1]))
    assert [tenth.programs for tenth in tenths] == list(range(600, 6_001, 600))
    assert [tenth.new for tenth in tenths] == [600] * 10
    assert all(min(tenth.old) > 0 and min(tenth.fresh) > 0 for tenth in tenths)
    assert len(made[0].state()["scores"]["lengths"]) <= 1_000 + len(made[0].archive.contents().all_rows)


# --- the command line -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--batches", "64,none"], "argument --batches: must be a whole number, not none"),
        (["--batches", "0"], "argument --batches: must be above 0, not 0"),
        (["--all", "--batches", "8"], "--all and --batches: one of them, please"),
        (["--seconds", "0"], "argument --seconds: must be a number above 0 up to 3600, not 0"),
        (["--repeats", "-1"], "argument --repeats: must be a whole number, not -1"),
        (["--lookups", "9"], "--lookups takes 10 or more programs, and no --lengths beside it"),
        (["--set", "generator.batch_size=9"], "--set generator.batch_size=9: say it with --batches"),
        (["--set", "run.stop_on_success=yes"], "--set run.stop_on_success=yes: is the benchmark's own"),
        (["--sets", "x"], "unrecognized arguments: --sets x"),
        (["--task", "hello_word"], "there is no built-in task of that name, did you mean hello_world"),
        (["--lengths", "1,16"], "generator.max_length is 1, but the shortest program has"),
        (["--set", "model.hidden=3"], "did you mean hidden_dim?"),
    ],
)
def test_mistakes_are_told_in_one_line(capsys, arguments, complaint):
    assert throughput.main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert complaint in err
    assert len(err.splitlines()) == 1


def test_the_tables_name_every_part_and_every_round():
    options = throughput.parse(["--batches", "8,64"])
    assert options.batches == (8, 64)
    assert throughput.parse(["--all"]).batches == throughput.ALL
    assert throughput.parse([]).batches == (load_config(CONFIG).generator.batch_size,)
    rounds = [taken(1_000, whole, 0.1) for whole in (0.2, 0.1)]
    breakdown = Breakdown(1_000, dict.fromkeys(PARTS, 0.01), 0.01 * len(PARTS))
    measured = {batch: (rounds, breakdown) for batch in (8, 64)}
    tables: list[Table] = [
        throughput.rates_table(measured),
        throughput.rounds_table(measured),
        throughput.parts_table(measured, "wall"),
    ]
    assert tables[0].rows[0] == ("8", "7,500", "10,000", "1,000", "20", "0.75", "375", "133", "14.8", "9.0", "10%")
    assert tables[1].rows[4] == ("8", "whole / floor", "0.75", "0.50", "1.00")
    assert [row[0] for row in tables[2].rows[: len(PARTS)]] == list(PARTS)
    assert tables[2].rows[-3:] == [
        ("sum", "120.0", "120.0"),
        ("floor: sampling", "50.0", "50.0"),
        ("floor: forward and backward", "50.0", "50.0"),
    ]
