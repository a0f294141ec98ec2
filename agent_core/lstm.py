"""One LSTM layer over programs of many lengths, without a step for what is not there.

Programs are packed: sorted by length, the longest first, and then laid out time after time, so that each time step is a
block of rows at the front of the one before it. What the inputs add to the gates is a matrix that the caller has
made, for all tokens at once; what is left for each step is the recurrence itself (Hochreiter and Schmidhuber 1997;
gates in PyTorch's order: input, forget, cell, output). Gradients are by hand, backpropagation through time.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def cell(gates: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
    """One step. gates: (R, 4H) before their activations, overwritten by those after. memory: (R, H). Returns the
    hidden state and the new memory, (R, H) each."""
    size = memory.shape[1]
    sigmoids = gates[:, : 2 * size].sigmoid_()
    candidate = gates[:, 2 * size : 3 * size].tanh_()
    output = gates[:, 3 * size :].sigmoid_()
    new = (sigmoids[:, :size] * candidate).addcmul_(sigmoids[:, size:], memory)
    return output * new.tanh(), new


class _Recurrence(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        inputs: Tensor,
        weight: Tensor,
        sizes: Sequence[int],
        first_hidden: Tensor | None,
        first_memory: Tensor | None,
    ) -> Tensor:
        total, size = len(inputs), weight.shape[1]
        gates = inputs.clone()
        hidden, memory = inputs.new_empty((2, total, size))
        transposed = weight.t()
        before, start = None, 0
        for rows in sizes:
            block = slice(start, start + rows)
            now = gates[block]
            if before is not None:
                last = slice(before, before + rows)
                hidden[block], memory[block] = cell(now.addmm_(hidden[last], transposed), memory[last])
            elif first_hidden is not None and first_memory is not None:
                hidden[block], memory[block] = cell(now.addmm_(first_hidden, transposed), first_memory)
            else:  # states of zero add nothing
                hidden[block], memory[block] = cell(now, inputs.new_zeros((rows, size)))
            before, start = start, start + rows
        ctx.save_for_backward(gates, hidden, memory, weight, first_hidden, first_memory)
        ctx.sizes = sizes
        return hidden

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None, Tensor | None, Tensor | None]:
        gates, hidden, memory, weight, first_hidden, first_memory = ctx.saved_tensors
        sizes, size = ctx.sizes, weight.shape[1]
        first = sizes[0] if sizes else 0
        # A row's predecessor lies as many rows earlier as there were programs at the step before.
        back = torch.tensor(sizes[:-1], dtype=torch.long).repeat_interleave(torch.tensor(sizes[1:], dtype=torch.long))
        previous = torch.arange(first, len(grad), device=grad.device) - back.to(grad.device)
        zeros = grad.new_zeros((first, size))
        memory_before = torch.cat([zeros if first_memory is None else first_memory, memory[previous]])
        hidden_before = torch.cat([zeros if first_hidden is None else first_hidden, hidden[previous]])

        # What each step multiplies its gradients by, for all steps at once.
        enter, forget, candidate, output = gates.split(size, dim=1)
        squashed = memory.tanh()
        slopes = torch.empty_like(gates)  # of the gates: the first three by the memory's gradient, the last by hidden's
        parts = slopes.split(size, dim=1)
        torch.mul(enter * (1 - enter), candidate, out=parts[0])
        torch.mul(forget * (1 - forget), memory_before, out=parts[1])
        torch.mul(1 - candidate * candidate, enter, out=parts[2])
        torch.mul(output * (1 - output), squashed, out=parts[3])
        through = output * (1 - squashed * squashed)

        by_memory = slopes[:, : 3 * size].view(len(grad), 3, size)
        by_hidden = slopes[:, 3 * size :]
        grad_gates = slopes  # in place: each block is read once, and then holds its gradient
        grad_hidden, grad_memory = grad.new_zeros((2, first, size))
        end = len(grad)
        for rows in reversed(sizes):
            block = slice(end - rows, end)
            arriving = grad_hidden[:rows].add_(grad[block])
            remembered = grad_memory[:rows].addcmul_(arriving, through[block])
            by_memory[block].mul_(remembered.unsqueeze(1))
            by_hidden[block].mul_(arriving)
            torch.mm(grad_gates[block], weight, out=arriving)
            remembered.mul_(forget[block])
            end -= rows
        # What has arrived at the front of the first step is the gradient of the states before it.
        to_first = (None, None) if first_hidden is None else (grad_hidden, grad_memory)
        return grad_gates, grad_gates.t() @ hidden_before, None, *to_first


def recurrence(
    inputs: Tensor, weight: Tensor, sizes: Sequence[int], first: tuple[Tensor, Tensor] | None = None
) -> Tensor:
    """Hidden states of one layer, with gradients to `inputs`, `weight` and `first`.

    inputs: (N, 4H) what each token adds to the gates, biases included. weight: (4H, H) of the hidden state. sizes: the
    programs that reach each time step, not growing, N together. first: hidden state and memory before the first token,
    (sizes[0], H) each; None for zeros. Returns (N, H).
    """
    return _Recurrence.apply(inputs, weight, sizes, *(first or (None, None)))
