from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Batch, Data
from torch_geometric.data.datapipes import functional_transform
from torch_geometric.transforms import BaseTransform
from torch_geometric.utils import coalesce

from pyg_ext.utils import similarity_graph
from pyg_ext.utils.checks import check_name

MODES = ('add', 'replace')
WEIGHTS = ('similarity', 'one')


@functional_transform('add_random_walk_edges')
class AddRandomWalkEdges(BaseTransform):
    r"""Joins each node to those that random walks from it find similar, as in
    the `"Diffusion Improves Graph Learning"
    <https://arxiv.org/abs/1911.05485>`_ paper (functional name:
    :obj:`add_random_walk_edges`).

    With :obj:`mode='replace'`, the edges become those of
    :func:`~pyg_ext.utils.similarity_graph`. With :obj:`mode='add'`, old edges
    and their weights stay (1 where there are none), new ones come with their
    normalized similarity, which sums to one over the new edges to a node by
    default, a pair found twice takes the larger weight, and no node is joined
    to itself.

    Weights are read from and written to :obj:`data.edge_weight`, or
    :obj:`data.edge_attr` where only that is there, has one dimension and
    fractions.
    All other attributes of edges get a row of zeros for a new edge; of
    repeated edges, the first counts.
    Each graph of a :class:`~torch_geometric.data.Batch` is treated by itself.

    Args:
        method (str, optional): :obj:`'ppr'`, :obj:`'heat'` or
            :obj:`'walk'`. (default: :obj:`'ppr'`)
        k (int, optional): The most edges to a node that are found for it; no
            limit if :obj:`None`. (default: :obj:`64`)
        threshold (float, optional): The least similarity.
            (default: :obj:`None`)
        avg_degree (int, optional): The mean number of edges to a node that
            are found. (default: :obj:`None`)
        exact (bool, optional): If set to :obj:`True`, computes dense
            :math:`N \times N` matrices. (default: :obj:`False`)
        mode (str, optional): :obj:`'add'` or :obj:`'replace'`.
            (default: :obj:`'add'`)
        weight (str, optional): :obj:`'similarity'`, or :obj:`'one'` for
            edges that are found to weigh 1. (default: :obj:`'similarity'`)
        **kwargs (optional): Further arguments of
            :func:`~pyg_ext.utils.similarity_graph`, with the defaults
            there: :obj:`alpha`, :obj:`t`, :obj:`eps`, :obj:`walk_length`,
            :obj:`num_walks`, :obj:`restart`, :obj:`measure`,
            :obj:`symmetric`, :obj:`normalization_in`,
            :obj:`normalization_out`, :obj:`self_loop_weight`, :obj:`seed`,
            :obj:`progress`. Without a :obj:`seed`, walks differ from call to
            call.

    Raises:
        ValueError: On unknown names, if the data has no :obj:`edge_index`,
            and as in :func:`~pyg_ext.utils.similarity_graph`.
    """

    def __init__(
        self,
        method: str = 'ppr',
        k: int | None = 64,
        threshold: float | None = None,
        avg_degree: int | None = None,
        exact: bool = False,
        mode: str = 'add',
        weight: str = 'similarity',
        **kwargs: Any,
    ):
        check_name('mode', mode, MODES)
        check_name('weight', weight, WEIGHTS)
        self.method = method
        self.k = k
        self.mode = mode
        self.weight = weight
        self.kwargs = {
            'threshold': threshold,
            'avg_degree': avg_degree,
            'exact': exact,
            'loop': mode == 'replace',
            **kwargs,
        }
        nothing = torch.empty(2, 0, dtype=torch.long)
        similarity_graph(nothing, None, 1, method, k, **self.kwargs)  # checks

    def forward(self, data: Data) -> Data:
        if isinstance(data, Batch):
            graphs = [self.forward(graph) for graph in data.to_data_list()]
            return Batch.from_data_list(graphs)
        if data.edge_index is None:
            raise ValueError(
                'the data has no edge_index (apply this before ToSparseTensor)'
            )
        size, old = data.num_nodes, data.edge_index
        name, attr = 'edge_weight', data.get('edge_attr')
        weighs = attr is not None and attr.dim() == 1
        if name not in data and weighs and attr.is_floating_point():
            name = 'edge_attr'
        weight = data.get(name)
        new, similarity = similarity_graph(
            old, weight, size, self.method, self.k, **self.kwargs
        )
        if self.weight == 'one':
            similarity = torch.ones_like(similarity)
        if self.mode == 'add':
            if weight is None:
                weight = similarity.new_ones(old.size(1))
            new, similarity = coalesce(
                torch.cat([old, new], dim=1),
                torch.cat([weight, similarity]),
                size,
                reduce='max',
            )
        others = [
            key for key in data.edge_attrs() if key not in ('edge_index', name)
        ]
        for key in others:
            data[key] = carry(data[key], old, new, size)
        data.edge_index, data[name] = new, similarity
        return data

    def __repr__(self) -> str:
        return (
            f'{self.__class__.__name__}(method={self.method}, k={self.k}, '
            f'mode={self.mode})'
        )


def carry(value: Tensor, old: Tensor, new: Tensor, size: int) -> Tensor:
    """Gives the rows of old edges to the same new edges, sorted, and zeros to
    the others.
    """
    keys, place = (old[0] * size + old[1]).unique(return_inverse=True)
    first = torch.full_like(keys, len(place)).scatter_reduce(
        0, place, torch.arange(len(place), device=place.device), 'amin'
    )
    wanted = new[0] * size + new[1]
    at = torch.searchsorted(wanted, keys).clamp(max=len(wanted) - 1)
    found = wanted[at] == keys if len(wanted) else keys < 0
    out = value.new_zeros(len(wanted), *value.size()[1:])
    out[at[found]] = value[first[found]]
    return out
