"""The legal tokens: what it lets through is Python, ends in time and knows its names; and nothing is missing."""

import copy
import marshal
import sys
import warnings
from pathlib import Path

import pytest
import torch

from agent_core.grammar.legal_tokens import LegalTokens, Prompt
from agent_core.grammar.marks import MARKS
from agent_core.grammar.rules import parse_grammar, read_grammar
from agent_core.grammar.scopes import LOCAL, MAX_BLOCKS, PENDING, Names, Scopes
from agent_core.interpreter.meter import Meter
from agent_core.interpreter.run_program import ProgramRunner
from agent_core.interpreter.static_check import check
from tokenizer import LAYOUT_TOKENS, SPECIAL_TOKENS

CORPUS = (Path(__file__).parent / "data" / "legal_programs.txt").read_text().split("---\n")
BODIES = [
    "return var_a + var_b\n",
    "var_c = var_a\nfor var_d in range(var_b):\n    var_c += var_d\nreturn var_c\n",
    "if var_a == 0:\n    return var_b\nreturn func_a(var_a - 1, var_b + 1)\n",
    "return [var_c * 2 for var_c in var_a if var_c > var_b]\n",
    "return sorted(var_a, key=lambda var_c: [var_c, [var_d for var_d in var_b if var_d in var_c]])[0]\n",
    "return sum(map(lambda var_c, var_d: var_c ** var_d, var_a, var_b)) | 3 ^ ~var_a & 1 << 2\n",
    "return max(var_a, key=len).upper().split() if var_a not in {1: var_b} else list(filter(func_a, var_b))\n",
    "for var_c, var_d in enumerate(var_a):\n    if var_c:\n        break\n    var_b.append(var_d)\n    var_b[0] += 1\n",
    "var_c = {}\nvar_c[var_a] = [var_c for var_d in var_b]\nreturn {1: 2, 3: pi}.get(sqrt(var_a), floor(var_b))\n",
    "while var_a < var_b:\n    var_a += 1\n    if var_a in [1, 2]:\n        return\nreturn var_a[0:1]\n",
]
ILLEGAL = [
    "print(var_a)\n",  # not defined
    "var_a = var_a\n",  # defined only once the statement has ended
    "var_a += 1\n",
    "var_a[0] = 1\n",
    "func_a()\n",
    "return 1\n",  # outside a function
    "if True:\n    var_a = 1\nprint(var_a)\n",  # the block may not have run
    "for var_a in []:\n    pass\nprint(var_a)\n",
    "for var_a in var_a:\n    pass\n",
    "if True:\n    def func_a():\n        pass\nfunc_a()\n",
    "def func_a(var_a, var_a):\n    pass\n",
    "def func_a(var_a):\n    pass\nprint(var_a)\n",
    "def func_a():\n    return func_b()\n",
    "var_a = 1\ndef func_a():\n    print(var_a)\n    var_a = 2\n",  # var_a is the function's own, so not yet defined
    "var_a = 1\ndef func_a():\n    var_a += 1\n",
    "var_a = 1\ndef func_a():\n    if True:\n        var_a = 2\n    print(var_a)\n",
    "print(1 < 2 < 3)\n",  # Python, but left out on purpose
    "print(1 + not 2)\n",
    "print([var_b for var_a in [1]])\n",
    "print([var_a for var_a in [1]], var_a)\n",
    "print([var_a for var_a in var_a])\n",
    "print([1 for var_a in [1] if var_b])\n",
    "print(list(map(lambda var_a: 1, var_a)))\n",
    "print(sorted([1], key=lambda var_a: var_b))\n",
    "print(sorted([1], key=lambda var_a: 1)[var_a])\n",
    "print(list(map(lambda var_a, var_a: 1, [1], [2])))\n",
    "var_a = 1\nprint([var_a for var_a in [1]])\n",  # Python, but left out on purpose
    "for var_a, var_a in [[1, 2]]:\n    pass\n",
    "for var_a, var_b in [[1, 2]]:\n    pass\nprint(var_b)\n",
    "break\n",
    "for var_a in [1]:\n    def func_a():\n        break\n",
    "if True:\n    break\n",
    "print(1)[0]\n",
    "1\n",
    "",
]


def sample(legal_tokens, start, count, max_length, defined, seed=0):
    """Programs of a policy that has no preference: uniform over the legal tokens."""
    random = torch.Generator().manual_seed(seed)
    progress = legal_tokens.begin(start, count, max_length, defined)
    columns = []
    for _ in range(max_length):
        legal = legal_tokens.legal(progress)
        assert legal.any(dim=1).all()
        columns.append(torch.multinomial(legal.float(), 1, generator=random).squeeze(1))
        legal_tokens.advance(progress, columns[-1])
    assert legal_tokens.is_finished(progress).all()
    return torch.stack(columns, dim=1)


def as_module(start, text):
    if start == "program":
        return text
    return "def func_a(var_a, var_b):\n" + "".join(f"    {line}\n" for line in text.splitlines())


