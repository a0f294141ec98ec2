"""What a benchmark's command line takes, with one line for each mistake."""

import argparse

from utils import UserError


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> None:
        raise UserError(message)


def number(text: str) -> int:
    digits = text.replace("_", "").replace(",", "")
    if not digits.isdecimal():
        raise argparse.ArgumentTypeError(f"must be a whole number, not {text}")
    return int(digits)


def positive(text: str) -> int:
    if number(text) == 0:
        raise argparse.ArgumentTypeError(f"must be above 0, not {text}")
    return number(text)


def numbers(text: str) -> tuple[int, ...]:
    return tuple(dict.fromkeys(positive(part.strip()) for part in text.split(",")))


def seconds(text: str) -> float:
    try:
        if 0 < float(text) <= 3_600:
            return float(text)
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"must be a number above 0 up to 3600, not {text}")


def listed(text: str) -> list[str]:
    return [entry.strip() for entry in text.split(",") if entry.strip()]


def seeds_of(text: str) -> list[int]:
    """`3` is 0, 1, 2; `3-5` is 3, 4, 5; `3,` is 3."""
    try:
        if text.isdigit() and int(text):
            return list(range(int(text)))
        seeds: set[int] = set()
        for entry in listed(text):
            first, _, last = entry.partition("-")
            seeds.update(range(int(first), int(last or first) + 1))
        if seeds and text != "0":
            return sorted(seeds)
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"must be how many seeds, or which, as in 10, 3-7 or 0,2,5; not {text}")
