"""How ranks that `torchrun` started find one another: at a store, which its environment says where to find.

After a failure some are started again, and the store may be the one of before, or not; nor need torchrun's counts of
restarts agree from machine to machine. So each rank asks, with a word that nobody has used, to be told a name for the
meeting, and goes by that.
"""

import os
import secrets
import time
from collections.abc import Mapping
from datetime import timedelta

from torch.distributed import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous

from utils import UserError

PATIENCE = timedelta(minutes=5)  # for the others to start
GLANCE = 0.01  # seconds


def number_in(environment: Mapping[str, str], name: str, otherwise: int) -> int:
    """A variable of torchrun's; `otherwise` where it is not set, or set to nothing. Raises UserError for no number."""
    text = environment.get(name, "").strip() or str(otherwise)
    if not (text.isascii() and text.isdigit()):
        raise UserError(f"{name} in the environment is {text!r}, not a number: start ranks with torchrun, or unset it")
    return int(text)


def ranks_in(environment: Mapping[str, str]) -> int:
    """How many ranks were started."""
    return number_in(environment, "WORLD_SIZE", 1) if environment.get("RANK") else 1


def restarts() -> int:
    """How often torchrun has started this process again after a failure on this machine."""
    return number_in(os.environ, "TORCHELASTIC_RESTART_COUNT", 0)


def meet() -> tuple[Store, int, int]:
    """A store that is empty but for what the ranks of this meeting put there, this one's rank, and how many there are.

    Raises RuntimeError or ValueError where the others cannot be found.
    """
    store, rank, count = next(rendezvous("env://", timeout=PATIENCE))
    if rank == 0:
        name = secrets.token_hex(8)
        _name(store, name, count)
    else:
        own = secrets.token_hex(8)
        store.set(f"altlas/ask/{rank}", own)
        name = store.get(f"altlas/answer/{own}").decode()  # waits for it
        store.set(f"altlas/{name}/here/{rank}", "")
    return PrefixStore(f"altlas/{name}", store), rank, count


def _name(store: Store, name: str, count: int) -> None:
    """Answers all who ask, those of an earlier meeting among them, until everyone of this one is there."""
    asked = [f"altlas/ask/{rank}" for rank in range(1, count)]
    answered: set[bytes] = set()
    until = time.monotonic() + PATIENCE.total_seconds()
    while not store.check([f"altlas/{name}/here/{rank}" for rank in range(1, count)]):
        for key in asked:
            if store.check([key]) and (own := store.get(key)) not in answered:
                answered.add(own)
                store.set(f"altlas/answer/{own.decode()}", name)
        if time.monotonic() > until:
            raise RuntimeError(f"not all {count} ranks have come within {PATIENCE}")
        time.sleep(GLANCE)
