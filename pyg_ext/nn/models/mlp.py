import torch
from torch import Tensor
from torch.nn import Linear
from torch_geometric.typing import Adj, OptTensor

from pyg_ext.nn.models.conv_stack import ConvStack


class _NoConv(Linear):
    """A linear layer in the place of a convolution."""

    def forward(self, x: Tensor, *edges: Adj) -> Tensor:
        return super().forward(x)


class NodeMLP(ConvStack):
    r"""A perceptron on each node by itself, called as a graph network: what
    is left of a :class:`ConvStack` without its graph, and so the baseline
    that tells what the edges give.

    Args, errors and shapes are those of :class:`ConvStack`.
    """

    def init_conv(
        self, in_channels: int, out_channels: int, last: bool
    ) -> torch.nn.Module:
        return _NoConv(in_channels, out_channels)

    def forward(
        self,
        x: Tensor,
        edge_index: Adj | None = None,
        edge_weight: OptTensor = None,
    ) -> Tensor:
        return super().forward(x, edge_index)
