"""Writes agent_core/tasks/*.json, the ladder: `python tests/make_tasks.py`.

Right answers come from the reference functions below; test cases are chosen by hand, check cases drawn from wider
ranges with a fixed seed. Where it can be helped, the answers to the test cases are beyond what a number of the
vocabulary can hit, and a simpler function hits few of them: luck with a case or two would otherwise lead astray for
long. Shortest known programs are in tests/data/reference_solutions.json; how many tokens each has
is counted with the project's tokenizer.
"""

import io
import json
import math
import random
import sys
import tokenize
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TASKS = ROOT / "agent_core" / "tasks"
SOLUTIONS = ROOT / "tests" / "data" / "reference_solutions.json"
CHECKS = 24

Draw = Callable[[random.Random], list]


def fibonacci(n: int) -> int:
    before, now = 0, 1
    for _ in range(n):
        before, now = now, before + now
    return before if n > 0 else n


def is_prime(n: int) -> bool:
    return n > 1 and all(n % divisor for divisor in range(2, n))


def fizzbuzz(n: int) -> int | str:
    return "fizz" * (n % 3 == 0) + "buzz" * (n % 5 == 0) or n


def numbers(low: int, high: int, count: int = 1) -> Draw:
    """Draws `count` whole numbers."""
    return lambda draw: [draw.randint(low, high) for _ in range(count)]


def one_list(shortest: int, longest: int, low: int, high: int) -> Draw:
    """Draws one list of whole numbers."""
    return lambda draw: [[draw.randint(low, high) for _ in range(draw.randint(shortest, longest))]]


def list_with_zeros(draw: random.Random) -> list:
    return [[draw.choice((0, 0, draw.randint(-9, 20))) for _ in range(draw.randint(0, 9))]]


def list_and_number(draw: random.Random) -> list:
    items = [draw.randint(-9, 20) for _ in range(draw.randint(0, 8))]
    return [items, draw.choice((draw.choice([*items, 0]), draw.randint(-9, 20)))]


def number_pair_with_divisor(draw: random.Random) -> list:
    common = draw.randint(1, 12)
    return [common * draw.randint(0, 14), common * draw.randint(1, 14)]


def maybe_palindrome(draw: random.Random) -> list:
    half = "".join(draw.choice("abc") for _ in range(draw.randint(1, 4)))
    word = half + draw.choice(("", "a", "b")) + half[::-1]
    if draw.random() < 0.5:
        place = draw.randrange(len(word))
        word = word[:place] + draw.choice("abcd") + word[place + 1 :]
    return [word]


def small_index(draw: random.Random) -> list:
    """Up to 16: a recursion that calls itself twice takes about 1.6 ** n steps, and must fit the step budget."""
    return [draw.choice((draw.randint(-60, -1), draw.randint(9, 16)))]


SAY = {
    "hello_world": ("Print hello world.", "hello world", {}),
    "add_two_numbers": ("Print 8, with an addition.", "8", {"required_tokens": ["+"]}),
    "concatenate_strings": ("Print two words as one, put together with +.", "helloworld", {"required_tokens": ["+"]}),
    "count_to_five": ("Print the numbers from 1 to 5, each on its own line.", "1\n2\n3\n4\n5", {}),
    "conditional_check": (
        "Compare two numbers in an if, and print yes.",
        "yes",
        {"required_tokens": ["if", ">"]},
    ),
    "basic_loop": ("Print 15, with a for loop.", "15", {"required_tokens": ["for"]}),
    "list_operations": (
        "Print 8 with a list and two indexes: three pairs of brackets in all.",
        "8",
        {"required_tokens": ["[", "[", "["]},
    ),
    "function_with_return": (
        "Define a function that returns something, and print 15.0.",
        "15.0",
        {"required_tokens": ["def", "return"]},
    ),
}

A, AB = ["var_a"], ["var_a", "var_b"]

