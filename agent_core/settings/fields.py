"""What a single setting can be: the kinds of field, their ranges, how each is read from text and written as text."""

import dataclasses
import os
import re
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

TRUE, FALSE = ("yes", "on", "true", "1"), ("no", "off", "false", "0")


def number(default: float, low: float | None = None, high: float | None = None, *, above: float | None = None) -> Any:
    """A field with a range: from `low`, or above `above` (not itself), up to `high`."""
    return dataclasses.field(default=default, metadata={"low": low, "high": high, "above": above})


def text(default: str, pattern: str = ".+", allowed: str = "some text") -> Any:
    """A field that must match a pattern, which `allowed` says in words."""
    return dataclasses.field(default=default, metadata={"pattern": pattern, "allowed": allowed})


def path(default: str, *, shipped: bool = False) -> Any:
    """A file or folder, relative to the config file. Where the key is missing, a shipped one is the program's own."""
    return dataclasses.field(default=Path(default), metadata={"shipped": shipped})


def convert(field: dataclasses.Field, value: str, folder: Path) -> Any:
    """The text as the field's type; raises ValueError saying what would be allowed."""
    if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
        value = value[1:-1]
    if field.type is bool:
        if value.lower() in TRUE + FALSE:
            return value.lower() in TRUE
        raise ValueError("yes or no")
    if field.type is int or field.type is float:
        return _number(field, value)
    if field.type is Path:
        if not value:
            raise ValueError("a path")
        return absolute(value, folder)
    if not re.fullmatch(field.metadata["pattern"], value):
        raise ValueError(field.metadata["allowed"])
    return _tasks(value, folder) if field.name == "task" else value


def _tasks(value: str, folder: Path) -> str:
    """Names and paths of tasks, separated by commas, with whole paths; a path that has a comma itself stands alone."""

    def whole(name: str) -> str:
        return str(absolute(name, folder)) if name.endswith((".json", ".py")) or "/" in name else name

    if "," in value and not absolute(value, folder).is_file():
        return ",".join(whole(name.strip()) for name in value.split(","))
    return whole(value)


def _number(field: dataclasses.Field, value: str) -> int | float:
    low, high, above = (field.metadata[name] for name in ("low", "high", "above"))
    limits = [f"from {show(low)}"] if low is not None else [f"above {show(above)}"] if above is not None else []
    limits += [f"up to {show(high)}"] if high is not None else []
    allowed = " ".join(["a whole number" if field.type is int else "a number", *limits])
    try:
        result = Decimal(value)  # knows 10_000 and 1e5, and 1e999999999 costs it nothing
    except InvalidOperation:
        raise ValueError(allowed) from None
    if not result.is_finite():
        raise ValueError(allowed)
    # `above` is compared as the type that will be used: 1e-999 is a Decimal above 0 and a float that is not
    within = (low is None or result >= low) and (high is None or result <= high)
    if not within or (field.type is int and result != result.to_integral_value()):
        raise ValueError(allowed)
    converted = int(result) if field.type is int else float(result)
    if above is not None and not converted > above:
        raise ValueError(allowed)
    return converted


def absolute(value: str | Path, folder: Path) -> Path:
    """An absolute path without `..`; links stay as they are. Raises ValueError for what is none."""
    if "\0" in str(value):
        raise ValueError("a path without a null character")
    try:
        return Path(os.path.abspath(folder / Path(value).expanduser()))
    except RuntimeError:  # `~` where there is no home folder, or no such user
        raise ValueError("a path whose ~ stands for a folder that there is") from None


def show(value: Any) -> str:
    """A value as it would be written in the ini file."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}" if float(f"{value:g}") == value else repr(value)
    return f"{value:_}" if isinstance(value, int) else str(value)
