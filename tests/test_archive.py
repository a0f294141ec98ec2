"""What is remembered of programs: scores, niches of elites, behaviours, the best."""

import random
from typing import NamedTuple

from memory.archive.archive import Archive
from memory.archive.evaluation import Evaluation, Niche
from memory.archive.task_memory import TaskMemory


class Score(NamedTuple):
    reward: float
    solved: bool = False
    status: str = "finished"
    behaviour: int = 0
    solved_cases: tuple[bool, ...] = ()
    self_calls: tuple[int, int] = (0, 0)
    version: int = 0


def remember(memory, scores):
    memory.remember(list(scores), list(scores.values()))
    return record(memory, list(scores), 0)


def record(memory, rows, attempts_before):
    found, best = memory.batch(rows), memory.best
    memory.record(found, attempts_before)
    return found, memory.best != best


def kept(memory):
    return memory.archive.contents().all_rows


def test_a_program_is_scored_once_and_again_after_a_counterexample():
    memory = TaskMemory(100, 8, 1)
    assert memory.unknown([(1,), (2,), (1,)], version=0) == [(1,), (2,)]
    remember(memory, {(1,): Score(0.5), (2,): Score(0.1)})
    assert memory.unknown([(1,), (3,)], version=0) == [(3,)]
    assert memory.unknown([(1,), (3,)], version=1) == [(1,), (3,)]


def test_an_elite_gives_way_only_in_its_own_niche():
    memory = TaskMemory(100, 8, 1)
    left, right = (True, False), (False, True)
    remember(memory, {(1, 1): Score(0.5, solved_cases=left), (2, 2): Score(0.2, solved_cases=right)})
    assert memory.elites == [(1, 1), (2, 2)]
    remember(memory, {(3, 3): Score(0.4, solved_cases=left)})  # worse than its own niche's, better than the other's
    assert memory.elites == [(1, 1), (2, 2)]
    remember(memory, {(4,): Score(0.5, solved_cases=left)})  # as good and shorter
    assert memory.elites == [(4,), (2, 2)]
    remember(memory, {(5, 5, 5): Score(0.6, solved_cases=left)})
    assert memory.elites == [(5, 5, 5), (2, 2)]


def test_niches_hold_several_and_the_whole_holds_the_best():
    memory = TaskMemory(100, 3, 2)
    remember(memory, {(i,): Score(i / 10, solved_cases=(i % 2 == 0,)) for i in range(1, 8)})
    assert memory.elites == [(7,), (6,), (5,)]  # 7 and 5 of one niche, 6 and 4 of the other; three at most
    remember(memory, {(7,): Score(0.7, solved_cases=(False,))})
    assert memory.elites == [(7,), (6,), (5,)]  # a program is an elite once


def restarted(elites: int, per_niche: int, recursive: int) -> TaskMemory:
    """From when on there are places for programs that call themselves."""
    memory = TaskMemory(100, elites, per_niche, recursive)
    memory.restart(reserve=True)
    return memory


def test_programs_that_call_themselves_have_niches_and_places_of_their_own():
    memory = restarted(4, 1, recursive=2)
    remember(memory, {(i,): Score(0.5 + i / 100, solved_cases=(i % 2 == 0, i > 5, i > 7)) for i in range(1, 10)})
    assert len(memory.elites) == 4
    remember(
        memory,
        {
            (11,): Score(0.3, self_calls=(0, 2)),
            (12,): Score(0.2, self_calls=(0, 5)),
            (13,): Score(0.1, self_calls=(0, 6)),
            (14, 14): Score(0.05, self_calls=(0, 6)),
        },
    )
    assert memory.elites == [(9,), (8,), (12,), (13,)]  # the most different numbers of calls, though they earn less
    memory.restart(reserve=True)
    assert memory.elites == [(13,)]  # rare finds stay, but are no more than the others
    remember(memory, {(i,): Score(i / 10, solved_cases=(i % 2 == 0,)) for i in (1, 2)})
    assert memory.elites == [(2,), (12,), (1,), (13,)]
    assert kept(memory) == [(12,), (13,), (1,), (2,), (9,)]  # (11,) had no place and is gone; (9,) is the best
    memory.clear()
    assert memory.elites == []

    remember(memory, {(1,): Score(0.5), (2,): Score(0.4, self_calls=(0, 2))})
    now_alike = TaskMemory(100, 4, 1)
    now_alike.load_state(memory.state())  # the setting is another one than it was
    assert now_alike.elites == [(1,)]

    alike = TaskMemory(100, 4, 1)
    remember(alike, {(1,): Score(0.5), (2,): Score(0.4, self_calls=(0, 2))})
    assert alike.elites == [(1,)]
    alike.restart(reserve=True)
    assert alike.elites == []


