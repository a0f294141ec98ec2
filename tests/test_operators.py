"""Programs from parents: what a plan gives is what is written, and what is given is legal or else written anew."""

import dataclasses
import itertools

import pytest
import torch

from agent_core.grammar.legal_tokens import Prompt
from agent_core.learning.operators import table
from agent_core.learning.operators.parents import examine
from agent_core.learning.operators.proposal import Operator
from agent_core.learning.plan import RolloutPlan, join
from tests.test_generator import PLAIN, gradient, make_generator, outcomes, rescored, tiny, tiny_generator

NAMES = ("var_a", "var_b", "func_a")
BODY = Prompt("function_body", NAMES)

__all__ = ["tiny"]  # a fixture


def ids_of(tokenizer, text):
    """Tokens of a plan, written with spaces between them."""
    return [tokenizer.tokens.index(token) for token in text.split()]


def example(tokenizer, language, given=None, count=64):
    """The plan that the worked example describes: another operand where `return var_a + 1` has 1."""
    row = tokenizer.encode("return var_a + 1\n").tolist()
    parent = examine([row], language, [BODY])[0]
    begin, end, base_cell, below = next(span for span in parent.spans.tolist() if span[:2] == [3, 4])
    span = None
    if given is not None:
        span = torch.tensor([[*ids_of(tokenizer, given), tokenizer.pad]]).expand(count, -1)
    plan = RolloutPlan(
        parent=torch.tensor([[*row, tokenizer.pad]]).expand(count, -1),
        span_begin=torch.full((count,), begin),
        suffix_begin=torch.full((count,), end),
        suffix_excess=torch.full((count,), len(row) - end - below),
        span_budget=torch.full((count,), 5),
        forbidden_first=torch.full((count,), row[begin]),
        base_cell=torch.full((count,), base_cell),
        end_token=(torch.arange(len(tokenizer)) == row[end]).expand(count, -1),
        given_span=span,
    )
    return plan, below


@pytest.fixture
def bodies(tokenizer, legal_tokens):
    return make_generator(tokenizer, legal_tokens, start="function_body", defined=NAMES)


def generated(generator, plan, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(generator._sampler, "_plan", lambda *_: plan)
        return generator.generate(len(plan.span_begin))


def test_the_worked_example_of_a_span_written_anew(tokenizer, bodies, monkeypatch):
    plan, below = example(tokenizer, bodies._language)
    assert plan.suffix_excess[0] == 0
    assert below == 2  # NEWLINE and <EOS>
    programs = generated(bodies, plan, monkeypatch)
    rows, texts = programs.rows(), [tokenizer.decode(row) for row in programs.rows()]
    assert all(bodies.accepts(rows))
    assert all(text.startswith("return var_a + ") and text != "return var_a + 1\n" for text in texts)
    assert len(set(texts)) > 20
    # 1 token is the fewest for an operand, so at most 6 of the span are written, and then the end is chosen.
    assert all(3 + 2 <= len(row) <= 3 + 1 + 5 + 2 for row in rows)
    assert all(
        chosen.nonzero().squeeze(1).tolist() == list(range(3, len(row) - 1))
        for row, chosen in zip(rows, programs.chosen, strict=True)
    )


def test_the_worked_example_of_a_span_of_another_parent(tokenizer, bodies, monkeypatch):
    plan, _ = example(tokenizer, bodies._language, "len ( var_b ) NEWLINE")
    programs = generated(bodies, plan, monkeypatch)
    assert {tokenizer.decode(row) for row in programs.rows()} == {"return var_a + len ( var_b )\n"}
    assert not programs.chosen.any()
    assert programs.mutated.all()
    figures = bodies.learn(torch.rand(64), programs)
    assert figures["gradient_norm"] == 0.0
    assert not figures["skipped"]


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("len ( var_c ) NEWLINE", "len ("),  # there is no var_c
        ("len ( var_b ) ) NEWLINE", "len ( var_b )"),
        ("var_b + 2 + 3 + 4 + 5 + 6 NEWLINE", "var_b + 2 + 3"),  # there is no room for more, so only the end is legal
        ("1 NEWLINE", ""),  # what the parent has there, and that may not come first
        ("var_b", "var_b"),  # how it ends is left to the policy
    ],
)
def test_of_what_is_given_only_what_is_legal_is_taken_and_the_rest_is_written(
    tokenizer, bodies, monkeypatch, given, taken
):
    programs = generated(bodies, example(tokenizer, bodies._language, given)[0], monkeypatch)
    rows, length = programs.rows(), len(taken.split())
    assert all(bodies.accepts(rows))
    assert {tuple(row[3 : 3 + length]) for row in rows} == {tuple(ids_of(tokenizer, taken))}
    assert not programs.chosen[:, : 3 + length].any()
    assert programs.chosen[:, 3 + length].all()
    assert all(row[-2:] == tuple(ids_of(tokenizer, "NEWLINE <EOS>")) for row in rows)
    assert len(set(rows)) > 3 or programs.legal[:, 3 + length].sum(dim=1).tolist() == [1] * len(rows)


