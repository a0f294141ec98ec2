"""The policy network: Embedding -> LSTM -> Linear, from random weights (PyTorch's default initialisation).

It can be given a context: a vector for each program, of something that the program is to depend on. The context goes
into the first hidden state and memory of every layer, into every input beside the token, and into the head beside the
hidden state. A policy made with `context_dim` 0 has no parameter for it.

`forward` is the definition. What runs computes the same faster: `Reader` token by token without gradients, to write
programs, and `hidden` over many whole programs at once with gradients, to learn from them. In both, what a token adds
to the gates of the first layer is looked up: the product with the embedding is made once for each token there is; and
what the context adds is made once for each program.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import PackedSequence

from agent_core.lstm import cell, recurrence


class CodePolicy(nn.Module):
    """Scores every token of the vocabulary as the next one, given those before it and the program's context."""

    def __init__(
        self, vocabulary_size: int, embedding_dim: int, hidden_dim: int, num_layers: int, context_dim: int = 0
    ):
        """context_dim: numbers of a context, C; 0 for a policy that is never given one."""
        super().__init__()
        self.context_dim = context_dim
        self.embedding = nn.Embedding(vocabulary_size, embedding_dim)
        self.lstm = nn.LSTM(embedding_dim + context_dim, hidden_dim, num_layers, batch_first=True)
        self.head = nn.Linear(hidden_dim + context_dim, vocabulary_size)
        if context_dim:
            self.first_states = nn.Linear(context_dim, 2 * num_layers * hidden_dim)
            self.no_context = nn.Parameter(torch.zeros(context_dim))  # stands for the context of a program without one

    def forward(self, ids: Tensor, context: Tensor | None = None) -> Tensor:
        """The definition. ids: (B, T). context: (B, C), see `contexts`. Returns logits (B, T, V)."""
        context = self.contexts(context, len(ids))
        embedded = self.embedding(ids)
        if context is None:
            return self.head(self.lstm(embedded)[0])
        each = context.unsqueeze(1).expand(-1, ids.shape[1], -1)  # (B, T, C)
        states = self._first_states(context)
        first = torch.stack([hidden for hidden, _ in states]), torch.stack([memory for _, memory in states])
        return self.head(torch.cat([self.lstm(torch.cat([embedded, each], dim=2), first)[0], each], dim=2))

    def contexts(self, context: Tensor | None, batch_size: int) -> Tensor | None:
        """(B, C) what the network is given: `no_context` for all programs where there is none; None if C is 0.

        Raises ValueError where `context` has another shape.
        """
        if context is None:
            return self.no_context.expand(batch_size, -1) if self.context_dim else None
        if context.shape != (batch_size, self.context_dim):
            raise ValueError(
                f"a context of {batch_size} programs must be of shape {(batch_size, self.context_dim)}, "
                f"got {tuple(context.shape)}"
            )
        return context if self.context_dim else None

    def hide(self, context: Tensor, hidden: Tensor) -> Tensor:
        """The context of programs of which some are to do without: those get `no_context`, which is learned.

        context: (B, C). hidden: (B,) bool. Returns (B, C), with gradients to both.
        """
        return torch.where(hidden.unsqueeze(1), self.no_context, context)

    def hidden(self, ids: Tensor, sizes: Sequence[int], context: Tensor | None = None) -> Tensor:
        """What the LSTM makes of each token and those before it in its program, with gradients.

        ids: (N,) packed: the first token of every program, then the second of those that have one, and so on, the
        programs sorted by length, the longest first. sizes: how many programs have each. context: (sizes[0], C) of the
        programs in that order, as `contexts` gives it. Returns (N, H).
        """
        states = [None] * self.lstm.num_layers if context is None else self._first_states(context)
        if ids.device.type == "cuda":  # cuDNN's fused kernels
            return self._packed_by_cudnn(ids, sizes, context, states)
        (below, across, bias), *others = self.weights()
        table = functional.linear(self.embedding.weight, below[:, : self.embedding.embedding_dim], bias)  # (V, 4H)
        inputs = functional.embedding(ids, table)
        if context is not None:
            inputs = inputs + self._gates_of(context).index_select(0, _program_of_each(sizes, ids.device))
        hidden = recurrence(inputs, across, sizes, states[0])
        for (below, across, bias), first in zip(others, states[1:], strict=True):
            hidden = recurrence(functional.linear(hidden, below, bias), across, sizes, first)
        return hidden

    def logits(self, hidden: Tensor, program: Tensor, context: Tensor | None = None) -> Tensor:
        """Scores of the next token. hidden: (N, H). program: (N,) index of each one's program in `context`, (B, C).
        Returns (N, V)."""
        if context is None:
            return self.head(hidden)
        weight = self.head.weight[:, : self.lstm.hidden_size]
        return functional.linear(hidden, weight) + self._logits_of(context).index_select(0, program)

    def logits_at(
        self, ids: Tensor, counts: Tensor, sos: int, context: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Scores of the tokens that count in whole programs, with gradients: the head is spared the others.

        ids: (B, T) int64. counts: (B, T) bool. sos: the token before the first. context: (B, C), see `contexts`.
        Returns logits (N, V), and of each the place of its token and its program, (N,) both.
        """
        inputs = torch.cat([torch.full_like(ids[:, :1], sos), ids[:, :-1]], dim=1)
        places = torch.arange(1, ids.shape[1] + 1, device=ids.device)
        lengths, order = (counts * places).amax(dim=1).sort(descending=True, stable=True)  # up to the last that counts
        reached = lengths >= places.unsqueeze(1)  # (T, B) in that order: packed
        sizes = reached.sum(dim=1).tolist()
        context = self.contexts(context, len(ids))
        first = None if context is None else context[order[: sizes[0]]]
        hidden = self.hidden(inputs[order].t()[reached], sizes, first)
        counting = counts[order].t()
        place, program = counting.nonzero().unbind(1)
        program = order[program]
        return self.logits(hidden[counting[reached]], program, context), place, program

    def reader(self, batch_size: int, context: Tensor | None = None) -> "Reader":
        """context: (B, C), see `contexts`."""
        return Reader(self, batch_size, self.contexts(context, batch_size))

    def count_parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.parameters())

    def weights(self) -> list[tuple[Tensor, Tensor, Tensor]]:
        """Of each layer: (4H, E + C or H) for what comes from below, (4H, H) for its own state, (4H,) both biases."""
        return [(below, across, bias + second) for below, across, bias, second in self.lstm.all_weights]

    def _first_states(self, context: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Of each layer the hidden state and the memory before the first token, (B, H) each."""
        states = self.first_states(context).view(len(context), self.lstm.num_layers, 2, self.lstm.hidden_size)
        return [(layer[:, 0].tanh(), layer[:, 1]) for layer in states.unbind(1)]

    def _gates_of(self, context: Tensor) -> Tensor:
        """(B, 4H) what the context adds to the gates of the first layer at every token."""
        return functional.linear(context, self.lstm.all_weights[0][0][:, self.embedding.embedding_dim :])

    def _logits_of(self, context: Tensor) -> Tensor:
        """(B, V) what the context adds to the scores of the next token, the head's bias included."""
        return functional.linear(context, self.head.weight[:, self.lstm.hidden_size :], self.head.bias)

    def _packed_by_cudnn(
        self,
        ids: Tensor,
        sizes: Sequence[int],
        context: Tensor | None,
        states: Sequence[tuple[Tensor, Tensor] | None],
    ) -> Tensor:
        inputs, first = self.embedding(ids), None
        if context is not None:
            inputs = torch.cat([inputs, context.index_select(0, _program_of_each(sizes, ids.device))], dim=1)
            known = [state for state in states if state is not None]
            first = torch.stack([hidden for hidden, _ in known]), torch.stack([memory for _, memory in known])
        return self.lstm(PackedSequence(inputs, torch.tensor(sizes)), first)[0].data


def _program_of_each(sizes: Sequence[int], device: torch.device) -> Tensor:
    """(N,) of each packed token its program: 0, 1, ..., sizes[0] - 1, then 0, 1, ..., sizes[1] - 1, and so on."""
    counts, total = torch.tensor(sizes, device=device), sum(sizes)
    begins = (counts.cumsum(0) - counts).repeat_interleave(counts, output_size=total)
    return torch.arange(total, device=device) - begins


class Reader:
    """The policy reading programs of a batch token by token, for as long as its weights stay what they are."""

    def __init__(self, policy: CodePolicy, batch_size: int, context: Tensor | None = None):
        """context: (B, C), as `CodePolicy.contexts` gives it."""
        (below, across, bias), *others = policy.weights()
        embedding = policy.embedding
        self._head = policy.head
        self._first = functional.linear(embedding.weight, below[:, : embedding.embedding_dim], bias)  # (V, 4H)
        self._first_across = across.t()
        self._others = [(below, across.t(), bias) for below, across, bias in others]
        size = policy.lstm.hidden_size
        self._gates = self._logits = None
        if context is None:
            self._hidden = [self._first.new_zeros((batch_size, size)) for _ in range(1 + len(others))]
            self._memory = [torch.zeros_like(hidden) for hidden in self._hidden]
        else:
            states = policy._first_states(context)
            self._hidden, self._memory = [hidden for hidden, _ in states], [memory for _, memory in states]
            self._gates, self._logits = policy._gates_of(context), policy._logits_of(context)  # (R, 4H), (R, V)
            self._head_weight = policy.head.weight[:, :size].t()

    def read(self, token: Tensor) -> Tensor:
        """The next token of each program, (R,) ids. Returns logits (R, V) for the one after it."""
        inputs = self._first.index_select(0, token)
        if self._gates is not None:
            inputs += self._gates
        hidden = self._step(0, inputs, self._first_across)
        for layer, (below, across, bias) in enumerate(self._others, start=1):
            hidden = self._step(layer, functional.linear(hidden, below, bias), across)
        return self._head(hidden) if self._logits is None else torch.addmm(self._logits, hidden, self._head_weight)

    def _step(self, layer: int, inputs: Tensor, across: Tensor) -> Tensor:
        hidden, memory = cell(inputs.addmm_(self._hidden[layer], across), self._memory[layer])
        self._hidden[layer], self._memory[layer] = hidden, memory
        return hidden

    def select(self, rows: Tensor) -> None:
        """Goes on with some of the programs only, by index."""
        self._hidden = [hidden.index_select(0, rows) for hidden in self._hidden]
        self._memory = [memory.index_select(0, rows) for memory in self._memory]
        if self._gates is not None and self._logits is not None:
            self._gates, self._logits = self._gates.index_select(0, rows), self._logits.index_select(0, rows)
