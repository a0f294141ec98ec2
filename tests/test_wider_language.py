"""What the jail's Python has beyond the first vocabulary: it does what CPython does, and everything has its price.

Where it deliberately does otherwise (sets have no order, nothing is lazy), that is tested here, too.
"""

from __future__ import annotations

import json
import marshal
import math
import sys
import threading
import time

import pytest

from agent_core.interpreter.meter import MAX_CALLS, Meter
from agent_core.interpreter.run_program import ProgramRunner
from agent_core.interpreter.wire_format import CRASHED, ENDLESS, FINISHED
from agent_core.sandbox.executor import Executor
from agent_core.sandbox.results import Call
from agent_core.settings.config import ExecutorConfig
from agent_core.tasks.feasibility import Vocabulary, why_not_printed
from tests import random_programs

STEPS = 10_000
MATH = {"sqrt": math.sqrt, "floor": math.floor, "ceil": math.ceil, "pi": math.pi}
OTHERWISE = (
    "has no order",
    "here",
    "no order to",
    "order for elements",
)  # words of messages that CPython does not have


@pytest.fixture(scope="module")
def runner():
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(20_000)
    yield ProgramRunner(Meter(STEPS, 4_000))
    sys.setrecursionlimit(before)


def run(runner, source, *cases):
    """(status, stdout, message, cases) of a program, or of the function f on the cases."""
    call = ("f", [marshal.dumps(case) for case in cases], False) if cases else None
    return json.loads(runner.run(source, call, True))


def in_python(source):
    """What plain Python prints, and the name of the error in which it ends."""
    lines, error = [], ""

    def show(*values):
        lines.append(" ".join(map(str, values)) + "\n")

    try:
        exec(compile(source, "<program>", "exec"), {"print": show, **MATH})
    except Exception as problem:  # noqa: BLE001 - whatever the program did
        error = type(problem).__name__
    return "".join(lines), error


