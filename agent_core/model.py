"""The policy network: Embedding -> LSTM -> Linear, from random weights (PyTorch's default initialisation).

`forward` is the definition. What runs computes the same faster: `Reader` token by token without gradients, to write
programs, and `hidden` over many whole programs at once with gradients, to learn from them. In both, what a token adds
to the gates of the first layer is looked up: the product with the embedding is made once for each token there is.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import PackedSequence

from agent_core.lstm import cell, recurrence


class CodePolicy(nn.Module):
    """Scores every token of the vocabulary as the next one, given those before it."""

    def __init__(self, vocabulary_size: int, embedding_dim: int, hidden_dim: int, num_layers: int):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary_size, embedding_dim)
        self.lstm = nn.LSTM(embedding_dim, hidden_dim, num_layers, batch_first=True)
        self.head = nn.Linear(hidden_dim, vocabulary_size)

    def forward(self, ids: Tensor) -> Tensor:
        """The definition. ids: (B, T). Returns logits (B, T, V)."""
        return self.head(self.lstm(self.embedding(ids))[0])

    def hidden(self, ids: Tensor, sizes: Sequence[int]) -> Tensor:
        """What the LSTM makes of each token and those before it in its program, with gradients.

        ids: (N,) packed: the first token of every program, then the second of those that have one, and so on, the
        programs sorted by length, the longest first. sizes: how many programs have each. Returns (N, H).
        """
        if ids.device.type == "cuda":  # cuDNN's fused kernels
            packed = PackedSequence(self.embedding(ids), torch.tensor(sizes))
            return self.lstm(packed)[0].data
        (below, across, bias), *others = self.weights()
        hidden = recurrence(
            functional.embedding(ids, functional.linear(self.embedding.weight, below, bias)), across, sizes
        )
        for below, across, bias in others:
            hidden = recurrence(functional.linear(hidden, below, bias), across, sizes)
        return hidden

    def reader(self, batch_size: int) -> "Reader":
        return Reader(self, batch_size)

    def count_parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.parameters())

    def weights(self) -> list[tuple[Tensor, Tensor, Tensor]]:
        """Of each layer: (4H, E or H) for what comes from below, (4H, H) for its own state, (4H,) both biases."""
        return [(below, across, bias + second) for below, across, bias, second in self.lstm.all_weights]


class Reader:
    """The policy reading programs of a batch token by token, for as long as its weights stay what they are."""

    def __init__(self, policy: CodePolicy, batch_size: int):
        (below, across, bias), *others = policy.weights()
        self._head = policy.head
        self._first = functional.linear(policy.embedding.weight, below, bias)  # (V, 4H)
        self._first_across = across.t()
        self._others = [(below, across.t(), bias) for below, across, bias in others]
        self._hidden = [self._first.new_zeros((batch_size, policy.lstm.hidden_size)) for _ in range(1 + len(others))]
        self._memory = [torch.zeros_like(hidden) for hidden in self._hidden]

    def read(self, token: Tensor) -> Tensor:
        """The next token of each program, (R,) ids. Returns logits (R, V) for the one after it."""
        hidden = self._step(0, self._first.index_select(0, token), self._first_across)
        for layer, (below, across, bias) in enumerate(self._others, start=1):
            hidden = self._step(layer, functional.linear(hidden, below, bias), across)
        return self._head(hidden)

    def _step(self, layer: int, inputs: Tensor, across: Tensor) -> Tensor:
        hidden, memory = cell(inputs.addmm_(self._hidden[layer], across), self._memory[layer])
        self._hidden[layer], self._memory[layer] = hidden, memory
        return hidden

    def select(self, rows: Tensor) -> None:
        """Goes on with some of the programs only, by index."""
        self._hidden = [hidden.index_select(0, rows) for hidden in self._hidden]
        self._memory = [memory.index_select(0, rows) for memory in self._memory]
