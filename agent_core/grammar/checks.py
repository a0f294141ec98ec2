"""What may be wrong with a grammar, each mistake a check of its own."""

import math
from collections.abc import Callable, Iterator, Sequence

from agent_core.grammar.ll1 import START_SYMBOLS, Alternative, Grammar, Terminal

Problem = tuple[str, str]  # a rule, and what is wrong with it


def _undefined(grammar: Grammar, tokens: Sequence[str]) -> Iterator[Problem]:
    for rule, alternatives in grammar.rules.items():
        for symbol in {s for a in alternatives for s in a if isinstance(s, str) and s not in grammar.rules}:
            yield rule, f"{symbol} has no rule; define it or quote it if it is a token"


def _unreachable(grammar: Grammar, tokens: Sequence[str]) -> Iterator[Problem]:
    for rule in grammar.rules.keys() - _reachable(grammar.rules):
        yield rule, f"cannot be reached from {' or '.join(START_SYMBOLS)}; remove it or use it"


def _left_recursive_or_empty(grammar: Grammar, tokens: Sequence[str]) -> Iterator[Problem]:
    for rule in grammar.rules:
        if rule in _leftmost(grammar, rule):
            yield rule, "begins with itself (left recursion); write it as an item followed by a rule for the rest"
        if not grammar.first[rule]:
            yield rule, "can only be empty; remove it"


def _endless(grammar: Grammar, tokens: Sequence[str]) -> Iterator[Problem]:
    """The rules that are endless by themselves come before those that only use them."""
    rules = grammar.rules
    endless = [rule for rule, fewest in grammar.fewest_tokens.items() if math.isinf(fewest)]
    for rule in sorted(endless, key=lambda rule: any(s in endless and s != rule for a in rules[rule] for s in a)):
        yield rule, "never ends without a name being defined; give it an alternative that does"


def _undecided(grammar: Grammar, tokens: Sequence[str]) -> Iterator[Problem]:
    """Where one token of look-ahead does not say what is meant."""
    for rule, alternatives in grammar.rules.items():
        yield from ((rule, problem) for problem in _alike(grammar, alternatives, tokens))
        if grammar.is_nullable(rule):
            for token in grammar.first[rule] & grammar.follow[rule]:
                yield rule, f"can be empty, and {tokens[token]} can both begin it and come after it"


def _alike(grammar: Grammar, alternatives: Sequence[Alternative], tokens: Sequence[str]) -> Iterator[str]:
    taken: set[int] = set()
    for alternative in alternatives:
        first = grammar.first_of(alternative)
        for token in first & taken:
            yield f"two alternatives begin with {tokens[token]}; one token must decide"
        taken |= first
    if sum(all(map(grammar.is_nullable, a)) for a in alternatives) > 1:
        yield "two alternatives can be empty; one must be enough"


def _without_end(grammar: Grammar, tokens: Sequence[str]) -> Iterator[Problem]:
    for start in START_SYMBOLS:
        if any(not a or not isinstance(a[-1], Terminal) or a[-1].text != "EOS" for a in grammar.rules[start]):
            yield start, "must end with EOS"


# In this order, because later checks rely on earlier ones: a grammar's first mistake is the one that is told.
CHECKS: tuple[Callable[[Grammar, Sequence[str]], Iterator[Problem]], ...] = (
    _undefined,
    _unreachable,
    _left_recursive_or_empty,
    _endless,
    _undecided,
    _without_end,
)


def _reachable(rules: dict[str, list[Alternative]]) -> set[str]:
    found: set[str] = set()
    waiting = list(START_SYMBOLS)
    while waiting:
        if (rule := waiting.pop()) not in found:
            found.add(rule)
            waiting += [s for a in rules[rule] for s in a if isinstance(s, str)]
    return found


def _leftmost(grammar: Grammar, rule: str) -> set[str]:
    """The rules that a text of `rule` can begin with, through any number of steps."""
    found: set[str] = set()
    waiting = [rule]
    while waiting:
        for alternative in grammar.rules[waiting.pop()]:
            for symbol in alternative:
                if isinstance(symbol, str) and symbol not in found:
                    found.add(symbol)
                    waiting.append(symbol)
                if not grammar.is_nullable(symbol):
                    break
    return found
