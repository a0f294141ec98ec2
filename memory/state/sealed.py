"""A state file that knows whether it is whole, and which others belong to it.

It is an ordinary PyTorch file (`torch.load(path, weights_only=True)` opens it) with a seal behind it, as the comment
that a zip archive may end with: the number of its generation and the SHA-256 of the contents of all the generation's
files. It is whole if its content has the hash that its seal says. The hash is needed: PyTorch reads most files with a
flipped bit without a word.
"""

import hashlib
import re
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

SEAL = re.compile(rb"AltLAS generation +(\d+) sha256((?: [0-9a-f]{64})+)")
_NUMBER_SIZE, _DIGEST_SIZE = len("AltLAS generation ") + 12 + len(" sha256"), 65
PLAIN = {type(None), bool, int, float, str, bytes}
MAPPINGS = (dict, OrderedDict)
SEQUENCES = (list, tuple, set)


def make_seal(number: int, contents: Sequence[bytes]) -> bytes:
    """The seal of the generation with this number and these contents, in the order of the states."""
    digests = " ".join(hashlib.sha256(content).hexdigest() for content in contents)
    return f"AltLAS generation {number:>12} sha256 {digests}".encode()


def number_of(seal: bytes) -> int:
    return int(seal.split()[2])


def count_of(seal: bytes) -> int:
    """How many files belong to the generation."""
    return len(seal.split()) - 4


def attach(seal: bytes, content: bytes) -> bytes:
    """The content with the seal as the zip archive's comment, whose length stands in the archive's last two bytes."""
    return content[:-2] + len(seal).to_bytes(2, "little") + seal


def read_whole(path: Path, index: int) -> tuple[bytes, bytes]:
    """Seal and content of the file of the state with this index; raises ValueError when they do not agree."""
    data = path.read_bytes()
    for files in (3, 4):
        size = _NUMBER_SIZE + files * _DIGEST_SIZE
        seal, content = data[-size:], data[: -size - 2] + b"\0\0"
        match = SEAL.fullmatch(seal)
        if match is not None and count_of(seal) == files and attach(seal, content) == data:
            break
    else:
        raise ValueError("is cut short or was not written by this program")
    digests = match[2].split()
    if index >= len(digests) or hashlib.sha256(content).hexdigest().encode() != digests[index]:
        raise ValueError("is damaged")
    return seal, content


def is_whole(path: Path, index: int) -> bool:
    try:
        read_whole(path, index)
    except (OSError, ValueError):
        return False
    return True


def check_plain(value: Any, where: str) -> None:
    """Raise TypeError for what `torch.load(weights_only=True)` would refuse, before it is saved."""
    kind = type(value)
    if kind in PLAIN or isinstance(value, torch.Tensor):
        return
    if kind in MAPPINGS:
        check_plain(list(value), f"a key of {where}")
        parts = value.values()
    elif kind in SEQUENCES:
        parts = value
    else:
        raise TypeError(f"{where} holds a {kind.__module__}.{kind.__qualname__}, which cannot be loaded again")
    if set(map(type, parts)) <= PLAIN:  # at once: there may be hundreds of thousands of remembered scores
        return
    for key, part in value.items() if kind in MAPPINGS else enumerate(value):
        check_plain(part, f"{where}[{key!r}]")
