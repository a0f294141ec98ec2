"""The static check: what it lets through, and that it refuses whatever it has not heard of."""

from __future__ import annotations

import ast
import random

import pytest

from agent_core.interpreter.allowlist import CHILDREN, MAX_SOURCE, METHODS
from agent_core.interpreter.static_check import Refused, check
from tests import random_programs

pytestmark = pytest.mark.filterwarnings("ignore::SyntaxWarning")  # hostile text is odd in every way

REFUSED = {
    "Import": "import os",
    "ImportFrom": "from os import system",
    "ClassDef": "class A: pass",
    "AsyncFunctionDef": "async def f(): pass",
    "Try": "try: pass\nexcept: pass",
    "TryStar": "try: pass\nexcept* ValueError: pass",
    "Raise": "raise",
    "With": "with 1: pass",
    "AsyncWith": "async def f():\n    async with 1: pass",
    "AsyncFor": "async def f():\n    async for a in 1: pass",
    "Await": "async def f(): await 1",
    "Delete": "a = 1\ndel a",
    "Global": "def f():\n    global a\n    a = 1",
    "Nonlocal": "def f():\n    a = 1\n    def g():\n        nonlocal a",
    "Assert": "assert 0",
    "AnnAssign": "a: int = 1",
    "Match": "match 1:\n    case 1: pass",
    "GeneratorExp": "a = sum(b for b in [1])",
    "SetComp": "a = {b for b in [1]}",
    "DictComp": "a = {b: b for b in [1]}",
    "Set": "a = {1}",
    "Yield": "def f(): yield 1",
    "YieldFrom": "def f(): yield from [1]",
    "JoinedStr": "a = f'{1:1000}'",
    "FormattedValue": "a = f'{1}'",
    "NamedExpr": "(a := 1)",
    "Starred": "print(*[1])",
    "Attribute": "a = (1).real",
    "Slice": "a = [1]\nprint(a[1:2, 3])",
}

MORE_REFUSED = [
    "open('/etc/passwd')",
    "eval('1')",
    "getattr((), 'count')",
    "__builtins__",
    "a = __import__",
    "_a = 1",
    "def _f(): pass",
    "def f(_a): pass",
    "f = lambda *a: a",
    "f = lambda **a: a",
    "f = lambda a, /: a",
    "f = lambda a=[]: a",
    "f = lambda a=print: a",
    "f = lambda _a: 1",
    "f = lambda: (yield 1)",
    "f = lambda a: (b := a)",
    "a = {**{}}",
    "a = {1: 2, **{3: 4}}",
    "sorted([1], cmp=len)",
    "map(function=len)",
    "{}.update({})",
    "{}.setdefault(1, [])",
    "set([1]).union([2])",
    "[1].sort(key=len)",
    "[1].copy()",
    "'a'.translate({})",
    "'a'.encode()",
    "'{}'.format_map({})",
    "'a'.ljust(10)",
    "'a'.zfill(10)",
    "a = {}.get",
    "map([].append, [1])",
    "a = f'{1}'",
    "def f(*a): pass",
    "def f(**a): pass",
    "def f(*, a): pass",
    "def f(a, /): pass",
    "def f(a=[]): pass",
    "def f(a=print): pass",
    "def f(a: 1): pass",
    "def f() -> 1: pass",
    "@print\ndef f(): pass",
    "print(1, file=2)",
    "print(**1)",
    "[].sort()",
    "'{0.__class__}'.format(1)",
    "''.__class__",
    "a = [].append",
    "[].append.__self__",
    "print.__self__",
    "a = [1]\na[:] = a",
    "a = [1]\na[0:0] += a",
    "a = b'1'",
    "a = 1j",
    "a = ...",
    "a = '\\ud800'",
    "a = 1 @ 2",
    "a = 1 is 1",
    "a = 1 is not 'b'",
    "a = [b async for b in 1]",
    "return 1",
    "a = (",
    "a\0b",
    "\ud800",
    "a = " + "9" * 5_000,
    "#" * (MAX_SOURCE + 1),
    "a = " + "-" * 2_000 + "1",
    "a = " + "+".join("1" * 1_000),
    "a = " + "(" * 300 + ")" * 300,
]


def _is_refused(source: str) -> bool:
    """As in the jail, where code is compiled next and running out of parser stack refuses a program too."""
    try:
        compile(check(source).tree, "<program>", "exec")
    except (Refused, SyntaxError, MemoryError, RecursionError, ValueError):
        return True
    return False


@pytest.mark.parametrize("node", REFUSED)
def test_a_node_that_is_not_on_the_list_is_refused(node):
    assert node not in {kind.__name__ for kind in CHILDREN}
    with pytest.raises(Refused):
        check(REFUSED[node])


