"""Which of many tasks is visited next: rounds that grow, and a bounded share for what was solved before."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_core.run.many.schedule import Again, Plan, Standing, learned, left_to_learn, next_visit, repeated, total

PLAN = Plan(max_attempts=100_000, first_visit=100, again_share=0.1)


def new(*names):
    return {name: Standing(digest=name) for name in names}


def make(visit, standings, needs, remembered=True):
    """What a visit does to the standings. needs: attempts that each task takes; remembered: whether it is solved again,
    in a tenth of them."""
    standing, before = standings[visit.task], learned(standings)
    if visit.again:
        solved_at = max(1, standing.solved_at // 10) if remembered else None
        standing.again.append(Again(solved_at or visit.limit, solved_at))
        standing.looked_at = before
        return
    standing.visits += 1
    after = min(standing.attempts + visit.limit, needs[visit.task])
    if after == needs[visit.task]:
        standing.solved_at, standing.done, standing.looked_at = after, True, before
    standing.attempts = after


def run(standings, plan, needs, remembered=True):
    visits = []
    while visit := next_visit(standings, plan):
        visits.append(visit)  # with the limit of its round, whatever is left
        if not visit.again:
            visit = visit._replace(limit=min(visit.limit, left_to_learn(standings, plan)))
        make(visit, standings, needs, remembered)
        assert len(visits) < 10_000
    return visits


def test_rounds_grow_and_leave_out_what_is_solved():
    cold = replace(PLAN, again_share=0.0, max_attempts=2_000)
    visits = run(new("a", "b", "c"), cold, {"a": 50, "b": 250, "c": 10**9})
    assert [(visit.task, visit.limit) for visit in visits] == [
        ("a", 100),
        ("b", 100),
        ("c", 100),
        ("b", 200),
        ("c", 200),
        ("c", 400),
        ("c", 800),
        ("c", 1_600),
    ]
    assert not any(visit.again for visit in visits)


def test_a_task_that_joins_later_catches_up_first():
    standings = new("a")
    standings["a"].visits, standings["a"].attempts = 3, 700
    standings |= new("b")
    visits = run(standings, replace(PLAN, again_share=0.0, max_attempts=2_500), {"a": 10**9, "b": 10**9})
    assert [visit.task for visit in visits[:4]] == ["b", "b", "b", "a"]


def test_what_was_solved_is_solved_again_on_the_way_and_at_the_end():
    standings = new("easy", "hard")
    visits = run(standings, PLAN, {"easy": 60, "hard": 10**9})
    again = [place for place, visit in enumerate(visits) if visit.again]
    assert len(again) > 3
    assert again[-1] == len(visits) - 1
    assert standings["easy"].looked_at == learned(standings)
    assert not standings["hard"].again


def test_at_the_end_also_what_was_solved_last_is_solved_again():
    standings = new("a", "b")
    visits = run(standings, PLAN, {"a": 30, "b": 90})
    assert [(visit.task, visit.again) for visit in visits] == [("a", False), ("b", False), ("a", True), ("b", True)]


def test_more_attempts_go_on():
    standings = new("easy", "hard")
    run(standings, PLAN, {"easy": 60, "hard": 10**9})
    assert run(standings, replace(PLAN, max_attempts=200_000), {"easy": 60, "hard": 10**9})
    assert learned(standings) == 180_000


@given(
    st.lists(st.integers(1, 200_000), min_size=1, max_size=8),
    st.integers(100, 300_000),
    st.sampled_from([0.0, 0.1, 0.3]),
    st.booleans(),
)
def test_the_attempts_are_kept_to_and_so_is_the_share(needs, most, share, remembered):
    names = [str(i) for i in range(len(needs))]
    standings, plan = new(*names), Plan(most, 100, share)
    run(standings, plan, dict(zip(names, needs, strict=True)), remembered)
    assert total(standings) <= most
    assert repeated(standings) <= share * most


def test_standings_come_back_from_plain_values():
    standing = Standing("x", visits=2, solved_at=7, again=[Again(5, None), Again(3, 3)])
    assert Standing.of(standing.plain()) == standing


@pytest.mark.parametrize(("solved_at", "expected"), [(9_000, 9_000), (12_000, 10_000), (40_000, 0)])
def test_an_expensive_task_gets_what_is_left_if_that_is_a_third(solved_at, expected):
    standings = new("a")
    a = standings["a"]
    a.attempts, a.solved_at, a.done, a.visits = 50_000, solved_at, True, 5
    visit = next_visit(standings, PLAN)
    assert (visit.limit if visit else 0) == expected
