import torch
from torch import Tensor
from torch.nn import Linear, ModuleList
from torch_geometric.nn import GCNConv
from torch_geometric.typing import Adj, OptTensor

from pyg_ext.nn.hidden_state import HiddenState
from pyg_ext.nn.models.graph_model import GraphModel, linear
from pyg_ext.utils import CSRTensor, HopAdjacency
from pyg_ext.utils.checks import check_count


class DRewGCN(GraphModel):
    r"""The network :math:`\nu\text{DRew-GCN}` of the `"DRew: Dynamically
    Rewired Message Passing with Delay" <https://arxiv.org/abs/2305.08018>`_
    paper: a linear layer, :math:`L` blocks of graph convolutions, each with
    nodes that are one hop farther away than those of the one before, and a
    linear layer.

    .. math::
        \mathbf{H}^{(\ell + 1)} = \mathbf{H}^{(\ell)} + \mathrm{ReLU} \left(
        \sum_{k=1}^{\ell + 1} \mathbf{\hat{P}}_k \mathbf{H}^{(\ell -
        \max(k - \nu, 0))} \mathbf{\Theta}^{(\ell)}_k + \mathbf{b}^{(\ell)}_k
        \right), \quad \ell = 0, \ldots, L - 1

    with :math:`\mathbf{\hat{P}}_k` the normalized adjacency, with self-loops,
    of the nodes at distance :math:`k` (:class:`~pyg_ext.utils.HopAdjacency`).
    What comes from distance :math:`k` is delayed by :math:`\max(k - \nu, 0)`
    layers. With :math:`\nu = 1` a message takes as many layers as it makes
    hops, and :math:`L` blocks reach :math:`L` hops; without delay
    (:obj:`nu=None`, the paper's :math:`\nu = \infty`, which it calls DRew)
    they reach :math:`L (L + 1) / 2`.

    A distance at which a graph has no pair of nodes is left out for that
    graph, as in the authors' code; what is learned for it gets no gradient.
    Of several graphs in one, :obj:`batch` says which they are: without it
    they count as one, although no path joins them.

    There are :math:`L (L + 1) / 2` convolutions, and as many sparse products
    in a pass. The distances are in numbers of edges, weights of edges do not
    count. They are searched for in each call, which may take longer than the
    network itself, unless :obj:`edge_index` is a
    :class:`~pyg_ext.utils.HopAdjacency`, which keeps them.

    Args:
        in_channels (int): Size of each input sample, or :obj:`-1` to take it
            from the first input.
        hidden_channels (int): Size of each hidden sample.
        num_layers (int): Number of blocks :math:`L`; the two linear layers
            do not count.
        out_channels (int, optional): Size of each output sample;
            :obj:`None` takes :obj:`hidden_channels`. (default: :obj:`None`)
        dropout (float, optional): Dropout probability of the input of both
            linear layers. (default: :obj:`0.0`)
        nu (int, optional): The rate of delay :math:`\nu`: up to this distance
            messages are not delayed, and with each hop beyond it by another
            layer; never if :obj:`None`. (default: :obj:`1`)

    Raises:
        ValueError: If :obj:`nu` is less than one, if edges are to be
            explained, which would be lost, and as in :class:`GraphModel`.

    Shapes are those of :class:`GraphModel`.
    """

    supports_edge_weight = False
    shown = ('num_layers', 'nu')

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int,
        num_layers: int,
        out_channels: int | None = None,
        dropout: float = 0.0,
        *,
        nu: int | None = 1,
    ):
        super().__init__(
            in_channels, hidden_channels, num_layers, out_channels, dropout
        )
        self.nu = None if nu is None else check_count('nu', nu)
        self.state = HiddenState()
        self.lin_in = linear(in_channels, hidden_channels)
        self.convs = ModuleList(
            ModuleList(
                GCNConv(hidden_channels, hidden_channels, normalize=False)
                for _ in range(layer + 1)
            )
            for layer in range(num_layers)
        )
        self.lin_out = Linear(hidden_channels, self.out_channels)

    def prepare(
        self, edge_index: Adj | HopAdjacency, edge_weight: OptTensor, x: Tensor
    ) -> tuple[HopAdjacency, None]:
        if any(conv.explain for convs in self.convs for conv in convs):
            raise ValueError(
                'edges cannot be explained through the distance of nodes: '
                'explain the nodes only'
            )
        if not isinstance(edge_index, HopAdjacency):
            return HopAdjacency(edge_index, x.size(0), x.dtype), None
        if edge_index.num_nodes != x.size(0):
            raise ValueError(
                f'the HopAdjacency must be of {x.size(0)} nodes, as there '
                f'are (got one of {edge_index.num_nodes})'
            )
        return edge_index, None

    def run(self, x: Tensor, edges: tuple, batch: OptTensor) -> Tensor:
        hops = [
            (adj, _has_pairs(adj, batch))
            for adj in edges[0].up_to(self.num_layers)
        ]
        states = [self.state(self.lin_in(self.dropout(x)))]
        for layer, convs in enumerate(self.convs):
            out = torch.zeros_like(states[-1])
            for k, conv in enumerate(convs[: len(hops)], start=1):
                adj, mask = hops[k - 1]
                delay = 0 if self.nu is None else max(k - self.nu, 0)
                message = conv(states[layer - delay], adj)
                out = out + (message if mask is None else message * mask)
            states.append(self.state(states[-1] + out.relu()))
        return self.lin_out(self.dropout(states[-1]))


def _has_pairs(adj: CSRTensor, batch: OptTensor) -> OptTensor:
    """Whether the graph of each node has nodes at this distance, a column;
    nothing where all have.
    """
    if batch is None:
        return None
    joined = adj.crow_indices().diff() > 1  # to others than itself
    mask = torch.isin(batch, batch[joined])
    return None if mask.all() else mask.view(-1, 1)