@pytest.mark.parametrize("given", ["0 + 1 + 1 <EOS>", "1 1", "1 + <EOS>", "0"])
def test_what_is_written_after_what_is_given_is_a_distribution_whose_gradient_is_exact(tiny, given, monkeypatch):
    """All that follows what is given, each with its probability under the policy: they sum to one."""
    tokenizer, _ = tiny
    generator = tiny_generator(tiny, epsilon=0.2)
    count = 4_000
    given_span = torch.tensor([[*ids_of(tokenizer, given), tokenizer.pad]]).expand(count, -1)
    zeros = torch.zeros(count, dtype=torch.long)
    plan = RolloutPlan(
        parent=torch.tensor([[*ids_of(tokenizer, "1 + <EOS>"), tokenizer.pad]]).expand(count, -1),
        span_begin=zeros + 2,
        suffix_begin=zeros + 3,
        suffix_excess=zeros,
        span_budget=zeros + 50,
        forbidden_first=zeros + tokenizer.sos,
        base_cell=zeros,
        end_token=(torch.arange(len(tokenizer)) == tokenizer.pad).expand(count, -1),
        given_span=given_span,
    )
    monkeypatch.setattr(generator._sampler, "_plan", lambda *_: plan)
    programs = outcomes(generator, count=count)
    log_prob = rescored(generator, programs).sum(dim=1)
    assert log_prob.exp().sum().item() == pytest.approx(1.0, abs=1e-12)
    assert torch.allclose(log_prob.float(), programs.log_probs.sum(dim=1), atol=1e-5)
    score = gradient(generator, (log_prob.exp().detach() * log_prob).sum())
    assert score.abs().max() < 1e-14
    assert all(generator.accepts(programs.rows()))


