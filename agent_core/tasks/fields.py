"""The fields of a task file's objects: which are unknown or missing, and how a value is shown in a complaint."""

import difflib
from collections.abc import Iterable, Sequence
from typing import Any

from agent_core.tasks.values import as_text


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`", did you mean x"`, or nothing where no known word is near."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f", did you mean {near[0]}" if near else ""


def names(data: dict, known: Sequence[str], where: str, needed: Iterable[str], problems: list[str]) -> bool:
    """Adds unknown and missing fields to the problems; returns whether there were any."""
    found = [f"{where}{name}: unknown field{did_you_mean(name, known)}" for name in data if name not in known]
    found += [f"{where}{name}: is missing" for name in needed if name not in data]
    problems += found
    return bool(found)


def show(value: Any) -> str:
    """The value as Python writes it, at most 40 characters of it."""
    text = as_text(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
