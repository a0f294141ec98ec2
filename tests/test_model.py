"""The network: the fast ways to run it compute what its definition says, in value and in gradient."""

import pytest
import torch

from agent_core.lstm import recurrence
from agent_core.model import CodePolicy


def packed(ids, lengths):
    """Programs as `hidden` takes them, time after time, the longest first: tokens, sizes, and where they were."""
    sizes = [sum(length > t for length in lengths) for t in range(max(lengths))]
    rows = [(row, t) for t, size in enumerate(sizes) for row in range(size)]
    return ids[tuple(zip(*rows, strict=True))], sizes, tuple(zip(*rows, strict=True))


@pytest.fixture(params=[(1, 0), (3, 0), (1, 3), (3, 3)], ids=["1 layer", "3 layers", "1 + context", "3 + context"])
def policy(request):
    torch.manual_seed(0)
    layers, context = request.param
    made = CodePolicy(vocabulary_size=9, embedding_dim=4, hidden_dim=5, num_layers=layers, context_dim=context).double()
    if context:
        with torch.no_grad():
            made.no_context += torch.randn(context)
    return made


def context_of(policy, count):
    """A context for each program, with gradients; of the first one it is hidden."""
    if not policy.context_dim:
        return None
    context = torch.randn(count, policy.context_dim, dtype=torch.float64, requires_grad=True)
    return policy.hide(context, torch.arange(count) == 0)


@pytest.mark.parametrize("lengths", [[1], [7, 7, 7], [7, 4, 4, 3, 1, 1]])
def test_whole_programs_at_once_with_their_gradients(policy, lengths):
    ids = torch.randint(9, (len(lengths), max(lengths)))
    tokens, sizes, where = packed(ids, lengths)
    weights = torch.randn(len(tokens), 9, dtype=torch.float64)
    context = context_of(policy, len(lengths))
    fast = policy.logits(policy.hidden(tokens, sizes, context), torch.tensor(where[0]), context)
    plain = policy(ids, context)[where]
    assert torch.allclose(fast, plain, atol=1e-14)
    parameters = list(policy.parameters()) + ([] if context is None else [context])
    for found, expected in zip(
        torch.autograd.grad((fast * weights).sum(), parameters, retain_graph=True),
        torch.autograd.grad((plain * weights).sum(), parameters),
        strict=True,
    ):
        assert torch.allclose(found, expected, atol=1e-13)
        assert expected.any() or lengths == [1]  # one token alone uses no state of its own


@pytest.mark.parametrize("lengths", [[7, 7, 7], [7, 4, 4, 3, 1, 1]])
def test_what_runs_on_a_gpu_computes_the_same(policy, lengths):
    """PyTorch's own LSTM over packed programs, which runs on any device."""
    tokens, sizes, _ = packed(torch.randint(9, (len(lengths), max(lengths))), lengths)
    context = context_of(policy, len(lengths))
    states = [None] * policy.lstm.num_layers if context is None else policy._first_states(context)
    assert torch.allclose(
        policy._packed_by_cudnn(tokens, sizes, context, states), policy.hidden(tokens, sizes, context), atol=1e-14
    )


@torch.no_grad()
def test_token_by_token_with_programs_leaving_on_the_way(policy):
    ids = torch.randint(9, (6, 8))
    context = context_of(policy, 6)
    plain = policy(ids, context)
    reader, rows = policy.reader(6, context), torch.arange(6)
    for t in range(8):
        assert torch.allclose(reader.read(ids[rows, t]), plain[rows, t], atol=1e-14)
        if t in (2, 5):
            keep = torch.arange(0, len(rows), 2)
            reader.select(keep)
            rows = rows[keep]
    assert len(rows) == 2


@pytest.mark.parametrize("sizes", [[4], [3, 3], [4, 2, 2, 1]])
def test_the_gradient_of_a_layer_by_hand_reaches_inputs_weight_and_first_states(sizes):
    torch.manual_seed(1)
    total, size = sum(sizes), 3
    shapes = (total, 4 * size), (4 * size, size), (sizes[0], size), (sizes[0], size)
    given = [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes]

    def layer(inputs, weight, hidden, memory):
        return recurrence(inputs, weight, sizes, (hidden, memory))

    assert torch.autograd.gradcheck(layer, given)
    zeros = torch.zeros(sizes[0], size, dtype=torch.float64)
    assert torch.equal(layer(*given[:2], zeros, zeros), recurrence(*given[:2], sizes))


def test_logits_depend_on_the_context_through_every_way_in(policy):
    """Cutting any one of first states, inputs and head changes what the context does."""
    if not policy.context_dim:
        assert [name for name, _ in policy.named_parameters() if "context" in name or "first" in name] == []
        with pytest.raises(ValueError, match=r"must be of shape \(2, 0\), got \(2, 3\)"):
            policy(torch.zeros(2, 4, dtype=torch.long), torch.zeros(2, 3))
        return
    ids, context = torch.randint(9, (2, 4)), torch.randn(2, 3, dtype=torch.float64)
    with torch.no_grad():
        for cut in (policy.first_states.weight, policy.lstm.weight_ih_l0[:, 4:], policy.head.weight[:, 5:]):
            before, kept = policy(ids, context), cut.clone()
            cut.zero_()
            assert (policy(ids, context) - before).abs().max() > 1e-3
            cut.copy_(kept)
    assert torch.equal(policy(ids), policy(ids, policy.no_context.expand(2, -1)))
    assert (policy(ids) - policy(ids, context)).abs().max() > 1e-3
    with pytest.raises(ValueError, match=r"must be of shape \(2, 3\), got \(1, 3\)"):
        policy(ids, context[:1])
