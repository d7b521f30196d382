from torch_geometric.data import Data
from torch_geometric.data.datapipes import functional_transform
from torch_geometric.transforms import BaseTransform
from torch_geometric.utils import to_undirected

from pyg_ext.utils import dilated_knn_graph
from pyg_ext.utils.checks import check_name
from pyg_ext.utils.dilation import check_dilation
from pyg_ext.utils.knn import FLOWS


@functional_transform('dilated_knn_graph')
class DilatedKNNGraph(BaseTransform):
    r"""Joins each point to every :math:`d`-th of its :math:`k \cdot d`
    nearest points in :obj:`data.pos`, or in :obj:`data.x` where there is no
    position, from the `"DeepGCNs: Can GCNs Go as Deep as CNNs?"
    <https://arxiv.org/abs/1904.03751>`_ paper (functional name:
    :obj:`dilated_knn_graph`).

    Edges that are there are replaced; edge attributes are removed.
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
            than one, or if the data has neither :obj:`pos` nor :obj:`x`.
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
        self.k = k
        self.dilation = dilation
        self.loop = loop
        self.force_undirected = force_undirected
        self.flow = flow
        self.cosine = cosine
        self.stochastic = stochastic
        self.epsilon = epsilon

    def forward(self, data: Data) -> Data:
        points = data.pos if data.pos is not None else data.x
        if points is None:
            raise ValueError('the data has neither pos nor x to join by')
        data.edge_index = dilated_knn_graph(
            points,
            self.k,
            self.dilation,
            data.batch,
            self.loop,
            self.flow,
            self.cosine,
            self.stochastic,
            self.epsilon,
        )
        data.edge_attr = None
        if self.force_undirected:
            data.edge_index = to_undirected(
                data.edge_index, num_nodes=data.num_nodes
            )
        return data

    def __repr__(self) -> str:
        return (
            f'{self.__class__.__name__}(k={self.k}, dilation={self.dilation})'
        )
