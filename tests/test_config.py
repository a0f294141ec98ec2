"""The settings: what is read, what is refused and how that is said, and that config.ini and the code name the same."""

import dataclasses
from pathlib import Path

import pytest

from agent_core.settings.config import SECTIONS, Config, ConfigError, differences, load_config
from agent_core.settings.ini import read_ini
from utils import UserError

ROOT = Path(__file__).resolve().parent.parent
SHIPPED = ROOT / "config.ini"


@pytest.fixture
def load(tmp_path):
    """Loads a config file with the given text."""

    def load(text: str | bytes, *overrides: str) -> Config:
        file = tmp_path / "my.ini"
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return load_config(file, overrides)

    return load


@pytest.fixture
def problems(load):
    """The problems of a config file with the given text."""

    def problems(text: str | bytes, *overrides: str) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            load(text, *overrides)
        assert str(caught.value) == "\n".join(caught.value.problems)
        return list(caught.value.problems)

    return problems


def test_config_ini_and_the_dataclasses_have_the_same_keys():
    assert set(read_ini(SHIPPED).entries) == {(section, key) for section in SECTIONS for key in SECTIONS[section]}


def test_config_ini_ships_the_defaults(load):
    shipped = load_config(SHIPPED)
    for section in SECTIONS:
        if section != "paths":
            assert getattr(shipped, section) == getattr(Config(), section)
    for key, field in SECTIONS["paths"].items():
        assert getattr(shipped.paths, key) == ROOT / field.default
    assert differences(shipped, SHIPPED) == []


def test_every_key_of_config_ini_has_a_comment_above_it():
    above, explained = "", False
    for line in SHIPPED.read_text().splitlines():
        if "=" in line and not line.startswith("#"):
            assert explained, f"nothing explains {line!r}"
        elif line.startswith("#"):
            explained = True
        else:
            explained = False
        above = line
    assert above


def test_every_range_of_config_ini_is_the_one_that_is_checked(problems):
    for section, fields in SECTIONS.items():
        for key, field in fields.items():
            if "high" in field.metadata:
                low, high, above = (field.metadata[name] for name in ("low", "high", "above"))
                beyond = [high * 2 + 1, above if low is None else low - 1]
                for value in beyond:
                    (problem,) = problems(f"[{section}]\n{key} = {value}")
                    assert problem.startswith(f"my.ini line 2: {section}.{key} must be a")
                    assert problem.endswith(f"not '{value}'")


def test_an_empty_file_and_a_missing_key_give_the_defaults(load, tmp_path):
    config = load("")
    assert dataclasses.replace(config, paths=Config().paths) == Config()
    assert differences(config, tmp_path / "my.ini") == []
    assert load("[run]\nseed = 3").run == dataclasses.replace(Config().run, seed=3)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("100000", 100_000),
        ("10_000", 10_000),
        ("1e5", 100_000),
        ("2.5e3", 2_500),
        ("50.0", 50),
        ("7 ; a comment", 7),
        ("7 # another", 7),
        ("7\t# another", 7),
        ("'7'", 7),
    ],
)
def test_whole_numbers_as_people_write_them(load, text, value):
    number = load(f"[run]\nmax_attempts = {text}").run.max_attempts
    assert number == value
    assert type(number) is int


@pytest.mark.parametrize("text", ["1.5", "ten", "nan", "inf", "-5", "0", "1e999999999", "10,000", "0x10", "1 2"])
def test_what_is_no_whole_number_in_range(problems, text):
    assert problems(f"[run]\nmax_attempts = {text}") == [
        f"my.ini line 2: run.max_attempts must be a whole number from 1 up to 1_000_000_000_000, not '{text}'"
    ]


@pytest.mark.parametrize(("text", "value"), [("1e-3", 0.001), (".5", 0.5), ("1", 1.0), ("1_0", 10.0)])
def test_numbers(load, text, value):
    number = load(f"[optimizer]\nlearning_rate = {text}").optimizer.learning_rate
    assert number == value
    assert type(number) is float