STARTS = [("program", ()), ("function_body", ("var_a", "var_b", "func_a"))]


@pytest.mark.parametrize(("start", "defined"), STARTS)
@pytest.mark.parametrize("max_length", [*range(3, 16), 24, 32, 64, 256])
def test_every_sampled_program_compiles_ends_in_time_and_encodes_back(
    tokenizer, legal_tokens, start, defined, max_length
):
    count = 300 if max_length < 64 else 100
    for ids in sample(legal_tokens, start, count, max_length, defined).tolist():
        text = tokenizer.decode(ids)
        assert tokenizer.encode(text).tolist() == ids[: ids.index(tokenizer.eos) + 1]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)  # 'hello'(1) is legal and pointless
            compile(as_module(start, text), "program", "exec")
            check(as_module(start, text))


@pytest.fixture(scope="module")
def runner():
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(20_000)
    yield ProgramRunner(Meter(2_000, 4_000))
    sys.setrecursionlimit(before)


@pytest.mark.parametrize(("start", "defined"), STARTS)
@pytest.mark.parametrize("max_length", [16, 32, 64])
def test_no_sampled_program_asks_for_a_name_that_is_not_there(
    tokenizer, legal_tokens, runner, start, defined, max_length
):
    """Whatever else they do. They run in this process, metered as in the jail."""
    calls = ("func_a", [marshal.dumps(case) for case in (([[1, 2], [3]], "ab"), (3, [2, 1]))], False)
    bound = 0
    for ids in sample(legal_tokens, start, 600, max_length, defined, seed=1).tolist():
        text = tokenizer.decode(ids)
        bound += any(word in text for word in ("lambda", "for var"))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            result = runner.run(as_module(start, text), calls if start == "function_body" else None, True)
        assert "NameError" not in result, text
        assert "UnboundLocalError" not in result, text
    assert bound > 20


@pytest.mark.parametrize("text", CORPUS)
def test_what_python_allows_is_legal(tokenizer, legal_tokens, text):
    compile(text, "program", "exec")
    ids = tokenizer.encode(text).tolist()
    assert legal_tokens.accepts([ids], "program", max_length=len(ids)) == [True]


def test_the_corpus_is_large_enough():
    assert len(CORPUS) >= 40


@pytest.mark.parametrize("text", BODIES)
def test_function_bodies_are_legal(tokenizer, legal_tokens, text):
    ids = tokenizer.encode(text).tolist()
    assert legal_tokens.accepts([ids], "function_body", len(ids), ("var_a", "var_b", "func_a")) == [True]


@pytest.mark.parametrize("text", ILLEGAL)
def test_what_would_fail_is_illegal(tokenizer, legal_tokens, text):
    ids = tokenizer.encode(text).tolist()
    assert legal_tokens.accepts([ids], "program", max_length=100) == [False]


def test_a_token_is_legal_only_while_the_shortest_completion_fits(tokenizer, legal_tokens):
    ids = tokenizer.encode(CORPUS[7]).tolist()
    assert legal_tokens.accepts([ids, ids[:-1], [*ids, tokenizer.eos]], "program", len(ids)) == [True, False, False]
    assert legal_tokens.accepts([ids], "program", len(ids) - 1) == [False]
    with pytest.raises(ValueError, match="shortest program has 3 tokens"):
        legal_tokens.begin("program", 1, 2)


def test_blocks_nest_as_deep_as_python_allows(tokenizer, legal_tokens):
    def nested(depth):
        loops = "".join("    " * i + f"for var_a in [{i % 9}]:\n" for i in range(depth))
        return loops + "    " * depth + "pass\n"

    deep, deeper = (tokenizer.encode(nested(depth)).tolist() for depth in (MAX_BLOCKS, MAX_BLOCKS + 1))
    compile(nested(MAX_BLOCKS), "program", "exec")
    assert legal_tokens.accepts([deep, deeper], "program", 300) == [True, False]


def test_a_batch_is_judged_as_its_programs_are_alone(tokenizer, legal_tokens):
    programs = [tokenizer.encode(text).tolist() for text in CORPUS + ILLEGAL]
    assert legal_tokens.accepts(programs, "program", 120) == [True] * len(CORPUS) + [False] * len(ILLEGAL)


