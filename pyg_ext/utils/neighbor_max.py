from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from pyg_ext.utils.checks import (
    check_count,
    check_features,
    check_index,
    check_ptr,
)
from pyg_ext.utils.compiled import compiled
from pyg_ext.utils.threads import in_threads


def neighbor_max(x: Tensor, rowptr: Tensor, col: Tensor) -> Tensor:
    r"""The maximum of each feature over the neighbors of each node.

    On the CPU no tensor of the size of edges times features is built.
    It is minus infinity where there are none, and NaN where a neighbor has
    NaN. Its gradient goes to one neighbor, to that of the lowest index if
    several have the maximum.

    Args:
        x (torch.Tensor): Node features.
        rowptr (torch.Tensor): Where the neighbors of each node start in
            :obj:`col`, and where the last ones end.
        col (torch.Tensor): The neighbors.

    Raises:
        ValueError: On pointers that do not go up from 0 to the number of
            neighbors, or neighbors without features.

    Shapes:
        - **input:** features :math:`(N, F)`, pointers :math:`(M + 1)`,
          neighbors :math:`(E)`
        - **output:** features :math:`(M, F)`
    """
    col = check_index('col', col, check_features(x).size(0))
    rowptr = check_ptr('rowptr', rowptr, len(col), 'neighbors')
    within = torch._C._are_functorch_transforms_active()  # torch.func
    cpu = x.device.type == 'cpu' and x.dtype in (torch.float, torch.double)
    if cpu and not within:
        return _NeighborMax.apply(x, rowptr, col)
    size = rowptr.numel() - 1
    target = torch.arange(size, device=x.device)
    target = target.repeat_interleave(rowptr.diff(), output_size=len(col))
    return edge_max(x[col], col, target, size)


def edge_max(x: Tensor, source: Tensor, target: Tensor, size: int) -> Tensor:
    r"""As :func:`neighbor_max`, from the features of each edge's source, with
    one temporary tensor of their size at a time.

    Args:
        x (torch.Tensor): Features of the source of each edge.
        source (torch.Tensor): Sources of the edges.
        target (torch.Tensor): Targets of the edges.
        size (int): The number of targets.

    Raises:
        ValueError: On targets beyond :obj:`size`, or if there are not as many
            sources, targets and rows of features.

    Shapes:
        - **input:** features :math:`(E, F)`, nodes :math:`(E)` twice
        - **output:** features :math:`(M, F)`
    """
    num = check_features(x).size(0)
    check_count('size', size, 0)
    source = check_index('source', source, None)
    target = check_index('target', target, size)
    if source.size() != (num,) or target.size() != (num,):
        raise ValueError(
            f'source and target must be of shape [{num}], one for each row '
            f'of x (got {list(source.size())} and {list(target.size())})'
        )
    if num == 0:
        return x.new_full((size, x.size(1)), -torch.inf)
    # The edges of each target by their sources, in as few bytes as they take:
    order = source.argsort(stable=True)
    kind = torch.int if num < 2**31 else torch.long
    rank = torch.arange(num, device=x.device, dtype=kind)
    rank = torch.empty_like(rank).scatter(0, order, rank).unsqueeze(1)
    place = target.unsqueeze(1).expand_as(x)
    value = x.detach()
    top = value.new_full((size, x.size(1)), -torch.inf)
    top = top.scatter_reduce(0, place, value, 'amax')
    is_top = (value == top[target]) | value.isnan()
    first = torch.full_like(top, num, dtype=kind)
    first = first.scatter_reduce(
        0, place, torch.where(is_top, rank, num), 'amin'
    )
    edge = order[first.clamp(max=num - 1)]  # [M, F]
    return x.gather(0, edge).where(first < num, -torch.inf)


_compiled = cache(compiled)  # when first needed


class _NeighborMax(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, rowptr: Tensor, col: Tensor) -> Tensor:
        out = x.new_full((rowptr.numel() - 1, x.size(1)), -torch.inf)
        argmax = torch.full_like(out, -1, dtype=torch.long)
        ends = torch.stack([rowptr[:-1], rowptr[1:]], dim=1)
        in_threads(
            _compiled(_forward),
            (ends.numpy(), out.numpy(), argmax.numpy()),
            (x.detach().contiguous().numpy(), col.contiguous().numpy()),
        )
        ctx.save_for_backward(argmax)
        ctx.num_nodes = x.size(0)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        (argmax,) = ctx.saved_tensors
        out = grad.new_zeros(ctx.num_nodes, grad.size(1))
        arrays = (argmax, grad.contiguous(), out)
        _compiled(_backward)(*(tensor.numpy() for tensor in arrays))
        return out, None, None


def _forward(
    ends: np.ndarray,
    out: np.ndarray,
    argmax: np.ndarray,
    x: np.ndarray,
    col: np.ndarray,
) -> None:
    for i in range(len(ends)):
        for e in range(ends[i, 0], ends[i, 1]):
            j = col[e]
            for f in range(x.shape[1]):
                b, value = argmax[i, f], x[j, f]
                top = out[i, f]
                if (
                    b < 0
                    or value > top
                    or (value == top and j < b)
                    or (value != value and (top == top or j < b))  # NaN
                ):
                    out[i, f], argmax[i, f] = value, j


def _backward(argmax: np.ndarray, grad: np.ndarray, out: np.ndarray) -> None:
    for i in range(len(argmax)):
        for f in range(argmax.shape[1]):
            if argmax[i, f] >= 0:
                out[argmax[i, f], f] += grad[i, f]