@pytest.mark.parametrize("text", ["0", "-1", "1e-999", "nan", "inf", "11", "0,003", "small"])
def test_what_is_no_number_in_range(problems, text):
    assert problems(f"[optimizer]\nlearning_rate = {text}") == [
        f"my.ini line 2: optimizer.learning_rate must be a number above 0 up to 10, not '{text}'"
    ]


@pytest.mark.parametrize("text", ["yes", "on", "true", "True", "YES", "1"])
def test_switches_on(load, text):
    assert load(f"[generator]\nlegal_tokens_only = {text}").generator.legal_tokens_only is True


@pytest.mark.parametrize("text", ["no", "off", "false", "False", "NO", "0"])
def test_switches_off(load, text):
    assert load(f"[generator]\nlegal_tokens_only = {text}").generator.legal_tokens_only is False


@pytest.mark.parametrize("text", ["auto", "cpu", "mps", "cuda", "cuda:0", "cuda:12"])
def test_devices(load, text):
    assert load(f"[run]\ndevice = {text}").run.device == text


@pytest.mark.parametrize("text", ["gpu", "cuda:", "cuda:x", "CPU!", "cuda:-1"])
def test_what_is_no_device(problems, text):
    assert problems(f"[run]\ndevice = {text}") == [
        f"my.ini line 2: run.device must be auto, cpu, cuda, cuda:N or mps, not '{text}'"
    ]


def test_ini_as_people_write_it(load):
    config = load(
        b"\xef\xbb\xbf; a comment\r\n  # another\r\n[ Run ]\r\n   SEED=4\r\ntask   =   100%(x)s#1 ;cut\r\n"
        b"\r\n[learning]\r\n\tentropy_weight = 0\r\n"
    )
    assert config.run.seed == 4
    assert config.run.task == "100%(x)s#1"
    assert config.learning.entropy_weight == 0.0


def test_all_problems_at_once_in_the_order_of_the_file(problems):
    text = """
seed = 1
[run]
seed = x
seed = 2
sede = 3
batch_size = 3
[modle]
anything = 1
[generator
lost = 1
[model]
hidden_dim
= 5
zzz = 1
[run]
device =
"""
    keys = "embedding_dim, hidden_dim, num_layers"
    assert problems(text, "seed=5", "run.tsak=x", "nowhere.x=1", "model.hidden_dim=0", "x") == [
        "my.ini line 2: seed stands before the first [section]",
        "my.ini line 4: run.seed must be a whole number from 0 up to 4_294_967_295, not 'x'",
        "my.ini line 5: run.seed is there twice, first on line 4; keep one",
        "my.ini line 6: there is no setting run.sede; did you mean seed?",
        "my.ini line 7: there is no setting run.batch_size; it belongs into [generator]",
        "my.ini line 8: there is no section [modle]; did you mean [model]?",
        "my.ini line 10: '[generator' is not a section; write it as [name]",
        "my.ini line 13: 'hidden_dim' is not a setting; write it as key = value",
        "my.ini line 14: '= 5' is not a setting; write it as key = value",
        f"my.ini line 15: there is no setting model.zzz; [model] has {keys}",
        "my.ini line 16: section [run] is there twice, first on line 3; join the two",
        "my.ini line 17: run.device must be auto, cpu, cuda, cuda:N or mps, not empty",
        "--set seed=5: write it as section.key=value, as in run.seed=5",
        "--set run.tsak=x: there is no setting run.tsak; did you mean task?",
        f"--set nowhere.x=1: there is no section [nowhere]; there are {', '.join(f'[{s}]' for s in SECTIONS)}",
        "--set model.hidden_dim=0: model.hidden_dim must be a whole number from 1 up to 8_192, not '0'",
        "--set x: write it as section.key=value, as in run.seed=...",
    ]


def test_overrides_win_over_the_file_and_the_last_one_over_the_others(load):
    config = load("[run]\nseed = broken\n", "run.seed=1", "RUN.Seed = 2", "run.task=a=b")
    assert config.run.seed == 2
    assert config.run.task == "a=b"


