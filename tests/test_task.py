"""Tasks: what files may say, what is refused, and the ladder that comes with the project."""

import ast
import json
import re
from pathlib import Path

import pytest

from agent_core.tasks.task import TaskError, builtin_tasks, load_task
from agent_core.tasks.values import CLOSE, MOST_LEVELS
from tests import make_tasks
from tokenizer import Tokenizer

ROOT = Path(__file__).resolve().parent.parent
# Of the narrow language, in which less is possible: what is refused depends on the vocabulary.
VOCABULARY = json.loads((ROOT / "agent_core" / "grammar" / "narrow_vocab.json").read_text())
WIDER = json.loads((ROOT / "memory" / "vocab.json").read_text())
SOLUTIONS = json.loads((ROOT / "tests" / "data" / "reference_solutions.json").read_text())

OUTPUT = {"name": "greet", "description": "Greet.", "success_criteria": {"exact_output": "hello world\n"}}
FUNCTION = {
    "name": "larger",
    "description": "The larger one.",
    "success_criteria": {
        "function_name": "larger",
        "parameters": ["var_a", "var_b"],
        "test_cases": [{"inputs": [1, 2], "expected": 2}, {"inputs": [5, 3], "expected": 5}],
        "check_cases": [{"inputs": [7, 7], "expected": 7}],
    },
}


def changed(task: dict, path: str, value: object) -> dict:
    """A copy of the task with the value at `a.b.c` replaced, or removed where it is `...`."""
    task = json.loads(json.dumps(task))
    *parents, last = path.split(".")
    place = task
    for key in parents:
        place = place[int(key)] if isinstance(place, list) else place.setdefault(key, {})
    if value is ...:
        del place[last]
    else:
        place[int(last) if isinstance(place, list) else last] = value
    return task


@pytest.fixture
def load(tmp_path):
    def load(task: dict | str, tokens=VOCABULARY):
        file = tmp_path / "task.json"
        file.write_text(task if isinstance(task, str) else json.dumps(task))
        return load_task(file, tokens, "v.json")

    return load


def refusal(load, task, tokens=VOCABULARY) -> str:
    with pytest.raises(TaskError) as caught:
        load(task, tokens)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_an_output_task(load):
    task = load(OUTPUT)
    assert (task.kind, task.name, task.expected_output, task.case_sensitive) == ("output", "greet", "hello world", True)
    assert task.module("print(1)\n") == "print(1)\n"
    assert task.present('print( "hello" ,1 )\n') == "print('hello', 1)"
    assert task.present("print(") == "print("


def test_a_function_task(load):
    task = load(FUNCTION)
    assert (task.kind, task.function_name, task.parameters) == ("function", "larger", ("var_a", "var_b"))
    assert [case.arguments for case in task.test_cases] == [(1, 2), (5, 3)]
    assert [case.expected for case in task.check_cases] == [7]
    body = "if var_a > var_b :\n    return var_a\nreturn func_a ( var_b , var_a )\n"
    names: dict = {}
    exec(task.module(body), names)
    assert names["func_a"](1, 2) == 2
    assert task.present(body) == (
        "def larger(var_a, var_b):\n    if var_a > var_b:\n        return var_a\n    return larger(var_b, var_a)"
    )
    ast.parse(task.present(body))
    assert "return (" in task.present("return (\n")
    assert task.present("")


def test_any_json_value_may_go_in_and_come_out(load):
    case = {"inputs": [{"yes": [1, None]}, [[]]], "expected": {"yes": [True, 2.5, "yes"]}}
    task = load(changed(FUNCTION, "success_criteria.test_cases", [case]))
    assert task.test_cases[0].arguments == ({"yes": [1, None]}, [[]])
    assert task.test_cases[0].expected == {"yes": [True, 2.5, "yes"]}


def test_what_is_given_has_as_many_levels_as_what_is_answered(load):
    deep = 1
    for _ in range(MOST_LEVELS - 1):
        deep = [deep]
    cases = [{"inputs": [deep, 0], "expected": 1}, {"inputs": [[deep], 0], "expected": 2}]
    assert load(changed(FUNCTION, "success_criteria.test_cases", cases[:1])).test_cases
    refused = refusal(load, changed(FUNCTION, "success_criteria.test_cases", cases))
    assert f"test_cases[1].inputs: nested more than {MOST_LEVELS} levels deep" in refused