ALIKE = [
    "sorted(['bb', 'a', 'ccc'], key=len)",
    "sorted([3, -1, 2, 1, -3], key=abs)",
    "sorted([3, -1, 2, 1, -3], key=abs, reverse=True)",
    "sorted([(1, 'b'), (0, 'c'), (1, 'a')], key=lambda a: a[0], reverse=True)",
    "sorted({3: 'a', 1: 'b'}, key=lambda a: -a)",
    "sorted([1, 'a'], key=lambda a: 0)",
    "sorted([1, 2], key=lambda a: 'b' if a == 1 else 0)",
    "sorted([1, 2], key=None)",
    "min([3, -1, 1], key=abs), max([3, -3], key=abs), max('abc', 'b', key=len)",
    "max([], key=abs)",
    "max([1], key=5)",
    "(lambda a, b=3: a * b)(2), (lambda: 5)(), (lambda a: lambda b: a + b)(1)(2)",
    "(lambda a: a)()",
    "list(map(str, [1, 2])), list(map(lambda a, b: a - b, [5, 6], (1, 2, 3)))",
    "list(map(lambda a, b, c: a + b + c, 'a', 'b', 'c'))",
    "list(filter(None, [0, 1, '', 'a'])), list(filter(lambda a: a % 2, range(7)))",
    "list(map(lambda a: 1 // a, [1, 0]))",
    "sum(map(len, ['a', 'bb'])), max(map(abs, [-5, 3])), ','.join(map(str, range(4)))",
    "len(map(str, [1]))",
    "map(str, [1])[0]",
    "list(zip([1, 2], 'ab', (3, 4))), list(zip())",
    "list(enumerate('ab')), list(enumerate('ab', 5))",
    "list(reversed([1, 2])), list(reversed('ab')), list(reversed({1: 2}))",
    "reversed(map(str, [1]))",
    "3 in map(abs, [1, -3]), 3 in filter(None, [1])",
    "[a for a in range(9) if a % 2 if a > 3], [a + b for a in 'ab' for b in 'cd' if a != b]",
    "sqrt(2), sqrt(16), floor(-2.5), ceil(-2.5), floor(7), pi",
    "sqrt(-1)",
    "floor(10.0 ** 400)",
    "sqrt('a')",
    "2 ** 10, 2 ** -1, (-2) ** 3, 0 ** 0, 2.0 ** 0.5, True ** 2, 5 & 3, 5 | 3, 5 ^ 3, ~5, 1 << 4, -17 >> 2",
    "1 << -1",
    "round(2.5), round(3.5), round(-2.675, 2), round(1234, -2)",
    "any([]), all([]), any([0, 'a']), all([1, '']), any('a'), all({0: 1})",
    "len(set([1, 1, 2])), sorted(set('hello')), 2 in set([1, 2])",
    "sum(set([1, 2, 2])), min(set([3, 1])), max(set('ab'))",
    "sorted(set([1, 2]) | set([3])), sorted(set([1, 2]) & set([2]))",
    "sorted(set([1, 2]) - set([2])), sorted(set([1]) ^ set([2]))",
    "set([1, 2]) == set([2, 1]), set([1]) <= set([1, 2])",
    "set([1]) < set([1]), set([1]) >= set(), set() == [], set() != set()",
    "bool(set()), any(set([0])), all(set([1, True])), set([1, 2]) > set([1])",
    "set([1]) | [2]",
    "set([[1]])",
    "set([set()])",
    "set([1]) + set([2])",
    "set(5)",
    "{1: 2}, {}, {'a': [1], (1, 2): None}, {1: 'a', 1.0: 'b', True: 'c'}",
    "{'a': 1}['a'], {'a': 1}.get('a'), {'a': 1}.get('b'), {'a': 1}.get('b', 5), 'a' in {'a': 1}, len({1: 2})",
    "{'a': 1}['b']",
    "{}[[]]",
    "{[]: 1}",
    "{}.get([])",
    "list({1: 2}), list({1: 2}.keys()), list({1: 2}.values())",
    "list({1: 2}.items()), {1: 2} == {1: 2}, sorted({2: 1, 1: 2})",
    "{1: 2}.keys(), {1: [2]}.values(), {'a': 2}.items(), str({1: 2}.items()), len({1: 2}.values())",
    "1 in {1: 2}.keys(), 2 in {1: 2}.values(), (1, 2) in {1: 2}.items(), [1] in {1: [1]}.values()",
    "{1: 2}.keys()[0]",
    "[a * b for a, b in {1: 2, 3: 4}.items()]",
    "{1: 2} | {3: 4, 1: 5}",
    "'aBc'.upper(), 'aBc'.lower(), ' a b '.split(), 'a,b,,c'.split(',')",
    "'a b c'.split(' ', 1), ' ab '.strip(), 'xax'.strip('x')",
    "'a'.join(['b', 'c']), 'banana'.replace('an', 'x')",
    "'banana'.replace('a', 'b', 2), 'ab'.replace('', '-'), 'a'.replace('a', '')",
    "'banana'.count('a'), 'banana'.find('n'), 'banana'.find('x')",
    "'ab'.startswith('a'), 'ab'.endswith(('b', 'c')), 'a'.count('')",
    "'12'.isdigit(), ''.isdigit(), 'ab'.isalpha(), 'a1'.isalpha()",
    "'AB'.isupper(), 'ab'.islower(), 'A1'.isupper(), 'ß'.upper()",
    "'a'.replace('a')",
    "'a'.replace(1, 2)",
    "'a'.split('')",
    "','.join([1])",
    "[1].get(1)",
    "{1: 2}.append(1)",
]
ALIKE_PROGRAMS = [
    "a = 7\na -= 2\na *= 3\na //= 2\na %= 5\na **= 3\na <<= 2\na >>= 1\na &= 12\na |= 3\na ^= 1\na /= 2\nprint(a)",
    "a = b = [1]\na += (2, 3)\na *= 2\nprint(a, b)",
    (
        "a = b = set([1, 2])\na -= set([1])\na |= set([5])\na ^= set([5, 6])\n"
        "a &= set([2, 6, 7])\na.add(9)\nprint(sorted(a), sorted(b))"
    ),
    "a = b = {1: 2}\na |= {3: 4}\na[1] += 5\na[7] = a.get(7, 0) + 1\nprint(a, b)",
    "a = [1]\na += {2: 3}\na += {4: 5}.values()\na += map(abs, [-6])\na.extend(zip([7], [8]))\nprint(a)",
    "a = {1: 2}\na -= 1",
    "a = {}\nfor b in 'hello': a[b] = a.get(b, 0) + 1\nprint(a, sorted(a, key=lambda b: (-a[b], b)))",
    "a = {1: 2}\nfor b in a: a[b + 1] = 1",
    "a = {1: 2}\nb = a.items()\na[3] = 4\nprint(list(b), len(b), b)",
    "a = [3, 1, 2]\nprint(sorted(a, key=lambda b: a.pop()), a)",
    "a = [3, 1, 2]\nprint(max(a, key=lambda b: a.append(b) or b if len(a) < 9 else b), a)",
    "a = [1]\nb = list(map(lambda c: a.append(c) if len(a) < 5 else c, a))\nprint(a, b)",
    "a = map(abs, [1, 2])\nfor b in a: print(b, list(a))\nprint(list(a))",
    "a = zip([1, 2, 3], [4, 5, 6])\nb, c, d = a\nprint(b, c, d)",
    "for a in range(9):\n    if a == 3: break\nelse:\n    print('never')\nprint(a)",
    "f = lambda n: 1 if n < 2 else n * f(n - 1)\nprint(f(20))",
    "f = []\nfor a in range(3): f.append(lambda b: a * b)\nprint([c(1) for c in f], [(lambda d=5: d)() for e in f])",
    (
        "Y = lambda f: (lambda x: x(x))(lambda x: f(lambda v: x(x)(v)))\n"
        "print(Y(lambda s: lambda n: n and n + s(n - 1))(9))"
    ),
    "def f(a): return a[0]\nprint(sorted(['bc', 'ab'], key=f), list(map(f, ['xy'])), min(['b', 'a'], key=f))",
    "len = lambda a: 5\nprint(len([]), list(map(len, [1])))",
]


