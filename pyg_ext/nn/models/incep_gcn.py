from functools import partial

import torch
from torch import Tensor
from torch.nn import ModuleList
from torch_geometric.nn import GCNConv
from torch_geometric.typing import OptTensor

from pyg_ext.nn.dropout import Dropout
from pyg_ext.nn.models.graph_model import GraphModel


class IncepGCN(GraphModel):
    r"""The inception network of the `"DropEdge: Towards Deep Graph
    Convolutional Networks on Node Classification"
    <https://arxiv.org/abs/1907.10903>`_ paper.

    A convolution, then side by side branches of :math:`1, 2, \ldots, L - 2`
    convolutions, and a last convolution which reads the first one's output
    and those of all branches, concatenated. No weights are shared, so that
    there are :math:`2 + (L - 2)(L - 1) / 2` convolutions.

    The layers are :class:`torch_geometric.nn.GCNConv`, each but the last with
    ReLU; the adjacency is normalized once for all of them, or not at all when
    it comes from :func:`pyg_ext.utils.gcn_adj`.

    Args:
        in_channels (int): Size of each input sample, or :obj:`-1` to take it
            from the first input.
        hidden_channels (int): Size of each hidden sample.
        num_layers (int): Number of graph convolutions :math:`L` on the
            longest path, the first and the last included.
        out_channels (int, optional): Size of each output sample;
            :obj:`None` takes :obj:`hidden_channels`. (default: :obj:`None`)
        dropout (float, optional): Dropout probability of the input of each
            convolution. (default: :obj:`0.0`)
        input_dropout (float, optional): Dropout probability of the input of
            the network; :obj:`None` takes :obj:`dropout`.
            (default: :obj:`None`)
        bias (bool, optional): If set to :obj:`False`, there is no additive
            bias. (default: :obj:`True`)
        **kwargs (optional): :obj:`normalize`, :obj:`improved` and
            :obj:`add_self_loops` of :class:`GraphModel`.

    Errors and shapes are those of :class:`GraphModel`.
    """

    least_layers = 2

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int,
        num_layers: int,
        out_channels: int | None = None,
        dropout: float = 0.0,
        *,
        input_dropout: float | None = None,
        bias: bool = True,
        **kwargs,
    ):
        super().__init__(
            *(in_channels, hidden_channels, num_layers, out_channels, dropout),
            **kwargs,
        )
        self.input_dropout = Dropout(
            dropout if input_dropout is None else input_dropout
        )
        conv = partial(GCNConv, normalize=False, bias=bias)
        self.first = conv(in_channels, hidden_channels)
        self.branches = ModuleList(
            ModuleList(
                conv(hidden_channels, hidden_channels) for _ in range(length)
            )
            for length in range(1, num_layers - 1)
        )
        self.last = conv(hidden_channels * (num_layers - 1), self.out_channels)

    def run(self, x: Tensor, edges: tuple, batch: OptTensor) -> Tensor:
        x = self.first(self.input_dropout(x), *edges).relu()
        outs = [x]
        for branch in self.branches:
            out = x
            for conv in branch:
                out = conv(self.dropout(out), *edges).relu()
            outs.append(out)
        x = torch.cat(outs, dim=-1)  # [N, (L - 1) * hidden_channels]
        return self.last(self.dropout(x), *edges)
