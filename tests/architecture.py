"""The rooms of the code: which may import which, and which do.

A room is a folder, or a few modules that belong together: the root of `agent_core/` holds two rooms, since what
learns needs the network, and the training step needs what learns.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# Room -> the rooms that it may import. The one table: tests/test_architecture.py holds the imports against it, and
# docs/architecture.md explains it. Rooms above others import them, never the other way around.
MAY_IMPORT: dict[str, tuple[str, ...]] = {
    "runner": ("run", "utils"),
    "run": (
        "step",
        "learning",
        "scoring",
        "tasks",
        "sandbox",
        "grammar",
        "distributed",
        "settings",
        "history",
        "state",
        "tokenizer",
        "utils",
    ),
    "step": (
        "learning",
        "scoring",
        "tasks",
        "sandbox",
        "interpreter",
        "grammar",
        "distributed",
        "settings",
        "archive",
        "tokenizer",
        "utils",
    ),
    "learning": ("network", "grammar", "distributed", "settings", "tokenizer", "utils"),
    "scoring": ("tasks", "sandbox", "interpreter", "settings", "utils"),
    "sandbox": ("interpreter", "settings", "utils"),
    "grammar": ("tokenizer", "utils"),
    "tasks": ("sandbox", "interpreter", "settings", "utils"),
    "settings": ("utils",),
    "distributed": ("utils",),
    "history": ("utils",),
    "state": ("utils",),
    "tokenizer": ("utils",),
    "network": (),
    "archive": (),
    "interpreter": (),
    "utils": (),
}
NETWORK = ("agent_core.model", "agent_core.lstm")


def modules(root: Path = ROOT) -> dict[str, Path]:
    """Dotted name -> file of every module that is not a test; a package has the name of its folder."""
    files = [file for folder in ("agent_core", "memory") for file in (root / folder).rglob("*.py")]
    files += [root / name for name in ("runner.py", "tokenizer.py", "utils.py")]
    named = {".".join(file.relative_to(root).with_suffix("").parts): file for file in sorted(files)}
    return {name.removesuffix(".__init__"): file for name, file in named.items()}


def room_of(module: str) -> str:
    """The room of a module. Packages have none of their own: nothing is to be found in an __init__."""
    first, *rest = module.split(".")
    if len(rest) >= 2:
        return rest[0]
    if module in NETWORK:
        return "network"
    return "step" if first == "agent_core" else first


def imported(file: Path, module: str) -> Iterator[str]:
    """The modules that a file imports, wherever it does: in functions and for type checkers, too.

    `from a import b` gives both `a` and `a.b`: which of the two is a module is for the caller to know.
    """
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) + 1 - node.level] if node.level else []
            source = ".".join([*above, *([node.module] if node.module else [])])
            yield source
            yield from (f"{source}.{alias.name}" for alias in node.names)


def imports(root: Path = ROOT) -> dict[str, set[str]]:
    """Module -> the modules of this project that it imports, packages left out."""
    known = modules(root)
    packages = {name for name, file in known.items() if file.name == "__init__.py"}
    return {
        name: {other for other in imported(file, name) if other in known} - packages - {name}
        for name, file in known.items()
        if name not in packages
    }


def arrows(found: dict[str, set[str]]) -> dict[str, set[str]]:
    """Room -> the other rooms that its modules import."""
    between: dict[str, set[str]] = {}
    for module, others in found.items():
        room = room_of(module)
        between.setdefault(room, set()).update({room_of(other) for other in others} - {room})
    return between
