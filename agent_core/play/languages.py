"""The language of each question: one and the same but for the types of the arguments, which chance goes by.

Nobody knows what a program of play is to answer, so any type will do for that.
"""

from dataclasses import replace

from agent_core.grammar.legal_tokens import LegalTokens
from agent_core.learning.language import Language
from agent_core.learning.program_prior import ProgramPrior
from agent_core.learning.shown_types import rules_shown_by
from agent_core.learning.value_types import Rules
from agent_core.play.questions import Questions
from agent_core.settings.config import LearningConfig
from agent_core.tasks.task import FUNCTION
from tokenizer import Tokenizer


class Languages:
    """`plain` knows no types: it is what the mind learns in, so that what it learns is good for any question."""

    def __init__(
        self,
        questions: Questions,
        tokenizer: Tokenizer,
        legal_tokens: LegalTokens,
        learning: LearningConfig,
        longest: int,
    ):
        """longest: tokens that a program may have."""
        self._questions, self._learning = questions, learning
        prior = ProgramPrior(legal_tokens, tokenizer.tokens, learning)
        self.plain = Language(tokenizer, legal_tokens, longest, True, prior)
        self._known: dict[Rules, Language] = {}

    def of(self, number: int) -> Language:
        """That of a question."""
        question = self._questions[number]
        if not (question.kinds and self._learning.type_weight):
            return self.plain
        rules = rules_shown_by(FUNCTION, self._questions.parameters_of(number), question.inputs(0))
        if rules not in self._known:
            tokens = self.plain.tokenizer.tokens
            prior = ProgramPrior(self.plain.legal_tokens, tokens, self._learning, rules)
            self._known[rules] = replace(self.plain, prior=prior)
        return self._known[rules]
