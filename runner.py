"""Starts an agent with random weights on a task, and shows how it goes: `python runner.py --help`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

HOME = Path(__file__).resolve().parent  # also where a link to this file is started
if str(HOME) not in sys.path:  # as `python -I` leaves it out
    sys.path.insert(0, str(HOME))

from agent_core.run.streams import (  # noqa: E402 - the path must come first
    ending_at_once,
    let_go_of_the_unsaid,
    prepare_streams,
    prepare_surroundings,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command line. Returns the exit code: 0, 1 where another rank was lost, 2 for a user's mistake, 129, 130
    or 143 after a signal."""
    prepare_streams()  # before PyTorch, or anything else, opens a descriptor
    options = parse(arguments)
    prepare_surroundings()
    try:
        with ending_at_once():
            from agent_core.run.commands import carry_out
        return carry_out(options)
    except KeyboardInterrupt:
        return 130


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="AltLAS learns to write small programs, from random weights.")
    parser.add_argument(
        "--config",
        type=Path,
        default=HOME / "config.ini",
        metavar="PATH",
        help="the settings (default: config.ini beside this file)",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="section.key=value",
        help="one setting for this run only; may be repeated",
    )
    parser.add_argument("--fresh", action="store_true", help="set what was learned aside and start anew")
    parser.add_argument("--tasks", action="store_true", help="list the built-in tasks")
    parser.add_argument("--sample", type=positive, metavar="N", help="print N programs of the saved policy and rewards")
    parser.add_argument("--score", nargs="+", type=Path, metavar="FILE", help="score programs as the agent's own are")
    parser.add_argument(
        "--make-task", type=Path, metavar="FILE.py", help="print the task that a Python file amounts to, as a task file"
    )
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="with --make-task: write it there")
    parser.add_argument(
        "--report",
        nargs="*",
        type=Path,
        metavar="RUN_FOLDER",
        help="write a page that compares these runs, or all there are",
    )
    options = parser.parse_args(arguments)
    if options.out and not options.make_task:
        parser.error("--out is for --make-task")
    return options


def positive(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"must be a whole number above 0, not {text}")
    return int(text)


if __name__ == "__main__":
    try:
        code = main()
    finally:  # what --help and a wrong option print ends in an exception, too
        let_go_of_the_unsaid()
    sys.exit(code)
