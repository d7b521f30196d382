"""The graphs that a transform of the edges takes."""

from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Batch, Data

from pyg_ext.utils.checks import check_edges


def check_data(data: Any) -> None:
    """Raises a ValueError unless there are nodes and edges of one type, with
    the edges in one place.
    """
    if not isinstance(data, Data):
        raise ValueError(
            f'the data must have nodes and edges of one type: a Data (got '
            f'{type(data).__name__})'
        )
    if data.edge_index is None:
        raise ValueError(
            'the data has no edge_index (apply this before ToSparseTensor)'
        )
    for key in ('adj', 'adj_t'):
        if data.get(key) is not None:
            raise ValueError(
                f'the data has {key} beside edge_index, which would not '
                f'get the new edges (apply this before ToSparseTensor)'
            )


def weight_attr(data: Data) -> str:
    """Where weights are, or new ones go."""
    attr = data.get('edge_attr')
    weighs = isinstance(attr, Tensor) and attr.dim() == 1
    weighs = weighs and attr.is_floating_point()
    only = data.get('edge_weight') is None
    return 'edge_attr' if weighs and only else 'edge_weight'


def graphs_of(batch: Batch) -> tuple[list[Data], list[str]]:
    """The graphs of a batch, and which attributes have vectors like it."""
    slices = getattr(batch, '_slice_dict', None)
    if slices is None:
        raise ValueError(
            'the batch must come from Batch.from_data_list, or its graphs '
            'cannot be told apart'
        )
    follow = [key for key in slices if f'{key}_batch' in batch]
    known = {'batch', 'ptr', 'num_nodes', '_num_nodes', *slices}
    known |= {f'{key}_{end}' for key in follow for end in ('batch', 'ptr')}
    changed = [key for key in batch.to_dict() if key not in known]
    for key, ends in slices.items():
        value = batch.get(key)
        if isinstance(value, Tensor):
            dim = batch.__cat_dim__(key, value) or 0
            if value.size(dim) != int(ends[-1]):
                changed.append(key)
    edges, ends = batch.get('edge_index'), slices.get('edge_index')
    if edges is not None and not changed:
        edges, _, _ = check_edges(edges, num_nodes=batch.num_nodes)
        graph = torch.arange(len(ends) - 1).repeat_interleave(ends.diff())
        if not (batch.batch[edges].cpu() == graph).all():
            changed.append('edge_index')
    if changed:
        names = ', '.join(changed)
        raise ValueError(
            f'the graphs of the batch cannot be told apart: {names} changed '
            f'after they were joined (apply this to the graphs before)'
        )
    return batch.to_data_list(), follow