def test_the_best_and_the_shortest_of_those_that_call_themselves_stay_side_by_side():
    memory = restarted(8, 1, recursive=4)
    other = {(8,): Score(0.7), (9,): Score(0.6, solved_cases=(True,)), (7,): Score(0.5, solved_cases=(False,))}
    remember(
        memory,
        other
        | {
            (1, 1, 1): Score(0.4, self_calls=(0, 3)),
            (2,): Score(0.1, self_calls=(0, 3)),
            (3, 3): Score(0.2, self_calls=(0, 3)),
        },
    )
    assert memory.elites == [(8,), (9,), (7,), (1, 1, 1), (2,)]
    remember(memory, {(4,): Score(0.2, self_calls=(0, 3))})  # as short, and worth more
    assert memory.elites == [(8,), (9,), (7,), (1, 1, 1), (4,)]
    remember(memory, {(5,): Score(0.5, self_calls=(0, 3))})  # the best and the shortest
    assert memory.elites == [(8,), (9,), (5,), (7,)]
    remember(memory, {(6,): Score(1.0, solved=True, self_calls=(0, 4))})
    assert memory.elites == [(6,), (9,), (7,)]  # no longer: of those that solve the same cases the best


def test_each_degree_of_closeness_has_a_place_and_in_it_the_most_different_numbers_of_calls_come_first():
    others = {(i,): Score(0.5 + i / 100, solved_cases=(i > 1, i > 2, i > 3)) for i in range(1, 5)}
    far = {(20 + i,): Score(0.2, self_calls=(0, i)) for i in range(2, 8)}
    deep = {(30 + i,): Score(0.1, self_calls=(1, i)) for i in range(2, 8)}
    close = {(40 + i,): Score(0.1, self_calls=(i, 2)) for i in range(2, 8)}
    for found, best in (
        (far, {(27,), (26,), (25,), (24,)}),  # all places, as nobody else wants them
        (far | deep, {(37,), (36,), (27,), (26,)}),
        (far | close, {(47,), (46,), (45,), (44,)}),
        (far | deep | {(47,): close[47,]}, {(47,), (37,), (27,), (36,)}),
        (far | {(37,): deep[37,]}, {(37,), (27,), (26,), (25,)}),
    ):
        memory = restarted(8, 1, recursive=4)
        remember(memory, others | found)
        assert set(memory.elites) - set(others) == best


def test_places_for_recursion_come_with_a_restart_and_what_has_none_is_set_aside():
    memory = TaskMemory(100, 3, 1, recursive=1)
    found = {(i,): Score(i / 10, solved_cases=(i > 2, i > 3, i > 4)) for i in (2, 3, 4, 5)}
    found |= {(6,): Score(0.1, self_calls=(0, 7)), (7,): Score(0.45, self_calls=(0, 3))}

    def as_saved() -> TaskMemory:
        copy = TaskMemory(100, 3, 1, recursive=1)
        copy.load_state(memory.state())
        assert copy.elites == memory.elites
        assert sorted(kept(copy)) == sorted(kept(memory))
        return copy

    remember(memory, found)
    assert memory.elites == [(5,), (7,), (4,)]  # it competes like all others
    memory.restart(reserve=False)
    assert memory.elites == []
    remember(memory, {(5,): found[5,], (8,): Score(0.2, self_calls=(0, 5))})
    assert memory.elites == [(5,), (8,)]
    assert (6,) in kept(memory)
    memory = as_saved()
    memory.restart(reserve=True)
    assert memory.elites == [(6,)]  # what was set aside still has its place
    remember(memory, found)
    assert memory.elites == [(5,), (7,), (6,)]  # (7,) has no place, and competes like all others
    memory = as_saved()
    memory.clear()
    remember(memory, found)
    assert memory.elites == [(5,), (7,), (6,)]  # whether there are places does not hang on what was found


def test_what_waits_is_for_a_life_of_its_own_kind():
    memory = TaskMemory(100, 4, 1, recursive=2)
    remember(memory, {(1,): Score(0.3, self_calls=(0, 5))})
    memory.restart(reserve=False, kind=1)
    remember(memory, {(2,): Score(0.4, self_calls=(0, 7))})
    assert memory.archive.contents().waiting == {0: [(1,)]}
    memory.restart(reserve=True, kind=0)
    assert memory.elites == [(1,)]
    copy = TaskMemory(100, 4, 1, recursive=2)
    copy.load_state(memory.state())
    for each in (memory, copy):
        assert each.archive.contents().waiting == {1: [(2,)]}
        each.restart(reserve=True, kind=1)
        assert each.elites == [(2,)]
        each.restart(reserve=True, kind=1)
        assert each.elites == [(2,)]
        each.restart(reserve=True)
        assert each.elites == [(1,)]


