"""The policy network: Embedding -> LSTM -> Linear, from random weights (PyTorch's default initialisation)."""

from torch import Tensor, nn

LSTMState = tuple[Tensor, Tensor]  # (num_layers, B, H) each


class CodePolicy(nn.Module):
    """Scores every token of the vocabulary as the next one, given those before it."""

    def __init__(self, vocabulary_size: int, embedding_dim: int, hidden_dim: int, num_layers: int):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary_size, embedding_dim)
        self.lstm = nn.LSTM(embedding_dim, hidden_dim, num_layers, batch_first=True)
        self.head = nn.Linear(hidden_dim, vocabulary_size)

    def forward(self, ids: Tensor, state: LSTMState | None = None) -> tuple[Tensor, LSTMState]:
        """ids: (B, T) int64. Returns logits (B, T, V) and the state after the last token; None starts at zeros."""
        hidden, state = self.read(ids, state)
        return self.head(hidden), state

    def read(self, ids: Tensor, state: LSTMState | None = None) -> tuple[Tensor, LSTMState]:
        """As `forward` without the head: what the LSTM makes of the tokens, (B, T, H), and its state."""
        return self.lstm(self.embedding(ids), state)

    def count_parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.parameters())