@pytest.mark.parametrize("source", [*(f"print({text})" for text in ALIKE), *ALIKE_PROGRAMS])
def test_it_does_what_cpython_does(runner, source):
    status, stdout, message, _ = run(runner, source)
    assert status in (FINISHED, CRASHED)
    assert (stdout, message.split(":")[0]) == in_python(source)


def test_random_programs_do_what_they_do_in_cpython(runner):
    """They print the same and end in the same kind of error; but where an answer would hang on the order of a set."""
    compared = finished = 0
    for source in random_programs.wider_programs(4_000, seed=31):
        status, stdout, message, _ = run(runner, source)
        if status not in (FINISHED, CRASHED) or any(word in message for word in (*OTHERWISE, "Recursion", "Output")):
            continue
        expected, error = in_python(source)
        if " at 0x" in expected or "<built-in" in expected:
            continue
        if error == "AttributeError" and status == CRASHED:  # CPython looks for the method before it has the arguments
            continue
        assert (stdout, message.split(":")[0]) == (expected, error), source
        compared += 1
        finished += status == FINISHED
    assert compared > 2_000
    assert finished > 300


# --- where it does otherwise, on purpose ----------------------------------------------------------------------------

SHOWS_AN_ORDER = [
    "for b in a: pass",
    "list(a)",
    "tuple(a)",
    "b, c = a",
    "[b for b in a]",
    "print(a)",
    "str([a])",
    "print({1: a})",
    "','.join(a)",
    "b = []\nb.extend(a)",
    "b = []\nb += a",
    "map(len, a)",
    "filter(None, a)",
    "zip(a, [1])",
    "enumerate(a)",
    "reversed(a)",
    "sorted(a, key=len)",
    "max(a, key=len)",
    "sum(a, [])",
    "a[0]",
    "a.pop()",
]


