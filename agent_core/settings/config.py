"""The settings: an ini file, and what is said beside it, as one frozen dataclass a section (see sections.py).

A new setting is one line there and one, with its comment, in `config.ini`. Everything that is wrong in a file is
reported at once, each with its line.
"""

import dataclasses
import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent_core.settings.fields import absolute, convert, show
from agent_core.settings.ini import Ini, Place, read_ini
from agent_core.settings.sections import (
    ExecutorConfig,
    GeneratorConfig,
    LearningConfig,
    MindConfig,
    ModelConfig,
    OptimizerConfig,
    PathsConfig,
    PlayConfig,
    RunConfig,
    ScorerConfig,
)
from utils import UserError

PROGRAM_FOLDER = Path(__file__).resolve().parents[2]
AFTER_THE_FILE = 10**9  # a line number that sorts last


class ConfigError(UserError):
    """All that is wrong with the settings, a line each."""

    def __init__(self, problems: Sequence[str]):
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


@dataclass(frozen=True)
class Config:
    run: RunConfig = RunConfig()
    model: ModelConfig = ModelConfig()
    generator: GeneratorConfig = GeneratorConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    learning: LearningConfig = LearningConfig()
    executor: ExecutorConfig = ExecutorConfig()
    scorer: ScorerConfig = ScorerConfig()
    mind: MindConfig = MindConfig()
    play: PlayConfig = PlayConfig()
    paths: PathsConfig = PathsConfig()
    notes: tuple[str, ...] = ()  # what there is to say of the file: settings written under an old name

    def plain(self) -> dict[str, dict[str, Any]]:
        """Every setting by section and key as text, numbers and booleans: what goes into states and result files."""
        return {
            section: {k: str(v) if isinstance(v, Path) else v for k, v in vars(getattr(self, section)).items()}
            for section in SECTIONS
        }


KINDS: dict[str, Any] = {
    part.name: part.type for part in dataclasses.fields(Config) if dataclasses.is_dataclass(part.type)
}
SECTIONS = {name: {field.name: field for field in dataclasses.fields(kind)} for name, kind in KINDS.items()}
# Settings that had another name once: a file or a script that has the old name keeps working.
RENAMED = {
    ("learning", "exploration_floor"): "epsilon",
    ("learning", "even_kinds"): "class_balance",
    ("learning", "fresh_slack"): "fresh_length_budget",
    ("learning", "regrown_share"): "mutation_share",
    ("learning", "regrown_slack"): "mutation_length_budget",
}


def load_config(file: Path | str, overrides: Sequence[str] = ()) -> Config:
    """Read an ini file, then `section.key=value` overrides (the last one of a key wins).

    A missing section or key takes its default. Paths, the task's too when it is one, come out absolute, relative
    ones against the file's folder. Raises ConfigError with every problem there is, in the order of the file.
    """
    file = _located(file)
    ini = _read(file)
    problems = list(ini.problems)
    problems += [(place, _unknown(name)) for name, place in ini.sections.items() if name not in SECTIONS]
    written = {name: entry for name, entry in ini.entries.items() if name[0] in SECTIONS}
    for index, override in enumerate(overrides):
        name, equals, value = override.partition("=")
        section, dot, key = name.strip().lower().partition(".")
        place = Place(AFTER_THE_FILE + index, f"--set {override}")
        if equals and dot:
            written[section, key] = (value.strip(), place)
        else:
            known = [f"{section_}.{section}" for section_ in SECTIONS if section in SECTIONS[section_]]
            problems.append(
                (place, f"write it as section.key=value, as in {(known or ['run.seed'])[0]}={value or '...'}")
            )
    notes = _with_new_names(written, problems)
    values: dict[str, dict[str, Any]] = {section: {} for section in SECTIONS}
    for (section, key), (value, place) in written.items():
        if key not in SECTIONS.get(section, {}):
            problems.append((place, _unknown(section, key)))
            continue
        try:
            values[section][key] = convert(SECTIONS[section][key], value, file.parent)
        except ValueError as error:
            problems.append((place, f"{section}.{key} must be {error}, not {repr(value) if value else 'empty'}"))
    for key, field in SECTIONS["paths"].items():
        values["paths"].setdefault(key, _default_path(field, file.parent))
    if problems:
        raise ConfigError([f"{place.name}: {problem}" for place, problem in sorted(problems)])
    config = Config(**{name: kind(**values[name]) for name, kind in KINDS.items()}, notes=tuple(notes))
    if conflicts := _conflicts(config):
        raise ConfigError([f"{file.name}: {conflict}" for conflict in conflicts])
    return config