# name: (rung, description, parameters, reference, inputs of the test cases, how check inputs are drawn)
COMPUTE = {
    "add": (
        "The sum of two numbers.",
        AB,
        lambda a, b: a + b,
        [(0, 0), (1, 2), (5, 5), (7, 0), (0, 9), (-3, 4), (-4, -6), (10, -2), (25, 17), (100, 1), (3, 14), (-8, 20)],
        numbers(-500, 500, 2),
    ),
    "double": (
        "Twice a number.",
        A,
        lambda a: a * 2,
        [(0,), (1,), (2,), (3,), (-1,), (-7,), (5,), (10,), (13,), (50,)],
        numbers(-500, 500),
    ),
    "square_plus_one": (
        "The square of a number, plus one.",
        A,
        lambda a: a * a + 1,
        [(0,), (1,), (2,), (3,), (-1,), (-4,), (5,), (8,), (11,), (-10,)],
        numbers(-60, 60),
    ),
    "average": (
        "The mean of two numbers.",
        AB,
        lambda a, b: (a + b) / 2,
        [(0, 0), (1, 2), (4, 4), (10, 0), (0, 7), (-3, 5), (-5, -8), (9, -2), (21, 14), (100, 1), (3, 12)],
        numbers(-300, 300, 2),
    ),
    "is_even": (
        "Whether a number is even.",
        A,
        lambda a: a % 2 == 0,
        [(0,), (1,), (2,), (3,), (5,), (6,), (-1,), (-4,), (9,), (10,), (15,), (28,)],
        numbers(-400, 400),
    ),
    "maximum": (
        "The larger of two numbers.",
        AB,
        max,
        [(0, 0), (1, 2), (3, 1), (7, 4), (6, 8), (-5, 9), (4, -6), (-2, -9), (-7, -1), (5, 5), (12, 40), (31, 13)],
        numbers(-300, 300, 2),
    ),
    "abs_diff": (
        "How far apart two numbers are.",
        AB,
        lambda a, b: abs(a - b),
        [(0, 0), (1, 2), (6, 1), (3, 10), (8, 8), (0, 7), (9, 0), (-4, 2), (5, -6), (-2, -12), (15, 3), (4, 30)],
        numbers(-300, 300, 2),
    ),
    "sign": (
        "-1 for a negative number, 0 for zero, 1 for a positive one.",
        A,
        lambda a: (a > 0) - (a < 0),
        [(0,), (1,), (-1,), (2,), (-2,), (7,), (-8,), (10,), (-15,), (40,), (-33,)],
        lambda draw: [draw.choice((draw.randint(-200, 200), draw.randint(-4, 4)))],
    ),
}
HANDLE = {
    "length": (
        "How many elements a list has.",
        A,
        len,
        [
            ([],),
            ([0],),
            ([7],),
            ([3, 3],),
            ([5, -1],),
            ([1, 2, 3],),
            ([9, 0, 4, 4],),
            ([6, 2, 8, 1, 3],),
            ([0] * 6,),
            ([2, 7, 1, 8, 2, 8, 1],),
        ],
        one_list(0, 14, -20, 50),
    ),
    "last": (
        "The last element of a list.",
        A,
        lambda a: a[-1],
        [
            ([4],),
            ([0],),
            ([13, 28],),
            ([58, 31],),
            ([5, 19, 5, 14],),
            ([2, -7, 9],),
            ([21, 62, 43, 54],),
            ([29, -66, 0, -2],),
            ([7, 7, 7, 7, 6],),
            ([60, 20, 50, 10, 40],),
            ([0, 31, 0, 12, 0, 17],),
        ],
        one_list(1, 10, -50, 90),
    ),
    "sum_list": (
        "The sum of the elements of a list.",
        A,
        sum,
        [
            ([],),
            ([6],),
            ([-3],),
            ([1, 2],),
            ([4, 4],),
            ([9, -4],),
            ([1, 2, 4],),
            ([7, 0, 8],),
            ([-1, -5, 2],),
            ([3, 3, 3, 3],),
            ([10, 2, 9, 1],),
            ([2, 4, 6, 8, 10],),
        ],
        one_list(0, 9, -30, 60),
    ),
    "reverse": (
        "The list backwards.",
        A,
        lambda a: a[::-1],
        [
            ([],),
            ([5],),
            ([1, 2],),
            ([2, 1],),
            ([4, 4],),
            ([1, 2, 3],),
            ([3, 1, 2],),
            ([0, -6, 0, 8],),
            ([9, 3, 5, 7],),
            ([1, 1, 2, 2],),
            ([6, 2, 0, 8, 4],),
            ([5, 3, 9, 1, 1, 7],),
        ],
        one_list(0, 9, -30, 60),
    ),
    "spread": (
        "How far the largest element of a list lies above the smallest.",
        A,
        lambda a: max(a) - min(a),
        [
            ([4],),
            ([1, 2],),
            ([39, 3],),
            ([17, 17],),
            ([-20, 26],),
            ([13, 34],),
            ([1, 80, 44],),
            ([57, 20, 4],),
            ([-59, -36, -25],),
            ([2, 2, 19, 2],),
            ([30, 11, 55, 14],),
            ([6, -26, 1, 39, 3],),
        ],
        one_list(1, 9, -50, 90),
    ),
    "contains": (
        "Whether a list has a number among its elements.",
        AB,
        lambda a, b: b in a,
        [
            ([], 0),
            ([3], 3),
            ([3], 4),
            ([1, 2], 2),
            ([1, 2], 0),
            ([0, 5], 0),
            ([4, 4, 7], 4),
            ([6, 8, 9], 1),
            ([2, -3, 5], -3),
            ([9, 1, 1, 0], 7),
            ([5, 6, 7, 8], 5),
            ([5, 6, 7, 8], 9),
        ],
        list_and_number,
    ),
}
REPEAT = {
    "triangle": (
        "The sum of the whole numbers from 1 to a number.",
        A,
        lambda a: a * (a + 1) // 2,
        [(0,), (1,), (2,), (4,), (7,), (9,), (11,), (16,), (20,), (33,)],
        numbers(0, 100),
    ),
    "sum_squares": (
        "The sum of the squares of the whole numbers from 1 to a number.",
        A,
        lambda a: sum(i * i for i in range(a + 1)),
        [(0,), (1,), (2,), (4,), (6,), (7,), (9,), (11,), (14,), (20,)],
        numbers(0, 60),
    ),
    "factorial": (
        "The product of the whole numbers from 1 to a number; 1 for 0.",
        A,
        math.factorial,
        [(0,), (1,), (2,), (4,), (5,), (6,), (7,), (8,), (9,), (10,)],
        numbers(0, 40),
    ),
    "power": (
        "The first number multiplied by itself as often as the second says; 1 for not at all.",
        AB,
        lambda a, b: a**b,
        [(7, 0), (6, 1), (9, 2), (0, 2), (-3, 3), (5, 3), (-2, 4), (4, 5), (3, 6), (2, 7), (1, 8), (2, 9)],
        lambda draw: [draw.randint(-9, 12), draw.randint(0, 9)],
    ),
    "fibonacci": (
        "A number below 2 itself; from 2 on, the sum of the answers for the two numbers before it.",
        A,
        fibonacci,
        [(0,), (1,), (2,), (3,), (4,), (6,), (7,), (9,), (10,), (12,), (-3,)],
        small_index,
    ),
    "fizz": (
        "The word fizz for a multiple of 3, else the number itself.",
        A,
        lambda a: a if a % 3 else "fizz",
        [(1,), (2,), (3,), (4,), (5,), (7,), (9,), (10,), (12,), (16,), (23,), (0,)],
        numbers(0, 400),
    ),
}
TOGETHER = {
    "fizzbuzz": (
        "fizz for a multiple of 3, buzz for one of 5, fizzbuzz for one of both, else the number itself.",
        A,
        fizzbuzz,
        [(1,), (2,), (3,), (4,), (5,), (7,), (8,), (9,), (10,), (11,), (15,), (20,), (21,), (0,)],
        lambda draw: [draw.choice((draw.randint(1, 300), 3 * draw.randint(1, 90), 5 * draw.randint(1, 60)))],
    ),
    "gcd": (
        "The greatest common divisor of two numbers.",
        AB,
        math.gcd,
        [
            (4, 6),
            (6, 4),
            (9, 3),
            (5, 7),
            (0, 5),
            (8, 0),
            (10, 10),
            (30, 12),
            (35, 98),
            (66, 42),
            (75, 45),
            (91, 130),
            (84, 360),
        ],
        number_pair_with_divisor,
    ),
    "is_prime": (
        "Whether a number from 0 up is prime.",
        A,
        is_prime,
        [(0,), (1,), (2,), (3,), (4,), (5,), (7,), (9,), (11,), (15,), (23,), (25,), (29,), (49,)],
        lambda draw: [draw.choice((draw.randint(0, 300), draw.choice([n for n in range(300) if is_prime(n)])))],
    ),
    "remove_zeros": (
        "The list without its zeros.",
        A,
        lambda a: [item for item in a if item],
        [
            ([],),
            ([0],),
            ([5],),
            ([0, 3],),
            ([4, 0],),
            ([0, 0],),
            ([1, 2],),
            ([0, 6, 0],),
            ([7, 0, 0, -2],),
            ([3, 0, 3, 0, 1],),
            ([9, 8, 7],),
            ([0, 10, 4, 0, 0, 2],),
        ],
        list_with_zeros,
    ),
    "count_evens": (
        "How many elements of a list are even.",
        A,
        lambda a: sum(item % 2 == 0 for item in a),
        [
            ([],),
            ([2],),
            ([3],),
            ([4, 6],),
            ([1, 8],),
            ([5, 7],),
            ([0, 1, 2],),
            ([9, 3, 5],),
            ([2, 2, 4, 6],),
            ([1, 10, 3, 12, 5],),
            ([8, 6, 4, 2, 0],),
            ([7, -2, 9, -4, 6, 1],),
        ],
        one_list(0, 10, -20, 40),
    ),
    "palindrome": (
        "Whether a word reads the same backwards.",
        A,
        lambda a: a == a[::-1],
        [
            ("",),
            ("a",),
            ("ab",),
            ("bb",),
            ("aba",),
            ("abb",),
            ("abca",),
            ("abba",),
            ("abcda",),
            ("level",),
            ("hello",),
            ("noon",),
            ("abab",),
        ],
        maybe_palindrome,
    ),
}
LOOSE = ("average",)  # where 3 and 3.0 are the same answer
RUNGS = {"compute it": COMPUTE, "handle it": HANDLE, "repeat it": REPEAT, "put it together": TOGETHER}


