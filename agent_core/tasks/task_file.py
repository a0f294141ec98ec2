"""Task files: JSON in, plain fields out, every problem named by its field.

A file that is wrong is refused, and so is a task that cannot be won; `agent_core/tasks/` has one file a built-in task
to copy from.
"""

import json
import keyword
import math
import re
from pathlib import Path
from typing import Any

from agent_core.tasks import constraints
from agent_core.tasks.case_lists import CaseLists
from agent_core.tasks.feasibility import Vocabulary, why_not_printed
from agent_core.tasks.fields import did_you_mean, names, show
from agent_core.tasks.values import tolerance_of
from agent_core.tasks.words import brought_tokens, is_variable, is_word
from utils import UserError

RUNGS = ("say it", "compute it", "handle it", "repeat it", "put it together")
_TOP = (
    "name",
    "description",
    "rung",
    "success_criteria",
    "constraints",
    "numeric",
    "sequences",
    "words",
    "shortest_known_tokens",
)
_OUTPUT = ("exact_output", "case_sensitive")
_FUNCTION = ("function_name", "parameters", "test_cases", "check_cases")
_CONSTRAINTS = ("required_tokens", "max_tokens")
MOST_PARAMETERS = 26  # var_a to var_z
_SHORTEST = {"output": 6, "function": 4}  # tokens of `print(x)` and of `return x`, NEWLINE and <EOS> included


class TaskError(UserError):
    """The task cannot be used as it is."""


def read(path: Path, vocabulary: Vocabulary, function: str) -> dict[str, Any]:
    """The fields of a Task, cases as (inputs, expected). Raises TaskError with all that is wrong, field by field.

    function: the vocabulary's name for the function that a task asks for.
    """
    return check(_load(path), path, vocabulary, function)


def check(data: dict, path: Path, vocabulary: Vocabulary, function: str) -> dict[str, Any]:
    """As `read`, from what the file holds. The words that the task brings count as tokens of the vocabulary."""
    problems: list[str] = []
    words = brought_tokens(data, vocabulary.tokens)
    fields = _fields(data, vocabulary._replace(tokens=[*vocabulary.tokens, *words]), function, problems)
    fields["words"] = tuple(words)
    if problems:
        more = f"; and {len(problems) - 5} more" if len(problems) > 5 else ""
        raise TaskError(f"task {path}: {'; '.join(problems[:5])}{more}")
    return fields


def _load(path: Path) -> dict:
    def pairs(items: list[tuple[str, object]]) -> dict:
        names = [name for name, _ in items]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f'"{name}" is there twice')
        return dict(items)

    def number(text: str) -> float:
        if not math.isfinite(value := float(text)):
            raise ValueError(f"{text} is not a finite number")
        return value

    def constant(text: str) -> float:
        raise ValueError(f"{text} is not a number that an answer can be compared with")

    try:
        text = path.read_text(encoding="utf-8-sig")
        data = json.loads(text, object_pairs_hook=pairs, parse_float=number, parse_constant=constant)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise TaskError(f"task {path}: cannot be read ({reason})") from error
    except RecursionError as error:
        raise TaskError(f"task {path}: nested too deeply") from error
    except ValueError as error:
        raise TaskError(f"task {path}: not valid JSON ({error})") from error
    if not isinstance(data, dict):
        raise TaskError(f"task {path}: must be a JSON object with name, description and success_criteria")
    return data


def _fields(data: dict, vocabulary: Vocabulary, function: str, problems: list[str]) -> dict[str, Any]:
    names(data, _TOP, "", ("name", "description", "success_criteria"), problems)
    fields: dict[str, Any] = {"name": data.get("name", "x"), "description": data.get("description", "")}
    if type(fields["name"]) is not str or not re.fullmatch(r"\w[\w.-]{0,63}", fields["name"]):
        allowed = "1 to 64 letters, digits, _, - or . (the first neither - nor .; it names folders)"
        problems.append(f"name: must be {allowed}, not {show(data['name'])}")
    if type(fields["description"]) is not str:
        problems.append(f"description: must be text, not {show(fields['description'])}")
    if "rung" in data:
        fields["rung"] = data["rung"]
        if data["rung"] not in RUNGS:
            problems.append(f"rung: must be one of {', '.join(RUNGS)}, not {show(data['rung'])}")
    criteria = data.get("success_criteria", {})
    if type(criteria) is not dict:
        problems.append(f"success_criteria: must be an object, not {show(criteria)}")
        return fields
    numeric = data.get("numeric", "exact")
    understood = numeric in ("exact", "loose") or type(numeric) is float and 0 < numeric < 1
    if not problems or criteria:
        tolerance = tolerance_of(numeric) if understood else None
        fields |= _criteria(criteria, vocabulary, function, tolerance, problems)
    kind = "function" if "function_name" in fields else "output"
    if "numeric" in data:
        fields["numeric"] = numeric
        if not understood:
            ways = '"exact", "loose" or how far from right an answer may be, above 0 and below 1'
            problems.append(f"numeric: must be {ways}, not {show(numeric)}")
        elif kind == "output":
            problems.append("numeric: is for answers of functions; an exact_output is compared as text")
    if "sequences" in data:
        fields["sequences"] = data["sequences"]
        if data["sequences"] not in ("exact", "loose"):
            problems.append(f'sequences: must be "exact" or "loose", not {show(data["sequences"])}')
        elif kind == "output":
            problems.append("sequences: is for answers of functions; an exact_output is compared as text")
    fields |= _constraints(data.get("constraints", {}), vocabulary, kind, problems)
    wanted = data.get("words", [])
    if type(wanted) is not list or not all(map(is_word, wanted)):
        problems.append(f"words: must be a list of texts and numbers from 0, not {show(wanted)}")
    if "shortest_known_tokens" in data:
        fields["shortest_known_tokens"] = shortest = data["shortest_known_tokens"]
        if type(shortest) is not int or shortest < 1:
            problems.append(f"shortest_known_tokens: must be a whole number from 1, not {show(shortest)}")
    return fields


