"""Task files: JSON in, plain fields out, every problem named by its field.

A file that is wrong is refused, and so is a task that cannot be won; `agent_core/tasks/` has one file a built-in task
to copy from.
"""

import difflib
import json
import keyword
import math
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from agent_core.tasks import constraints, feasibility
from agent_core.tasks.values import as_text, same
from utils import UserError

RUNGS = ("say it", "compute it", "handle it", "repeat it", "put it together")
_TOP = ("name", "description", "rung", "success_criteria", "constraints", "numeric", "shortest_known_tokens")
_OUTPUT = ("exact_output", "case_sensitive")
_FUNCTION = ("function_name", "parameters", "test_cases", "check_cases")
_CONSTRAINTS = ("required_tokens", "max_tokens")
_CASE = ("inputs", "expected")
_SHORTEST = {"output": 6, "function": 4}  # tokens of `print(x)` and of `return x`, NEWLINE and <EOS> included


class TaskError(UserError):
    """The task cannot be used as it is."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`", did you mean x"`, or nothing where no known word is near."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f", did you mean {near[0]}" if near else ""


def read(path: Path, tokens: Sequence[str], function: str) -> dict:
    """The fields of a Task, cases as (inputs, expected). Raises TaskError with all that is wrong, field by field.

    tokens: the vocabulary; function: its name for the function that a task asks for.
    """
    data = _load(path)
    problems: list[str] = []
    fields = _fields(data, tokens, function, problems)
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


def _fields(data: dict, tokens: Sequence[str], function: str, problems: list[str]) -> dict:
    _names(data, _TOP, "", ("name", "description", "success_criteria"), problems)
    fields: dict = {"name": data.get("name", "x"), "description": data.get("description", "")}
    if type(fields["name"]) is not str or not re.fullmatch(r"\w[\w.-]{0,63}", fields["name"]):
        problems.append(f"name: must be 1 to 64 letters, digits, _ or - (it names folders), not {_show(data['name'])}")
    if type(fields["description"]) is not str:
        problems.append(f"description: must be text, not {_show(fields['description'])}")
    if "rung" in data:
        fields["rung"] = data["rung"]
        if data["rung"] not in RUNGS:
            problems.append(f"rung: must be one of {', '.join(RUNGS)}, not {_show(data['rung'])}")
    criteria = data.get("success_criteria", {})
    if type(criteria) is not dict:
        problems.append(f"success_criteria: must be an object, not {_show(criteria)}")
        return fields
    if not problems or criteria:
        fields |= _criteria(criteria, tokens, function, problems)
    kind = "function" if "function_name" in fields else "output"
    if "numeric" in data:
        fields["numeric"] = data["numeric"]
        if data["numeric"] not in ("exact", "loose"):
            problems.append(f'numeric: must be "exact" or "loose", not {_show(data["numeric"])}')
        elif kind == "output":
            problems.append("numeric: is for answers of functions; an exact_output is compared as text")
    fields |= _constraints(data.get("constraints", {}), tokens, kind, problems)
    if "shortest_known_tokens" in data:
        fields["shortest_known_tokens"] = shortest = data["shortest_known_tokens"]
        if type(shortest) is not int or shortest < 1:
            problems.append(f"shortest_known_tokens: must be a whole number from 1, not {_show(shortest)}")
    return fields


def _criteria(criteria: dict, tokens: Sequence[str], function: str, problems: list[str]) -> dict:
    where = "success_criteria."
    if "exact_output" in criteria and "function_name" in criteria:
        problems.append("success_criteria: has both exact_output and function_name; a task asks for one of them")
        return {}
    if "exact_output" in criteria:
        _names(criteria, _OUTPUT, where, ("exact_output",), problems)
        return _output(criteria, tokens, where, problems)
    if any(name in criteria for name in _FUNCTION):
        _names(criteria, _FUNCTION, where, ("function_name", "parameters", "test_cases"), problems)
        return _function(criteria, tokens, function, where, problems)
    if not _names(criteria, _OUTPUT + _FUNCTION, where, (), problems):
        problems.append("success_criteria: needs exact_output, or function_name with parameters and test_cases")
    return {}


def _output(criteria: dict, tokens: Sequence[str], where: str, problems: list[str]) -> dict:
    text, case_sensitive = criteria["exact_output"], criteria.get("case_sensitive", True)
    if type(case_sensitive) is not bool:
        problems.append(f"{where}case_sensitive: must be true or false, not {_show(case_sensitive)}")
    if type(text) is not str:
        problems.append(f"{where}exact_output: must be text, not {_show(text)}")
        return {}
    text = text.removesuffix("\n")
    if not text:
        problems.append(f"{where}exact_output: is empty; a program that does nothing would print it")
    elif reason := feasibility.why_not_printed(text, tokens, case_sensitive is True):
        problems.append(f"{where}exact_output: cannot be printed: {reason}")
    return {"expected_output": text, "case_sensitive": case_sensitive}


def _function(criteria: dict, tokens: Sequence[str], function: str, where: str, problems: list[str]) -> dict:
    name, parameters = criteria.get("function_name", "f"), criteria.get("parameters", [])
    if type(name) is not str or not name.isidentifier() or keyword.iskeyword(name) or name.startswith("_"):
        problems.append(f"{where}function_name: must be a Python name without a leading _, not {_show(name)}")
    elif name != function and name in tokens:
        problems.append(f'{where}function_name: "{name}" means something else in the vocabulary; take another name')
    for needed in (function, "return"):
        if needed not in tokens:
            problems.append(f'{where}function_name: no function can be written, the vocabulary has no "{needed}"')
    if type(parameters) is not list or not all(type(item) is str for item in parameters):
        problems.append(f"{where}parameters: must be a list of variable names, not {_show(parameters)}")
        return {"function_name": name}
    variables = [token for token in tokens if re.fullmatch(r"var_\w+", token)]
    for item in dict.fromkeys(parameters):
        if item not in variables:
            close = did_you_mean(item, variables)
            known = ", ".join(variables) or "none"
            problems.append(f'{where}parameters: "{item}" is not a variable of the vocabulary{close} (it has {known})')
        if parameters.count(item) > 1:
            problems.append(f'{where}parameters: "{item}" is there twice')
    fields = {"function_name": name, "parameters": tuple(parameters)}
    seen: list[tuple[list, object, str]] = []
    for part in ("test_cases", "check_cases"):
        fields[part] = _cases(criteria.get(part, []), len(parameters), where + part, seen, problems)
    if "test_cases" in criteria and criteria["test_cases"] == []:
        problems.append(f"{where}test_cases: is empty; a function is judged by at least one call")
    inputs = [case[0] for case in seen]
    for _, expected, place in seen:
        if reason := feasibility.why_not_returned(expected, inputs, tokens):
            problems.append(f"{place}.expected: cannot be returned: {reason}")
    return fields


def _cases(cases: object, arity: int, where: str, seen: list, problems: list[str]) -> list[tuple[list, object]]:
    """Checks and returns (inputs, expected) of each case; adds each to `seen`, the cases of the whole task."""
    if type(cases) is not list:
        problems.append(f'{where}: must be a list of {{"inputs": [...], "expected": ...}}, not {_show(cases)}')
        return []
    good = []
    for number, case in enumerate(cases):
        place = f"{where}[{number}]"
        if type(case) is not dict:
            problems.append(f'{place}: must be {{"inputs": [...], "expected": ...}}, not {_show(case)}')
        elif not _names(case, _CASE, f"{place}.", _CASE, problems):
            inputs, expected = case["inputs"], case["expected"]
            if type(inputs) is not list:
                problems.append(f"{place}.inputs: must be a list, one value a parameter, not {_show(inputs)}")
                continue
            if len(inputs) != arity:
                problems.append(f"{place}.inputs: {len(inputs)} values for {arity} parameters")
            for others, answer, other_place in seen:
                if not same(inputs, others):
                    continue
                if not same(expected, answer):
                    problems.append(f"{place}.expected: contradicts {other_place}, which has the same inputs")
                elif other_place.startswith(f"{where}["):
                    problems.append(f"{place}: is the same case as {other_place}")
            seen.append((inputs, expected, place))
            good.append((inputs, expected))
    return good


def _constraints(data: object, tokens: Sequence[str], kind: str, problems: list[str]) -> dict:
    if type(data) is not dict:
        problems.append(f"constraints: must be an object, not {_show(data)}")
        return {}
    _names(data, _CONSTRAINTS, "constraints.", (), problems)
    required, limit = data.get("required_tokens", []), data.get("max_tokens")
    if type(required) is not list or not all(type(token) is str for token in required):
        problems.append(f"constraints.required_tokens: must be a list of tokens, not {_show(required)}")
        required = []
    for token in dict.fromkeys(required):
        if token not in tokens:
            close = did_you_mean(token, tokens)
            problems.append(f"constraints.required_tokens: {_show(token)} is not in the vocabulary{close}")
        elif not constraints.can_be_required(token):
            problems.append(f"constraints.required_tokens: {_show(token)} leaves no trace of its own in a program")
    if "max_tokens" in data:
        least = max(_SHORTEST[kind], len(required))
        if type(limit) is not int:
            problems.append(f"constraints.max_tokens: must be a whole number, not {_show(limit)}")
        elif limit < least:
            problems.append(f"constraints.max_tokens: {limit} is too few for any solution, which takes {least} or more")
    return {"required_tokens": tuple(required), "max_tokens": limit}


def _names(data: dict, known: Sequence[str], where: str, needed: Iterable[str], problems: list[str]) -> bool:
    """Reports unknown and missing fields; whether there were any."""
    found = [f"{where}{name}: unknown field{did_you_mean(name, known)}" for name in data if name not in known]
    found += [f"{where}{name}: is missing" for name in needed if name not in data]
    problems += found
    return bool(found)


def _show(value: object) -> str:
    text = as_text(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
