import torch
from torch import Tensor
from torch.nn import Linear, Parameter
from torch_geometric.nn import MessagePassing
from torch_geometric.utils import degree

from pyg_ext.utils.checks import (
    check_edge_attr,
    check_edges,
    check_features,
    check_options,
)


class GCNEConv(MessagePassing):
    r"""The graph convolution with edge features of the `"Open Graph
    Benchmark: Datasets for Machine Learning on Graphs"
    <https://arxiv.org/abs/2005.00687>`_ paper's code for molecules, a
    :class:`torch_geometric.nn.GCNConv` as
    :class:`torch_geometric.nn.GINEConv` is a GINConv:

    .. math::
        \mathbf{x}^{\prime}_i = \frac{1}{d_i} \mathrm{ReLU} \left(
        \mathbf{\Theta} \mathbf{x}_i + \mathbf{r} \right) +
        \sum_{j \in \mathcal{N}(i)} \frac{1}{\sqrt{d_j d_i}} \mathrm{ReLU}
        \left( \mathbf{\Theta} \mathbf{x}_j + \mathbf{W} \mathbf{e}_{j, i}
        \right)

    with :math:`d_i` one more than the number of edges into node :math:`i`,
    and a learned :math:`\mathbf{r}` as feature of its self-loop.

    Args:
        in_channels (int): Size of each input sample.
        out_channels (int): Size of each output sample.
        edge_dim (int): Size of each edge feature.
        **kwargs (optional): Further arguments of
            :class:`torch_geometric.nn.MessagePassing`.

    Raises:
        ValueError: On edges that name nodes beyond those with features, on
            features of edges of another shape, or on an argument that the
            layer cannot follow.

    Shapes:
        - **input:**
          node features :math:`(|\mathcal{V}|, F_{in})`,
          edge indices :math:`(2, |\mathcal{E}|)`,
          edge features :math:`(|\mathcal{E}|, D)`
        - **output:** node features :math:`(|\mathcal{V}|, F_{out})`
    """

    def __init__(
        self, in_channels: int, out_channels: int, edge_dim: int, **kwargs
    ):
        kwargs.setdefault('aggr', 'add')
        check_options(kwargs, node_dim=[-2, 0], decomposed_layers=[1])
        super().__init__(**kwargs)
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.edge_dim = edge_dim
        self.lin = Linear(in_channels, out_channels)
        self.lin_edge = Linear(edge_dim, out_channels)
        self.root = Parameter(torch.empty(out_channels))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws all parameters anew."""
        super().reset_parameters()
        self.lin.reset_parameters()
        self.lin_edge.reset_parameters()
        torch.nn.init.normal_(self.root)

    def forward(
        self, x: Tensor, edge_index: Tensor, edge_attr: Tensor
    ) -> Tensor:
        check_features(x, self.in_channels, dense=False)
        edge_index, *_ = check_edges(edge_index, None, x.size(0))
        check_edge_attr(edge_index, edge_attr, self.edge_dim)
        x = self.lin(x)
        row, col = edge_index
        target = col if self.flow == 'source_to_target' else row
        # A half type cannot count:
        wide = torch.promote_types(x.dtype, torch.float)
        deg = degree(target, x.size(0), wide) + 1  # [N]
        scale = deg.rsqrt()
        out = self.propagate(
            edge_index,
            x=x,
            edge_attr=self.lin_edge(edge_attr),
            norm=(scale[row] * scale[col]).view(-1, 1).to(x.dtype),
        )
        loop = (x + self.root).relu() / deg.view(-1, 1)
        return out + loop.to(x.dtype)

    def message(self, x_j: Tensor, edge_attr: Tensor, norm: Tensor) -> Tensor:
        return norm * (x_j + edge_attr).relu()

    def __repr__(self) -> str:
        return (
            f'{self.__class__.__name__}({self.in_channels}, '
            f'{self.out_channels})'
        )
