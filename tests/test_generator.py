"""Sampling and learning: exact gradients on a language small enough to enumerate, mutation, devices."""

import dataclasses
import itertools
import warnings

import pytest
import torch
from torch.overrides import TorchFunctionMode

from agent_core.grammar.legal_tokens import LegalTokens, Prompt
from agent_core.grammar.rules import parse_grammar
from agent_core.learning.generator import Beginning, CodeGenerator
from agent_core.learning.learner import with_parents
from agent_core.learning.objectives import policy_gradient_loss
from agent_core.learning.operators.parents import KnownPrograms, Span
from agent_core.learning.rollout import Rollouts
from agent_core.settings.config import Config, GeneratorConfig, LearningConfig, ModelConfig, RunConfig
from tokenizer import LAYOUT_TOKENS, SPECIAL_TOKENS, Tokenizer

CPU = torch.device("cpu")
PLAIN = LearningConfig(
    entropy_weight=0.0,
    epsilon=0.0,
    imitation_weight=0.0,
    mutation_share=0.0,
    mutation_length_budget=0.0,
    fresh_length_budget=0.0,
    grammar_weights=False,
    type_weight=0.0,
    name_weight=0.0,
)
SUMS = "program: sum EOS\nfunction_body: sum EOS\nsum: NUMBER more\nmore: '+' NUMBER more | nothing\n"


def make_generator(
    tokenizer,
    legal_tokens,
    learning=PLAIN,
    max_length=24,
    start="program",
    defined=(),
    seed=0,
    context_dim=0,
    types=None,
    **settings,
):
    config = Config(
        run=RunConfig(seed=seed),
        model=ModelConfig(embedding_dim=8, hidden_dim=16),
        generator=GeneratorConfig(max_length=max_length, **settings),
        learning=learning,
    )
    prompt = Prompt(start, tuple(defined))
    return CodeGenerator(tokenizer, legal_tokens, prompt, config, beginning=lambda: Beginning(context_dim), types=types)


def rescored(generator, programs):
    """Log-probabilities of the tokens of a batch, with gradient."""
    return generator._learner.score(with_parents(programs, [], generator._tokenizer.pad))[0]


def known(generator, elites):
    """Elites as parents."""
    return generator._parents.examine(KnownPrograms(elites))


@pytest.fixture(scope="module")
def tiny():
    """A language of 14 programs: sums of up to three of two numbers. In float64."""
    tokenizer = Tokenizer([*SPECIAL_TOKENS, *LAYOUT_TOKENS, "0", "1", "+"])
    return tokenizer, LegalTokens(parse_grammar(SUMS, tokenizer.tokens), tokenizer.tokens, CPU)


def tiny_generator(tiny, context_dim=0, **learning):
    generator = make_generator(
        *tiny, learning=dataclasses.replace(PLAIN, **learning), max_length=6, context_dim=context_dim
    )
    generator.policy.double()
    epsilon = generator._config.learning.epsilon  # the same for all, so that equal programs are equally likely
    generator._sampler._epsilons = lambda count: torch.full((count,), epsilon)
    return generator


def every_program(tiny):
    tokenizer, _ = tiny
    texts = ["+".join(numbers) for count in (1, 2, 3) for numbers in itertools.product("01", repeat=count)]
    return [tuple(tokenizer.encode(text).tolist()[:-2] + [tokenizer.eos]) for text in texts]


def gradient(generator, loss):
    return torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(generator.policy.parameters()))])


def outcomes(generator, elites=(), count=40_000, context=None):
    """Every distinct (program, chosen tokens) that sampling brings up, as one batch, with exact probabilities."""
    programs = generator.generate(count, elites, context=context)
    keys = torch.cat([programs.ids, programs.chosen.long()], dim=1)
    _, first = torch.unique(keys, dim=0, return_inverse=True)
    index = torch.tensor([(first == i).nonzero()[0].item() for i in range(first.max() + 1)])
    parts = (getattr(programs, field.name) for field in dataclasses.fields(Rollouts))
    return Rollouts(*(None if part is None else part[index] for part in parts))