def test_a_counterexample_lets_what_was_set_aside_be():
    memory = TaskMemory(100, 3, 1, recursive=1)
    remember(memory, {(1,): Score(0.4, self_calls=(0, 7))})
    memory.restart(reserve=False)
    remember(memory, {(2,): Score(0.3)})
    assert sorted(set(memory.unknown(kept(memory), version=1))) == [(1,), (2,)]
    memory.remember([(1,), (2,)], [Score(0.2, self_calls=(0, 6), version=1), Score(0.1, version=1)])
    memory.rebuild(memory.archive.contents(), attempts=500)
    assert memory.elites == [(2,)]
    assert memory.best.row == (1,)
    memory.restart(reserve=True)
    assert memory.elites == [(1,)]


def test_before_the_first_restart_recursion_makes_no_difference():
    chance = random.Random(0)
    found = {
        (i, *range(chance.randint(0, 9))): Score(
            chance.randint(1, 9) / 10,
            solved_cases=tuple(chance.choices((True, False), k=3)),
            self_calls=chance.choice(((0, 0), (0, 0), (0, 3), (0, 7), (1, 2), (3, 7))),
        )
        for i in range(100)
    }
    for per_niche in (1, 3):
        memory, without = TaskMemory(100, 12, per_niche, recursive=4), TaskMemory(100, 12, per_niche)
        for row, score in found.items():
            for one in (memory, without):
                remember(one, {row: score})
            assert memory.elites == without.elites
        assert any(found[row].self_calls[1] for row in memory.elites)
        memory.restart(reserve=True)
        assert memory.elites


def test_no_place_is_kept_for_recursion_once_there_is_a_solution():
    memory = restarted(3, 1, recursive=1)
    remember(memory, {(i,): Score(i / 10, solved_cases=(i > 2, i > 3, i > 4)) for i in (2, 3, 4, 5)})
    remember(memory, {(6,): Score(0.1, self_calls=(0, 7))})
    assert memory.elites == [(5,), (4,), (6,)]
    remember(memory, {(7,): Score(1.0, solved=True, self_calls=(0, 6))})
    assert memory.elites == [(7,), (5,), (4,)]


def test_a_program_without_reward_is_no_elite():
    memory = TaskMemory(100, 8, 1)
    remember(memory, {(1,): Score(0.0)})
    assert memory.elites == []
    off = TaskMemory(100, 0, 1)
    remember(off, {(1,): Score(0.9)})
    assert off.elites == []


def test_the_best_is_the_shortest_of_equals_and_knows_when_it_came():
    memory = TaskMemory(100, 8, 1)
    memory.remember([(1, 1), (2,), (3, 3)], [Score(0.3), Score(0.5), Score(0.5)])
    _, improved = record(memory, [(1, 1), (1, 1), (3, 3), (2,)], attempts_before=100)
    assert improved
    assert (memory.best.row, memory.best.attempts) == ((2,), 104)
    assert not record(memory, [(3, 3)], 104)[1]


def test_a_behaviour_pays_less_the_more_often_it_was_seen():
    memory = TaskMemory(100, 8, 1)
    solved = Score(1.0, True, behaviour=7)
    memory.remember([(1,), (2,), (3,)], [Score(0.5, behaviour=7), Score(0.5, behaviour=8), solved])
    found, _ = record(memory, [(1,), (1,), (1,), (2,), (3,)], 0)
    assert memory.novelty(found, 0.5) == [0.5, 0.5, 0.5, 1.0, 1.0]  # 4 ** -0.5; a solution is always paid in full
    assert memory.novelty(found, 0.0) == [1.0] * 5


def test_the_behaviours_that_are_forgotten_are_those_that_were_not_seen_for_longest(monkeypatch):
    monkeypatch.setattr("memory.archive.novelty._MOST", 3)
    memory = TaskMemory(100, 8, 1)
    memory.remember([(i,) for i in range(9)], [Score(0.5, behaviour=i) for i in range(9)])
    for i in range(1, 9):
        found, _ = record(memory, [(0,), (i,)], 0)
        assert memory.novelty(found, 1.0) == [1 / i, 1.0]
    found, _ = record(memory, [(1,)], 0)
    assert memory.novelty(found, 1.0) == [1.0]


def test_a_restart_forgets_elites_and_behaviours_and_keeps_scores_and_best():
    memory = TaskMemory(100, 8, 1)
    remember(memory, {(1,): Score(0.5, behaviour=7)})
    memory.restart(reserve=True)
    assert memory.elites == []
    assert memory.best.row == (1,)
    assert memory.unknown([(1,)], 0) == []
    found, _ = record(memory, [(1,)], 10)
    assert memory.novelty(found, 0.5) == [1.0]


