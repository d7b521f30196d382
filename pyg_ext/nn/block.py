from collections.abc import Callable

from torch import Tensor
from torch.nn import Module
from torch_geometric.nn.inits import reset
from torch_geometric.typing import Adj, OptTensor

from pyg_ext.nn.act import make_act
from pyg_ext.nn.dropout import Dropout
from pyg_ext.nn.norm import apply_norm, make_norm


class GNNBlock(Module):
    r"""Norm, activation, dropout and convolution, in the order of the
    `"DeeperGCN: All You Need to Train Deeper GCNs"
    <https://arxiv.org/abs/2006.07739>`_ paper:

    .. math::
        f(\mathbf{X}, \mathbf{A}) = \mathrm{conv} \left( \mathrm{dropout}
        \left( \mathrm{ReLU} \left( \mathrm{norm}(\mathbf{X}) \right) \right),
        \mathbf{A} \right)

    Args:
        conv (torch.nn.Module): A convolution, called as
            ``conv(x, edge_index)``, or with edge weights or features after
            those.
        channels (int): Size of each input sample.
        norm (str or callable, optional): The norm, as in
            :func:`~pyg_ext.nn.make_norm`, or :obj:`None`.
            (default: :obj:`'layer'`)
        dropout (float, optional): Dropout probability. (default: :obj:`0.0`)
        act (str or callable, optional): The activation: its name, its class, a
            module or a function, or :obj:`None`. (default: :obj:`'relu'`)

    Raises:
        ValueError: On an unknown norm, or on :obj:`'message'`, which goes
            behind a convolution.

    Shapes:
        - **input:** features :math:`(|\mathcal{V}|, F)`, the edges as the
          convolution takes them, a dropout mask
          :math:`(|\mathcal{V}|, F)` *(optional)* in place of a fresh one,
          and the graph of each node :math:`(|\mathcal{V}|)` *(optional)* for
          norms that look at all nodes of a graph
        - **output:** what the convolution returns
    """

    def __init__(
        self,
        conv: Module,
        channels: int,
        norm: str | Callable | None = 'layer',
        dropout: float = 0.0,
        act: str | Callable | None = 'relu',
    ):
        super().__init__()
        self.norm = norm_ahead(norm, channels)
        self.act = make_act(act)
        self.dropout = Dropout(dropout)
        self.conv = conv

    def reset_parameters(self) -> None:
        """Draws all parameters anew."""
        reset(self.norm)
        self.conv.reset_parameters()

    def forward(
        self,
        x: Tensor,
        edge_index: Adj,
        edge_attr: OptTensor = None,
        mask: OptTensor = None,
        batch: OptTensor = None,
    ) -> Tensor:
        if self.norm is not None:
            x = apply_norm(self.norm, x, batch)
        if self.act is not None:
            x = self.act(x)
        x = self.dropout(x) if mask is None else x * mask
        if edge_attr is None:
            return self.conv(x, edge_index)
        return self.conv(x, edge_index, edge_attr)


def norm_ahead(norm: str | Callable | None, channels: int) -> Module | None:
    """A norm that goes ahead of a convolution.

    Raises:
        ValueError: On an unknown norm, or one that goes behind.
    """
    if norm == 'message':
        raise ValueError(
            'norm="message" goes behind a convolution, and not ahead'
        )
    return None if norm is None else make_norm(norm, channels)
