"""Imports run one way, and what runs inside the jail imports nothing but the standard library."""

import ast
import marshal
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from itertools import combinations

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.patches import FancyBboxPatch

from agent_core.sandbox import worker
from tests.architecture import MAY_IMPORT, ROOT, arrows, imported, imports, modules, room_of
from tests.draw_architecture import PAGE, PICTURE, facts, picture, with_table

IMPORTS = imports()
NO_TENSORS = ("interpreter", "sandbox", "settings", "tasks", "scoring")  # a verdict is made without the network
JAILED = ("interpreter", "sandbox")
# Imports beyond the standard library in modules that the jail loads, each with the reason why the jail has it not.
OUTSIDE_THE_JAIL = {
    ("agent_core.sandbox.seccomp", "pyseccomp"): "compiles the filter in the process that starts the workers",
}
# Imports that would close a circle, if they were made: they are for type checkers alone. Each with its reason.
FOR_TYPES_ALONE = {
    (
        "agent_core.interpreter.metered_types",
        "agent_core.interpreter.meter",
    ): "its sets charge the meter they are given",
}


def test_every_room_is_in_the_table_and_every_room_of_the_table_is_there():
    assert {room_of(module) for module in IMPORTS} == set(MAY_IMPORT)


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_imports_what_it_may_and_no_other(room):
    wrong = {
        f"{module} imports {other}"
        for module, others in IMPORTS.items()
        for other in others
        if room_of(module) == room != room_of(other) and room_of(other) not in MAY_IMPORT[room]
    }
    assert not wrong


def test_the_table_allows_nothing_that_nobody_needs():
    needed = {room: others | {"utils"} for room, others in arrows(IMPORTS).items()}  # utils is there for all who ask
    assert not {(room, other) for room, others in MAY_IMPORT.items() for other in set(others) - needed[room]}


def test_there_are_no_circles():
    assert "utils" in TopologicalSorter(MAY_IMPORT).static_order()  # raises CycleError with the circle
    assert "utils" in TopologicalSorter(arrows(IMPORTS)).static_order()
    made = {module: {o for o in others if (module, o) not in FOR_TYPES_ALONE} for module, others in IMPORTS.items()}
    assert set(TopologicalSorter(made).static_order()) >= set(IMPORTS)


def test_what_is_listed_as_for_types_alone_is_never_made():
    known = modules()
    for module, other in FOR_TYPES_ALONE:
        tree = ast.parse(known[module].read_text())
        guards = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
        made = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        guarded = {node.module for guard in guards for node in ast.walk(guard) if isinstance(node, ast.ImportFrom)}
        assert other in guarded & made
        outside = [node for node in tree.body if node not in guards]
        assert not [
            n for part in outside for n in ast.walk(part) if isinstance(n, ast.ImportFrom) and n.module == other
        ]


def test_a_circle_and_an_import_in_a_function_would_be_seen(tmp_path):
    (tmp_path / "agent_core" / "tasks").mkdir(parents=True)
    (tmp_path / "agent_core" / "tasks" / "task.py").write_text("def f():\n    from agent_core.tasks import values\n")
    (tmp_path / "agent_core" / "tasks" / "values.py").write_text("from . import task\nimport utils\n")
    for name in ("runner", "tokenizer", "utils"):
        (tmp_path / f"{name}.py").write_text("")
    found = imports(tmp_path)
    assert found["agent_core.tasks.task"] == {"agent_core.tasks.values"}
    assert found["agent_core.tasks.values"] == {"agent_core.tasks.task", "utils"}
    with pytest.raises(ValueError, match="cycle"):
        list(TopologicalSorter(found).static_order())


def test_no_module_is_imported_by_a_name_made_of_text():
    """Such an import would be seen by none of the tests here."""
    for name, file in modules().items():
        called = {node.id for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Name)}
        assert "__import__" not in called, name
        assert "importlib" not in called, name


def test_the_program_never_needs_its_tests():
    assert not [name for name, file in modules().items() for other in imported(file, name) if other.startswith("tests")]


def test_packages_export_nothing():
    """The jail loads the packages of its modules, too: what stood in one would be loaded there."""
    for name, file in modules().items():
        if file.name == "__init__.py":
            (docstring,) = ast.parse(file.read_text()).body
            assert isinstance(docstring, ast.Expr), name
            assert isinstance(docstring.value, ast.Constant), name


