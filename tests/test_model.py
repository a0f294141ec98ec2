"""The network: the fast ways to run it compute what its definition says, in value and in gradient."""

import pytest
import torch

from agent_core.model import CodePolicy


def packed(ids, lengths):
    """Programs as `hidden` takes them, time after time, the longest first: tokens, sizes, and where they were."""
    sizes = [sum(length > t for length in lengths) for t in range(max(lengths))]
    rows = [(row, t) for t, size in enumerate(sizes) for row in range(size)]
    return ids[tuple(zip(*rows, strict=True))], sizes, tuple(zip(*rows, strict=True))


@pytest.fixture(params=[1, 3], ids=["1 layer", "3 layers"])
def policy(request):
    torch.manual_seed(0)
    return CodePolicy(vocabulary_size=9, embedding_dim=4, hidden_dim=5, num_layers=request.param).double()


@pytest.mark.parametrize("lengths", [[1], [7, 7, 7], [7, 4, 4, 3, 1, 1]])
def test_whole_programs_at_once_with_their_gradients(policy, lengths):
    ids = torch.randint(9, (len(lengths), max(lengths)))
    tokens, sizes, where = packed(ids, lengths)
    weights = torch.randn(len(tokens), 9, dtype=torch.float64)
    fast, plain = policy.head(policy.hidden(tokens, sizes)), policy(ids)[where]
    assert torch.allclose(fast, plain, atol=1e-14)
    parameters = list(policy.parameters())
    for found, expected in zip(
        torch.autograd.grad((fast * weights).sum(), parameters),
        torch.autograd.grad((plain * weights).sum(), parameters),
        strict=True,
    ):
        assert torch.allclose(found, expected, atol=1e-13)


@torch.no_grad()
def test_token_by_token_with_programs_leaving_on_the_way(policy):
    ids = torch.randint(9, (6, 8))
    plain = policy(ids)
    reader, rows = policy.reader(6), torch.arange(6)
    for t in range(8):
        assert torch.allclose(reader.read(ids[rows, t]), plain[rows, t], atol=1e-14)
        if t in (2, 5):
            keep = torch.arange(0, len(rows), 2)
            reader.select(keep)
            rows = rows[keep]
    assert len(rows) == 2