def test_a_counterexample_sorts_elites_and_best_anew():
    memory = TaskMemory(100, 8, 1)
    remember(memory, {(1,): Score(0.9, solved_cases=(True,)), (2,): Score(0.3, solved_cases=(False,))})
    assert sorted(set(memory.unknown(kept(memory), version=1))) == [(1,), (2,)]
    memory.remember(
        [(1,), (2,)],
        [Score(0.1, solved_cases=(True, False), version=1), Score(0.2, solved_cases=(False, False), version=1)],
    )
    memory.rebuild(memory.archive.contents(), attempts=500)
    assert memory.elites == [(2,), (1,)]
    assert (memory.best.row, memory.best.reward, memory.best.attempts) == ((2,), 0.2, 500)
    assert memory.unknown(kept(memory), 1) == []


def test_memory_is_bounded_and_elites_keep_their_scores():
    memory = TaskMemory(10, 4, 4)
    remember(memory, {(0,): Score(0.9)})
    for i in range(1, 100):
        remember(memory, {(i,): Score(0.1 + i / 1000)})
    assert len(memory.unknown([(i,) for i in range(100)], 0)) >= 86
    assert memory.unknown(memory.elites, 0) == []
    assert memory.unknown([(0,)], 0) == []


def test_counts_of_behaviours_are_bounded(monkeypatch):
    monkeypatch.setattr("memory.archive.novelty._MOST", 3)
    memory = TaskMemory(100, 8, 1)
    for i in range(10):
        found, _ = remember(memory, {(i,): Score(0.1, behaviour=i)})
        assert memory.novelty(found, 0.5) == [1.0]
    assert memory.state()["behaviours"][0].tolist() == [7, 8, 9]


def test_state_is_all_of_it():
    memory, copy = TaskMemory(100, 8, 2), TaskMemory(100, 8, 2)
    remember(memory, {(i,): Score(i / 10, behaviour=i % 3, solved_cases=(i % 2 == 0,)) for i in range(1, 8)})
    copy.load_state(memory.state())
    for each in (memory, copy):
        assert each.unknown([(i,) for i in range(1, 8)], 0) == []
        remember(each, {(9, 9): Score(0.75, behaviour=1, solved_cases=(True,))})
    assert str(copy.state()) == str(memory.state())
    assert copy.best == memory.best
    assert copy.elites == memory.elites


def evaluation(reward, solved, calls=0):
    return Evaluation(reward, False, "finished", 0, Niche(0, calls, solved), 0)


def test_the_archive_does_what_its_docstring_says():
    archive = Archive(count=2, per_niche=1, recursive=1)
    archive.restart(reserve=True)
    two, sum_of_ones, var_b, recursion = (2,), (1, 0, 1), (5,), (1, 3, 4, 0)
    archive.add(two, evaluation(0.3, (True, False)), 1)
    assert not archive.accepts(sum_of_ones, evaluation(0.3, (True, False)))
    archive.add(sum_of_ones, evaluation(0.3, (True, False)), 2)
    archive.add(var_b, evaluation(0.4, (False, True)), 3)
    assert archive.elites == [var_b, two]
    assert (archive.best.row, archive.best.attempts) == (var_b, 3)
    archive.add(recursion, evaluation(0.1, (False, False), calls=2), 4)
    assert archive.elites == [var_b, recursion]
    archive.restart(reserve=False)
    assert archive.elites == []
    assert archive.contents() == ([], {0: [recursion]}, archive.best)
    for row, found in ((two, evaluation(0.3, (True, False))), (var_b, evaluation(0.4, (False, True)))):
        archive.add(row, found, 5)
    assert archive.elites == [var_b, two]
    archive.restart(reserve=True)
    assert archive.elites == [recursion]
    assert archive.best.row == var_b


def test_the_table_of_niches_shrinks_with_the_scores(monkeypatch):
    monkeypatch.setattr("memory.archive.scores._SPARE_NICHES", 3)
    memory = TaskMemory(4, 2, 1)
    for i in range(50):  # no reward, so that no niche keeps them
        remember(memory, {(i,): Score(0.0, solved_cases=tuple(map(bool, map(int, f"{i:06b}"))))})
        assert len(memory._scores._niches) <= 2 * (4 + 2) + 3  # the limit, the best and the one that has just come
    remember(memory, {(60,): Score(0.1, solved_cases=(True,)), (61,): Score(0.1, solved_cases=(True,))})
    first, second = memory.evaluations([(60,), (61,)])
    assert first.niche is second.niche
