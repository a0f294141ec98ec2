"""Reads ini files as people write them, keeping line numbers and going on after a mistake.

Not Python's configparser: it stops at the first duplicate, forgets line numbers, gives [DEFAULT] a meaning of its own
and takes an indented line for the rest of the value above it. Left out on purpose: values over several lines and
references to other values.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple


class Place(NamedTuple):
    """Where something stands; sorts in the order in which a reader meets it."""

    line: int
    name: str


@dataclass
class Ini:
    """What a file says. Names of sections and keys are in lower case."""

    sections: dict[str, Place] = field(default_factory=dict)
    entries: dict[tuple[str, str], tuple[str, Place]] = field(default_factory=dict)  # (section, key): (value, place)
    problems: list[tuple[Place, str]] = field(default_factory=list)


def read_ini(file: Path) -> Ini:
    """Read `key = value` lines under `[section]` lines; `#` and `;` begin a comment at the start or after a space.

    Mistakes of form and duplicates are in `problems`. Raises OSError and UnicodeDecodeError.
    """
    ini = Ini()
    section = None  # before the first one; "" after one that cannot be read, whose settings are passed over
    for number, line in enumerate(file.read_text(encoding="utf-8-sig").split("\n"), 1):
        place = Place(number, f"{file.name} line {number}")
        content = re.split(r"(?:^|\s)[;#]", line, maxsplit=1)[0].strip()
        if content.startswith("["):
            section = content[1:-1].strip().lower() if content.endswith("]") else ""
            if not section:
                ini.problems.append((place, f"{content!r} is not a section; write it as [name]"))
            elif section in ini.sections:
                first = ini.sections[section].line
                ini.problems.append((place, f"section [{section}] is there twice, first on line {first}; join the two"))
            else:
                ini.sections[section] = place
        elif content:
            key, equals, value = (part.strip() for part in content.partition("="))
            name = (section or "", key.lower())
            if not equals or not key:
                ini.problems.append((place, f"{content!r} is not a setting; write it as key = value"))
            elif section is None:
                ini.problems.append((place, f"{key} stands before the first [section]"))
            elif name in ini.entries:
                first = ini.entries[name][1].line
                ini.problems.append((place, f"{section}.{name[1]} is there twice, first on line {first}; keep one"))
            else:
                ini.entries[name] = (value, place)
    return ini
