"""What the metering takes for granted about this Python: where one of these fails, agent_core/interpreter must change.

See agent_core/interpreter/cpython_facts.py for the list.
"""

from __future__ import annotations

import _ast
import subprocess
import sys
import threading
from collections import deque
from itertools import repeat

import pytest

from agent_core.interpreter.cpython_facts import ADDRESS, BIG, DECIMAL_BITS, DIGIT_BITS, EMPTY_DEQUE
from agent_core.interpreter.instrument import _IN_PLACE, _OPERATORS
from agent_core.interpreter.meter import MAX_CALLS, Meter
from agent_core.interpreter.metered_builtins import metered_names

SMALL_STACK = 256 << 10  # bytes; recursion that used the C stack would need far more


def test_integers_have_digits_of_thirty_bits():
    assert sys.int_info.bits_per_digit == DIGIT_BITS
    assert BIG.__sizeof__() == (1).__sizeof__() < (BIG + 1).__sizeof__()


def test_integers_below_the_limit_can_be_written_in_decimal():
    assert len(str((1 << DECIMAL_BITS) - 1)) < 4_300 == sys.int_info.default_max_str_digits


def test_an_empty_deque_says_so_in_these_words():
    with pytest.raises(IndexError) as caught:
        deque().pop()
    assert str(caught.value) == EMPTY_DEQUE


def test_an_object_without_a_text_of_its_own_shows_its_address():
    assert ADDRESS in repr(object())
    assert ADDRESS in repr(iter([]))
    assert ADDRESS in repr(test_an_empty_deque_says_so_in_these_words)


def test_a_repeat_gives_what_was_asked_tells_what_is_left_and_is_numbered_by_enumerate():
    steps = repeat(True, 3)
    assert [steps.__next__(), enumerate(steps).__next__(), steps.__length_hint__()] == [True, (0, True), 1]
    numbered = enumerate(repeat(True, 3)).__next__
    assert [numbered(), numbered(), numbered()] == [(0, True), (1, True), (2, True)]
    with pytest.raises(StopIteration):
        numbered()


def _deep(levels, function, argument):
    """The value of function(argument) in a thread whose C stack is small."""
    found = []
    before, limit = threading.stack_size(SMALL_STACK), sys.getrecursionlimit()
    sys.setrecursionlimit(20 * levels)
    try:
        thread = threading.Thread(target=lambda: found.append(function(argument)))
        thread.start()
        thread.join()
    finally:
        threading.stack_size(before)
        sys.setrecursionlimit(limit)
    return found


def test_calls_of_python_functions_take_no_c_stack():
    """Deeper than a program may recurse, with keywords, defaults, starred parameters and comprehensions in between."""

    def outer(*values, key=None):
        return [key(value) for value in values][0]

    def inner(left, step=1):
        return 0 if left == 0 else 1 + outer(left - step, key=inner)

    assert _deep(MAX_CALLS, inner, 4 * MAX_CALLS) == [4 * MAX_CALLS]


def test_syntax_nodes_can_change_their_class_and_be_shared_and_names_may_have_spaces():
    tree = compile("a = 1 + 2", "<test>", "exec", _ast.PyCF_ONLY_AST)
    node = tree.body[0].value
    name = _ast.Name("add ", _ast.Load(), lineno=1, col_offset=0)
    left, right = node.left, node.right
    node.__class__ = _ast.Call
    node.func, node.args, node.keywords = name, [left, right], []
    tree.body += [tree.body[0]] * 2
    calls = []
    exec(compile(tree, "<test>", "exec"), {"add ": lambda a, b: calls.append((a, b))})
    assert calls == [(1, 2)] * 3


def test_c_functions_over_plain_values_call_no_python_code():
    values, lists = [3, 1.5, True, 2], [[3, "a"], [1, "b"], [1, "a"]]
    seen = []
    sys.setprofile(lambda frame, event, argument: seen.append(event))
    try:
        (sum(values), sorted(values), min(values), max(values), sorted(lists), lists == [*lists])
    finally:
        sys.setprofile(None)
    assert "call" not in seen


def test_the_c_halves_of_ast_and_json_come_without_the_rest():
    code = "import _ast, _json, sys; assert not {'ast', 'json', 'typing', 're'} & set(sys.modules)"
    subprocess.run([sys.executable, "-I", "-S", "-E", "-c", code], check=True)


def test_every_name_that_the_rewriting_inserts_is_defined():
    names = metered_names(Meter(100, 100))
    inserted = {node.id for table in (_OPERATORS, _IN_PLACE) for node in table.values()}
    assert inserted <= set(names)
