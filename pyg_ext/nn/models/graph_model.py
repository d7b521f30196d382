import torch
from torch import Tensor
from torch.nn import LazyLinear, Linear
from torch_geometric.nn.inits import reset
from torch_geometric.typing import Adj, OptTensor

from pyg_ext.nn.dropout import Dropout
from pyg_ext.utils import gcn_norm_once
from pyg_ext.utils.checks import (
    check_batch,
    check_count,
    check_edge_attr,
    check_features,
    check_normalization,
)


class GraphModel(torch.nn.Module):
    r"""What the models of this package share: the order of their arguments,
    how they are called, and what they check ahead of any work.

    Subclasses define :meth:`run`, and :meth:`prepare` where they take other
    edges than those that :class:`torch_geometric.nn.GCNConv` would.

    Args:
        in_channels (int): Size of each input sample, or :obj:`-1` to take it
            from the first input.
        hidden_channels (int): Size of each hidden sample.
        num_layers (int): Number of layers; each model says which count.
        out_channels (int, optional): Size of each output sample;
            :obj:`None` takes :obj:`hidden_channels`. (default: :obj:`None`)
        dropout (float, optional): Dropout probability of the input of each
            layer. (default: :obj:`0.0`)
        normalize (bool, optional): If set to :obj:`False`, weights of edges
            are used as they are, one where there are none; else they are
            normalized once for all layers, as in
            :class:`torch_geometric.nn.GCNConv`. A matrix of
            :func:`~pyg_ext.utils.gcn_adj` is used as it is in any case.
            (default: :obj:`True`)
        improved (bool, optional): As in :func:`~pyg_ext.utils.gcn_adj`.
            (default: :obj:`False`)
        add_self_loops (bool, optional): As in
            :func:`~pyg_ext.utils.gcn_adj`; like :obj:`improved`, it has a
            meaning with :obj:`normalize` only. (default: :obj:`True`)

    Raises:
        ValueError: On sizes that are not positive, on a probability outside
            :math:`[0, 1]`, and in the forward pass on features, edges,
            weights, edge features or a batch vector of another shape or type
            than below, on nodes that there are not, on weights that are
            negative (with :obj:`normalize`) or not finite, on a matrix that
            was normalized for another model, and on weights or features of
            edges that the model does not know.

    Shapes:
        - **input:**
          node features :math:`(|\mathcal{V}|, F_{in})`, dense or, but in
          models that say so, a :class:`~pyg_ext.utils.CSRTensor`;
          edge indices :math:`(2, |\mathcal{E}|)` or a sparse adjacency,
          edge weights :math:`(|\mathcal{E}|)` *(optional)*,
          edge features :math:`(|\mathcal{E}|, D)` in models with
          :obj:`edge_dim`,
          the graph of each node :math:`(|\mathcal{V}|)` *(optional)* for
          norms that look at all nodes of a graph
        - **output:** node features :math:`(|\mathcal{V}|, F_{out})`
    """

    supports_edge_weight = True
    takes_sparse = True  # node features
    edge_dim: int | None = None  # size of each edge feature, where known
    least_layers = 1
    shown: tuple[str, ...] = ('num_layers',)  # in its representation

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int,
        num_layers: int,
        out_channels: int | None = None,
        dropout: float = 0.0,
        *,
        normalize: bool = True,
        improved: bool = False,
        add_self_loops: bool = True,
    ):
        super().__init__()
        if in_channels != -1:
            check_count('in_channels', in_channels)
        check_count('hidden_channels', hidden_channels)
        check_count('num_layers', num_layers, self.least_layers)
        if out_channels is not None:
            check_count('out_channels', out_channels)
        check_normalization(
            'with normalize=False', normalize, improved, add_self_loops
        )
        self.in_channels = in_channels
        self.hidden_channels = hidden_channels
        self.num_layers = num_layers
        self.out_channels = out_channels or hidden_channels
        self.normalize = normalize
        self.improved = improved
        self.add_self_loops = add_self_loops
        self.dropout = Dropout(dropout)

    def reset_parameters(self) -> None:
        """Draws all parameters anew."""
        for module in self.children():
            reset(module)

    def forward(
        self,
        x: Tensor,
        edge_index: Adj,
        edge_weight: OptTensor = None,
        edge_attr: OptTensor = None,
        batch: OptTensor = None,
    ) -> Tensor:
        edges, batch = self.check(x, edge_index, edge_weight, edge_attr, batch)
        return self.run(x, edges, batch)

    def check(
        self,
        x: Tensor,
        edge_index: Adj,
        edge_weight: OptTensor,
        edge_attr: OptTensor,
        batch: OptTensor,
    ) -> tuple[tuple, OptTensor]:
        """Checks what the model is called with; returns the edges as
        convolutions take them, and the graph of each node.
        """
        check_features(x, self.in_channels, dense=not self.takes_sparse)
        if edge_weight is not None and not self.supports_edge_weight:
            raise ValueError(
                f'edge_weight has no effect in {self.__class__.__name__}, '
                f'which knows no weights (got one)'
            )
        check_edge_attr(edge_index, edge_attr, self.edge_dim)
        batch = check_batch(batch, x.size(0))
        edge_index, edge_weight = self.prepare(edge_index, edge_weight, x)
        if edge_weight is not None and edge_attr is not None:
            raise ValueError(
                'edge_weight has no effect beside edge_attr: give one of them'
            )
        further = edge_weight if edge_attr is None else edge_attr
        edges = (edge_index,) if further is None else (edge_index, further)
        return edges, batch

    def prepare(
        self, edge_index: Adj, edge_weight: OptTensor, x: Tensor
    ) -> tuple[Adj, OptTensor]:
        """Checks the edges and prepares them once for all layers."""
        return gcn_norm_once(
            edge_index,
            edge_weight,
            x.size(0),
            x.dtype,
            self.improved,
            self.add_self_loops,
            self.normalize,
        )

    def run(self, x: Tensor, edges: tuple, batch: OptTensor) -> Tensor:
        """The layers.

        Args:
            x: The features.
            edges: What convolutions take after the features: the edges, and
                perhaps their weights or features.
            batch: The graph of each node, or :obj:`None`.
        """
        raise TypeError(f'{self.__class__.__name__} must define run')

    def __repr__(self) -> str:
        shown = (f', {name}={getattr(self, name)}' for name in self.shown)
        return (
            f'{self.__class__.__name__}({self.in_channels}, '
            f'{self.out_channels}{"".join(shown)})'
        )


def linear(in_channels: int, out_channels: int, bias: bool = True) -> Linear:
    """A linear layer, which takes its width from the first input if
    :obj:`in_channels` is -1.
    """
    if in_channels == -1:
        return LazyLinear(out_channels, bias)
    return Linear(in_channels, out_channels, bias)