def _criteria(
    criteria: dict, vocabulary: Vocabulary, function: str, tolerance: float | None, problems: list[str]
) -> dict[str, Any]:
    where = "success_criteria."
    if "exact_output" in criteria and "function_name" in criteria:
        problems.append("success_criteria: has both exact_output and function_name; a task asks for one of them")
        return {}
    if "exact_output" in criteria:
        names(criteria, _OUTPUT, where, ("exact_output",), problems)
        return _output(criteria, vocabulary, where, problems)
    if any(name in criteria for name in _FUNCTION):
        names(criteria, _FUNCTION, where, ("function_name", "parameters", "test_cases"), problems)
        return _function(criteria, vocabulary, function, tolerance, problems)
    if not names(criteria, _OUTPUT + _FUNCTION, where, (), problems):
        problems.append("success_criteria: needs exact_output, or function_name with parameters and test_cases")
    return {}


def _output(criteria: dict, vocabulary: Vocabulary, where: str, problems: list[str]) -> dict[str, Any]:
    text, case_sensitive = criteria["exact_output"], criteria.get("case_sensitive", True)
    if type(case_sensitive) is not bool:
        problems.append(f"{where}case_sensitive: must be true or false, not {show(case_sensitive)}")
    if type(text) is not str:
        problems.append(f"{where}exact_output: must be text, not {show(text)}")
        return {}
    text = text.removesuffix("\n")
    if not text:
        problems.append(f"{where}exact_output: is empty; a program that does nothing would print it")
    elif reason := why_not_printed(text, vocabulary, case_sensitive is True):
        problems.append(f"{where}exact_output: cannot be printed: {reason}")
    return {"expected_output": text, "case_sensitive": case_sensitive}


def _function(
    criteria: dict, vocabulary: Vocabulary, function: str, tolerance: float | None, problems: list[str]
) -> dict[str, Any]:
    where, tokens = "success_criteria.", vocabulary.tokens
    name, parameters = criteria.get("function_name", "f"), criteria.get("parameters", [])
    if type(name) is not str or not name.isidentifier() or keyword.iskeyword(name) or name.startswith("_"):
        problems.append(f"{where}function_name: must be a Python name without a leading _, not {show(name)}")
    elif name != function and name in tokens:
        problems.append(f'{where}function_name: "{name}" means something else in the vocabulary; take another name')
    for needed in (function, "return"):
        if needed not in tokens:
            problems.append(
                f'{where}function_name: no function can be written, the vocabulary has no "{needed}"; '
                f"{vocabulary.way_out(needed)}"
            )
    if type(parameters) is not list or not all(type(item) is str for item in parameters):
        problems.append(f"{where}parameters: must be a list of variable names, not {show(parameters)}")
        return {"function_name": name}
    _parameters(parameters, vocabulary, f"{where}parameters", problems)
    notes: list[str] = []
    cases = CaseLists(name, len(parameters), tolerance, problems, notes)
    lists = {part: cases.read(criteria.get(part, []), where + part) for part in ("test_cases", "check_cases")}
    if criteria.get("test_cases") == []:
        problems.append(f"{where}test_cases: is empty; a function is judged by at least one call")
    cases.judge(vocabulary)
    return {"function_name": name, "parameters": tuple(parameters), **lists, "notes": tuple(notes)}


def _parameters(parameters: list[str], vocabulary: Vocabulary, where: str, problems: list[str]) -> None:
    variables = [token for token in vocabulary.tokens if is_variable(token)]
    known = ", ".join(variables) or "none"
    unknown = [item for item in dict.fromkeys(parameters) if item not in variables]
    if len(parameters) > MOST_PARAMETERS:
        problems.append(f"{where}: {len(parameters)} are too many, there may be {MOST_PARAMETERS}")
    free = [variable for variable in variables if variable not in parameters]
    for item in unknown:
        close = did_you_mean(item, free)
        problems.append(f'{where}: "{item}" is not a variable of the vocabulary{close} (it has {known})')
    for item in dict.fromkeys(parameters):
        if parameters.count(item) > 1:
            problems.append(f'{where}: "{item}" is there twice')


def _constraints(data: Any, vocabulary: Vocabulary, kind: str, problems: list[str]) -> dict[str, Any]:
    if type(data) is not dict:
        problems.append(f"constraints: must be an object, not {show(data)}")
        return {}
    names(data, _CONSTRAINTS, "constraints.", (), problems)
    required, limit = data.get("required_tokens", []), data.get("max_tokens")
    if type(required) is not list or not all(type(token) is str for token in required):
        problems.append(f"constraints.required_tokens: must be a list of tokens, not {show(required)}")
        required = []
    for token in dict.fromkeys(required):
        if token not in vocabulary.tokens:
            close = did_you_mean(token, vocabulary.tokens) or f"; {vocabulary.way_out(token)}"
            problems.append(f"constraints.required_tokens: {show(token)} is not in the vocabulary{close}")
        elif not constraints.can_be_required(token):
            problems.append(f"constraints.required_tokens: {show(token)} leaves no trace of its own in a program")
    if "max_tokens" in data:
        least = max(_SHORTEST[kind], len(required))
        if type(limit) is not int:
            problems.append(f"constraints.max_tokens: must be a whole number, not {show(limit)}")
        elif limit < least:
            problems.append(f"constraints.max_tokens: {limit} is too few for any solution, which takes {least} or more")
    return {"required_tokens": tuple(required), "max_tokens": limit}