@pytest.mark.parametrize("epsilon", [0.0, 0.2])
def test_the_gradient_of_reinforce_is_that_of_the_expected_reward(tiny, epsilon):
    generator = tiny_generator(tiny, epsilon=epsilon)
    programs = outcomes(generator)
    assert sorted(programs.rows()) == sorted(every_program(tiny))
    rewards = torch.rand(14, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    log_probs = rescored(generator, programs)
    log_prob = log_probs.sum(dim=1)
    probability = log_prob.exp()
    assert probability.sum().item() == pytest.approx(1.0, abs=1e-12)
    expected = gradient(generator, (probability * rewards).sum())

    log_probs = rescored(generator, programs)
    # Weighted by its probability, each program appears as often as sampling would bring it; 14 undoes the mean.
    weights = probability.detach() * 14 * (rewards - 0.3)  # any baseline: it drops out of the expectation
    found = gradient(generator, policy_gradient_loss(log_probs, weights, programs.chosen))
    assert torch.allclose(found, -expected, atol=1e-14)
    assert expected.abs().max() > 1e-4


@pytest.mark.parametrize("epsilon", [0.0, 0.2])
@pytest.mark.parametrize("which", range(6))
def test_mutation_is_a_distribution_whose_gradient_is_exact(tiny, epsilon, which):
    """For each single span: the chosen tokens, the decision to stop among them, have probabilities that sum to one."""
    tokenizer, _ = tiny
    generator = tiny_generator(tiny, epsilon=epsilon, mutation_share=1.0, inner_share=1.0)
    elite = tuple(tokenizer.tokens.index(token) for token in ("0", "+", "1", "<EOS>"))
    (parent,) = known(generator, [elite])
    one = slice(which % len(parent.spans), which % len(parent.spans) + 1)
    span = Span(*parent.spans[one][0].tolist())
    generator._parents._parents[elite, generator._prompt] = dataclasses.replace(
        parent, spans=parent.spans[one], span_weights=torch.ones(1)
    )
    programs = outcomes(generator, [elite], 4_000)
    log_prob = rescored(generator, programs).sum(dim=1)
    assert log_prob.exp().sum().item() == pytest.approx(1.0, abs=1e-12)
    assert torch.allclose(log_prob.float(), programs.log_probs.sum(dim=1), atol=1e-5)
    score = gradient(generator, (log_prob.exp().detach() * log_prob).sum())  # the expected score function is zero
    assert score.abs().max() < 1e-14
    for row, chosen in zip(programs.rows(), programs.chosen.tolist(), strict=True):
        assert row[: span.begin] == elite[: span.begin]
        kept = len(elite) - span.end - 1  # the stop token itself is chosen
        assert row[len(row) - kept :] == elite[len(elite) - kept :]
        assert chosen[: len(row)] == [span.begin <= i < len(row) - kept for i in range(len(row))]


@pytest.mark.parametrize(
    ("share", "start", "defined"),
    [
        (0.0, "program", ()),
        (0.5, "program", ()),
        (0.5, "function_body", ("var_a", "func_a")),
    ],
)
def test_sampling_and_rescoring_agree(tokenizer, legal_tokens, share, start, defined):
    learning = dataclasses.replace(PLAIN, epsilon=0.05, mutation_share=share)
    generator = make_generator(tokenizer, legal_tokens, learning, start=start, defined=defined)
    elites = list(dict.fromkeys(generator.generate(32).rows()))
    programs = generator.generate(128, elites)
    again = rescored(generator, programs)
    assert torch.allclose(again[programs.chosen], programs.log_probs[programs.chosen], atol=1e-5)
    assert (programs.log_probs[~programs.chosen] == 0).all()
    assert programs.mutated.sum() == int(128 * share)
    assert (programs.chosen[~programs.mutated] == programs.mask[~programs.mutated]).all()


@pytest.mark.parametrize("inner", [0.0, 1.0])
@pytest.mark.parametrize("max_length", [8, 20])
def test_mutated_programs_are_legal_and_end_in_time(tokenizer, legal_tokens, inner, max_length):
    learning = dataclasses.replace(PLAIN, mutation_share=1.0, inner_share=inner)
    generator = make_generator(tokenizer, legal_tokens, learning, max_length)
    elites = list(dict.fromkeys(generator.generate(100).rows()))
    for _ in range(3):  # mutated from what was mutated
        programs = generator.generate(300, elites)
        elites = list(dict.fromkeys(programs.rows()))
        assert all(generator.accepts(elites))
        assert all(row[-1] == tokenizer.eos and len(row) <= max_length for row in elites)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            for row in elites:
                compile(tokenizer.decode(row), "program", "exec")
    assert len(elites) > 100


def test_what_is_mutated_is_short_where_the_length_budget_is(tokenizer, legal_tokens):
    elite = tuple(tokenizer.encode("print(max(1, 2) + 3)\n").tolist())
    written = []
    for slack in (1.0, 5.0, 0.0):
        learning = dataclasses.replace(PLAIN, mutation_share=1.0, inner_share=0.5, mutation_length_budget=slack)
        chosen = make_generator(tokenizer, legal_tokens, learning, max_length=48).generate(1_000, [elite]).chosen
        written.append(chosen.sum(dim=1).float().mean().item())
    assert written[0] < written[1] - 1 < written[2] - 4


def test_fresh_programs_are_short_where_their_length_budget_is_and_mutated_ones_keep_their_length(
    tokenizer, legal_tokens
):
    lengths = []
    for slack in (2.0, 8.0, 0.0):
        generator = make_generator(
            tokenizer, legal_tokens, dataclasses.replace(PLAIN, fresh_length_budget=slack), max_length=48
        )
        rows = generator.generate(1_000).rows()
        assert all(generator.accepts(rows))
        lengths.append(sum(map(len, rows)) / 1_000)
    assert lengths[0] < 5.5 < 9 < lengths[1] < 12 < 24 < lengths[2]
    elite = tuple(tokenizer.encode("print(max(1, 2) + 3)\nprint(max(1, 2) + 3)\n").tolist())
    learning = dataclasses.replace(PLAIN, fresh_length_budget=1.0, mutation_share=0.5, inner_share=1.0)
    programs = make_generator(tokenizer, legal_tokens, learning, max_length=48).generate(1_000, [elite])
    length = programs.mask.sum(dim=1).float()
    assert length[~programs.mutated].mean() < 5 < 15 < length[programs.mutated].mean()


@pytest.mark.parametrize("by_prior", [0.0, 1.0])
def test_chance_and_a_fresh_policy_are_even_over_token_classes(tokenizer, legal_tokens, by_prior):
    progress = legal_tokens.begin("program", 1, 24)
    for token in ("print", "("):
        legal_tokens.advance(progress, torch.tensor([tokenizer.tokens.index(token)]))
    shares = {}
    for even in (1.0, 0.5, 0.0):
        generator = make_generator(tokenizer, legal_tokens, dataclasses.replace(PLAIN, class_balance=even))
        logits = torch.zeros(1, len(tokenizer)) if by_prior else generator.policy.head.bias.detach().unsqueeze(0)
        prior = generator._language.prior
        probs = prior.probs(logits, legal_tokens.legal(progress), torch.tensor([by_prior]), None)[0]
        shares[even] = {token: probs[i].item() for i, token in enumerate(tokenizer.tokens) if probs[i] > 0}
    everything = {even: sum(size ** (1 - even) for size in (17, 8, 8, 7, 2, 2, 2, *[1] * 9)) for even in shares}
    near = {"rel": 0.4 if not by_prior else 1e-5}  # what the random weights of a fresh head add
    for even, share in shares.items():
        for token, size in (("2", 17), ('"no"', 8), ("len", 7), ("[", 1), (")", 1)):
            assert share[token] == pytest.approx(size**-even / everything[even], **near)


def test_programs_wander_off_by_shares_of_their_own(tokenizer, legal_tokens):
    learning = dataclasses.replace(PLAIN, epsilon=0.4)
    epsilon = make_generator(tokenizer, legal_tokens, learning).generate(1_000).epsilon
    assert 0 <= epsilon.min() < 0.02 < 0.38 < epsilon.max() <= 0.4
    assert (make_generator(tokenizer, legal_tokens).generate(10).epsilon == 0).all()


def test_mutation_swaps_a_sub_expression_for_others(tokenizer, legal_tokens):
    learning = dataclasses.replace(PLAIN, mutation_share=1.0, inner_share=1.0)
    generator = make_generator(tokenizer, legal_tokens, learning)
    elite = tuple(tokenizer.encode("print(max(1, 2) + 3)\n").tolist())
    texts = {tokenizer.decode(row).replace(" ", "") for row in generator.generate(4_000, [elite]).rows()}
    middles = [text for text in texts if text.startswith("print(max(1,") and text.endswith(")+3)\n")]
    assert len(middles) > 100
    assert any(text.startswith("print(max(1,2)+3") and len(text) > 25 for text in texts)  # grown where nothing was


@pytest.mark.parametrize("inner", [0.0, 1.0])
def test_what_is_mutated_differs_from_the_elite_at_its_first_token(tokenizer, legal_tokens, inner):
    learning = dataclasses.replace(PLAIN, mutation_share=1.0, inner_share=inner, mutation_length_budget=4.0)
    generator = make_generator(tokenizer, legal_tokens, learning)
    elite = tuple(tokenizer.encode("print(max(1, 2) + 3)\n").tolist())
    programs = generator.generate(2_000, [elite])
    rows = programs.rows()
    begins = programs.chosen.long().argmax(dim=1).tolist()
    choices = programs.legal[torch.arange(2_000), begins].sum(dim=1).tolist()
    for row, begin, choice in zip(rows, begins, choices, strict=True):
        assert row[:begin] == elite[:begin]
        assert row[begin] != elite[begin] or choice == 1  # only that one fits into the slack
    assert rows.count(elite) < 200
    forced = {t for t in range(len(elite)) if known(generator, [elite])[0].legal[t].sum() == 1}
    assert forced
    assert set(begins) <= set(range(len(elite))) - forced
    if inner:
        texts = {tokenizer.decode(row).replace(" ", "") for row in rows}
        for grown in ("print(max(1,2)*", "print(max(1,2)+3,", "print(max(1-", "print(max(1,2,"):  # where nothing was
            assert any(text.startswith(grown) and text.endswith(")\n") for text in texts), grown


def test_learning_makes_a_rewarded_token_likelier(tiny):
    generator = tiny_generator(tiny)
    tokenizer, _ = tiny
    one = tokenizer.tokens.index("1")
    shares = []
    for _ in range(100):
        programs = generator.generate(64)
        rewards = (programs.ids == one).sum(dim=1) / programs.mask.sum(dim=1)
        shares.append(rewards.mean().item())
        figures = generator.learn(rewards, programs)
        assert all(torch.isfinite(torch.tensor(value)) for value in figures.values())
    assert sum(shares[-20:]) > 1.3 * sum(shares[:20])


def test_imitation_makes_the_elites_likelier(tiny):
    generator = tiny_generator(tiny, imitation_weight=1.0)
    elite = every_program(tiny)[-1]

    def share():
        return generator.generate(500).rows().count(elite) / 500

    before = share()
    for _ in range(60):
        programs = generator.generate(16)
        generator.learn(torch.zeros(16), programs, [elite])
    assert share() > 4 * before


def test_elites_may_be_longer_than_all_programs_of_a_batch(tokenizer, legal_tokens):
    generator = make_generator(tokenizer, legal_tokens, dataclasses.replace(PLAIN, imitation_weight=0.1))
    elite = max(generator.generate(64).rows(), key=len)
    programs = generator.generate(64)
    short = Rollouts(
        *(part if part is None else part[:, :3] for part in list(vars(programs).values())[:-2]),
        programs.mutated,
        programs.epsilon,
    )
    figures = generator.learn(torch.rand(64), short, [elite])
    assert not figures["skipped"]
    assert figures["imitation_loss"] > 0


def test_entropy_bonus_keeps_options_open(tiny):
    closing, open_ = (tiny_generator(tiny, entropy_weight=weight) for weight in (0.0, 1.0))
    for generator in (closing, open_):
        for _ in range(100):
            programs = generator.generate(64)
            figures = generator.learn((programs.ids == 7).sum(dim=1).double(), programs)
        generator.last = figures["entropy"]
    assert open_.last > 2 * closing.last


@pytest.mark.parametrize("reward", [float("nan"), float("inf")])
def test_a_step_that_is_not_finite_changes_nothing(tiny, reward):
    generator = tiny_generator(tiny)
    before = [parameter.clone() for parameter in generator.policy.parameters()]
    programs = generator.generate(8)
    assert generator.learn(torch.full((8,), reward), programs)["skipped"] == 1
    assert all(torch.equal(a, b) for a, b in zip(before, generator.policy.parameters(), strict=True))


def test_the_seed_decides_weights_and_programs(tokenizer, legal_tokens):
    first, second, other = (make_generator(tokenizer, legal_tokens, seed=seed) for seed in (3, 3, 4))
    assert first.generate(16).rows() == second.generate(16).rows()
    assert first.generate(16).rows() != other.generate(16).rows()


def test_without_the_grammar_anything_may_be_written(tokenizer, legal_tokens):
    generator = make_generator(tokenizer, legal_tokens, legal_tokens_only=False, max_length=12)
    programs = generator.generate(500)
    assert programs.ids.shape[1] == 12
    assert not any(legal_tokens.accepts(programs.rows(), "program", 12))
    assert all(generator.accepts(programs.rows()))
    for special in (tokenizer.sos, tokenizer.unk):
        assert not (programs.ids == special).any()
    assert ((programs.ids == tokenizer.pad) == ~programs.mask).all()
    assert any(row[-1] == tokenizer.eos for row in programs.rows())
    learning = dataclasses.replace(PLAIN, imitation_weight=0.1, mutation_share=0.5)
    generator = make_generator(tokenizer, legal_tokens, learning, legal_tokens_only=False, max_length=12)
    elites = programs.rows()[:4]
    assert generator.learn(torch.rand(500), generator.generate(500, elites), elites)["imitation_loss"] > 0


def test_every_tensor_lives_on_the_device_of_the_machine(tokenizer, legal_tokens, grammar, monkeypatch):
    """The meta device holds no data, so a tensor made elsewhere cannot be mixed in without an error."""
    learning = LearningConfig(mutation_share=0.5, imitation_weight=0.1, epsilon=0.1)
    settings = {"learning": learning, "max_length": 12}
    here = make_generator(tokenizer, legal_tokens, **settings)
    elites = list(dict.fromkeys(here.generate(8).rows()))
    parents = known(here, elites)

    meta = torch.device("meta")
    monkeypatch.setattr(torch, "Generator", lambda device=None: torch.default_generator)
    monkeypatch.setattr(torch.Tensor, "item", lambda tensor: 0)  # nothing can be read from there
    monkeypatch.setattr(torch.Tensor, "__int__", lambda tensor: 0)
    there = make_generator(tokenizer, LegalTokens(grammar, tokenizer.tokens, meta), **settings)
    there.randomness.plans = here.randomness.plans
    there._parents._parents = {
        (elite, there._prompt): dataclasses.replace(parent, legal=parent.legal.to(meta))
        for elite, parent in zip(elites, parents, strict=True)
    }
    assert {parameter.device for parameter in there.policy.parameters()} == {meta}
    for start_from in ((), elites):
        programs = there.generate(8, start_from)
        assert {part.device for part in vars(programs).values() if part is not None} == {meta}


def test_learning_makes_no_tensor_without_saying_where(tokenizer, legal_tokens):
    makers = {torch.zeros, torch.ones, torch.empty, torch.full, torch.tensor, torch.arange, torch.rand, torch.randint}
    silent = []

    class Watch(TorchFunctionMode):
        def __torch_function__(self, function, types, args=(), kwargs=None):
            if function in makers and "device" not in (kwargs or {}):
                silent.append(function.__name__)
            return function(*args, **(kwargs or {}))

    learning = LearningConfig(mutation_share=0.5, imitation_weight=0.1)
    generator = make_generator(tokenizer, legal_tokens, learning=learning)
    programs = generator.generate(8)
    elites = list(dict.fromkeys(programs.rows()))
    known(generator, elites)
    rewards = torch.rand(8)
    with Watch():
        torch.zeros(1)
        generator.learn(rewards, programs, elites)
    assert silent == ["zeros"]  # the one above