def test_every_node_of_the_language_is_on_the_list_or_has_its_refusal_tested():
    kinds = {kind.__name__ for base in (ast.stmt, ast.expr) for kind in base.__subclasses__()}
    deprecated = {"Num", "Str", "Bytes", "NameConstant", "Ellipsis", "Index", "ExtSlice", "Suite"}
    newer = {"TypeAlias", "TemplateStr", "Interpolation"}  # of Pythons after 3.11
    assert kinds - {kind.__name__ for kind in CHILDREN} - set(REFUSED) - deprecated - newer == set()


@pytest.mark.parametrize("source", MORE_REFUSED, ids=lambda source: repr(source[:30]))
def test_refused(source):
    assert _is_refused(source)


@pytest.mark.parametrize(
    "source",
    [
        "print('hello world')",
        "var_a = 1\nvar_a += 2\nif var_a > 1 and not var_a == 2 or 0:\n    print(str(2), int('3'))\nelse:\n    pass",
        "def func_a(var_a, var_b):\n    return func_a(var_b, var_a) if var_a in [1, 2] else None",
        "for var_a in range(10):\n    while var_a:\n        var_a = var_a - 1\n        break\n    continue",
        "var_a = [1, [2]]\nvar_a[0] = -1\nvar_a[1] += [3]\nprint(var_a[1:], sorted(var_a)[0], len(''), abs(1))",
        "var_a = (1, 2)\nvar_b, var_c = var_a\nprint(max(var_a), sum([var_b for _ in var_a]), end='', sep='')",
        "a = []\na.append(2 ** 3 << 1)\nprint(' '.join(['a']).upper(), a is None, 1 < 2 < 3)",
        "def f(a, b=1):\n    return a\nprint(f(1))",
        "f = lambda a, b=1: lambda: a ** b\nprint(f(1)(), list(map(f, [1])), list(filter(None, [0])))",
        "print(sorted(['b'], key=lambda a: -len(a), reverse=True), max([1], key=abs), sqrt(4), floor(pi), ceil(1.5))",
        "a = {1: 2, 'b': [3]}\na[2] = 4\nfor b in a.items():\n    print(a.get(b, 0), a.keys(), a.values(), 1 in a)",
        "a = set([1, 2])\na.add(3)\na |= set([4]) & a\nprint(len(a), sorted(a - a))",
        "print('a'.replace('a', 'b').isdigit(), 'a'.isalpha(), 'a'.isupper(), 'a'.islower())",
        "a = 7\na -= 1\na *= 2\na //= 3\na %= 5\na **= 2\na <<= 1\na >>= 1\na &= 7\na |= 8\na ^= 3\na /= 2",
    ],
)
def test_allowed(source):
    assert not _is_refused(source)


def test_names_that_nothing_defines_are_refused():
    with pytest.raises(Refused, match="name 'var_b' is not defined"):
        check("var_a = var_b")


def test_python_names_are_compared_after_normalisation():
    """Python reads letters of other alphabets' forms as the plain ones, so they must not get past the list of names."""
    with pytest.raises(Refused):
        check("ｏｐｅｎ('a')")
    with pytest.raises(Refused):
        check("a = ＿＿builtins＿＿")


LONGEST = {  # some legal programs of about 256 tokens that go as deep as they can
    "not": "print(" + "not " * 250 + "1)",
    "minus": "var_a = " + "- " * 250 + "1",
    "parentheses": "var_a = " + "(" * 127 + "1" + ")" * 127,
    "lists": "var_a = " + "[" * 127 + "1" + "]" * 127,
    "calls": "var_a = " + "abs(" * 84 + "1" + ")" * 84,
    "sums": "var_a = 1" + " + 1" * 127,
    "subscripts": "var_a = [1]\nprint(var_a" + "[0]" * 83 + ")",
    "conditions": "var_a = " + "1 if 1 else " * 63 + "1",
    "blocks": "".join("    " * depth + "if 1:\n" for depth in range(50)) + "    " * 50 + "pass\n",
    "statements": "var_a = 1\n" * 64,
}


@pytest.mark.parametrize("name", LONGEST)
def test_the_longest_legal_programs_pass(name):
    assert not _is_refused(LONGEST[name])


def test_random_legal_programs_pass():
    for source in random_programs.programs(300, seed=1):
        assert not _is_refused(source), source


def test_the_verdict_on_random_text_is_a_refusal_or_a_tree():
    """No text whatever raises anything else."""
    generator = random.Random(2)
    words = [
        "print",
        "(",
        ")",
        "1",
        "\n",
        " ",
        ":",
        "def f",
        "__class__",
        ".",
        "=",
        "[",
        "]",
        "'",
        "\\",
        "\x00",
        "é",
        "if ",
    ]
    for _ in range(300):
        _is_refused("".join(generator.choices(words, k=generator.randint(1, 40))))


def test_methods_are_never_attributes_of_a_module_level_name():
    """What stands before the dot may be anything: the method's name alone decides, and only in a call."""
    for name in METHODS:
        assert not _is_refused(f"a = []\na.{name}(1)")
        assert _is_refused(f"a = []\nb = a.{name}")
