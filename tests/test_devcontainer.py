"""The dev container, as far as text can tell: no engine is needed to see that it is made of things that exist."""

import json
import os
import re
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".devcontainer"


@pytest.fixture
def container() -> dict:
    """devcontainer.json."""
    return json.loads((FOLDER / "devcontainer.json").read_text())


@pytest.fixture
def dockerfile() -> list[tuple[str, str]]:
    """(instruction, arguments) of the Dockerfile, with comments gone and continued lines joined."""
    text = re.sub(r"(?m)^\s*#.*\n", "", (FOLDER / "Dockerfile").read_text())
    lines = [line.strip() for line in re.sub(r"\\\n", " ", text).splitlines()]
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in lines if line]


def of(dockerfile: list[tuple[str, str]], instruction: str) -> list[str]:
    return [arguments for name, arguments in dockerfile if name == instruction]


def test_the_dockerfile_parses(dockerfile):
    assert {name for name, _ in dockerfile} <= {"FROM", "RUN", "COPY", "ARG", "USER", "ENV", "WORKDIR"}
    assert dockerfile[0][0] == "FROM"


def test_every_path_exists(container, dockerfile):
    build = container["build"]
    assert (FOLDER / build["dockerfile"]).is_file()
    assert (FOLDER / build["context"]).resolve() == ROOT
    for copy in of(dockerfile, "COPY"):
        for source in copy.split()[:-1]:
            assert (FOLDER / build["context"] / source).exists()
    for path in container["customizations"]["vscode"]["settings"]["python.testing.pytestArgs"]:
        assert (ROOT / path).exists()


def test_what_is_copied_is_what_is_installed_and_nothing_is_repeated(dockerfile):
    (copied,) = [copy.split()[1] for copy in of(dockerfile, "COPY") if copy.split()[0] == "requirements.txt"]
    (install,) = [run for run in of(dockerfile, "RUN") if "pip install" in run]
    assert f"-r {copied}" in install
    everything = " ".join(of(dockerfile, "RUN"))
    for requirement in (ROOT / "requirements.txt").read_text().splitlines():
        if name := re.match(r"[A-Za-z]\w+", requirement):
            assert not re.search(rf"\b{name[0]}\b", everything), f"{name[0]} is in requirements.txt already"


def test_the_user_exists_and_is_not_root(container, dockerfile):
    defaults = dict(argument.split("=") for argument in of(dockerfile, "ARG"))
    arguments = defaults | container["build"]["args"]
    created = [match[1] for run in of(dockerfile, "RUN") if (match := re.search(r'useradd .*?"?\$(\w+)"?$', run))]
    assert created == [of(dockerfile, "USER")[-1].removeprefix("$")]
    assert arguments[created[0]] == container["remoteUser"] != "root"


def test_every_build_argument_is_declared_and_used(container, dockerfile):
    declared = [argument.split("=")[0] for argument in of(dockerfile, "ARG")]
    assert set(container["build"]["args"]) == set(declared)
    for name in declared:
        assert [instruction for instruction, arguments in dockerfile if f"${name}" in arguments]


def test_it_has_the_python_of_the_tests(dockerfile):
    (image,) = of(dockerfile, "FROM")
    version = re.fullmatch(r"python:(\d+\.\d+)-slim-bookworm", image)[1]
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert settings["tool"]["ruff"]["target-version"] == "py" + version.replace(".", "")
    if os.environ.get("CI"):
        assert version == f"{sys.version_info.major}.{sys.version_info.minor}"


def test_a_gpu_is_optional(container):
    assert container["hostRequirements"] == {"gpu": "optional"}
    assert "runArgs" not in container
    assert "features" not in container


def test_tests_are_set_up(container):
    settings = container["customizations"]["vscode"]["settings"]
    assert settings["python.testing.pytestEnabled"] is True
    assert container["customizations"]["vscode"]["extensions"] == ["ms-python.python"]
