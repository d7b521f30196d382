"""Processes that train one model together."""

import gc
import os
import re
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DistributedSampler

from ..errors import UsageError


@dataclass(frozen=True)
class Team:
    """The processes of a training, of which this is the one with the rank."""

    rank: int = 0
    size: int = 1

    def wrap(self, model: nn.Module) -> nn.Module:
        """The model with gradients that are the mean over all processes."""
        return DistributedDataParallel(model) if self.size > 1 else model

    def unwrap(self, model: nn.Module) -> nn.Module:
        """What :meth:`wrap` was given."""
        return model.module if self.size > 1 else model

    def uneven(self, model: nn.Module) -> AbstractContextManager:
        """Where processes may make different numbers of steps: those that
        have done theirs join in the steps of the others.
        """
        return model.join() if self.size > 1 else nullcontext()

    def share(self, nodes: Tensor) -> Tensor:
        """This process's part of what all have."""
        return nodes[self.rank :: self.size]

    def sampler(self, size: int) -> DistributedSampler | None:
        """What deals out ``range(size)``, in an order that :meth:`shuffle`
        changes; none for one process alone.
        """
        if self.size == 1:
            return None
        return DistributedSampler(range(size), self.size, self.rank)

    def shuffle(self, sampler: DistributedSampler | None) -> None:
        """Draws a new order, the same for all processes."""
        if sampler is not None:
            sampler.set_epoch(
                self.agree(lambda: int(torch.randint(2**31, ())))
            )

    def agree(self, give: Callable[[], Any]) -> Any:
        """What a function gives in the first process, to all of them; its
        UsageError, too.
        """
        if self.size == 1:
            return give()
        box: list[Any] = [None, None]
        if self.rank == 0:
            try:
                box[0] = give()
            except UsageError as error:
                box[1] = error
        dist.broadcast_object_list(box)
        if box[1] is not None:
            raise box[1]
        return box[0]

    def mean(self, values: list[Tensor], device: torch.device) -> float:
        """The mean of the values that all processes have."""
        both = [sum(value.item() for value in values), len(values)]
        both = torch.tensor(both, dtype=torch.double, device=device)
        if self.size > 1:
            dist.all_reduce(both)
        return (both[0] / both[1]).item()


ALONE = Team()
SET = 'must be set by torchrun'


def started() -> Team:
    """The processes that torchrun started; without it, this one alone.

    Raises:
        UsageError: If the variables of torchrun make no sense, as where they
            are set by hand.
    """
    size = _number('WORLD_SIZE', 1, 2**20, '1')
    if size == 1:
        return ALONE
    if not os.environ.get('MASTER_ADDR'):
        raise UsageError(f'MASTER_ADDR {SET} (got nothing)')
    _number('MASTER_PORT', 0, 2**16 - 1)
    return Team(_number('RANK', 0, size - 1), size)


def _number(name: str, low: int, high: int, default: str = '') -> int:
    """A variable of torchrun."""
    text = os.environ.get(name, default)
    if not re.fullmatch(r'[0-9]{1,9}', text) or not low <= int(text) <= high:
        raise UsageError(
            f'{name} {SET} as a number from {low} to {high} (got {text!r})'
        )
    return int(text)


def first() -> bool:
    """Whether this is the first of the processes that torchrun started, or
    the only one.
    """
    try:
        return started().rank == 0
    except UsageError:  # to be said
        return True


def own_device(device: str) -> str:
    """The device of this process: CUDA in general is one for each."""
    if device != 'cuda':
        return device
    return f'cuda:{_number("LOCAL_RANK", 0, 1023, "0")}'


@contextmanager
def group(backend: str, **given: Any) -> Iterator[Team]:
    """A group of processes (arguments as of ``init_process_group``).

    What was wrapped must be left before the group is: the end of a
    DistributedDataParallel that outlives its group may wait forever, with
    the interpreter's lock, for a thread that needs it (PyTorch issue 56297).
    """
    dist.init_process_group(backend, **given)
    try:
        yield Team(dist.get_rank(), dist.get_world_size())
    except BaseException as error:
        traceback.clear_frames(error.__traceback__)  # they may hold one
        raise
    finally:
        gc.collect()  # one may be in a cycle
        dist.destroy_process_group()


@contextmanager
def meet(device: str) -> Iterator[Team]:
    """Joins the processes that torchrun started, while it lasts."""
    if started().size == 1:
        yield ALONE
        return
    if device.startswith('cuda'):
        torch.cuda.set_device(device)
    backend = 'nccl' if device.startswith('cuda') else 'gloo'
    timeout = timedelta(days=7)  # an evaluation may take long
    with group(backend, timeout=timeout) as team:
        yield team
