"""States of older versions go on as if they had been saved today."""

from dataclasses import replace

import pytest

from agent_core.agent_state import VERSION, AgentState
from tests.test_agent import executor, make_agent, saved, steps  # noqa: F401 - `executor` is a fixture
from utils import UserError

SETTINGS = {"learning__restart_after": 128, "learning__elites_per_niche": 2, "generator__max_length": 12}


def flat(niche):
    closeness, calls, solved = niche
    return (8 * closeness + calls, *solved)


def as_version_1(state, niches="pace, calls that matter, cases"):
    """The same state as it was saved before versions were numbered."""
    rules, memory = dict(state["rules"]), state["memory"]
    assert rules.pop("scores") == 1
    if niches:
        rules["niches"] = niches
    settings = dict(state["settings"])
    settings["learning.exploration_floor"] = settings.pop("learning.epsilon")
    scores = [
        packed | {"niches": [flat(niche) for niche in packed["niches"]]}
        for packed in (memory["scores"], *memory["others"])
    ]
    archive = memory["archive"]
    old = {key: value for key, value in state.items() if key not in ("version", "solutions")}
    return old | {
        "rules": rules,
        "settings": settings,
        "memory": {
            "scores": scores[0],
            "others": scores[1:],
            "niches": {(0,): [(-0.5, len(row), row) for row in archive["rows"]]},
            "best": archive["best"],
            "places": archive["reserving"],
            "set_aside": archive["waiting"].get(0, []),
            "seen": memory["behaviours"],
        },
    }


@pytest.mark.parametrize(("task", "before", "reserving"), [("hello_world", 2, False), ("factorial", 5, True)])
def test_a_state_of_the_first_version_goes_on_exactly(executor, tokenizer, legal_tokens, task, before, reserving):  # noqa: F811
    straight = make_agent(executor, tokenizer, legal_tokens, task, **SETTINGS)
    steps(straight, before)
    model, optimizer, state = saved(straight)
    assert state["memory"]["archive"]["reserving"] == reserving
    assert AgentState.of(as_version_1(state)) == replace(AgentState.of(state), solutions={})
    resumed = make_agent(executor, tokenizer, legal_tokens, task, **SETTINGS)
    assert resumed.load(model, optimizer, as_version_1(state)) == []
    assert steps(resumed, 8 - before) == steps(straight, 8 - before)
    assert str(resumed.state()) == str(straight.state())


def test_what_waited_before_lives_had_kinds_waits_for_the_first_kind(executor, tokenizer, legal_tokens):  # noqa: F811
    agent = make_agent(executor, tokenizer, legal_tokens, "factorial", **SETTINGS)
    while not agent.memory.archive.contents().waiting:
        agent.step()
    _, _, state = saved(agent)
    ((kind, rows),) = state["memory"]["archive"]["waiting"].items()
    assert (kind, bool(rows)) == (0, True)
    archive = {key: value for key, value in state["memory"]["archive"].items() if key != "kind"} | {"waiting": rows}
    old = state | {"version": 4, "memory": state["memory"] | {"archive": archive}}
    assert AgentState.of(old) == AgentState.of(state)
    for cold in ({}, {"cold": False}, {"cold": True}):
        start = {"encoder": {}, "recalls": None} | cold
        assert AgentState.of(old | {"start": start}).start == {"encoder": {}, "recalls": None, "cold": False}


@pytest.mark.parametrize("niches", ["recursion, cases", None])
def test_scores_from_before_niches_were_what_they_are_count_no_more(executor, tokenizer, legal_tokens, niches):  # noqa: F811
    agent = make_agent(executor, tokenizer, legal_tokens, **SETTINGS)
    steps(agent, 2)
    model, optimizer, state = saved(agent)
    resumed = make_agent(executor, tokenizer, legal_tokens, **SETTINGS)
    notes = resumed.load(model, optimizer, as_version_1(state, niches))
    assert notes == ["what is legal or what is paid has changed: the best programs are scored anew"]
    assert resumed.memory.best == agent.memory.best


def test_scores_from_before_lists_had_slopes_count_no_more(executor, tokenizer, legal_tokens):  # noqa: F811
    agent = make_agent(executor, tokenizer, legal_tokens, "reverse", **SETTINGS)
    steps(agent, 2)
    model, optimizer, state = saved(agent)
    resumed = make_agent(executor, tokenizer, legal_tokens, "reverse", **SETTINGS)
    notes = resumed.load(model, optimizer, state | {"rules": state["rules"] | {"scores": 1}})
    assert notes == ["what is legal or what is paid has changed: the best programs are scored anew"]
    steps(resumed, 1)


def test_the_grammar_of_that_version_is_known_by_its_rules_alone(executor, tokenizer, legal_tokens):  # noqa: F811
    agent = make_agent(executor, tokenizer, legal_tokens)
    state = as_version_1(saved(agent)[2])
    with_comments = "5b103c9a9233faf3f26f6635e10383ea801a8e1c99a353b2612fa02b71f1f13a"
    known = AgentState.of(state | {"rules": state["rules"] | {"grammar": with_comments}}).rules["grammar"]
    assert known == "e44656d4c3a222bf46ad921baf04c02c5ca509f19a5566e2ca59ba4ba181a430"  # as before the language grew


def test_a_setting_that_was_saved_under_its_old_name_is_compared(executor, tokenizer, legal_tokens):  # noqa: F811
    agent = make_agent(executor, tokenizer, legal_tokens)
    steps(agent, 1)
    model, optimizer, state = saved(agent)
    changed = make_agent(executor, tokenizer, legal_tokens, learning__epsilon=0.25)
    notes = changed.load(model, optimizer, as_version_1(state))
    assert notes == ["learning.epsilon is 0.25 now, it was 0.3 when this was saved"]


def test_a_state_of_a_newer_version_is_refused(executor, tokenizer, legal_tokens):  # noqa: F811
    agent = make_agent(executor, tokenizer, legal_tokens)
    model, optimizer, state = saved(agent)
    with pytest.raises(UserError, match=rf"version {VERSION + 1}, .*--fresh"):
        agent.load(model, optimizer, state | {"version": VERSION + 1})