def test_optional_fields(load):
    task = load(FUNCTION | {"numeric": "loose", "constraints": {"required_tokens": ["if", "func_a"], "max_tokens": 20}})
    assert (task.numeric, task.required_tokens, task.max_tokens) == ("loose", ("if", "func_a"), 20)
    assert task.tolerance == CLOSE
    assert load(FUNCTION).tolerance is None
    assert load(FUNCTION | {"numeric": 0.01}).tolerance == 0.01
    assert load(changed(FUNCTION, "success_criteria.check_cases", ...)).check_cases == ()
    assert not load(changed(OUTPUT, "success_criteria.case_sensitive", False)).case_sensitive


CRITERIA = "success_criteria"


@pytest.mark.parametrize(
    ("task", "words"),
    [
        (changed(OUTPUT, "name", ...), ["name: is missing"]),
        (changed(OUTPUT, "name", "a/b"), ["name:", "'a/b'"]),
        (changed(OUTPUT, "name", ""), ["name:"]),
        (changed(OUTPUT, "description", 5), ["description:", "5"]),
        (changed(OUTPUT, "descripton", "x"), ["descripton: unknown field, did you mean description"]),
        (changed(OUTPUT, "rung", "fly"), ["rung:", "say it"]),
        (changed(OUTPUT, "shortest_known_tokens", True), ["shortest_known_tokens:"]),
        (changed(OUTPUT, CRITERIA, ...), ["success_criteria: is missing"]),
        (changed(OUTPUT, CRITERIA, []), ["success_criteria:", "object"]),
        (changed(OUTPUT, CRITERIA, {}), ["success_criteria:", "exact_output"]),
        (changed(OUTPUT, CRITERIA, {"exact_ouput": "hello"}), ["exact_ouput", "did you mean exact_output"]),
        (changed(OUTPUT, f"{CRITERIA}.function_name", "f"), ["both"]),
        (changed(OUTPUT, f"{CRITERIA}.exact_output", 8), ["exact_output:", "text"]),
        (changed(OUTPUT, f"{CRITERIA}.exact_output", "\n"), ["exact_output:", "empty"]),
        (changed(OUTPUT, f"{CRITERIA}.case_sensitive", "no"), ["case_sensitive:", "true or false"]),
        (changed(OUTPUT, f"{CRITERIA}.exact_output", "goodbye"), ["exact_output:", "goodbye"]),
        (changed(OUTPUT, f"{CRITERIA}.exact_output", "Hello"), ["exact_output:", "Hello"]),
        (changed(OUTPUT, f"{CRITERIA}.exact_output", "hello\nthem"), ["exact_output:", "them"]),
        (changed(OUTPUT, f"{CRITERIA}.exact_output", "hello!"), ["exact_output:", '"!"']),
        (changed(OUTPUT, "numeric", "loose"), ["numeric:", "exact_output"]),
        (changed(FUNCTION, "numeric", "about"), ["numeric:", "loose", "about"]),
        (changed(FUNCTION, "numeric", 1), ["numeric:", "above 0 and below 1", "not 1"]),
        (changed(FUNCTION, "numeric", True), ["numeric:", "above 0 and below 1"]),
        (changed(OUTPUT, "numeric", 0.1), ["numeric:", "exact_output"]),
        (changed(FUNCTION, "sequences", "tuple"), ["sequences:", "loose", "tuple"]),
        (changed(OUTPUT, "sequences", "loose"), ["sequences:", "exact_output"]),
        (changed(FUNCTION, f"{CRITERIA}.function_name", ...), ["function_name: is missing"]),
        (changed(FUNCTION, f"{CRITERIA}.function_name", "for"), ["function_name:", "'for'"]),
        (changed(FUNCTION, f"{CRITERIA}.function_name", "a b"), ["function_name:"]),
        (changed(FUNCTION, f"{CRITERIA}.function_name", "sum"), ["function_name:", "vocabulary"]),
        (changed(FUNCTION, f"{CRITERIA}.parameters", "var_a"), ["parameters:", "list"]),
        (changed(FUNCTION, f"{CRITERIA}.parameters", ["var_a", "x"]), ['parameters: "x"', "var_e"]),
        (changed(FUNCTION, f"{CRITERIA}.parameters", ["var_a", "len"]), ['parameters: "len"']),
        (changed(FUNCTION, f"{CRITERIA}.parameters", ["var_a", "var_a"]), ["twice"]),
        (changed(FUNCTION, f"{CRITERIA}.test_cases", ...), ["test_cases: is missing"]),
        (changed(FUNCTION, f"{CRITERIA}.test_cases", []), ["test_cases: is empty"]),
        (changed(FUNCTION, f"{CRITERIA}.test_cases", {}), ["test_cases:", "list"]),
        (changed(FUNCTION, f"{CRITERIA}.test_cases.1", 5), ["test_cases[1]:"]),
        (changed(FUNCTION, f"{CRITERIA}.test_cases.1.expected", ...), ["test_cases[1].expected: is missing"]),
        (changed(FUNCTION, f"{CRITERIA}.test_cases.1.input", []), ["test_cases[1].input:", "did you mean inputs"]),
        (changed(FUNCTION, f"{CRITERIA}.test_cases.1.inputs", 5), ["test_cases[1].inputs:", "list"]),
        (changed(FUNCTION, f"{CRITERIA}.test_cases.1.inputs", [1]), ["test_cases[1].inputs: 1 value for 2 parameters"]),
        (changed(FUNCTION, f"{CRITERIA}.test_cases.1.inputs", [1, 2]), ["contradicts", "test_cases[0]"]),
        (changed(FUNCTION, f"{CRITERIA}.check_cases.0.inputs", [1, 2]), ["check_cases[0]", "contradicts"]),
        (changed(FUNCTION, f"{CRITERIA}.test_cases.1.expected", "maybe"), ["test_cases[1].expected:", "maybe"]),
        (changed(FUNCTION, f"{CRITERIA}.test_cases.1.expected", [0] * 10_001), ["test_cases[1].expected:", "larger"]),
        (changed(FUNCTION, f"{CRITERIA}.test_cases.1.expected", json.loads("[" * 30 + "]" * 30)), ["deeper"]),
        (changed(FUNCTION, f"{CRITERIA}.test_cases.1.expected", ["\ud800"]), ["half of a surrogate pair"]),
        (changed(FUNCTION, "constraints", []), ["constraints:"]),
        (changed(FUNCTION, "constraints.max_token", 9), ["max_token:", "did you mean max_tokens"]),
        (changed(FUNCTION, "constraints.max_tokens", "9"), ["max_tokens:", "whole number"]),
        (changed(FUNCTION, "constraints.max_tokens", 3), ["max_tokens: 3 is too few"]),
        (changed(OUTPUT, "constraints.max_tokens", 5), ["max_tokens: 5 is too few"]),
        (changed(FUNCTION, "constraints.required_tokens", "for"), ["required_tokens:", "list"]),
        (changed(FUNCTION, "constraints.required_tokens", ["prnt"]), ["prnt", "did you mean print"]),
        (changed(FUNCTION, "constraints.required_tokens", ["NEWLINE"]), ["NEWLINE", "no trace"]),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused_with_the_field_and_the_reason(load, task, words):
    message = refusal(load, task)
    assert all(word in message for word in words), message
    assert "task.json" in message


def with_cases(*cases: tuple, check: tuple = (), **more) -> dict:
    """The task `larger` with other cases, each (inputs, expected)."""
    lists = [[{"inputs": list(inputs), "expected": expected} for inputs, expected in part] for part in (cases, check)]
    task = changed(FUNCTION, f"{CRITERIA}.test_cases", lists[0]) | more
    return changed(task, f"{CRITERIA}.check_cases", lists[1])


def with_parameters(*names: str) -> dict:
    cases = with_cases(([0] * len(names), 1), ([1] * len(names), 2))
    return changed(cases, f"{CRITERIA}.parameters", list(names))


FIVE = ["var_a", "var_b", "var_c", "var_d", "var_e"]
HAS = "var_a, var_b, var_c, var_d, var_e"


@pytest.mark.parametrize(
    ("task", "message"),
    [
        (
            with_cases((["a", 1], "Yes"), (["b", 1], "no"), (["c", 1], "Yes"), check=((["d", 1], "Yes"),), words=[]),
            f'{CRITERIA}.test_cases[0].expected: cannot be returned: no token makes "Yes"; '
            r'add "\"Yes\"" to v.json (3 cases need it)',
        ),
        (
            with_cases((["Hi", 1], "Hi"), (["", 1], "Hi")),
            f'{CRITERIA}.test_cases[1].expected: cannot be returned: no token makes "Hi"; add "\\"Hi\\"" to v.json',
        ),
        (
            with_cases((["", 1], ["Yes", "Aye", "Yes", "no"])),
            f'{CRITERIA}.test_cases[0].expected: cannot be returned: no token makes "Yes"; add "\\"Yes\\"" to v.json; '
            f'{CRITERIA}.test_cases[0].expected: cannot be returned: no token makes "Aye"; add "\\"Aye\\"" to v.json',
        ),
        (
            with_cases((["", 1], "Q" * 50)),
            f'{CRITERIA}.test_cases[0].expected: cannot be returned: no token makes "{"Q" * 20}..."; '
            "add tokens for it to v.json",
        ),
        (
            changed(OUTPUT, f"{CRITERIA}.exact_output", "hello \x1b!"),
            f'{CRITERIA}.exact_output: cannot be printed: no token makes "\\u001b!"; add "\\"\\\\u001b!\\"" to v.json',
        ),
        (
            changed(OUTPUT, f"{CRITERIA}.exact_output", "hello \ud83d"),
            f"{CRITERIA}.exact_output: cannot be printed: it has half of a surrogate pair, which is no character; "
            "write the whole character",
        ),
        (
            with_cases(([1, 2], [0] * 10_001)),
            f"{CRITERIA}.test_cases[0].expected: cannot be returned: it is deeper or larger than what is taken for an "
            "answer (20 levels, 10,000 elements and letters)",
        ),
        (
            with_parameters(*FIVE, "var_total", "n"),
            f'{CRITERIA}.parameters: "n" is not a variable of the vocabulary (it has {HAS}, var_total)',
        ),
        (
            with_parameters(*(f"var_{i}" for i in range(27))),
            f"{CRITERIA}.parameters: 27 are too many, there may be 26",
        ),
        (
            with_cases(([1, 2], 2), ([3, 4], 4), check=(([1, 2], 5),)),
            f"{CRITERIA}.check_cases[0].expected: contradicts {CRITERIA}.test_cases[0]: "
            "larger(1, 2) is 2 there and 5 here",
        ),
        (
            with_cases(([1, 2], 2), ([1, 2], 2.0)),
            f"{CRITERIA}.test_cases[1].expected: contradicts {CRITERIA}.test_cases[0]: "
            "larger(1, 2) is 2 there and 2.0 here",
        ),
        (
            changed(FUNCTION, "constraints.required_tokens", ["lambda"]),
            "constraints.required_tokens: 'lambda' is not in the vocabulary; add \"lambda\" to v.json",
        ),
    ],
)
def test_what_is_wrong_names_the_way_out_once(load, task, message):
    assert refusal(load, task).partition("task.json: ")[2] == message


def test_a_vocabulary_without_what_every_program_needs_is_told_what_to_add(load):
    assert refusal(load, OUTPUT, without("print")).endswith('the vocabulary has no "print"; add "print" to v.json')
    assert refusal(load, FUNCTION, without("return")).endswith('the vocabulary has no "return"; add "return" to v.json')
    apart = changed(OUTPUT, f"{CRITERIA}.exact_output", "helloyes")
    glueless = refusal(load, apart, without("+", "+=", "[", "*"))
    assert glueless.endswith(r'no token makes "helloyes"; add "\"helloyes\"" to v.json')  # a piece could not be joined


def test_what_is_added_as_told_makes_the_task_possible(load):
    answers = with_cases((["", 1], "Yes"), ([" ", 1], 'don\'t "x" \\ \né'))
    tokens = list(VOCABULARY)
    for _ in range(2):
        entry = re.search(r'; add (".*?(?<!\\)") to v\.json', refusal(load, answers, tokens))[1]
        tokens.append(json.loads(entry))
    Tokenizer(tokens)
    assert load(answers, tokens).notes == ()


def test_parameters_bring_their_variables(load):
    six = with_parameters(*FIVE, "var_f")
    assert load(six, [*VOCABULARY, "var_f"]).words == ()
    assert load(six).words == ("var_f",)
    assert load(six).parameters == (*FIVE, "var_f")
    assert load(with_parameters("var_a", "var_total") | {"words": ["kg"]}).words == ("var_total", '"kg"')


def test_the_same_case_twice_is_dropped_with_a_note(load):
    task = load(with_cases(([1, 2], 2), ([1, 2], 2), ([5, 3], 5), check=(([5, 3], 5), ([7, 7], 7), ([1, 2], 2))))
    assert [case.arguments for case in task.test_cases] == [(1, 2), (5, 3)]
    assert [case.arguments for case in task.check_cases] == [(7, 7)]
    first = f"{CRITERIA}.test_cases[1] is the same case as {CRITERIA}.test_cases[0] and was dropped"
    assert task.notes == (f"{first} (and so are 2 more)",)
    assert load(with_cases(([1, 2], 2), ([1, 2], 2), ([5, 3], 5))).notes == (first,)
    assert load(FUNCTION).notes == ()
    loose = load(with_cases(([1, 2], 2), ([1, 2], 2.0), ([5, 3], 5), numeric="loose"))
    assert len(loose.test_cases) == 2
    assert len(load(with_cases(([1, 2], 2), ([True, 2], 2), ([1.0, 2], 2), ([5, 3], 5))).test_cases) == 4
    assert load(with_cases(([{"a": 1, "b": 2}, 1], 2), ([{"b": 2, "a": 1}, 1], 2), ([0, 0], 0))).notes == (first,)


def test_one_answer_to_everything_is_pointed_out(load):
    note = "every case expects 4, so a program that always answers 4 solves the task: add a case with another answer"
    assert load(with_cases(([1, 2], 4), ([3, 4], 4), check=(([5, 6], 4),))).notes == (note,)
    assert load(with_cases(([1, 2], 4))).notes == (note,)
    assert load(with_cases(([1, 2], 4), ([3, 4], 4.0), numeric="loose")).notes == (note,)
    assert load(with_cases(([1, 2], 4), ([3, 4], 4), check=(([5, 6], 5),))).notes == ()
    assert load(with_cases(([1, 2], 1), ([3, 4], True))).notes == ()
    assert all(not load_task(name, VOCABULARY).notes for name in builtin_tasks())


def test_all_problems_come_at_once(load):
    message = refusal(load, changed(FUNCTION, f"{CRITERIA}.parameters", ["x", "y"]) | {"numeric": "maybe"})
    assert '"x"' in message
    assert '"y"' in message
    assert "numeric" in message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", ["JSON"]),
        ("[]", ["object"]),
        ('{"name": "a", "name": "b"}', ["name", "twice"]),
        ('{"success_criteria": {"test_cases": [NaN]}}', ["NaN"]),
        ('{"success_criteria": {"test_cases": [-Infinity]}}', ["Infinity"]),
        ('{"success_criteria": {"test_cases": [1e999]}}', ["1e999"]),
        ("[" * 100_000, ["deep"]),
    ],
)
def test_files_that_are_no_tasks(load, text, words):
    message = refusal(load, text)
    assert all(word in message for word in words), message


