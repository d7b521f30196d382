from collections.abc import Callable

import torch
from torch import Tensor
from torch_geometric.nn import MessagePassing
from torch_geometric.nn.inits import reset
from torch_geometric.typing import Adj, PairTensor, SparseTensor
from torch_geometric.utils import is_sparse

from pyg_ext.utils import edge_max, neighbor_max


class MRConv(MessagePassing):
    r"""The max-relative graph convolution from the `"DeepGCNs: Can GCNs Go as
    Deep as CNNs?" <https://arxiv.org/abs/1904.03751>`_ paper:

    .. math::
        \mathbf{x}^{\prime}_i = h_{\mathbf{\Theta}} \left( \mathbf{x}_i \,
        \Vert \, \max_{j \in \mathcal{N}(i)} (\mathbf{x}_j - \mathbf{x}_i)
        \right)

    where :math:`h_{\mathbf{\Theta}}` is a neural network.
    Since the maximum is that of :math:`\mathbf{x}_j` less
    :math:`\mathbf{x}_i`, no tensor of the size of edges times features is
    built on the CPU.
    For a node without neighbors the maximum is zero. Its gradient goes to one
    neighbor; if several have the maximum, to that of the lowest index.

    Args:
        nn (torch.nn.Module): A neural network :math:`h_{\mathbf{\Theta}}`
            that maps features of shape :obj:`[-1, 2 * in_channels]` to shape
            :obj:`[-1, out_channels]`, *e.g.*, :class:`torch.nn.Linear`.
        **kwargs (optional): Additional arguments of
            :class:`torch_geometric.nn.conv.MessagePassing`.

    Shapes:
        - **input:**
          node features :math:`(|\mathcal{V}|, F_{in})` or
          :math:`((|\mathcal{V_s}|, F_{in}), (|\mathcal{V_t}|, F_{in}))`
          if bipartite,
          edge indices :math:`(2, |\mathcal{E}|)` or a sparse adjacency
        - **output:** node features :math:`(|\mathcal{V}|, F_{out})` or
          :math:`(|\mathcal{V}_t|, F_{out})` if bipartite
    """

    def __init__(self, nn: Callable, **kwargs):
        kwargs.setdefault('aggr', 'max')
        super().__init__(**kwargs)
        self.nn = nn
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws all parameters anew."""
        super().reset_parameters()
        reset(self.nn)

    def forward(self, x: Tensor | PairTensor, edge_index: Adj) -> Tensor:
        if isinstance(x, Tensor):
            x = (x, x)
        if self._takes_csr(edge_index, x):
            top = neighbor_max(x[0], *_to_csr(edge_index, x[1].size(0)))
        else:
            size = (x[0].size(0), x[1].size(0))
            top = self.propagate(edge_index, x=x, size=size)
        relative = (top - x[1]).where(top > -torch.inf, 0.0)
        return self.nn(torch.cat([x[1], relative], dim=-1))

    def _takes_csr(self, edge_index: Adj, x: PairTensor) -> bool:
        """Whether edge indices are worth sorting."""
        return (
            not is_sparse(edge_index)
            and x[0].device.type == 'cpu'
            and self.flow == 'source_to_target'
            and not self.explain
            and not torch.compiler.is_compiling()
        )

    def message(self, x_j: Tensor) -> Tensor:
        return x_j

    def aggregate(
        self,
        inputs: Tensor,
        index: Tensor,
        edge_index_j: Tensor,
        dim_size: int,
    ) -> Tensor:
        return edge_max(inputs, edge_index_j, index, dim_size)

    def message_and_aggregate(self, edge_index: Adj, x: PairTensor) -> Tensor:
        if isinstance(edge_index, SparseTensor):
            rowptr, col, _ = edge_index.csr()
        else:
            matrix = edge_index.to_sparse_csr()
            rowptr, col = matrix.crow_indices(), matrix.col_indices()
        return neighbor_max(x[0], rowptr, col)

    def __repr__(self) -> str:
        return f'{self.__class__.__name__}(nn={self.nn})'


def _to_csr(edge_index: Tensor, num_targets: int) -> tuple[Tensor, Tensor]:
    """Pointers and neighbors, target by target."""
    source, target = edge_index
    if not bool((target[1:] >= target[:-1]).all()):
        target, order = target.sort(stable=True)
        source = source[order]
    rowptr = target.bincount(minlength=num_targets).cumsum(0)
    return torch.cat([rowptr.new_zeros(1), rowptr]), source
