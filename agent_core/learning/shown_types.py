"""The types that some calls of a function show: of its arguments, of the elements of its lists, and of its answers."""

from collections.abc import Iterable, Sequence
from typing import Any

from agent_core.learning.value_types import Rules, types_of


def rules_shown_by(
    function: str, parameters: Sequence[str], calls: Sequence[Sequence[Any]], answers: Iterable[Any] = ()
) -> Rules:
    """function: its name, which gives what the function answers. calls: the arguments of each. answers: none where it
    is not known what the function is to answer, and any type will do."""
    columns = list(zip(*calls, strict=True))
    items = [item for column in columns for value in column if isinstance(value, list) for item in value]
    names = {name: types_of(column) for name, column in zip(parameters, columns, strict=True)}
    answer = types_of(answers)
    return Rules(names | {function: answer}, types_of(items), answer)