def test_files_that_cannot_be_read(tmp_path):
    (tmp_path / "latin.json").write_bytes(b'{"name": "\xe9"}')
    for name, word in (("latin.json", "UTF-8"), ("none.json", "No such file"), (".", "no such file")):
        with pytest.raises(TaskError, match=word):
            load_task(tmp_path / name, VOCABULARY)


def test_a_name_that_is_not_built_in_lists_those_that_are():
    with pytest.raises(TaskError, match="did you mean hello_world") as caught:
        load_task("helo_world", VOCABULARY)
    assert all(name in str(caught.value) for name in builtin_tasks())


def without(*words: str) -> list[str]:
    return [token for token in VOCABULARY if token not in words]


@pytest.mark.parametrize(
    "text",
    [
        "hello world", "helloworld", "hello  world", "yes\nno\n\nyes", "8", "15.0", "-3.5e+20", "[1, 2, 3]",
        "['fizz', 'yes']", "True None", "range(0, 3)", "hello 7 True", "word", "1\n2\n3", "inf", "False100",
    ],
)  # fmt: skip
def test_what_can_be_printed_is_allowed(load, text):
    assert load(changed(OUTPUT, f"{CRITERIA}.exact_output", text)).expected_output == text


def test_what_can_be_printed_depends_on_the_vocabulary(load):
    hello = OUTPUT
    assert "world" in refusal(load, hello, without('"world"'))
    assert "print" in refusal(load, hello, without("print"))
    word = changed(OUTPUT, f"{CRITERIA}.exact_output", "word")
    assert "word" in refusal(load, word, without("["))
    joined = changed(OUTPUT, f"{CRITERIA}.exact_output", "helloworld")
    assert load(joined, without("+", "+=", "["))  # `*` puts texts end to end too
    assert "world" in refusal(load, joined, without("+", "+=", "[", "*"))
    spaced = without("+", "+=", "[", "*", '" "')
    assert load(hello, spaced)
    assert refusal(load, hello, [token for token in spaced if token != ","])
    shout = changed(OUTPUT, f"{CRITERIA}.exact_output", "HELLO World")
    assert "HELLO" in refusal(load, shout)
    assert load(changed(shout, f"{CRITERIA}.case_sensitive", False))
    goodbye = changed(OUTPUT, f"{CRITERIA}.exact_output", "goodbye")
    assert load(goodbye, [*VOCABULARY, '"good"', '"bye"'])
    assert load(goodbye, [*VOCABULARY, "chr"])  # makes any text


