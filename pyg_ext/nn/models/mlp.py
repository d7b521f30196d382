import torch
from torch import Tensor
from torch_geometric.typing import Adj, OptTensor

from pyg_ext.nn.models.conv_stack import ConvStack
from pyg_ext.nn.models.graph_model import linear
from pyg_ext.utils.checks import check_adj


class _NoConv(torch.nn.Module):
    """A linear layer in the place of a convolution."""

    def __init__(self, in_channels: int, out_channels: int, **kwargs):
        super().__init__()
        self.lin = linear(in_channels, out_channels, **kwargs)

    def reset_parameters(self) -> None:
        """Draws all parameters anew."""
        self.lin.reset_parameters()

    def forward(self, x: Tensor, *edges: Adj) -> Tensor:
        return self.lin(x)


class NodeMLP(ConvStack):
    r"""A perceptron on each node by itself, called as a graph network: what
    is left of a :class:`ConvStack` without its graph, and so the baseline
    that tells what the edges give.

    Args, errors and shapes are those of :class:`ConvStack`.
    """

    def init_conv(
        self, in_channels: int, out_channels: int, last: bool, **kwargs
    ) -> torch.nn.Module:
        return _NoConv(in_channels, out_channels, **kwargs)

    def forward(
        self,
        x: Tensor,
        edge_index: Adj | None = None,
        edge_weight: OptTensor = None,
        edge_attr: OptTensor = None,
        batch: OptTensor = None,
    ) -> Tensor:
        return super().forward(x, edge_index, edge_weight, edge_attr, batch)

    def prepare(
        self, edge_index: Adj | None, edge_weight: OptTensor, x: Tensor
    ) -> tuple[None, None]:
        if edge_index is not None:
            check_adj(
                *(edge_index, edge_weight, x.size(0)),
                signed=True,
                normalized=('gcn', 'mean'),
            )
        return None, None