def test_relative_paths_are_relative_to_the_config_file(load, tmp_path):
    config = load("[paths]\nvocabulary = words.json\nruns = ../runs\nmodel_state = /elsewhere/m.pth", "run.task=t.json")
    assert config.paths.vocabulary == tmp_path / "words.json"
    assert config.paths.runs == tmp_path.parent / "runs"
    assert config.paths.model_state == Path("/elsewhere/m.pth")
    assert config.paths.optimizer_state == tmp_path / "memory/optimizer_state.pth"
    assert config.run.task == str(tmp_path / "t.json")
    assert load("", "run.task=add").run.task == "add"
    assert load("", "run.task=t.py,add").run.task == f"{tmp_path / 't.py'},add"


def test_without_a_key_the_vocabulary_and_the_grammar_are_the_programs_own(load):
    paths = load("").paths
    assert paths.vocabulary == ROOT / "memory/vocab.json"
    assert paths.grammar == ROOT / "agent_core/python.grammar"


def test_two_states_in_one_file_are_refused(problems):
    assert problems("[paths]\nmodel_state = a.pth\nrun_state = ./x/../a.pth") == [
        "my.ini: paths.model_state and paths.run_state are the same file; give each its own"
    ]


def test_differences_from_the_defaults(load, tmp_path):
    text = "[run]\nseed = 12345\n[generator]\nlegal_tokens_only=no\n[optimizer]\nlearning_rate=0.1234567891\n"
    config = load(text + "[paths]\nruns = r\nmodel_state = memory/model_state.pth")
    assert differences(config, tmp_path / "my.ini") == [
        "run.seed = 12_345 (default 0)",
        "generator.legal_tokens_only = no (default yes)",
        "optimizer.learning_rate = 0.1234567891 (default 0.003)",
        f"paths.runs = {tmp_path / 'r'} (default memory/runs)",
    ]


def test_plain_holds_every_setting_without_paths(load):
    plain = load("[run]\nseed = 2").plain()
    assert {section: set(values) for section, values in plain.items()} == {s: set(SECTIONS[s]) for s in SECTIONS}
    assert plain["run"]["seed"] == 2
    assert {type(value) for values in plain.values() for value in values.values()} <= {str, int, float, bool}


@pytest.mark.parametrize("text", [b"[run]\nseed = 1\ntask = caf\xe9\n", b"\n\n\xff"])
def test_not_utf8(problems, text):
    (problem,) = problems(text)
    assert problem.endswith("my.ini: line 3 is not UTF-8 text; save the file as UTF-8")


def test_no_such_file_and_a_folder_instead_of_one(tmp_path):
    with pytest.raises(UserError, match=r"nope\.ini: there is no such config file; name one .* --config"):
        load_config(tmp_path / "nope.ini")
    with pytest.raises(UserError, match="the config file cannot be read: Is a directory"):
        load_config(tmp_path)


def test_a_setting_under_its_old_name_works_and_is_said(tmp_path):
    file = tmp_path / "config.ini"
    file.write_text("[learning]\neven_kinds = 0.25\nregrown_share = 0.1\n")
    config = load_config(file, ["learning.exploration_floor=0.2"])
    assert (config.learning.class_balance, config.learning.mutation_share, config.learning.epsilon) == (0.25, 0.1, 0.2)
    assert config.notes[1] == "learning.even_kinds is called learning.class_balance now; both names work"
    assert len(config.notes) == 3
    assert "notes" not in config.plain()


def test_an_override_wins_over_the_file_whatever_name_it_uses(tmp_path):
    file = tmp_path / "config.ini"
    file.write_text("[learning]\nclass_balance = 0.25\nregrown_share = 0.1\n")
    config = load_config(file, ["learning.even_kinds=0.75", "learning.mutation_share=0.9"])
    assert (config.learning.class_balance, config.learning.mutation_share) == (0.75, 0.9)


def test_a_setting_under_both_its_names_is_a_mistake(tmp_path):
    file = tmp_path / "config.ini"
    file.write_text("[learning]\nclass_balance = 0.25\neven_kinds = 0.1\n")
    with pytest.raises(ConfigError, match="line 3: learning.even_kinds is the old name of learning.class_balance"):
        load_config(file)