@pytest.mark.parametrize("statement", SHOWS_AN_ORDER)
def test_nothing_shows_the_order_of_a_set(runner, statement):
    status, stdout, message, _ = run(runner, f"a = set(['x', 'y'])\n{statement}")
    assert (status, stdout) == (CRASHED, "")
    assert message.startswith(("TypeError", "AttributeError"))


def test_messages_about_sets_do_not_depend_on_their_order():
    """Texts hash differently in every worker."""
    sources = [
        "print(sorted(set([1, 'a', 2.5, 'b', (1, 2)])))",
        "print(max(set([(1, 'a'), (2, 3), (1, 5), (0, 'b')])))",
        "print(sum(set(['a', 1, (1, 2)])))",
        "print(sorted(set('some letters of a text')), len(set('abc') & set('bcd')))",
        "def f(a):\n    return set(a)",
        "def f(a):\n    return set([print, 'a' * 20000, (1, len), a])",
    ]
    call = Call("f", (("some letters",),))
    found = []
    for _ in range(4):
        with Executor(ExecutorConfig(workers=1)) as pool:
            found.append((pool.run(sources[:4]), pool.run(sources[4:], call)))
    assert found == [found[0]] * 4
    assert found[0][1][0].cases[0].value == set("some letters")


@pytest.mark.parametrize("value", ["a", "[a][0] * 2", "(1, (a,))"])
def test_a_set_takes_no_nan(runner, value):
    """It has no place in the order of sorted(), so what sorted() gives would depend on hashes."""
    nan = "a = 10.0 ** 308 * 10\na -= a\n"
    for statement in (f"set([{value}])", f"set().add({value})"):
        assert run(runner, nan + statement)[2] == "ValueError: NaN cannot be in a set here"


def test_how_the_new_values_look_is_known_to_the_check_of_what_can_be_printed():
    tokens = ["print", "(", ")", ",", "1", "2", "+"]
    for text, makers in {"{1: 2}": ["{", "}", ":"], "(1, 2)": ["zip"], "(1+2j)": ["**"]}.items():
        assert why_not_printed(text, Vocabulary(tokens, "vocab.json")) is not None
        assert why_not_printed(text, Vocabulary([*tokens, *makers], "vocab.json")) is None


def test_callbacks_run_at_once(runner):
    status, stdout, _, _ = run(runner, "a = map(print, [1, 2])\nprint('now')\nfor b in a: break")
    assert (status, stdout) == (FINISHED, "1\n2\nnow\n")


def test_iterators_and_functions_show_no_address(runner):
    _, stdout, _, _ = run(runner, "print(map(abs, []), [lambda: 0, sqrt], zip(), lambda a: a)")
    shown = ["<list_iterator object>", "[<function <lambda>>, <built-in function sqrt>]", "<list_iterator object>"]
    assert stdout == " ".join([*shown, "<function <lambda>>\n"])


@pytest.mark.parametrize(
    "answer", ["map(abs, a)", "{1: a}.keys()", "lambda: a", "sqrt", "[zip(a)]", "-1 ** 0.5 * sqrt"]
)
def test_what_is_no_plain_value_is_no_answer(runner, answer):
    assert run(runner, f"def f(a): return {answer}", ([1],))[3][0].startswith("TypeError")


def test_answers_may_hold_dicts_and_sets(runner):
    answer = run(runner, "def f(a): return [{1: (a, set([a]))}, set()]", (5,))[3]
    assert answer == [[[{"d": [[1, {"t": [5, {"s": [5]}]}]]}, {"s": []}]]]


