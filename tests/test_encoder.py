"""Contexts: of any number of cases in any order, with gradients, and different for different questions."""

import numpy
import pytest
import torch

from agent_core.play.mind.encoder import Bags, ExampleEncoder, spread
from agent_core.play.mind.features import features_of


def cases(*examples):
    return [numpy.array(features_of(arguments, answer), numpy.int16) for arguments, answer in examples]


QUESTIONS = [
    cases(([3], 6), ([5], 10), ([0], 0), ([7], 14)),
    cases(([3], 4), ([5], 6), ([0], 1), ([7], 8)),
    cases(([[1, 2]], 2), ([[4]], 1), ([[]], 0), ([[3, 3, 3]], 3)),
    cases((["ab", "b"], True), (["xy", "z"], False)),
    cases(([], "hello world")),
]


def encoder(seed=0):
    torch.manual_seed(seed)
    return ExampleEncoder(feature_dim=16, encoder_dim=24, context_dim=12)


def test_shapes_are_exact_for_any_number_of_questions_and_cases():
    assert encoder()(Bags.of(QUESTIONS)).shape == (5, 12)
    assert encoder()(Bags.of(QUESTIONS[:1])).shape == (1, 12)
    assert encoder()(Bags.of([])).shape == (0, 12)


def test_a_question_without_cases_is_refused():
    with pytest.raises(ValueError, match="no context"):
        Bags.of([QUESTIONS[0], []])


def test_the_order_of_cases_and_the_neighbours_do_not_matter():
    one = encoder()
    together = one(Bags.of(QUESTIONS))
    for i, question in enumerate(QUESTIONS):
        alone = one(Bags.of([question[::-1]]))
        torch.testing.assert_close(alone[0], together[i])


def test_a_context_is_what_the_definition_says():
    """One question at a time, by hand: the sum of the features, the norm, the mean and the largest."""
    one = encoder().double()
    for question in QUESTIONS:
        bags = [one.features.weight[torch.tensor(case.astype(int))].sum(dim=0) for case in question]
        read = torch.stack([one.of_case(one.norm_of_case(bag)) for bag in bags])
        wanted = one.norm(one.of_question(torch.cat([read.mean(dim=0), read.amax(dim=0)])))
        torch.testing.assert_close(one(Bags.of([question]))[0], wanted)


def test_every_parameter_has_a_gradient():
    one = encoder()
    one(Bags.of(QUESTIONS)).square().mul(torch.arange(12)).sum().backward()
    for name, parameter in one.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_different_questions_have_different_contexts():
    for seed in range(3):
        contexts = encoder(seed)(Bags.of(QUESTIONS)).detach()
        assert spread(contexts) > 0.3
        distances = torch.cdist(contexts, contexts) + torch.eye(len(contexts)) * 1e9
        assert distances.min() > 0.5


def test_spread_tells_a_collapsed_encoder():
    one = encoder()
    with torch.no_grad():
        one.of_question[2].weight.zero_()  # whatever it is shown, it says the same
    assert spread(one(Bags.of(QUESTIONS)).detach()) < 1e-3
