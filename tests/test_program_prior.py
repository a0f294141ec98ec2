"""First programs: the grammar's weights give every program its probability, and types tell what would crash."""

import itertools
import math

import pytest
import torch

from agent_core.grammar.legal_tokens import LegalTokens
from agent_core.grammar.rules import GrammarError, parse_grammar, read_grammar
from agent_core.learning.program_prior import ProgramPrior
from agent_core.learning.type_states import Bracket, Mode
from agent_core.learning.value_types import Rules, types_of
from agent_core.learning.word_types import ANY, BOOL, DICT, ITERATOR, LIST, NUMBER, TEXT
from agent_core.settings.config import LearningConfig
from agent_core.task_run import types_shown_by
from agent_core.tasks.task import load_task
from tests.conftest import ROOT
from tests.test_generator import CPU, make_generator
from tokenizer import LAYOUT_TOKENS, SPECIAL_TOKENS, Tokenizer


@pytest.fixture(scope="module")
def legal_tokens(tokenizer):
    """Those of the grammar that has weights."""
    grammar = read_grammar(ROOT / "agent_core" / "grammar" / "narrow.grammar", tokenizer.tokens)
    return LegalTokens(grammar, tokenizer.tokens, CPU)


# Optional parts on top of one another, alternatives of several weights, and a class of three tokens.
WEIGHTED = """
program: body EOS
function_body: body EOS
body: 3 item tail mark | 0.5 '-' item
item: 4 NUMBER | '(' item ')'
tail: '+' item | 2.5 nothing
mark: '*' | 0.25 nothing
"""


def texts_of(grammar, symbols, depth, tokens):
    """{token ids: probability} of all texts of these symbols of which no rule is nested deeper, counted afresh."""
    if not symbols:
        return {(): 1.0}
    found = {}
    first, rest = symbols[0], texts_of(grammar, symbols[1:], depth, tokens)
    if isinstance(first, str):
        own = {}
        weights = [grammar.weights[first, alternative] for alternative in grammar.rules[first]]
        for alternative, weight in zip(grammar.rules[first], weights, strict=True) if depth else ():
            for text, probability in texts_of(grammar, alternative, depth - 1, tokens).items():
                own[text] = own.get(text, 0.0) + probability * weight / sum(weights)
    else:
        weights = {
            token: {"0": 1, "7": 1 / 8, "30": 1 / 11}[tokens[token]] if first.text == "NUMBER" else 1
            for token in first.tokens
        }
        own = {(token,): weight / sum(weights.values()) for token, weight in weights.items()}
    for (left, p), (right, q) in itertools.product(own.items(), rest.items()):
        found[left + right] = found.get(left + right, 0.0) + p * q
    return found


def log_probability(legal_tokens, prior, program, max_length=30):
    state, stacks = prior.begin(1, max_length), legal_tokens.begin("program", 1, max_length)
    total = 0.0
    for token in program:
        weights = prior.log_weights(state, stacks).masked_fill(~legal_tokens.legal(stacks), -math.inf)
        assert weights.exp().sum().item() == pytest.approx(1.0, abs=1e-4)  # they are probabilities as they stand
        total += weights[0, token].item()
        taken = torch.tensor([token])
        prior.advance(state, taken)
        legal_tokens.advance(stacks, taken)
    return total


def test_every_program_is_as_likely_as_the_weights_of_its_derivation_say():
    tokenizer = Tokenizer([*SPECIAL_TOKENS, *LAYOUT_TOKENS, "0", "7", "30", "+", "-", "*", "(", ")"])
    grammar = parse_grammar(WEIGHTED, tokenizer.tokens)
    legal_tokens = LegalTokens(grammar, tokenizer.tokens, CPU)
    prior = ProgramPrior(legal_tokens, tokenizer.tokens, LearningConfig(grammar_weights=True))
    expected = texts_of(grammar, ("program",), 6, tokenizer.tokens)
    assert len(expected) > 50
    assert sum(expected.values()) > 0.99
    for program, probability in expected.items():
        assert log_probability(legal_tokens, prior, program) == pytest.approx(math.log(probability), abs=1e-4)