def test_what_judges_sees_no_tensor():
    for name, file in modules().items():
        if room_of(name) in NO_TENSORS:
            assert not {other.split(".")[0] for other in imported(file, name)} & {"torch", "numpy"}, name


# --- what the jail loads --------------------------------------------------------------------------------------------


def loaded_by_a_worker(monkeypatch) -> set[str]:
    """What is in sys.modules of a worker's interpreter, started as workers are, once it has imported its module."""
    start, _, serve = worker.BOOT.rpartition("; ")
    assert serve.startswith("main("), "a worker starts in another way now: look here again"
    tell = (
        "os.read(to, 65536); os.write(to, marshal.dumps(sorted(sys.modules)))"  # first the settings, that none is left
    )
    monkeypatch.setattr(worker, "BOOT", f"{start}; import marshal, os; to = int(sys.argv[2]); {tell}")
    started = worker.Worker({})
    try:
        started.socket.settimeout(worker.START_SECONDS)
        parts = []
        while part := started.socket.recv(1 << 16):
            parts.append(part)
    finally:
        started.kill()
    return set(marshal.loads(b"".join(parts)))


def is_standard(name: str) -> bool:
    return name.split(".")[0] in sys.stdlib_module_names or name == "__main__"


def test_a_worker_loads_the_standard_library_and_its_own_rooms_alone(monkeypatch):
    loaded = loaded_by_a_worker(monkeypatch)
    own = {name for name in loaded if not is_standard(name)}
    assert "agent_core.interpreter.run_program" in own
    assert {room_of(name) for name in own & IMPORTS.keys()} == set(JAILED)
    packages = {"agent_core", *(f"agent_core.{room}" for room in JAILED)}
    assert own - IMPORTS.keys() == packages


def test_what_a_worker_may_load_later_is_standard_too(monkeypatch):
    """An import inside a function runs long after the start, perhaps in a child with a hostile program."""
    known = modules()
    for name in loaded_by_a_worker(monkeypatch) & IMPORTS.keys():
        for other in imported(known[name], name):
            allowed = is_standard(other) or other.startswith(("agent_core.interpreter", "agent_core.sandbox"))
            assert allowed or (name, other) in OUTSIDE_THE_JAIL, f"{name} imports {other}"
            if other in IMPORTS:
                assert room_of(other) in JAILED


def test_the_exceptions_are_still_needed():
    known = modules()
    for module, other in OUTSIDE_THE_JAIL:
        assert other in imported(known[module], module)


# --- what a listing shows -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("folder", "most"), [("agent_core", 20), ("memory", 9)])
def test_a_folder_fits_on_a_screen(folder, most):
    listing = subprocess.run(["git", "ls-files", "--", folder], cwd=ROOT, capture_output=True, text=True)
    if listing.returncode:
        pytest.skip("this is no checkout of git")
    entries = {line.split("/")[1] for line in listing.stdout.splitlines()}
    assert 0 < len(entries) <= most, sorted(entries)


# --- what is written and drawn of it --------------------------------------------------------------------------------


def test_the_table_of_rooms_in_the_docs_is_the_one_that_holds():
    """Where it is not, `python -m tests.draw_architecture` writes it anew; a new room needs a row."""
    page = PAGE.read_text()
    assert with_table(page) == page
    assert [room for room in re.findall(r"(?m)^\| `(\w+)` \| ", page) if room in MAY_IMPORT] == list(MAY_IMPORT)


def test_the_picture_shows_the_imports_of_now():
    """Where it does not, `python -m tests.draw_architecture` draws it anew."""
    assert facts(IMPORTS).encode() in PICTURE.read_bytes()


def test_nothing_in_the_picture_overlaps():
    figure = picture(IMPORTS)
    FigureCanvasAgg(figure).draw()
    (axes,) = figure.axes
    boxes = [patch.get_window_extent() for patch in axes.patches if isinstance(patch, FancyBboxPatch)]
    assert len(boxes) == len(MAY_IMPORT)
    assert not [pair for pair in combinations(boxes, 2) if pair[0].overlaps(pair[1])]
    for text in (text for text in axes.texts if text.get_text()):
        inside = text.get_window_extent()
        assert any(
            box.x0 < inside.x0 and inside.x1 < box.x1 and box.y0 < inside.y0 and inside.y1 < box.y1 for box in boxes
        )