def test_the_wider_language_makes_more(load):
    shout = changed(OUTPUT, f"{CRITERIA}.exact_output", "HELLO World")
    assert load(shout, WIDER)
    assert "!" in refusal(load, changed(OUTPUT, f"{CRITERIA}.exact_output", "HELLO!"), WIDER)
    assert load(with_cases((["a", 1], "A"), (["b", 1], "B")), WIDER)
    assert "Q" in refusal(load, with_cases((["a", 1], "A"), (["b", 1], "Q")), WIDER)
    joined = changed(OUTPUT, f"{CRITERIA}.exact_output", "helloworld")
    assert load(joined, [".join", *without("+", "+=", "[", "*")])


def test_functions_need_their_tokens(load):
    assert "func_a" in refusal(load, FUNCTION, without("func_a"))
    assert "return" in refusal(load, FUNCTION, without("return"))
    assert load(FUNCTION, without("var_b")).words == ("var_b",)
    assert load(changed(FUNCTION, f"{CRITERIA}.test_cases.0", {"inputs": ["maybe", 1], "expected": "mama"}))


def test_a_task_edited_under_its_name_is_another_task(load):
    first = load(FUNCTION)
    assert first.digest == load(FUNCTION | {"description": "Said otherwise."}).digest
    assert first.digest != load(changed(FUNCTION, f"{CRITERIA}.test_cases.0.expected", 2.0)).digest
    assert first.digest != load(FUNCTION | {"constraints": {"max_tokens": 20}}).digest
    assert first.digest != load(FUNCTION | {"sequences": "loose"}).digest
    assert first.digest == load(FUNCTION | {"sequences": "exact"}).digest