@pytest.mark.parametrize("weight", ["0", "0.0"])
def test_a_weight_of_nothing_is_named(weight):
    text = WEIGHTED.replace("0.25", weight)
    with pytest.raises(GrammarError, match="rule mark: a weight must be above 0"):
        parse_grammar(text, [*SPECIAL_TOKENS, *LAYOUT_TOKENS, "0", "1", "+", "-", "*", "(", ")"])


def test_without_weights_types_and_names_chance_is_even_over_token_classes(tokenizer, legal_tokens):
    learning = LearningConfig(grammar_weights=False, type_weight=0.0, name_weight=0.0, class_balance=0.5)
    prior = ProgramPrior(legal_tokens, tokenizer.tokens, learning, types_shown_by(load_task("last", tokenizer.tokens)))
    stacks = legal_tokens.begin("function_body", 2, 24, ("var_a", "func_a"))
    weights = prior.log_weights(prior.begin(2, 24), stacks)
    assert torch.allclose(weights, -0.5 * legal_tokens.class_sizes.log().expand(2, -1))


# --- names ----------------------------------------------------------------------------------------------------------


def readable(tokenizer, program, parameters=("var_a",)):
    """{name: log-weight that is added to it} after these tokens of a function's body, of all names."""
    grammar = read_grammar(ROOT / "agent_core" / "python.grammar", tokenizer.tokens)
    legal_tokens = LegalTokens(grammar, tokenizer.tokens, CPU)
    stacks = legal_tokens.begin("function_body", 1, 48, (*parameters, "func_a"))
    for token in program.split():
        token = tokenizer.tokens.index(token)
        assert legal_tokens.legal(stacks)[0, token]
        legal_tokens.advance(stacks, torch.tensor([token]))
    columns = [tokenizer.tokens[column] for column in stacks.scopes.columns.tolist()]
    return dict(zip(columns, stacks.scopes.preferences(2.0)[0].tolist(), strict=True))


def test_of_the_unused_names_the_first_is_the_likeliest(tokenizer):
    found = readable(tokenizer, "return [for var_a", ("var_a", "var_c"))
    unused = [found[name] for name in found if name.startswith("var_") and name not in ("var_a", "var_c")]
    assert found["var_b"] == max(unused)
    assert all(value == pytest.approx(found["var_b"] - 2) for value in unused if value != found["var_b"])
    assert sum(map(math.exp, unused)) == pytest.approx(len(unused))  # together as likely as without
    assert found["var_a"] == found["var_c"] == found["func_a"] == 0


def test_what_is_bound_is_likelier_to_be_read_than_what_comes_from_outside(tokenizer):
    outside = readable(tokenizer, "return [for var_a")
    inside = readable(tokenizer, "return [for var_a var_b if")
    nested = readable(tokenizer, "return [for var_a var_b [for var_b var_c")
    after = readable(tokenizer, "return [for var_a var_b var_b ] +")
    assert outside["var_a"] == after["var_a"] == 0
    assert inside["var_b"] - inside["var_a"] == pytest.approx(2)
    assert math.exp(inside["var_a"]) + math.exp(inside["var_b"]) == pytest.approx(2)
    assert nested["var_b"] == nested["var_c"] > nested["var_a"]
    loop = readable(tokenizer, "for var_b in var_a : NEWLINE INDENT if")
    assert loop["var_b"] > loop["var_a"]


