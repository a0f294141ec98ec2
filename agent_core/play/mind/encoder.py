"""What a policy is told of the examples of a task: any number of cases as one vector, the context.

Each case is a bag of hashed features (see features.py). The bags are added up, normed and read by a small network, one
case at a time; the mean and the largest of what it finds over the cases are read by a second one. So the context does
not depend on the order of the cases, and any number of them will do (Zaheer et al. 2017, "Deep Sets").

The norms matter: without them, the first experiment's contexts became all alike within minutes and nobody noticed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy
import torch
from torch import Tensor, nn

from agent_core.play.mind.features import BUCKETS


@dataclass(frozen=True)
class Bags:
    """The features of all cases of B questions, one after the other. There are N cases and F features in all."""

    features: Tensor  # (F,) int64 buckets
    begins: Tensor  # (N,) int64 where each case begins among the features
    question: Tensor  # (N,) int64 the question that each case belongs to, not falling
    count: int  # of questions, B

    @classmethod
    def of(cls, questions: Sequence[Sequence[numpy.ndarray]], device: torch.device | str = "cpu") -> "Bags":
        """questions: of each question its cases, at least one, each an array of buckets."""
        cases = [case for question in questions for case in question]
        sizes = numpy.fromiter((len(case) for case in cases), numpy.int64, len(cases))
        each = numpy.fromiter(map(len, questions), numpy.int64, len(questions))
        if len(each) and not each.min():
            raise ValueError("a question without a case has no context")
        features = numpy.concatenate(cases).astype(numpy.int64) if cases else numpy.zeros(0, numpy.int64)
        begins = numpy.cumsum(sizes) - sizes
        question = numpy.repeat(numpy.arange(len(each)), each)
        parts = [torch.from_numpy(part).to(device) for part in (features, begins, question)]
        return cls(parts[0], parts[1], parts[2], len(each))


class ExampleEncoder(nn.Module):
    """Makes contexts of bags of features."""

    def __init__(self, feature_dim: int, encoder_dim: int, context_dim: int):
        """feature_dim: numbers that a feature is described by; encoder_dim: hidden units; context_dim: C."""
        super().__init__()
        self.context_dim = context_dim
        self.features = nn.EmbeddingBag(BUCKETS, feature_dim, mode="sum")
        self.norm_of_case = nn.LayerNorm(feature_dim)
        self.of_case = nn.Sequential(
            nn.Linear(feature_dim, encoder_dim), nn.ReLU(), nn.Linear(encoder_dim, encoder_dim), nn.ReLU()
        )
        self.of_question = nn.Sequential(
            nn.Linear(2 * encoder_dim, encoder_dim), nn.ReLU(), nn.Linear(encoder_dim, context_dim)
        )
        self.norm = nn.LayerNorm(context_dim)
        # Without biases at first, so that what comes out is made of what went in, and nothing fades on the way.
        for layer in (*self.of_case, *self.of_question):
            if isinstance(layer, nn.Linear):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias)

    def forward(self, bags: Bags) -> Tensor:
        """Returns (B, C), each row of mean 0 and spread 1 before the last norm's own weights."""
        if not bags.count:
            return self.norm.weight.new_zeros((0, self.context_dim))
        cases = self.of_case(self.norm_of_case(self.features(bags.features, bags.begins)))  # (N, encoder_dim)
        shape, which = (bags.count, cases.shape[1]), bags.question
        sizes = torch.bincount(which, minlength=bags.count).unsqueeze(1)
        mean = cases.new_zeros(shape).index_add(0, which, cases) / sizes
        # What the cases are made of is never below 0, so that 0 is no greater than the largest.
        largest = cases.new_zeros(shape).scatter_reduce(0, which.unsqueeze(1).expand_as(cases), cases, "amax")
        return self.norm(self.of_question(torch.cat([mean, largest], dim=1)))


def spread(contexts: Tensor) -> float:
    """How much contexts differ: the mean over their numbers of the standard deviation over B, (B, C). About 1 where
    they differ as much as they can; near 0 where all are alike, which says that the encoder has collapsed."""
    return contexts.std(dim=0, correction=0).mean().item() if len(contexts) else 0.0