RUNGS = {
    "say it": "hello_world add_two_numbers concatenate_strings count_to_five conditional_check basic_loop "
    "list_operations function_with_return",
    "compute it": "add double square_plus_one average is_even maximum abs_diff sign",
    "handle it": "length last sum_list reverse spread contains",
    "repeat it": "triangle sum_squares factorial power fibonacci fizz",
    "put it together": "fizzbuzz gcd is_prime remove_zeros count_evens palindrome",
}  # fmt: skip


def test_the_ladder_is_complete():
    assert sorted(" ".join(RUNGS.values()).split()) == builtin_tasks()
    for rung, names in RUNGS.items():
        for name in names.split():
            task = load_task(name, VOCABULARY)
            assert (task.name, task.rung) == (name, rung)
            if rung != "say it":
                assert task.function_name == name
                assert len(task.test_cases) >= 8
                assert len(task.check_cases) >= 20
                assert not {str(case.arguments) for case in task.test_cases} & {
                    str(case.arguments) for case in task.check_cases
                }


def test_the_ladder_is_what_its_script_makes():
    for name, task in make_tasks.tasks().items():
        assert (make_tasks.TASKS / f"{name}.json").read_text() == make_tasks.as_text(task)


def test_the_reference_solutions_use_nothing_beyond_the_vocabulary():
    for name, text in SOLUTIONS.items():
        words = {node.id for node in ast.walk(ast.parse(f"def f():\n    {text.replace(chr(10), chr(10) + '    ')}"))
                 if isinstance(node, ast.Name)}  # fmt: skip
        assert words <= set(VOCABULARY), name
        assert load_task(name, VOCABULARY).shortest_known_tokens <= 32