def test_names_count_in_what_is_drawn_and_not_without_their_weight(tokenizer):
    grammar = read_grammar(ROOT / "agent_core" / "python.grammar", tokenizer.tokens)
    legal_tokens = LegalTokens(grammar, tokenizer.tokens, CPU)
    stacks = legal_tokens.begin("function_body", 1, 48, ("var_a", "func_a"))
    for token in map(tokenizer.tokens.index, ("return", "[for", "var_a", "var_b", "if")):
        legal_tokens.advance(stacks, torch.tensor([token]))
    a, b = map(tokenizer.tokens.index, ("var_a", "var_b"))
    for weight in (0.0, 2.0):
        learning = LearningConfig(type_weight=0.0, name_weight=weight)
        prior = ProgramPrior(legal_tokens, tokenizer.tokens, learning)
        weights = prior.log_weights(prior.begin(1, 48), stacks)[0]
        assert (weights[b] - weights[a]).item() == pytest.approx(weight)


# --- types ----------------------------------------------------------------------------------------------------------


def misfits(rules, tokens):
    """Of each token of a body, how badly it fits."""
    mode, stack, found = Mode("statement"), [Bracket("root")], []
    for token in tokens:
        effect = rules.effect(mode, stack[-1], token)
        if effect.change < 0:
            stack.pop()
        elif effect.change > 0:
            stack.append(effect.bracket)
        elif effect.bracket:
            stack[-1] = effect.bracket
        mode = effect.mode
        found.append(effect.misfit)
    return found


HANDLES_A_LIST = Rules({"var_a": LIST, "var_b": NUMBER, "func_a": NUMBER}, NUMBER, NUMBER)


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("return sum ( var_a ) // len ( var_a ) NEWLINE", []),
        ("return var_a [ - 1 ] NEWLINE", []),
        ("return max ( var_a ) - min ( var_a ) NEWLINE", []),
        ("return max ( var_b , 3 ) NEWLINE", []),
        ("return len ( var_a [ : : 2 ] ) NEWLINE", []),
        ("return 1 if var_b in var_a else 0 NEWLINE", []),
        ("return var_b + ( var_b if var_b < 3 else 4 ) NEWLINE", []),
        ("for var_c in var_a : NEWLINE INDENT return var_c * 2 NEWLINE DEDENT", []),
        ("var_c = [ var_b ] + var_a NEWLINE return var_c [ 0 ] NEWLINE", []),
        ("return var_a - 1 NEWLINE", [2]),
        ("return sum ( var_b ) NEWLINE", [3, 4]),
        ("return max ( var_b ) NEWLINE", [4]),
        ("return len ( var_b ) NEWLINE", [3, 4]),
        ('return "yes" NEWLINE', [1, 2]),
        ("return var_b [ 0 ] NEWLINE", [2]),
        ("return abs ( var_b , 2 ) NEWLINE", [4]),
        ("return None NEWLINE", [1, 2]),
        ("return sum ( [for var_a var_c if var_c > 1 : var_c * 2 ] ) NEWLINE", []),
        ("return sorted ( var_a , key= lambda var_c : - var_c ) [ 0 ] NEWLINE", []),
        ("return len ( list ( filter ( lambda var_c : var_c % 2 == 0 , var_a ) ) ) NEWLINE", []),
        ("return sum ( map ( abs , var_a ) ) NEWLINE", []),
        ("return max ( var_a , key= str ) NEWLINE", []),
        ("return { var_b : 1 , 2 : var_a } .get ( var_b , 0 ) NEWLINE", []),
        ("return floor ( sqrt ( var_b ) ) ** 2 | 1 << var_b NEWLINE", []),
        ("return len ( str ( var_b ) .upper ( ) .split ( ) ) NEWLINE", []),
        ("return len ( set ( var_a ) & set ( [ 1 ] ) ) NEWLINE", []),
        ("var_c .append ( var_b ) NEWLINE return 1 if not var_b not in var_a else pi NEWLINE", []),
        ("return var_a .upper ( ) NEWLINE", [2, 5]),
        ("return floor ( var_a ) NEWLINE", [4]),
        ("return map ( abs , var_a ) NEWLINE", [1, 7]),
        ("return sum ( [for var_b var_c var_c [ 0 ] ] ) NEWLINE", [4, 5, 7]),
        ("return var_a << 2 NEWLINE", [2]),
    ],
)
def test_what_would_crash_by_its_types_is_a_misfit(text, where):
    found = misfits(HANDLES_A_LIST, text.split())
    assert [i for i, misfit in enumerate(found) if misfit >= 1] == where


