"""What the ranks of a run tell one another: processes on one machine or many that learn together what one would.

`torchrun` starts them and says in the environment which is which; without it there is one, `Ranks()`, with nobody to
tell, and every method here leaves things as they are. Each rank writes and scores its share of the batch with its own
randomness and its own jail. All else is the same everywhere, because it follows from what was exchanged (see
batch_exchange.py): no rank decides anything by what it alone knows, or the others would wait for it for ever.

Data of the programs and plain values go by gloo, gradients by nccl where the ranks compute on GPUs. Collectives wait
long, since a jail may be slow; that a rank is gone is known from its connections, or else from its heartbeat.
"""

import contextlib
import hashlib
import os
import re
import signal
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor
from torch import distributed as dist

from agent_core.distributed.heartbeat import Heartbeat
from agent_core.distributed.plain_values import line_of, packed, unpacked
from agent_core.distributed.rendezvous import meet, number_in, ranks_in, restarts
from utils import UserError

PATIENCE = timedelta(hours=1)  # for a rank that lives


class RankLost(Exception):
    """Another rank has ended, so this one cannot go on. The text is one line."""


class SaidElsewhere(Exception):
    """The run ends for a reason that another rank tells the user. `code`: to exit with."""

    def __init__(self, code: int):
        super().__init__("another rank says why")
        self.code = code