def _with_new_names(written: dict[tuple[str, str], Any], problems: list[tuple[Place, str]]) -> list[str]:
    """Gives settings under an old name their new one, in place. Returns a note for each; one that is there under both
    names is a problem."""
    notes = []
    for (section, old), new in RENAMED.items():
        if (section, old) not in written:
            continue
        value, place = written.pop((section, old))
        other = written.get((section, new))
        if other and (place.line < AFTER_THE_FILE) == (other[1].line < AFTER_THE_FILE):
            problems.append(
                (place, f"{section}.{old} is the old name of {section}.{new}, which is there, too; keep one")
            )
        if not other or other[1] < place:  # an override wins over the file, whatever name it uses
            written[section, new] = (value, place)
        notes.append(f"{section}.{old} is called {section}.{new} now; both names work")
    return notes


def differences(config: Config, file: Path | str) -> list[str]:
    """Each setting that is not at its default, as `section.key = value (default ...)`; `file` is what was loaded."""
    folder = _located(file).parent
    lines = []
    for section, fields in SECTIONS.items():
        for key, field in fields.items():
            value, default = getattr(getattr(config, section), key), field.default
            usual = _default_path(field, folder) if field.type is Path else default
            if value != usual:
                lines.append(f"{section}.{key} = {show(value)} (default {show(default)})")
    return lines


def _located(file: Path | str) -> Path:
    """Where the config file is; raises ConfigError where the path says nothing."""
    try:
        return Path(file).expanduser().absolute()
    except RuntimeError:
        problem = "there is no home folder that its ~ could stand for; name the file by its whole path"
    raise ConfigError([f"{file}: {problem}"])


def _read(file: Path) -> Ini:
    try:
        return read_ini(file)
    except FileNotFoundError:
        problem = "there is no such config file; name one that exists with --config"
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        problem = f"line {line} is not UTF-8 text; save the file as UTF-8"
    except OSError as error:
        problem = f"the config file cannot be read: {error.strerror}"
    raise ConfigError([f"{file}: {problem}"])


def _unknown(section: str, key: str | None = None) -> str:
    """Says that there is no such section or key, and what may have been meant."""
    if section not in SECTIONS:
        close = difflib.get_close_matches(section, SECTIONS, n=1)
        meant = f"did you mean [{close[0]}]?" if close else f"there are {', '.join(f'[{s}]' for s in SECTIONS)}"
        return f"there is no section [{section}]; {meant}"
    elsewhere = [s for s in SECTIONS if key in SECTIONS[s]]
    close = difflib.get_close_matches(key, SECTIONS[section], n=1)
    if elsewhere:
        meant = f"it belongs into [{elsewhere[0]}]"
    else:
        meant = f"did you mean {close[0]}?" if close else f"[{section}] has {', '.join(SECTIONS[section])}"
    return f"there is no setting {section}.{key}; {meant}"


def _default_path(field: dataclasses.Field[Path], folder: Path) -> Path:
    assert isinstance(field.default, Path)
    return absolute(field.default, PROGRAM_FOLDER if field.metadata["shipped"] else folder)


def _conflicts(config: Config) -> list[str]:
    """What is wrong between settings that are each right alone."""
    problems = []
    files: dict[Path, str] = {}
    for key in SECTIONS["paths"]:
        other = files.setdefault(getattr(config.paths, key), key)
        if other != key:
            problems.append(f"paths.{other} and paths.{key} are the same file; give each its own")
    return problems