def test_a_batch_may_hold_programs_of_several_prompts(tokenizer, legal_tokens):
    """Each is judged by its own start symbol, names and shortest length, and sampling keeps to them."""
    prompts = [Prompt("program"), Prompt("function_body", ("var_a", "var_b", "func_a")), Prompt("function_body")]
    texts = [*CORPUS[:6], *BODIES, *ILLEGAL[:6]]
    programs = [tokenizer.encode(text).tolist() for text in texts]
    pairs = [(program, prompt) for program in programs for prompt in prompts]
    alone = [legal_tokens.accepts([program], prompt.start, 120, prompt.defined)[0] for program, prompt in pairs]
    assert legal_tokens.accepts_each(*zip(*pairs, strict=True), 120) == alone
    assert 10 < sum(alone) < len(alone) - 10

    mixed = prompts * 100
    state, random = legal_tokens.begin_each(mixed, 20), torch.Generator().manual_seed(0)
    assert state.length_budget[:3].tolist() == [20 - legal_tokens.shortest(prompt.start) for prompt in prompts]
    columns = []
    for _ in range(20):
        columns.append(torch.multinomial(legal_tokens.legal(state).float(), 1, generator=random).squeeze(1))
        legal_tokens.advance(state, columns[-1])
    assert legal_tokens.is_finished(state).all()
    rows = [[i for i in row if i != legal_tokens.pad] for row in torch.stack(columns, dim=1).tolist()]
    assert all(legal_tokens.accepts_each(rows, mixed, 20))
    assert not all(legal_tokens.accepts_each(rows, mixed[1:] + mixed[:1], 20))
    with pytest.raises(ValueError, match="shortest function_body has 3 tokens"):
        legal_tokens.begin_each([Prompt("function_body"), Prompt("program")], 2)


def test_the_worked_example_of_the_tables():
    """The numbers that tables.py shows."""
    tokens = [*SPECIAL_TOKENS, *LAYOUT_TOKENS, "0", "1", "+"]
    text = "program: sum EOS\nfunction_body: sum EOS\nsum: NUMBER more\nmore: '+' NUMBER more | nothing\n"
    legal = LegalTokens(parse_grammar(text, tokens), tokens, torch.device("cpu"))
    one, plus, end = (tokens.index(token) for token in ("1", "+", "<EOS>"))
    state = legal.begin("program", 1, 20)
    legal.advance(state, torch.tensor([one]))
    assert state.stack[0, :3].tolist() == [0, 3, 4]
    assert state.pointer.item() == 2
    assert legal.legal(state).nonzero()[:, 1].tolist() == sorted([plus, end])
    budget = state.length_budget.item()
    ended = copy.deepcopy(state)
    assert legal.advance(state, torch.tensor([plus])).item() == 2  # served by the top cell
    assert state.stack[0, :4].tolist() == [0, 3, 4, 5]
    assert (state.pointer.item(), state.length_budget.item()) == (3, budget - 2)
    assert legal.advance(ended, torch.tensor([end])).item() == 1  # by the cell below it
    assert (ended.pointer.item(), ended.length_budget.item(), ended.top.item()) == (0, budget, 0)


def test_the_worked_example_of_the_scopes(tokenizer):
    """The states that scopes.py shows."""
    names = Names(tokenizer.tokens, torch.device("cpu"))
    ids = {name: tokenizer.tokens.index(name) for name in ("var_c", "=", "var_a", "NEWLINE")}
    column = [names.ids.index(ids[name]) for name in ("var_a", "var_c")]
    scopes = Scopes(names.states([[ids["var_a"]]]), names)
    seen = [[LOCAL, 0]]
    for token, mark in (("var_c", "target"), ("=", ""), ("var_a", "read"), ("NEWLINE", "define_target")):
        move = torch.tensor([names.move(MARKS[mark][1], ids[token])])
        scopes.apply(move, torch.tensor([0]))
        seen.append((scopes._states - names.first_states)[0, column].tolist())
    assert seen[1:] == [[LOCAL, PENDING], [LOCAL, PENDING], [LOCAL, PENDING], [LOCAL, LOCAL | PENDING]]


def test_tokens_that_no_rule_uses_are_told(tokenizer, grammar):
    tokens = [*tokenizer.tokens, "break"]
    assert LegalTokens(grammar, tokens, torch.device("cpu")).unused_tokens() == ["break"]


def test_a_vocabulary_may_have_few_names(tokenizer, config):
    tokens = [t for t in tokenizer.tokens if t not in ("var_b", "var_c", "var_d", "var_e", "func_b")]
    legal_tokens = LegalTokens(read_grammar(config.paths.grammar, tokens), tokens, torch.device("cpu"))
    for max_length in (3, 12, 40):  # no dead end, though one variable is soon used up: `sample` looks at every step
        assert len(sample(legal_tokens, "program", 600, max_length, ())) == 600


def test_tokens_that_the_grammar_continues_alike_are_of_one_kind(tokenizer, legal_tokens):
    size = dict(zip(tokenizer.tokens, legal_tokens.class_sizes.tolist(), strict=True))
    numbers = sum(token.isdigit() for token in tokenizer.tokens)
    assert size["0"] == size["None"] == numbers + 4  # True, False and pi, too
    assert size["=="] == size["<="] == 6
    assert size["*"] == size["%"] == 4
    assert size["len"] == size["int"] == 7
    assert size[".upper"] == size[".items"] == 9
    for alone in ("+", "-", "in", "var_a", "func_a", "(", "return", "NEWLINE", "<EOS>"):
        assert size[alone] == 1, alone