class Ranks:
    """The only process of a run: all shares are its own."""

    rank = 0
    count = 1
    local_rank = 0  # among those on this machine
    local_count = 1
    restarted = False  # by torchrun, after a failure

    def __enter__(self) -> "Ranks":
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        pass

    @property
    def leads(self) -> bool:
        """Whether this is the rank that loads, saves, prints and logs."""
        return self.rank == 0

    def share(self, count: int) -> slice:
        """Which of so many things are this rank's; no two shares differ by more than one."""
        return slice(self.rank * count // self.count, (self.rank + 1) * count // self.count)

    def sizes(self, count: int) -> list[int]:
        """How many of so many things are each rank's."""
        ends = [rank * count // self.count for rank in range(self.count + 1)]
        return [end - start for start, end in pairwise(ends)]

    def seed(self, origin: Any) -> int:
        """A seed of this rank's own, 32 bits, in a run whose first rank has `origin`."""
        if self.leads:
            return origin
        return int.from_bytes(hashlib.blake2b(f"{origin} {self.rank}".encode(), digest_size=4).digest())

    def settle(self, device: torch.device, facts: dict[str, Any]) -> None:
        """Makes sure that all ranks are of one kind; raises UserError with the first of the facts that differs.

        device: that this rank computes on. From here on `restarted` is known, and the ranks can share tensors.
        """

    def watch(self) -> None:
        """From here on, a rank that shows no sign of life ends the run."""

    def gather(self, value: Any) -> list[Any]:
        """The plain values of all ranks, by rank. For what is rare or small."""
        return [value]

    def broadcast(self, value: Any) -> Any:
        """The first rank's plain value."""
        return value

    def spread(self, tensors: Iterable[Tensor]) -> None:
        """Makes the first rank's tensors everyone's."""

    def exchange(self, data: bytes) -> list[bytes]:
        """The bytes of all ranks, by rank; as many from each."""
        return [data]

    def add_up(self, parameters: Iterable[Tensor], *figures: Tensor) -> Sequence[Tensor]:
        """Replaces the gradients of the parameters by their sums over all ranks. Returns the sums of the figures."""
        return figures

    def stopping(self, number: int) -> int:
        """The signal on which all stop now, 0 for none. number: of the one that this process has been sent."""
        return number


class JoinedRanks(Ranks):
    """One of several processes. What is told to all must be told by all, in the same order."""

    def __init__(self) -> None:
        """Finds the others by torchrun's environment, and waits for them."""
        self.local_count = number_in(os.environ, "LOCAL_WORLD_SIZE", 1)
        self.local_rank = number_in(os.environ, "LOCAL_RANK", 0)
        self._signal = self._agreed = 0
        self._gradients = None  # the group that adds them up; None is the one for all else
        try:
            store, self.rank, self.count = meet()
            self._store = store  # the server may be in it, which the others need to the end
            dist.init_process_group("gloo", store=store, rank=self.rank, world_size=self.count, timeout=PATIENCE)
            beats = store.clone()  # type: ignore[attr-defined]  # every store has it, PyTorch's stubs do not
            self._heartbeat = Heartbeat(beats, self.rank, self.count)
        except (RuntimeError, ValueError) as error:
            raise UserError(
                f"the ranks do not find one another: {line_of(error)}; look at torchrun's options"
            ) from None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Waits for the others where all is well. Else tells them why, so that each reason is said by the rank that
        knows it and by the first one; raises SaidElsewhere on the others."""
        if error is None:
            try:
                self._heartbeat.forgive()  # who has finished may leave
                self.exchange(b"")
                self._heartbeat.stop()
                dist.destroy_process_group()
                return
            except RankLost as lost:
                error = lost
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # from torchrun, which would not wait for the reason
        if self._gradients is None:
            dist.destroy_process_group()  # so that nobody waits for this rank any more
        code = 0  # to exit with, where the first rank says why
        if isinstance(error, RankLost):
            error = RankLost(f"{self._heartbeat.ask_why() or error}; what was saved last is whole")
            self._heartbeat.tell(str(error))
            code = int(not self.leads and self._heartbeat.word_of_first() != "")
        else:
            reason = f"{type(error).__name__}: {line_of(error)}"
            self._heartbeat.tell(reason)
            if isinstance(error, UserError) and not self.leads and self._heartbeat.word_of_first() == reason:
                code = 2
        self._heartbeat.stop()
        if code:
            raise SaidElsewhere(code) from None
        if isinstance(error, RankLost):
            raise error from None

    def settle(self, device: torch.device, facts: dict[str, Any]) -> None:
        facts = {"run.device": device.type, "version of PyTorch": str(torch.__version__), **facts}
        self.restarted = any(self.gather(restarts()))  # torchrun counts for each machine
        first, *others = self.gather(facts)
        for rank, found in enumerate(others, start=1):
            for name, value in first.items():
                if found.get(name) != value:
                    raise UserError(
                        f"rank {rank} has another {name} than rank 0 ({found.get(name)}, not {value}): all "
                        "machines need the same files, settings and versions"
                    )
        if device.type == "cuda":
            torch.cuda.set_device(device)
            with self._telling():
                self._gradients = dist.new_group(backend="nccl", timeout=PATIENCE)

    def watch(self) -> None:
        self._heartbeat.watch()

    def gather(self, value: Any) -> list[Any]:
        content = packed(value)
        sizes = [int.from_bytes(size) for size in self.exchange(len(content).to_bytes(8))]
        contents = self.exchange(content.ljust(max(sizes), b"\0"))
        return [unpacked(content[:size]) for content, size in zip(contents, sizes, strict=True)]

    def broadcast(self, value: Any) -> Any:
        content = torch.frombuffer(bytearray(packed(value if self.leads else None)), dtype=torch.uint8)
        size = torch.tensor([len(content)])
        with self._telling():
            dist.broadcast(size, 0)
            if not self.leads:
                content = torch.empty(int(size), dtype=torch.uint8)
            dist.broadcast(content, 0)
        return value if self.leads else unpacked(content.numpy().tobytes())

    def spread(self, tensors: Iterable[Tensor]) -> None:
        with self._telling():
            for tensor in tensors:
                dist.broadcast(tensor.detach(), 0, group=self._gradients)

    def exchange(self, data: bytes) -> list[bytes]:
        """Tells along which signal this rank has been sent."""
        own = torch.frombuffer(bytearray(self._signal.to_bytes(1) + data), dtype=torch.uint8)
        everyones = [torch.empty_like(own) for _ in range(self.count)]
        with self._telling():
            dist.all_gather(everyones, own)
        contents = [tensor.numpy().tobytes() for tensor in everyones]
        self._agreed = max(content[0] for content in contents)
        return [content[1:] for content in contents]

    def add_up(self, parameters: Iterable[Tensor], *figures: Tensor) -> Sequence[Tensor]:
        parameters = list(parameters)
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
        flat = torch.cat([g.reshape(-1) for g in gradients] + [f.detach().reshape(1).to(gradients[0]) for f in figures])
        with self._telling():
            dist.all_reduce(flat, group=self._gradients)
        *sums, totals = flat.split([*(p.numel() for p in parameters), len(figures)])
        for parameter, total in zip(parameters, sums, strict=True):
            parameter.grad = total.view_as(parameter)
        return totals.unbind()

    def stopping(self, number: int) -> int:
        self._signal = number
        return self._agreed

    @contextlib.contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:  # what gloo and nccl raise, and nothing else here does
            cause = re.sub(r"^\[\S+\] |\. This .*", "", line_of(error))  # without gloo's line of code and good wishes
            raise RankLost(f"the connection to another rank is lost ({cause})") from None


def join() -> Ranks:
    """This process's place among those that torchrun has started."""
    if ranks_in(os.environ) > 1:
        return JoinedRanks()
    alone = Ranks()
    alone.restarted = restarts() > 0
    return alone
