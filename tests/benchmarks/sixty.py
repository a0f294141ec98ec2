"""Sixty functions, named before the learner that they judge was touched, of which a benchmark draws twelve by a seed.

None of them is on the ladder, no setting was chosen by them, and play never sees them. Each has a reference in Python,
by which the cases of its task are made: inputs are drawn by a random stream that depends on the function's name alone.
"""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

TEST_CASES, CHECK_CASES = 12, 24
_MOST_OF_ONE_ANSWER = 0.6  # of the test cases: a function that is mostly False should not be solved by `False`
_TRIES = 200  # draws of test cases until the answers are varied enough

Draw = Callable[[random.Random], object]


def _number(low: int, high: int) -> Draw:
    return lambda chance: chance.randint(low, high)


def _numbers(shortest: int) -> Draw:
    return lambda chance: [chance.randint(-20, 40) for _ in range(chance.randint(shortest, 7))]


def _text(shortest: int) -> Draw:
    return lambda chance: "".join(chance.choice("abcdeo xyz") for _ in range(chance.randint(shortest, 7)))


# One letter a parameter.
KINDS: dict[str, Draw] = {
    "n": _number(-50, 50),  # any number
    "c": _number(-4, 4),  # close to 0, so that equal ones and zeros come up
    "p": _number(0, 300),  # not negative
    "s": _number(1, 9),  # a divisor or a count
    "L": _numbers(0),
    "M": _numbers(1),  # a list that is not empty
    "N": _numbers(2),  # a list of two elements or more
    "T": _text(0),
    "U": _text(1),  # a text that is not empty
}


@dataclass(frozen=True)
class Named:
    """A function by name: the kinds of its parameters, a letter each, what it does, and a reference."""

    name: str
    kinds: str
    description: str
    reference: Callable[..., object]

    def task(self) -> dict:
        """What the task file of this function holds."""
        chance = random.Random(self.name)
        for _ in range(_TRIES):
            cases = self._cases(chance, TEST_CASES, [])
            answers = [repr(answer) for _, answer in cases]
            if max(map(answers.count, answers)) <= _MOST_OF_ONE_ANSWER * len(answers):
                break
        checks = self._cases(chance, CHECK_CASES, [inputs for inputs, _ in cases])
        parameters = [f"var_{letter}" for letter in "abcde"[: len(self.kinds)]]
        listed = [[{"inputs": i, "expected": answer} for i, answer in part] for part in (cases, checks)]
        criteria = {"function_name": self.name, "parameters": parameters, "test_cases": listed[0]}
        return {
            "name": self.name,
            "description": self.description,
            "success_criteria": {**criteria, "check_cases": listed[1]},
        }

    def _cases(self, chance: random.Random, count: int, taken: list[list]) -> list[tuple[list, object]]:
        """Draws `count` cases, each once, or as many as come up within a bounded number of draws."""
        seen, cases = {repr(inputs) for inputs in taken}, []
        for _ in range(50 * count):
            inputs = [KINDS[kind](chance) for kind in self.kinds]
            if repr(inputs) not in seen:
                seen.add(repr(inputs))
                cases.append((inputs, self.reference(*inputs)))
            if len(cases) == count:
                break
        return cases


