"""Questions and answers from the repertoire: the examples that a policy is shown, as bags of features."""

from collections.abc import Sequence
from itertools import accumulate, chain
from random import Random
from typing import NamedTuple

import numpy

from agent_core.play.answers import NOTHING, unpack
from agent_core.play.mind.features import MOST_FEATURES, features_of_answer, features_of_arguments
from agent_core.play.mind.learner import Lesson
from agent_core.play.questions import Questions
from memory.repertoire.repertoire import Behaviour, Repertoire

SHOWN = (4, 6, 8)  # cases that a question is asked by
_HELD_BACK = 50  # one behaviour in so many is never learned from


def is_held_back(key: int) -> bool:
    """Whether a behaviour is one of those that measure what has been learned. It follows from its key alone."""
    return key % _HELD_BACK == 0


class _Seen(NamedTuple):
    """The features of a behaviour's answers."""

    answers: bytes  # that they are of
    places: list[int]  # of the cases that have an answer, among the calls
    features: numpy.ndarray  # int16, those of all these cases, one after the other
    ends: list[int]  # of each case's


class Lessons:
    """Draws behaviours, and cases of them. What it remembers is only what it could compute again."""

    def __init__(self, questions: Questions, repertoire: Repertoire):
        self._questions, self._repertoire = questions, repertoire
        self._seen: dict[int, _Seen] = {}
        self._of_arguments: dict[tuple[int, int], list[numpy.ndarray]] = {}  # of each call, by question and set

    def draw(self, count: int, random: Random, question: int | None = None, even: float = 0.5) -> list[int]:
        """Keys of behaviours, with repetition; none where there are none. even: see `Repertoire.chances`."""
        keys, chances = self._repertoire.keys, self._repertoire.chances(question, even).cumsum()
        if not len(chances) or not chances[-1]:
            return []
        marks = numpy.array([random.random() for _ in range(2 * count)]) * chances[-1]
        drawn = [keys[slot] for slot in numpy.searchsorted(chances, marks, side="right").clip(0, len(keys) - 1)]
        return [key for key in drawn if not is_held_back(key)][:count]

    def lesson(self, key: int, random: Random) -> Lesson:
        """The program of a behaviour, where it begins, and some cases that it is the answer to."""
        behaviour = self._repertoire.behaviours[key]
        return behaviour.program, self._questions.prompt_of(behaviour.question), self.cases(key, random)

    def cases(self, key: int, random: Random, count: int | None = None) -> list[numpy.ndarray]:
        """The features of some of the cases of a behaviour, drawn anew. count: as many, if there are."""
        behaviour = self._repertoire.behaviours[key]
        seen, of_calls = self._look_at(key, behaviour), self._calls(behaviour)
        count = min(count or random.choice(SHOWN), len(seen.places))
        cases = []
        for i in random.sample(range(len(seen.places)), count):
            of_answer = seen.features[seen.ends[i - 1] if i else 0 : seen.ends[i]]
            cases.append(numpy.concatenate((of_answer, of_calls[seen.places[i]]))[:MOST_FEATURES])
        return cases

    def mixed(self, one: int, other: int, random: Random) -> list[numpy.ndarray]:
        """Some cases of one behaviour and some of another: a question that has perhaps no answer."""
        count = random.choice(SHOWN)
        return [*self.cases(one, random, count - count // 2), *self.cases(other, random, count // 2)]

    def forget(self, keys: Sequence[int]) -> None:
        """Of behaviours that have gone."""
        for key in keys:
            self._seen.pop(key, None)

    def _look_at(self, key: int, behaviour: Behaviour) -> _Seen:
        seen = self._seen.get(key)
        if seen is None or seen.answers != behaviour.answers:
            calls, answers = self._questions[behaviour.question].inputs(behaviour.shown), unpack(behaviour.answers)
            places = [place for place, answer in enumerate(answers) if answer is not NOTHING]
            found = [features_of_answer(calls[place], answers[place]) for place in places]
            features = numpy.fromiter(chain.from_iterable(found), numpy.int16)
            ends = list(accumulate(map(len, found)))
            seen = self._seen[key] = _Seen(behaviour.answers, places, features, ends)
        return seen

    def _calls(self, behaviour: Behaviour) -> list[numpy.ndarray]:
        asked = behaviour.question, behaviour.shown
        if asked not in self._of_arguments:
            calls = self._questions[behaviour.question].inputs(behaviour.shown)
            self._of_arguments[asked] = [numpy.array(features_of_arguments(call), numpy.int16) for call in calls]
        return self._of_arguments[asked]
