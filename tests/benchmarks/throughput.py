"""How many programs a second the agent tries, beside what the network alone would cost, and where the rest goes.

    python -m tests.benchmarks.throughput                                    the default settings, about a minute
    python -m tests.benchmarks.throughput --all                              batches from 128 to 8,192
    python -m tests.benchmarks.throughput --lengths --batches 256,1024,4096  time and memory of longer programs
    python -m tests.benchmarks.throughput --lookups 10000000                 memory after ten million programs

The floor is the bare network on programs of the same lengths: so many tokens sampled, then one forward and one
backward pass over them; nothing masked, run, scored or updated. Beside it: the same with PyTorch's modules as they
come, and the naive loop, which runs one program in a new interpreter and learns from it. All of them take turns, each
step of the whole loop with its floor, so that what else the machine does falls on all alike.
"""

import argparse
import contextlib
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import torch

from agent_core.run.parts import Parts
from agent_core.sandbox.executor import Executor
from agent_core.settings.config import load_config
from tests.benchmarks import growth, lookups
from tests.benchmarks.arguments import Parser, number, numbers, positive, seconds
from tests.benchmarks.cells import CONFIG
from tests.benchmarks.figures import Table
from tests.benchmarks.parallel import cores
from tests.benchmarks.whole import PARTS, Bench, Breakdown, Round, median_of, warmed_up
from utils import UserError, seed_everything