# --- what it costs --------------------------------------------------------------------------------------------------

PRICES = {  # for a list or text of n elements: what is done, and how many elements or letters a step may buy at most
    "sorted with a key": ("sorted(a, key=abs)", 1),
    "max with a key": ("max(a, key=lambda b: b)", 1),
    "min with a key": ("min(a, key=lambda b: b)", 1),
    "map": ("map(abs, a)", 1),
    "map of two": ("map(lambda b, c: b, a, a)", 1),
    "filter": ("filter(None, a)", 1),
    "filter with a lambda": ("filter(lambda b: 0, a)", 1),
    "comprehension": ("[b for b in a if b]", 1),
    "zip": ("zip(a, a)", 8),
    "enumerate": ("enumerate(a)", 8),
    "reversed": ("reversed(a)", 8),
    "any": ("any(a)", 8),
    "all": ("all(a)", 8),
    "set": ("set(a)", 8),
    "set of an iterator": ("set(reversed(a))", 4),
    "union": ("set(a) | set(a)", 2),
    "list of an iterator": ("list(reversed(a))", 4),
    "search in an iterator": ("-1 in reversed(a)", 1),
    "added in place": ("b = []\nb += zip(a)", 8),
    "views": ("d.values()\nlist(d.values())", 8),
    "items": ("sorted(d.items())", 4),
    "search in values": ("-1 in d.values()", 8),
    "dicts merged": ("d | d", 4),
    "dicts merged in place": ("d |= d", 8),
    "dict shown": ("str(d)", 8),
    "upper": ("t.upper()", 32),
    "isdigit": ("t.isdigit()", 32),
    "isalpha": ("t.isalpha()", 32),
    "islower": ("t.islower()", 32),
    "isupper": ("t.isupper()", 32),
    "replace": ("t.replace('b', 'c')", 32),
    "replace that doubles": ("t.replace('a', 'aa')", 16),
    "join of an iterator": ("'--'.join(map(str, a))", 1),
    "split": ("t.split('a')", 32),
    "power": ("2 ** (30 * n)", 1),
    "shift": ("1 << 30 * n", 1),
}


@pytest.mark.parametrize("name", PRICES)
def test_everything_has_its_price(name):
    """From a hundred elements to a thousand, the steps grow with what there is to do."""
    runner = ProgramRunner(Meter(1_000_000, 4_000))
    used = []
    for size in (100, 1_000):
        setting = f"n = {size}\na = list(range(n))\nt = 'a' * n\nd = {{}}\nfor b in a: d[b] = b\n"
        steps = []
        for source in (setting, setting + PRICES[name][0]):
            assert run(runner, source)[0] == FINISHED
            steps.append(1_000_000 - runner.meter.left())
        used.append(steps[1] - steps[0])
    assert used[1] - used[0] >= 900 // PRICES[name][1] - 2


ENDLESS_PROGRAMS = [
    "a = 'a' * 2400\nb = 'a' * 600 + 'b' + 'a' * 599\nwhile True: c = b in a",
    "a = 'a' * 29000\nb = 'a' * 49 + 'b' + 'a' * 49\nwhile True: c = a.find(b)",
    "a = 'a' * 2400\nb = 'a' * 600 + 'b' + 'a' * 599\nwhile True: c = a.replace(b, '')",
    "a, b = {}, ('a' * 9000, 1)\nwhile True: a[b] = 1",
    "a, b = {1: 2}, 'a' * 300000\nc = {b: 1}\nwhile True: d = c[b + '']",
    "a = list(range(9000))\nwhile True: b = sorted(a, key=lambda c: -c)",
    "a = set(range(9000))\nwhile True: b = a == a",
    "a = set([tuple(range(9000))])\nwhile True: b = a & a",
    "a = {1: list(range(9000))}\nwhile True: b = a.values()\nwhile True: str(b)",
    "a = [list(range(9000))]\nb = {1: a}\nwhile True: c = a in b.values()",
    "while True: a = map(lambda b: [b] * 100, range(100))",
    "a = lambda: a()\nwhile True: b = lambda: a",
    "a = 1 << 20000\nwhile True:\n    " + "round(a, -300);" * 60,
    "a = 1 << 20000\nwhile True:\n    " + "a ^ a; a >> 5; ~a; a | a;" * 20,
    "a = set(range(3000))\nwhile True:\n    " + "3 in a; sum(a); max(a);" * 20,
]