SIXTY = tuple(
    Named(*row)
    for row in (
        # one number
        ("triple", "n", "Three times a number.", lambda n: 3 * n),
        ("negated", "n", "A number with the other sign.", lambda n: -n),
        ("before", "n", "The number before.", lambda n: n - 1),
        ("squared", "n", "A number times itself.", lambda n: n * n),
        ("cubed", "n", "A number to the power of three.", lambda n: n**3),
        ("double_plus_one", "n", "Twice a number, plus one.", lambda n: 2 * n + 1),
        ("is_odd", "n", "Whether a number is odd.", lambda n: n % 2 == 1),
        ("is_negative", "n", "Whether a number is below zero.", lambda n: n < 0),
        ("is_third", "n", "Whether three divides a number.", lambda n: n % 3 == 0),
        ("last_digit", "p", "The last digit of a number.", lambda p: p % 10),
        ("tens_digit", "p", "The digit before the last.", lambda p: p // 10 % 10),
        ("halved", "n", "Half of a number, rounded down.", lambda n: n // 2),
        ("not_below_zero", "n", "The number, or zero where it is below.", lambda n: max(0, n)),
        ("next_even", "n", "The first even number that is not below.", lambda n: n + n % 2),
        ("digit_count", "p", "How many digits a number has.", lambda p: len(str(p))),
        ("digit_sum", "p", "The sum of a number's digits.", lambda p: sum(map(int, str(p)))),
        # two numbers
        ("minimum", "nn", "The smaller of two numbers.", lambda a, b: min(a, b)),
        ("difference", "nn", "The first number less the second.", lambda a, b: a - b),
        ("product", "nn", "The product of two numbers.", lambda a, b: a * b),
        ("remainder", "ps", "What is left of a division.", lambda a, b: a % b),
        ("divides", "ps", "Whether the second number divides the first.", lambda a, b: a % b == 0),
        ("is_larger", "nn", "Whether the first number is larger.", lambda a, b: a > b),
        ("same_sign", "nn", "Whether both are below zero, or neither.", lambda a, b: (a < 0) == (b < 0)),
        ("perimeter", "pp", "The perimeter of a rectangle.", lambda a, b: 2 * (a + b)),
        ("squares_added", "nn", "The sum of two squares.", lambda a, b: a * a + b * b),
        ("rounded_up", "ps", "A division, rounded up.", lambda a, b: -(-a // b)),
        ("either_zero", "cc", "Whether one of two numbers is zero.", lambda a, b: a == 0 or b == 0),
        ("larger_double", "nn", "Twice the larger of two numbers.", lambda a, b: 2 * max(a, b)),
        # three numbers
        ("added", "nnn", "The sum of three numbers.", lambda a, b, c: a + b + c),
        ("largest_of_three", "nnn", "The largest of three numbers.", lambda a, b, c: max(a, b, c)),
        ("middle_of_three", "nnn", "The middle one of three numbers.", lambda a, b, c: sorted((a, b, c))[1]),
        ("is_between", "nnn", "Whether the first lies between the others.", lambda a, b, c: b <= a <= c),
        ("line", "nnn", "The value of a line: a times b plus c.", lambda a, b, c: a * b + c),
        ("any_equal", "ccc", "Whether two of three are equal.", lambda a, b, c: len({a, b, c}) < 3),
        # lists
        ("first", "M", "The first element.", lambda a: a[0]),
        ("last_but_one", "N", "The element before the last.", lambda a: a[-2]),
        ("largest", "M", "The largest element.", lambda a: max(a)),
        ("smallest", "M", "The smallest element.", lambda a: min(a)),
        ("without_first", "M", "All but the first element.", lambda a: a[1:]),
        ("without_last", "M", "All but the last element.", lambda a: a[:-1]),
        ("every_second", "L", "The first element, the third, and so on.", lambda a: a[::2]),
        ("in_order", "L", "The elements in rising order.", lambda a: sorted(a)),
        ("falling_order", "L", "The elements in falling order.", lambda a: sorted(a)[::-1]),
        ("ends_added", "M", "The first element plus the last.", lambda a: a[0] + a[-1]),
        ("is_long", "L", "Whether there are more than three elements.", lambda a: len(a) > 3),
        ("twice_over", "L", "The list, and then again.", lambda a: a + a),
        ("length_and_sum", "L", "The length plus the sum.", lambda a: len(a) + sum(a)),
        ("mean_down", "M", "The mean, rounded down.", lambda a: sum(a) // len(a)),
        ("is_rising", "L", "Whether the elements are in order.", lambda a: a == sorted(a)),
        ("multiplied", "L", "The product of all elements.", lambda a: math.prod(a)),
        ("positives_added", "L", "The sum of the elements above zero.", lambda a: sum(x for x in a if x > 0)),
        ("negatives_counted", "L", "How many elements are below zero.", lambda a: sum(x < 0 for x in a)),
        ("first_few", "Ls", "The first elements, as many as asked.", lambda a, b: a[:b]),
        # texts
        ("text_length", "T", "How many letters a text has.", lambda a: len(a)),
        ("backwards", "T", "A text backwards.", lambda a: a[::-1]),
        ("last_letter", "U", "The last letter of a text.", lambda a: a[-1]),
        ("repeated", "Ts", "A text as many times as asked.", lambda a, b: a * b),
        ("with_space", "TT", "Two texts with a space between.", lambda a, b: a + " " + b),
        ("longer_text", "TT", "Whether the first text is longer.", lambda a, b: len(a) > len(b)),
        ("same_start", "UU", "Whether two texts begin alike.", lambda a, b: a[0] == b[0]),
    )
)


def draw_tasks(count: int, seed: int) -> list[Named]:
    """`count` of the sixty, the same for the same seed, in the order in which they stand here."""
    chosen: Sequence[int] = sorted(random.Random(seed).sample(range(len(SIXTY)), count))
    return [SIXTY[place] for place in chosen]
