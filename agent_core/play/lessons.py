"""Questions and answers from the repertoire: the examples that a policy is shown, as bags of features."""

from collections.abc import Sequence
from random import Random

import numpy

from agent_core.play.mind.features import features_of
from agent_core.play.mind.learner import Lesson
from agent_core.play.questions import Questions
from agent_core.play.trial import examples
from memory.repertoire.repertoire import Behaviour, Repertoire

SHOWN = (4, 6, 8)  # cases that a question is asked by
_HELD_BACK = 50  # one behaviour in so many is never learned from


def is_held_back(key: int) -> bool:
    """Whether a behaviour is one of those that measure what has been learned. It follows from its key alone."""
    return key % _HELD_BACK == 0


class Lessons:
    """Draws behaviours, and cases of them. What it remembers is only what it could compute again."""

    def __init__(self, questions: Questions, repertoire: Repertoire):
        self._questions, self._repertoire = questions, repertoire
        self._features: dict[int, tuple[Behaviour, list[numpy.ndarray | None]]] = {}

    def draw(self, count: int, random: Random, question: int | None = None) -> list[int]:
        """Keys of behaviours to learn from, with repetition; none where there are none."""
        keys, chances = self._repertoire.keys, self._repertoire.chances(question).cumsum()
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
        shown, features = self._examples(key, behaviour)
        count = min(count or random.choice(SHOWN), len(shown))
        chosen = random.sample(range(len(shown)), count)
        for i in chosen:
            if features[i] is None:
                features[i] = numpy.array(features_of(*shown[i]), numpy.int16)
        return [case for i in chosen if (case := features[i]) is not None]

    def mixed(self, one: int, other: int, random: Random) -> list[numpy.ndarray]:
        """Some cases of one behaviour and some of another: a question that has perhaps no answer."""
        count = random.choice(SHOWN)
        return [*self.cases(one, random, count - count // 2), *self.cases(other, random, count // 2)]

    def forget(self, keys: Sequence[int]) -> None:
        """Of behaviours that have gone."""
        for key in keys:
            self._features.pop(key, None)

    def _examples(self, key: int, behaviour: Behaviour) -> tuple[list, list[numpy.ndarray | None]]:
        held = self._features.get(key)
        if held is None or held[0].answers != behaviour.answers:
            shown = examples(self._questions[behaviour.question], behaviour)
            held = self._features[key] = behaviour, [None] * len(shown)
            return shown, held[1]
        if any(case is None for case in held[1]):
            return examples(self._questions[behaviour.question], behaviour), held[1]
        return held[1], held[1]