@pytest.mark.parametrize("source", ENDLESS_PROGRAMS)
def test_the_budget_ends_it_well_before_the_timer(runner, source):
    started = time.process_time()
    assert run(runner, source)[0] == ENDLESS
    assert time.process_time() - started < 1.0


def test_a_key_hidden_in_an_assignment_in_place_is_paid_for(runner):
    deep = "b = (1, 2)\nfor c in range(60): b = (b, b)\n"
    assert run(runner, f"d = {{1: 2}}\n{deep}d[b] += d[1]")[0] == ENDLESS
    call = ("f", [marshal.dumps(({1: 2},))], True)
    source = "def f(d):\n" + "".join(f"    {line}\n" for line in deep.splitlines()) + "    d[b] += d[1]\n"
    assert json.loads(runner.run(source, call, True))[3] == [0]


@pytest.mark.parametrize(
    "source",
    [
        "f = lambda n: 0 if n == 0 else 1 + f(n - 1)",
        "f = lambda n: 0 if n == 0 else 1 + list(map(f, [n - 1]))[0]",
        "f = lambda n: 0 if n == 0 else 1 + max([n - 1], key=lambda a: a) * 0 + max(map(f, [n - 1]))",
        "def f(n): return 0 if n == 0 else 1 + len(sorted([n - 1], key=f)) - 1 + (n - 1)",
    ],
)
def test_recursion_through_callbacks_is_as_deep_as_promised_and_takes_no_c_stack(source):
    """In a thread with a stack of half a megabyte; C code that called back would need several."""
    runner = ProgramRunner(Meter(1_000_000, 4_000))
    found = []

    def body():
        for depth in (MAX_CALLS // 2 - 1, MAX_CALLS):
            found.append(run(runner, f"{source}\nprint(f({depth}))"))

    before, limit = threading.stack_size(512 << 10), sys.getrecursionlimit()
    sys.setrecursionlimit(20_000)
    try:
        thread = threading.Thread(target=body)
        thread.start()
        thread.join()
    finally:
        threading.stack_size(before)
        sys.setrecursionlimit(limit)
    assert found[0][:2] == [FINISHED, f"{MAX_CALLS // 2 - 1}\n"]
    assert found[1][2].startswith("RecursionError")


def test_calls_of_lambdas_are_no_calls_of_the_programs_own_functions(runner):
    """What is counted tells whether a function recurses; a key or a callback says nothing about that."""
    source = "def f(a): return sorted(map(lambda b: -b, a), key=lambda b: b)"
    assert run(runner, source, ([3, 1, 2],), ([1],))[3] == [[[-3, -2, -1], 1], [[-1], 1]]  # the 1 is the call of f
    source = "def f(a): return sum(map(f, a)) if a != 1 else 1"
    assert run(runner, source, ([1, 1],))[3] == [[2, 3]]


def test_nothing_is_kept_in_a_dict_or_a_closure_from_case_to_case(runner):
    source = "c = (lambda n: lambda: n.append(1) or len(n))([])\nm = {}\n"
    source += "def f(a):\n    m[len(m)] = a\n    return c(), len(m)"
    assert [case[0] for case in run(runner, source, (1,), (1,), (1,))[3]] == [{"t": [1, 1]}] * 3
