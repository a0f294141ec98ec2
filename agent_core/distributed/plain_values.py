"""What ranks tell one another, as bytes and as lines."""

import io
from typing import Any

import torch


def line_of(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def packed(value: Any) -> bytes:
    """As a checkpoint is: plain values only."""
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


def unpacked(content: bytes) -> Any:
    return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
