"""What the metering takes for granted about CPython 3.11 and later, all in one place.

Python promises none of it, so tests/test_cpython_facts.py fails where one no longer holds. Beside the values below,
the metering relies on this:

- `itertools.repeat(x, n).__next__` gives `n` values and then raises StopIteration, `__length_hint__` tells how many
  are left, and `enumerate` over it numbers the draws; all three are C functions that call nothing else.
- A call of a Python function from Python code takes no C stack, with keywords and inside a comprehension, too.
- The class of a syntax node can be changed by assignment, a node can stand in a tree more than once, and compile()
  takes names that have a space in them.
- `sum` of plain numbers, `sorted`, `min` and `max` of plain values and the comparison of lists call no Python code.
- `_ast` and `_json` hold the C halves of `ast` and `json` and import neither.
"""

from __future__ import annotations

DIGIT_BITS = 30  # an integer is stored in digits of so many bits; arithmetic on one digit takes constant time
BIG = (1 << DIGIT_BITS) - 1  # integers between -BIG and BIG have one digit
DECIMAL_BITS = 13_000  # str() of an integer of so many bits has fewer than the 4,300 digits at which Python refuses
# A search for a text in a text compares, at worst, each letter with each other one: in texts shorter than the first,
# and for texts shorter than the second in texts shorter than the third. All other searches take linear time.
SEARCHED_NAIVELY, WANTED_NAIVELY, NEVER_NAIVELY = 2_500, 100, 30_000
EMPTY_DEQUE = "pop from an empty deque"  # the message of deque.pop() where there is nothing left
ADDRESS = " at 0x"  # what stands before an address in the text of an object that has no better way to show itself
