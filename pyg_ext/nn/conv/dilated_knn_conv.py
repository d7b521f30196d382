from collections.abc import Callable

from torch import Tensor
from torch.nn import LazyLinear, Linear, ReLU, Sequential
from torch_geometric.nn import Aggregation, EdgeConv, MessagePassing
from torch_geometric.typing import Adj, OptTensor, PairTensor

from pyg_ext.nn.conv.mr_conv import MRConv
from pyg_ext.utils import dilate, neighbor_edges
from pyg_ext.utils.checks import check_adj, check_name, check_probability
from pyg_ext.utils.dilation import check_dilation
from pyg_ext.utils.knn import MOST, nearest

Factory = Callable[..., MessagePassing]

EPSILON = 0.2


def _of_pairs(in_channels: int, out_channels: int) -> Linear:
    if in_channels == -1:
        return LazyLinear(out_channels)
    return Linear(2 * in_channels, out_channels)


def _edge(in_channels: int, out_channels: int, **kwargs) -> EdgeConv:
    linear = _of_pairs(in_channels, out_channels)
    return EdgeConv(Sequential(linear, ReLU()), **kwargs)


def _max_relative(in_channels: int, out_channels: int, **kwargs) -> MRConv:
    return MRConv(_of_pairs(in_channels, out_channels), **kwargs)


CONVS: dict[str, Factory] = {'edge': _edge, 'mr': _max_relative}