def test_spans_of_the_same_symbols_stand_in_one_anothers_place(tokenizer, bodies, monkeypatch):
    """Every span in every place of another program that asks for the same: nothing is left to the policy."""
    language = bodies._language
    texts = ["return var_a + 1\n", "return len(var_b) * max(var_a, 2)\n", "return [var_a, not var_b][1:2]\n"]
    rows = [tokenizer.encode(text).tolist() for text in texts]
    parents, swaps = examine(rows, language, [BODY] * 3), []
    for one, other in itertools.permutations(range(3), 2):
        for place, symbols in zip(parents[one].spans.tolist(), parents[one].span_symbols, strict=True):
            for source, others in zip(parents[other].spans.tolist(), parents[other].span_symbols, strict=True):
                if symbols and symbols == others:
                    swaps.append((rows[one], place, rows[other][source[0] : source[1]]))
    assert len(swaps) > 50
    plans, expected = [], []
    for row, (begin, end, base_cell, below), span in swaps:
        plans.append(
            RolloutPlan(
                parent=torch.tensor([[*row, tokenizer.pad]]),
                span_begin=torch.tensor([begin]),
                suffix_begin=torch.tensor([end]),
                suffix_excess=torch.tensor([len(row) - end - below]),
                span_budget=torch.tensor([100]),
                forbidden_first=torch.tensor([tokenizer.sos]),
                base_cell=torch.tensor([base_cell]),
                end_token=(torch.arange(len(tokenizer)) == row[end]).unsqueeze(0),
                given_span=torch.tensor([[*span, row[end], tokenizer.pad]]),
            )
        )
        expected.append((*row[:begin], *span, *row[end:]))
    programs = generated(bodies, join(plans, len(plans), tokenizer.pad), monkeypatch)
    fits = [len(row) <= language.max_length for row in expected]
    assert sum(fits) > 50
    found = zip(programs.rows(), expected, programs.chosen.any(dim=1).tolist(), fits, strict=True)
    assert all(row == wanted and not chosen for row, wanted, chosen, fit in found if fit)


def test_a_second_operator_is_one_entry_of_the_table(tokenizer, legal_tokens, monkeypatch):
    requests = []

    def copy(request):
        """Proposes the first parent as it is."""
        requests.append(request)
        row, count = request.parents[0].ids, request.count
        zeros = torch.zeros(count, dtype=torch.long)
        width = len(request.language.tokenizer)
        return RolloutPlan(
            parent=torch.cat([row, torch.tensor([request.language.tokenizer.pad])]).expand(count, -1),
            span_begin=zeros,
            suffix_begin=zeros + len(row),
            suffix_excess=zeros,
            span_budget=zeros + 100,
            forbidden_first=zeros + request.language.tokenizer.sos,
            base_cell=zeros,
            end_token=torch.zeros((count, width), dtype=torch.bool),
            given_span=torch.cat([row, torch.tensor([request.language.tokenizer.pad])]).expand(count, -1),
        )

    monkeypatch.setattr(table, "OPERATORS", (*table.OPERATORS, Operator("copy", lambda learning: 0.25, copy)))
    learning = dataclasses.replace(PLAIN, mutation_share=0.5, inner_share=0.5, epsilon=0.1)
    generator = make_generator(tokenizer, legal_tokens, learning)
    elites = [tuple(tokenizer.encode(text).tolist()) for text in ("print(max(1, 2) + 3)\n", "pass\n")]
    programs = generator.generate(64, elites)
    assert [request.count for request in requests] == [16]
    assert programs.mutated.tolist() == [False] * 16 + [True] * 48
    assert programs.rows()[48:] == [elites[0]] * 16
    assert not programs.chosen[48:].any()
    assert programs.chosen[:48].any(dim=1).all()
    assert all(generator.accepts(programs.rows()))
    again = rescored(generator, programs)
    assert torch.allclose(again[programs.chosen], programs.log_probs[programs.chosen], atol=1e-5)


def test_operators_that_ask_for_more_than_there_is_get_what_is_left(monkeypatch):
    monkeypatch.setattr(
        table, "OPERATORS", tuple(Operator(str(share), lambda _, s=share: s, None) for share in (0.5, 0.75, 0.75))
    )
    assert table.counts_of(PLAIN, slice(0, 64)) == [32, 32, 0]
    assert table.counts_of(PLAIN, slice(1, 2)) == [1, 0, 0]
    monkeypatch.setattr(
        table, "OPERATORS", tuple(Operator(str(share), lambda _, s=share: s, None) for share in (0.5, 0.25))
    )
    for count in (7, 64):  # shares of ranks: together what one rank would ask for
        shares = [slice(rank * count // 3, (rank + 1) * count // 3) for rank in range(3)]
        for operator, whole in enumerate(table.counts_of(PLAIN, slice(0, count))):
            assert sum(table.counts_of(PLAIN, share)[operator] for share in shares) == whole
