"""Normalization of node features: what PyG lacks, and names for all."""

import copy
import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import LayerNorm, Module, Sequential
from torch_geometric.nn import (
    BatchNorm,
    DiffGroupNorm,
    MeanSubtractionNorm,
    MessageNorm,
    PairNorm,
)
from torch_geometric.nn.resolver import normalization_resolver
from torch_geometric.typing import OptTensor

from pyg_ext.nn.norm.node_norm import NodeNorm
from pyg_ext.nn.norm.pair_norm_scs import PairNormSCS
from pyg_ext.utils.checks import check_batch

__all__ = ['NORMS', 'NodeNorm', 'PairNormSCS', 'apply_norm', 'make_norm']


def _group(channels: int, groups: int = 10, lamda: float = 0.01) -> Module:
    return DiffGroupNorm(channels, groups, lamda)


def _comb(channels: int, groups: int = 10, lamda: float = 0.01) -> Module:
    node = NodeNorm(center=True)
    return Sequential(_group(channels, groups, lamda), node)


NORMS: dict[str, Callable[..., Module]] = {
    'batch': BatchNorm,
    'layer': LayerNorm,
    'pair': lambda channels, **kwargs: PairNorm(**kwargs),
    'pair-si': lambda channels, **kwargs: PairNorm(
        scale_individually=True, **kwargs
    ),
    'pair-scs': lambda channels, **kwargs: PairNormSCS(**kwargs),
    'node': lambda channels, **kwargs: NodeNorm(**kwargs),
    'mean': lambda channels: MeanSubtractionNorm(),
    'group': _group,
    'comb': _comb,
    'message': lambda channels, **kwargs: MessageNorm(**kwargs),
}


def make_norm(name: str | Callable, channels: int, **kwargs: Any) -> Module:
    r"""Returns a norm by its short name:

    * :obj:`'batch'`: :class:`torch_geometric.nn.BatchNorm`;
    * :obj:`'layer'`: :class:`torch.nn.LayerNorm`;
    * :obj:`'pair'`, :obj:`'pair-si'`, :obj:`'pair-scs'`:
      :class:`torch_geometric.nn.PairNorm`, the same with
      :obj:`scale_individually=True`, and :class:`PairNormSCS`;
    * :obj:`'node'`: :class:`NodeNorm`;
    * :obj:`'mean'`: :class:`torch_geometric.nn.MeanSubtractionNorm`;
    * :obj:`'group'`: :class:`torch_geometric.nn.DiffGroupNorm` with 10
      groups;
    * :obj:`'comb'`: that and then a centered :class:`NodeNorm`, as in `"Bag
      of Tricks for Training Deeper Graph Neural Networks"
      <https://arxiv.org/abs/2108.10521>`_;
    * :obj:`'message'`: :class:`torch_geometric.nn.MessageNorm`, which is
      called with the layer's input and its output;
    * any other name that PyG's :obj:`normalization_resolver` knows, such as
      :obj:`'GraphNorm'`.

    Norms that take :obj:`batch`, such as those of pairs and the mean, look at
    all nodes of a graph; without it they take all nodes for one graph. A
    batch norm has the statistics of all nodes of a batch, as the groups have.

    Args:
        name (str or callable): One of these names, a class or function that
            takes the channels, or a module, which is copied.
        channels (int): Size of each sample.
        **kwargs (optional): Further arguments of the norm.

    Raises:
        ValueError: On an unknown name, or arguments for a module.
    """
    if isinstance(name, Module):
        if kwargs:
            raise ValueError(
                f'norm_kwargs need a norm by its name or class (got {kwargs} '
                f'for {name})'
            )
        norm = copy.deepcopy(name)
    elif not isinstance(name, str):
        norm = name(channels, **kwargs)
    elif name in NORMS:
        norm = NORMS[name](channels, **kwargs)
    else:
        try:
            norm = normalization_resolver(name, channels, **kwargs)
        except ValueError as error:
            raise ValueError(
                f'norm must be one of {", ".join(NORMS)}, or a norm of PyG '
                f'(got {name!r})'
            ) from error
    norm.takes_batch = 'batch' in inspect.signature(norm.forward).parameters
    return norm


def apply_norm(norm: Module, x: Tensor, batch: OptTensor = None) -> Tensor:
    r"""Calls a norm of :func:`make_norm`, graph by graph where it looks at
    all nodes of a graph, with sums in :obj:`float32` at least.

    Args:
        norm (torch.nn.Module): The norm, other than :obj:`'message'`.
        x (torch.Tensor): Node features of shape :math:`(|\mathcal{V}|, F)`.
        batch (torch.Tensor, optional): The graph of each node, of shape
            :math:`(|\mathcal{V}|)`. (default: :obj:`None`)
    """
    if not norm.takes_batch:
        return norm(x)
    batch = check_batch(batch, len(x))
    wide = x.to(torch.promote_types(x.dtype, torch.float))
    return norm(wide, batch=batch).to(x.dtype)