class DilatedKNNConv(MessagePassing):
    r"""The dilated graph convolution on nearest neighbors from the
    `"DeepGCNs: Can GCNs Go as Deep as CNNs?"
    <https://arxiv.org/abs/1904.03751>`_ paper.

    Each point is joined to every :math:`d`-th of its :math:`k \cdot d`
    nearest points in feature space
    (:func:`~pyg_ext.utils.dilated_knn_graph`), and a convolution runs on that
    graph. With :obj:`conv='edge'` and :obj:`dilation=1` it is
    :class:`DynamicEdgeConv` of a linear layer and a ReLU.

    Args:
        in_channels (int): Size of each input sample, or :obj:`-1` to take it
            from the first input.
        out_channels (int): Size of each output sample.
        k (int): The number of neighbors.
        dilation (int, optional): The dilation :math:`d`. (default: :obj:`1`)
        conv (str or callable, optional): :obj:`'edge'`
            (:class:`torch_geometric.nn.EdgeConv` of a linear layer and a
            ReLU), :obj:`'mr'` (:class:`MRConv` of a linear layer), or what
            returns a convolution for :obj:`in_channels` and
            :obj:`out_channels`, such as the class
            :class:`torch_geometric.nn.SAGEConv`. (default: :obj:`'edge'`)
        stochastic (bool, optional): If set to :obj:`True`, a point takes
            random :obj:`k` of its :math:`k \cdot d` nearest with probability
            :obj:`epsilon` in training. (default: :obj:`False`)
        epsilon (float, optional): That probability. (default: :obj:`0.2`)
        loop (bool, optional): If set to :obj:`True`, a point counts among its
            own neighbors, as in
            :class:`torch_geometric.nn.DynamicEdgeConv`.
            (default: :obj:`True`)
        cosine (bool, optional): If set to :obj:`True`, takes the cosine
            distance. (default: :obj:`False`)
        **kwargs (optional): Additional arguments of the convolution, such as
            :obj:`aggr`. Messages flow from the neighbors to the point.

    Raises:
        ValueError: On an unknown :obj:`conv`, on :obj:`k` or
            :obj:`dilation` less than one, on an :obj:`aggr` that the
            convolution does not follow, on another :obj:`flow` than
            :obj:`'source_to_target'`, on an :obj:`epsilon` without
            :obj:`stochastic`, without loops between two sets of points, and
            as in :func:`~pyg_ext.utils.knn_index`.

    Shapes:
        - **input:**
          node features :math:`(|\mathcal{V}|, F_{in})` or
          :math:`((|\mathcal{V_s}|, F_{in}), (|\mathcal{V_t}|, F_{in}))`
          if bipartite,
          batch vector :math:`(|\mathcal{V}|)` or
          :math:`((|\mathcal{V}_s|), (|\mathcal{V}_t|))` *(optional)*,
          edge indices *(optional)* in place of the nearest neighbors
        - **output:** node features :math:`(|\mathcal{V}|, F_{out})` or
          :math:`(|\mathcal{V}_t|, F_{out})` if bipartite
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        k: int,
        dilation: int = 1,
        conv: str | Factory = 'edge',
        stochastic: bool = False,
        epsilon: float = EPSILON,
        loop: bool = True,
        cosine: bool = False,
        **kwargs,
    ):
        super().__init__()
        if isinstance(conv, str) and conv not in CONVS:
            raise ValueError(
                f'conv must be one of {", ".join(CONVS)} or callable (got '
                f'{conv!r})'
            )
        if 'flow' in kwargs:
            check_name('flow', kwargs['flow'], ('source_to_target',))
        check_dilation(k, dilation)
        check_probability('epsilon', epsilon)
        if epsilon != EPSILON and not stochastic:
            raise ValueError(
                f'epsilon goes with stochastic=True (got epsilon={epsilon})'
            )
        factory = CONVS[conv] if isinstance(conv, str) else conv
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.k = k
        self.dilation = dilation
        self.stochastic = stochastic
        self.epsilon = epsilon
        self.loop = loop
        self.metric = 'cosine' if cosine else 'euclidean'
        self.conv = factory(in_channels, out_channels, **kwargs)
        aggr = kwargs.get('aggr')
        if isinstance(aggr, (str, Aggregation)):
            has = getattr(self.conv, 'aggr', None)
            # GENConv calls 'softmax_sg' 'softmax':
            if not str(aggr).startswith(str(has)):
                raise ValueError(
                    f'aggr must be one that {type(self.conv).__name__} '
                    f'follows, which has aggr={has!r} (got {aggr!r})'
                )

    def reset_parameters(self) -> None:
        """Draws all parameters anew."""
        super().reset_parameters()
        self.conv.reset_parameters()

    def forward(
        self,
        x: Tensor | PairTensor,
        batch: OptTensor | PairTensor = None,
        edge_index: Adj | None = None,
    ) -> Tensor:
        if edge_index is None:
            edge_index = self.edges(self.nearest(x, batch))
        else:
            ends = (x, x) if isinstance(x, Tensor) else x
            size = (ends[0].size(0), ends[1].size(0))
            edge_index, _ = check_adj(edge_index, None, size, signed=True)
        return self.conv(x, edge_index)

    def nearest(
        self, x: Tensor | PairTensor, batch: OptTensor | PairTensor = None
    ) -> Tensor:
        """The nearest points, of which :meth:`edges` takes some.

        Args:
            x: The points, as in the forward pass.
            batch: Their graphs, as in the forward pass.
        """
        source, target = (x, x) if isinstance(x, Tensor) else x
        of, to = batch if isinstance(batch, tuple) else (batch, batch)
        most = min(self.k * self.dilation, MOST)
        return nearest(
            *(source, target, most, of, to, self.metric, not self.loop)
        ).index

    def edges(self, nearest: Tensor) -> Tensor:
        """The graph that the convolution runs on.

        Args:
            nearest: At least :math:`k d` nearest points of each point, -1 for
                none, of shape :math:`(N, K)`.
        """
        stochastic = self.stochastic and self.training
        k = min(self.k, max(nearest.size(1), 1))  # as many as there may be
        return neighbor_edges(
            dilate(nearest, k, self.dilation, stochastic, self.epsilon)
        )

    def __repr__(self) -> str:
        return (
            f'{self.__class__.__name__}({self.in_channels}, '
            f'{self.out_channels}, k={self.k}, dilation={self.dilation})'
        )