def test_the_types_of_values():
    assert types_of([1, 2.5]) == NUMBER
    assert types_of([True, False]) == BOOL
    assert types_of([1, "fizz"]) == NUMBER | TEXT
    assert types_of([[1], []]) == LIST
    assert types_of([]) == ANY
    assert types_of([{"a": 1}]) == DICT
    assert not ITERATOR & types_of([1, [], "a", {}, True])


@pytest.mark.parametrize("task", ["last", "fizz", "contains"])
def test_the_tables_do_what_the_rules_say(tokenizer, legal_tokens, task):
    """Batches of random legal programs: the tensors follow each as a plain replay of the rules does."""
    task = load_task(task, tokenizer.tokens)
    learning = LearningConfig(grammar_weights=False, type_weight=3.0)
    rules = types_shown_by(task)
    prior = ProgramPrior(legal_tokens, tokenizer.tokens, learning, rules)
    defined = task.start[1]
    generator = make_generator(tokenizer, legal_tokens, start="function_body", defined=defined)
    programs = generator.generate(64).rows()
    tables = prior._types
    state = tables.begin(len(programs), 24)
    columns = []
    for place in range(max(map(len, programs))):
        token = torch.tensor([row[place] if place < len(row) else tokenizer.pad for row in programs])
        columns.append(tables.misfits[state.row, token] / 2)
        tables.advance(state, token)
    found = torch.stack(columns, dim=1)
    for row, own in zip(programs, found, strict=True):
        assert own[: len(row)].tolist() == misfits(rules, [tokenizer.tokens[i] for i in row])
    assert found.max() > 0


def test_first_programs_seldom_crash_by_their_types(tokenizer, legal_tokens):
    """`last` gets a list: most operators would crash on it."""
    task = load_task("last", tokenizer.tokens)
    shares = {}
    for weight in (0.0, 3.0):
        learning = LearningConfig(grammar_weights=True, type_weight=weight, name_weight=0.0, epsilon=0.0)
        types = types_shown_by(task)
        generator = make_generator(
            tokenizer, legal_tokens, learning, start="function_body", defined=task.start[1], types=types
        )
        runs = [runs_on(task, tokenizer.decode(row)) for row in generator.generate(400).rows()]
        shares[weight] = sum(runs) / len(runs)
    assert shares[3.0] > 3 * shares[0.0] > 0


def runs_on(task, text):
    """Whether a body answers its first case with a number, by use of its argument. Random programs do no harm here."""
    if "var_a" not in text or any(word in text for word in ("while", "for", "func_", "range", "print")):
        return False
    space = {}
    try:
        exec(task.module(text), space)
        return type(space["func_a"](*task.test_cases[0].arguments)) is int
    except Exception:  # noqa: BLE001  whatever a random program raises
        return False


@pytest.mark.parametrize("mutation_share", [0.0, 0.5])
def test_sampling_and_rescoring_agree_on_the_prior(tokenizer, legal_tokens, mutation_share):
    task = load_task("contains", tokenizer.tokens)
    learning = LearningConfig(grammar_weights=True, type_weight=3.0, mutation_share=mutation_share, crossover_share=0.3)
    types = types_shown_by(task)
    generator = make_generator(
        tokenizer, legal_tokens, learning, start="function_body", defined=task.start[1], types=types
    )
    elites = list(dict.fromkeys(generator.generate(64).rows()))[:16]
    programs = generator.generate(128, elites)
    log_probs, _, counts = generator.rescore(programs, elites)
    batch, length = programs.ids.shape
    own = log_probs[:batch, :length][programs.chosen]
    assert torch.allclose(own, programs.log_probs[programs.chosen], atol=1e-5)
    assert counts[batch:].any(dim=1).all()
    assert torch.isfinite(log_probs).all()