ALL = (128, 256, 512, 1_024, 2_048, 4_096, 8_192)
LENGTHS = (16, 32, 64, 128)
OURS = {"run.task": "--task", "generator.batch_size": "--batches", "run.max_attempts": "", "run.stop_on_success": ""}
CLOSE = 0.02  # share of a step by which the sum of its parts may miss it
Measured = dict[int, tuple[list[Round], Breakdown]]  # by batch size


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command line. Returns the exit code: 0, 2 for a user's mistake, 130 after Ctrl-C."""
    try:
        options = parse(arguments)
        if options.lookups:
            table, verdict = lookups.lookups_table(options.lookups, load_config(CONFIG, options.set))
            show(table, options)
            print(verdict)
        elif options.lengths:
            table = growth.lengths_table(
                overrides(options), options.batches, options.lengths, options.seconds, options.processor_time
            )
            show(table, options)
        else:
            measure(options)
        return 0
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Raises UserError."""
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", default="hello_world", help="what to learn (default: hello_world)")
    parser.add_argument("--batches", type=numbers, metavar="A,B", help="batch sizes (default: that of config.ini)")
    parser.add_argument("--all", action="store_true", help=f"batches of {', '.join(f'{n:,}' for n in ALL)}")
    parser.add_argument("--repeats", type=positive, default=5, metavar="N", help="rounds (default: 5)")
    parser.add_argument(
        "--seconds",
        type=seconds,
        default=2.0,
        metavar="S",
        help="of the whole loop, and of the naive one, in each round (default: 2)",
    )
    parser.add_argument(
        "--warm-up",
        type=number,
        default=20_000,
        metavar="N",
        help="attempts before anything is measured (default: 20,000)",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="section.key=value",
        help="another setting than the default; may be repeated",
    )
    parser.add_argument(
        "--processor-time",
        action="store_true",
        help="where the time goes, and --lengths, by what this process computed, waiting not counted",
    )
    parser.add_argument(
        "--lengths",
        type=numbers,
        nargs="?",
        const=LENGTHS,
        metavar="A,B",
        help=f"what programs of up to so many tokens cost instead (default: {','.join(map(str, LENGTHS))})",
    )
    parser.add_argument(
        "--lookups", type=positive, metavar="N", help="fill the memory with so many programs instead, 10 or more"
    )
    parser.add_argument("--markdown", action="store_true", help="tables as the README has them")
    options = parser.parse_args(arguments)
    if options.all and options.batches:
        parser.error("--all and --batches: one of them, please")
    if options.lookups and (options.lengths or options.lookups < 10):
        parser.error("--lookups takes 10 or more programs, and no --lengths beside it")
    for setting in options.set:
        key = setting.partition("=")[0].strip().lower()
        if key in OURS:
            parser.error(f"--set {setting}: " + (f"say it with {OURS[key]}" if OURS[key] else "is the benchmark's own"))
    options.batches = ALL if options.all else options.batches or (load_config(CONFIG).generator.batch_size,)
    return options


def overrides(options: argparse.Namespace) -> list[str]:
    return [
        "run.device=cpu",
        *options.set,
        f"run.task={options.task}",
        "run.stop_on_success=no",
        "run.max_attempts=1e12",
    ]


def measure(options: argparse.Namespace) -> None:
    """Everything, for each batch size, and the tables of it. Raises UserError."""
    config = load_config(CONFIG, overrides(options))
    configs = {
        batch: load_config(CONFIG, [*overrides(options), f"generator.batch_size={batch}"]) for batch in options.batches
    }
    kind, clock = ("processor", time.process_time) if options.processor_time else ("wall", time.perf_counter)
    parts = Parts.of(config)
    seed_everything(config.run.seed)
    measured: Measured = {}
    with Executor(config.executor) as executor, tempfile.TemporaryDirectory() as folder:
        print(
            f"{config.run.task} on {parts.device} ({parts.reason}), {cores()} cores, "
            f"{torch.get_num_threads()} of them PyTorch's {torch.__version__}, {len(executor._workers)} workers "
            f"({executor.layers}); {options.warm_up:,} attempts before, {options.repeats} x {options.seconds:g} s\n",
            flush=True,
        )
        state = warmed_up(config, parts, executor, Path(folder) / "warm", options.warm_up)
        for batch, own in configs.items():
            with contextlib.closing(Bench(own, parts, executor, Path(folder) / str(batch), state)) as bench:
                bench.round(min(0.2, options.seconds))  # the first of everything is slow
                rounds = [bench.round(options.seconds) for _ in range(options.repeats)]
                measured[batch] = rounds, bench.breakdown(options.seconds, clock)
    for table in (rates_table(measured), rounds_table(measured), parts_table(measured, kind)):
        show(table, options)
    for batch, (_, breakdown) in measured.items():
        total = sum(breakdown.seconds.values())
        verdict = "as they should" if abs(total / breakdown.total - 1) <= CLOSE else "WHICH IS NOT THE SAME"
        print(
            f"batch {batch:,}: the parts sum to {1e6 * total / breakdown.attempts:,.1f} µs a program, its steps took "
            f"{1e6 * breakdown.total / breakdown.attempts:,.1f}, {verdict}"
        )


def rates_table(measured: Measured) -> Table:
    """A row a batch size: medians over rounds, and what the programs were like."""
    names = ("whole loop", "floor", "plain torch", "naive loop", "whole / floor", "whole / naive")
    headings = ("batch", *names, "µs a program", "µs a token", "tokens a program", "new")
    rows = []
    for batch, (rounds, _) in measured.items():
        attempts, tokens = sum(r.attempts for r in rounds), sum(r.tokens for r in rounds)
        each = 1e6 / median_of(rounds, "whole loop")
        rows.append(
            (
                f"{batch:,}",
                *(figure(name, median_of(rounds, name)) for name in names),
                f"{each:,.0f}",
                f"{each * attempts / tokens:.1f}",
                f"{tokens / attempts:.1f}",
                f"{sum(r.new for r in rounds) / attempts:.0%}",
            )
        )
    return Table(headings, rows, frozenset(headings))


def rounds_table(measured: Measured) -> Table:
    """What every round gave."""
    count = max(len(rounds) for rounds, _ in measured.values())
    headings = ("batch", "attempts/s", "median", *(f"round {i}" for i in range(1, count + 1)))
    rows = [
        (f"{batch:,}", name, figure(name, median_of(rounds, name)), *(figure(name, r.rates[name]) for r in rounds))
        for batch, (rounds, _) in measured.items()
        for name in rounds[0].rates
    ]
    return Table(headings, rows, frozenset(headings) - {"attempts/s"})


def figure(name: str, value: float) -> str:
    return f"{value:.2f}" if "floor" in name and "/" in name else f"{value:,.0f}"


def parts_table(measured: Measured, kind: str) -> Table:
    """µs a program of each part, and its share of the step; then what the floor has of it.

    kind: `wall` or `processor`, what the breakdown was measured by.
    """
    headings = (f"µs a program, {kind}", *(f"batch {batch:,}" for batch in measured))
    rows = []
    for part in PARTS:
        cells = [(b.seconds[part] / b.attempts, b.seconds[part] / b.total) for _, b in measured.values()]
        rows.append((part, *(f"{1e6 * each:,.1f} ({share:.0%})" for each, share in cells)))
    sums = [(sum(b.seconds.values()) / b.attempts) for _, b in measured.values()]
    rows.append(("sum", *(f"{1e6 * each:,.1f}" for each in sums)))
    for name, what in (("floor: sampling", "sampling"), ("floor: forward and backward", "learning")):
        each = [
            median(getattr(found, kind)[what] / found.attempts for found in rounds) for rounds, _ in measured.values()
        ]
        rows.append((name, *(f"{1e6 * seconds:,.1f}" for seconds in each)))
    return Table(headings, rows, frozenset(headings[1:]))


def show(table: Table, options: argparse.Namespace) -> None:
    print(table.markdown() if options.markdown else table.plain(), end="\n\n", flush=True)


if __name__ == "__main__":
    sys.exit(main())
