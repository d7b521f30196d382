import torch
from torch import Tensor
from torch.nn import ModuleList
from torch_geometric.nn import GCNConv
from torch_geometric.nn.inits import reset
from torch_geometric.typing import Adj, OptTensor

from pyg_ext.nn.dropout import Dropout
from pyg_ext.utils import gcn_norm_once
from pyg_ext.utils.checks import check_features


class IncepGCN(torch.nn.Module):
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
        in_channels (int): Size of each input sample.
        hidden_channels (int): Size of each hidden sample.
        num_layers (int): Number of graph convolutions :math:`L` on the
            longest path, the first and the last included.
        out_channels (int): Size of each output sample.
        dropout (float, optional): Dropout probability of the input of each
            convolution. (default: :obj:`0.0`)
        input_dropout (float, optional): Dropout probability of the input of
            the network; :obj:`None` takes :obj:`dropout`.
            (default: :obj:`None`)

    Raises:
        ValueError: On less than two layers.

    Shapes:
        - **input:**
          node features :math:`(|\mathcal{V}|, F_{in})`, dense or a
          :class:`~pyg_ext.utils.CSRTensor`;
          edge indices :math:`(2, |\mathcal{E}|)` or a sparse adjacency,
          edge weights :math:`(|\mathcal{E}|)` *(optional)*
        - **output:** node features :math:`(|\mathcal{V}|, F_{out})`
    """

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int,
        num_layers: int,
        out_channels: int,
        dropout: float = 0.0,
        input_dropout: float | None = None,
    ):
        super().__init__()
        if num_layers < 2:
            raise ValueError(
                f'num_layers must be at least 2 (got {num_layers})'
            )

        def conv(width: int, out: int) -> GCNConv:
            return GCNConv(width, out, normalize=False)

        self.in_channels = in_channels
        self.out_channels = out_channels
        self.num_layers = num_layers
        self.dropout = Dropout(dropout)
        self.input_dropout = Dropout(
            dropout if input_dropout is None else input_dropout
        )
        self.first = conv(in_channels, hidden_channels)
        self.branches = ModuleList(
            ModuleList(
                conv(hidden_channels, hidden_channels) for _ in range(length)
            )
            for length in range(1, num_layers - 1)
        )
        self.last = conv(hidden_channels * (num_layers - 1), out_channels)

    def reset_parameters(self) -> None:
        """Draws all parameters anew."""
        for module in self.children():
            reset(module)

    def forward(
        self, x: Tensor, edge_index: Adj, edge_weight: OptTensor = None
    ) -> Tensor:
        check_features(x, self.in_channels, dense=False)
        edges = gcn_norm_once(edge_index, edge_weight, x.size(0), x.dtype)
        x = self.first(self.input_dropout(x), *edges).relu()
        outs = [x]
        for branch in self.branches:
            out = x
            for conv in branch:
                out = conv(self.dropout(out), *edges).relu()
            outs.append(out)
        x = torch.cat(outs, dim=-1)  # [N, (L - 1) * hidden_channels]
        return self.last(self.dropout(x), *edges)

    def __repr__(self) -> str:
        return (
            f'{self.__class__.__name__}({self.in_channels}, '
            f'{self.out_channels}, num_layers={self.num_layers})'
        )