# What chance seldom draws, and what is wrong for it looks right at first sight: zero, which counts as false, beside a
# number of either sign; neighbours of any size; round numbers, which `% 100` and `% 10` make false.
PAIRS = [
    [0, -8],
    [-6, 0],
    [0, 17],
    [19, 0],
    [10, 9],
    [9, 10],
    [36, 35],
    [57, 58],
    [-41, -40],
    [-70, -71],
    [200, 5],
    [5, 200],
    [-300, -100],
    [100, 300],
    [-100, 100],
]
SINGLES = [[20], [21], [-20], [-21], [99], [100], [101], [-100], [200], [999], [1000]]


def check_inputs(name: str, draw: Draw, tests: list) -> list[list]:
    """Distinct inputs that no test case has, the same on every run: the corners, and at least a dozen by chance."""
    source = random.Random(name)
    corners = {1: SINGLES, 2: PAIRS}[len(COMPUTE[name][1])] if name in COMPUTE else []
    found = [inputs for inputs in corners if inputs not in tests]
    count = max(CHECKS, len(found) + CHECKS // 2)
    while len(found) < count:
        inputs = draw(source)
        if inputs not in found and inputs not in tests:
            found.append(inputs)
    return found


def token_count(text: str) -> int:
    """Tokens of a program as the vocabulary counts them, <EOS> included."""
    skipped = (tokenize.NL, tokenize.ENDMARKER)
    return 1 + sum(token.type not in skipped for token in tokenize.generate_tokens(io.StringIO(text).readline))


def as_text(task: dict) -> str:
    """JSON with one case a line, so that it can be read and edited."""
    text = json.dumps(task, indent=2)
    for part in ("test_cases", "check_cases"):
        for case in task["success_criteria"].get(part, []):
            spread = json.dumps(case, indent=2).replace("\n", "\n      ")
            text = text.replace(spread, json.dumps(case), 1)
    for part in ("parameters", "required_tokens"):
        for value in (task["success_criteria"].get(part), task.get("constraints", {}).get(part)):
            if value:
                text = text.replace(json.dumps(value, indent=2).replace("\n", "\n    "), json.dumps(value), 1)
    return text + "\n"


def tasks() -> dict[str, dict]:
    """Every task of the ladder, as its file holds it."""
    solutions = json.loads(SOLUTIONS.read_text())
    ladder = {}
    for name, (description, output, constraints) in SAY.items():
        ladder[name] = {
            "name": name,
            "description": description,
            "rung": "say it",
            "shortest_known_tokens": token_count(solutions[name]),
            "success_criteria": {"exact_output": output, "case_sensitive": True},
        } | ({"constraints": constraints} if constraints else {})
    for rung, entries in RUNGS.items():
        for name, (description, parameters, reference, tests, draw) in entries.items():
            inputs = [list(case) for case in tests]
            checks = check_inputs(name, draw, inputs)
            ladder[name] = {
                "name": name,
                "description": description,
                "rung": rung,
                "shortest_known_tokens": token_count(solutions[name]),
                **({"numeric": "loose"} if name in LOOSE else {}),
                "success_criteria": {
                    "function_name": name,
                    "parameters": parameters,
                    "test_cases": [{"inputs": case, "expected": reference(*case)} for case in inputs],
                    "check_cases": [{"inputs": case, "expected": reference(*case)} for case in checks],
                },
            }
    return ladder


if __name__ == "__main__":
    TASKS.mkdir(parents=True, exist_ok=True)
    for task_name, task in tasks().items():
        (TASKS / f"{task_name}.json").write_text(as_text(task))
    print(f"{len(tasks())} tasks written to {TASKS}", file=sys.stderr)
