"""The words that a task brings along: texts and numbers that its answers need and the vocabulary lacks.

Nobody can return "Isosceles" letter by letter from three numbers, nor ask whether an argument is "add", in a language
without these words. So they become tokens of the run, in a fixed order. What is taken, from cases alone:

- an answer of a few that come again and again ("Yes", "No", 404): it is chosen, not computed;
- a stretch of an answer that has no letter of the case's own inputs, small or capital ("Hello, " before a name);
- a text or number argument of a few that come again and again ("add", "sub"): it is there to be compared with.

Answers that differ from case to case are computed, and bring no words. A task file may say its words in `words`
instead; an empty list there means none. Beside words, a task brings the variables of its parameters.
"""

import ast
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeGuard

MOST = 12  # words that are found by themselves; more are no choice any more
_FEW = 6  # different answers, or arguments, that still count as a choice
_OFTEN = 3  # cases that a stretch or a number must come up in, so that it is no chance
_LETTERS_OF_NUMBERS = frozenset("0123456789.-")

Case = tuple[Sequence[object], object]  # inputs and the right answer


def brought_tokens(data: dict, tokens: Sequence[str]) -> list[str]:
    """The tokens that a task brings beyond the vocabulary: variables of its parameters, then its words.

    data: what the task file holds; what is wrong in it brings nothing.
    """
    criteria = data.get("success_criteria")
    criteria = criteria if isinstance(criteria, dict) else {}
    parameters, lists = criteria.get("parameters"), [criteria.get(name) for name in ("test_cases", "check_cases")]
    names = [name for name in parameters if is_variable(name)] if isinstance(parameters, list) else []
    rows = [row for rows in lists if isinstance(rows, list) for row in rows if isinstance(row, dict)]
    cases = [(row["inputs"], row.get("expected")) for row in rows if isinstance(row.get("inputs"), list)]
    wanted = data["words"] if "words" in data else missing_words(cases, tokens)
    return [*(name for name in dict.fromkeys(names) if name not in tokens), *task_words(wanted, tokens)]


def is_variable(name: object) -> bool:
    """Whether a name can be a variable of the policy's language."""
    return isinstance(name, str) and re.fullmatch(r"var_[A-Za-z0-9_]+", name) is not None


def task_words(wanted: object, tokens: Sequence[str]) -> list[str]:
    """The tokens of a task file's `words` that the vocabulary lacks; what is no word counts for nothing."""
    known = {_value(token) for token in tokens}
    values = [value for value in wanted if is_word(value)] if isinstance(wanted, list) else []
    return [token_of(value) for key, value in {_key(value): value for value in values}.items() if key not in known]


def parameter_names(count: int) -> list[str]:
    """The policy's names for so many parameters: var_a, var_b and so on."""
    return [f"var_{chr(ord('a') + i)}" if i < 26 else f"var_{i}" for i in range(count)]


def is_word(value: object) -> bool:
    """Whether a value can be a token of its own: a text, or a number that is not negative."""
    return isinstance(value, str) or (isinstance(value, int | float) and type(value) is not bool and value >= 0)


def missing_words(cases: Sequence[Case], tokens: Sequence[str]) -> list[str | float]:
    """The words that a task's cases show to be needed beyond the vocabulary, each once: texts in the order in which
    they come up, then numbers by size."""
    known = {_value(token) for token in tokens}
    found = [*_chosen_answers(cases), *_strange_stretches(cases), *_compared_arguments(cases)]
    texts = [value for value in found if isinstance(value, str)]
    numbers = sorted(abs(value) for value in found if isinstance(value, int | float))
    wanted: list[str | float] = [*texts, *numbers]
    distinct = {_key(value): value for value in wanted}
    return [value for key, value in distinct.items() if key not in known][:MOST]


def token_of(value: object) -> str:
    """The token of a text or of a number that is not negative: what a vocabulary file would hold."""
    return json.dumps(value) if isinstance(value, str) else repr(value)


def _chosen_answers(cases: Sequence[Case]) -> Iterator[str | float]:
    """Answers, or elements of answers, that are picked from a few."""
    answers = [item for _, answer in cases for item in (answer if isinstance(answer, list) else [answer])]
    yield from _few(value for value in answers if _may_be_needed(value))


def _strange_stretches(cases: Sequence[Case]) -> Iterator[str]:
    """Stretches of text answers without a letter that the case's own inputs have."""
    stretches: list[str] = []
    texts = 0
    for inputs, answer in cases:
        if not isinstance(answer, str):
            continue
        texts += 1
        letters = "".join(_letters(inputs))
        own = {*letters, *letters.upper(), *letters.lower()} | _LETTERS_OF_NUMBERS
        stretches += dict.fromkeys(_runs(answer, own))
    counts = Counter(stretches)
    yield from (text for text in counts if counts[text] >= _OFTEN and counts[text] * 2 > texts)


def _runs(text: str, own: set[str]) -> Iterator[str]:
    """The longest stretches of a text that have none of one's own letters."""
    run = ""
    for letter in [*text, ""]:
        if letter and letter not in own:
            run += letter
        elif run:
            yield run
            run = ""


def _compared_arguments(cases: Sequence[Case]) -> Iterator[str | float]:
    """Arguments that are picked from a few, by their place."""
    for column in zip(*(inputs for inputs, _ in cases), strict=False):
        if all(_may_be_needed(value) for value in column):
            yield from _few(column)


def _few(values: Iterable[str | float]) -> list[str | float]:
    """The values, if they are few and come again: three times each on average, and none of the numbers by chance."""
    counts = Counter(values)
    if not counts or len(counts) > _FEW or counts.total() < _OFTEN * len(counts):
        return []
    return [value for value in counts if isinstance(value, str) or counts[value] >= _OFTEN]


def _may_be_needed(value: object) -> TypeGuard[str | float]:
    return isinstance(value, str | int | float) and not isinstance(value, bool) and value != ""


def _letters(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _letters(item)
    elif isinstance(value, dict):
        yield from _letters([*value, *value.values()])


def _value(token: str) -> object:
    """What a token stands for, to be told apart by type, too; the token itself where it is no literal."""
    try:
        return _key(ast.literal_eval(token))
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return token


def _key(value: object) -> object:
    return (type(value).__name__, abs(value)) if isinstance(value, int | float) else (type(value).__name__, value)
