import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Batch, Data
from torch_geometric.data.datapipes import functional_transform
from torch_geometric.transforms import BaseTransform
from torch_geometric.utils import to_undirected

from pyg_ext.utils import dilated_knn_graph
from pyg_ext.utils.checks import check_name, check_probability
from pyg_ext.utils.dilation import check_dilation
from pyg_ext.utils.knn import FLOWS

LABELS = ('edge_label', 'edge_label_index')  # of pairs that may be no edges
COLLECTIONS = (Tensor, np.ndarray, list, tuple)


@functional_transform('dilated_knn_graph')
class DilatedKNNGraph(BaseTransform):
    r"""Joins each point to every :math:`d`-th of its :math:`k \cdot d`
    nearest points in :obj:`data.pos`, or in :obj:`data.x` where there is no
    position, from the `"DeepGCNs: Can GCNs Go as Deep as CNNs?"
    <https://arxiv.org/abs/1904.03751>`_ paper (functional name:
    :obj:`dilated_knn_graph`).

    Edges that are there are replaced, and :obj:`adj` or :obj:`adj_t`
    removed. So are edge attributes: what is named :obj:`edge_...`, but for
    :obj:`edge_label` and :obj:`edge_label_index`, and what has as many rows
    as there were edges, but not nodes, graphs or faces.
    Each graph of a batch is joined by itself.

    Args:
        k (int, optional): The number of neighbors. (default: :obj:`6`)
        dilation (int, optional): The dilation :math:`d`. (default: :obj:`1`)
        loop (bool, optional): If set to :obj:`True`, a point counts among
            its neighbors. (default: :obj:`False`)
        force_undirected (bool, optional): If set to :obj:`True`, edges go
            both ways. (default: :obj:`False`)
        flow (str, optional): :obj:`'source_to_target'` or
            :obj:`'target_to_source'`. (default: :obj:`'source_to_target'`)
        cosine (bool, optional): If set to :obj:`True`, takes the cosine
            distance. (default: :obj:`False`)
        stochastic (bool, optional): If set to :obj:`True`, a point takes
            random :obj:`k` of its :math:`k \cdot d` nearest with probability
            :obj:`epsilon`. (default: :obj:`False`)
        epsilon (float, optional): That probability. (default: :obj:`0.2`)

    Raises:
        ValueError: On an unknown flow, if :obj:`k` or :obj:`dilation` is less
            than one, if :obj:`epsilon` is no probability, or set unless
            :obj:`stochastic`, on data of several types, or on such that has
            neither :obj:`pos` nor :obj:`x`.
    """

    def __init__(
        self,
        k: int = 6,
        dilation: int = 1,
        loop: bool = False,
        force_undirected: bool = False,
        flow: str = 'source_to_target',
        cosine: bool = False,
        stochastic: bool = False,
        epsilon: float = 0.2,
    ):
        check_name('flow', flow, FLOWS)
        check_dilation(k, dilation)
        check_probability('epsilon', epsilon)
        if not stochastic and epsilon != 0.2:
            raise ValueError(
                f'epsilon has no effect unless stochastic=True (got '
                f'epsilon={epsilon})'
            )
        self.k = k
        self.dilation = dilation
        self.loop = loop
        self.force_undirected = force_undirected
        self.flow = flow
        self.cosine = cosine
        self.stochastic = stochastic
        self.epsilon = epsilon

    def forward(self, data: Data) -> Data:
        if not isinstance(data, Data):
            raise ValueError(
                f'DilatedKNNGraph takes Data or a Batch of Data (got '
                f'{type(data).__name__})'
            )
        name = 'x' if data.pos is None else 'pos'
        if data.get(name) is None:
            raise ValueError('the data has neither pos nor x to join by')
        edges = dilated_knn_graph(
            data[name],
            self.k,
            self.dilation,
            data.batch,
            self.loop,
            self.flow,
            self.cosine,
            self.stochastic,
            self.epsilon,
        )
        if self.force_undirected:
            edges = to_undirected(edges, num_nodes=data.num_nodes)
        old = [key for key, _ in data if _is_of_edges(data, key)]
        for key in old:
            del data[key]
        data.edge_index = edges
        slices = getattr(data, '_slice_dict', None)
        if isinstance(data, Batch) and slices is not None:
            _tell_apart(data, slices.get(name, data.get('ptr')), old)
        return data

    def __repr__(self) -> str:
        return (
            f'{self.__class__.__name__}(k={self.k}, dilation={self.dilation})'
        )


def _is_of_edges(data: Data, key: str) -> bool:
    """Whether an attribute belongs to the edges: by its name, or its size if
    nothing else is of that.
    """
    value = data[key]
    if key in ('adj', 'adj_t', 'edge_index'):
        return True
    if key in LABELS or not isinstance(value, COLLECTIONS):
        return False
    if key.startswith('edge_'):
        return True
    face = data.get('face')
    others = [data.num_nodes, 1 if face is None else face.size(-1)]
    if isinstance(data, Batch):
        others.append(data.num_graphs)
    return data.is_edge_attr(key) and data.num_edges not in others


def _tell_apart(batch: Batch, ptr: Tensor, old: list[str]) -> None:
    """Notes which edges are those of which graph of a batch, and from where
    on its nodes are numbered, as :meth:`to_data_list` asks.
    """
    ptr = ptr.cpu()
    graph = torch.bucketize(batch.edge_index[0].cpu(), ptr[1:], right=True)
    ends = graph.bincount(minlength=len(ptr) - 1).cumsum(0)
    for name, value in (
        ('_slice_dict', torch.cat([ends.new_zeros(1), ends])),
        ('_inc_dict', ptr[:-1]),
    ):
        known = {
            key: what
            for key, what in getattr(batch, name).items()
            if key not in old
        }
        setattr(batch, name, known | {'edge_index': value})
