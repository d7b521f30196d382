from collections.abc import Callable

import torch
from torch import Tensor
from torch_geometric.nn import MessagePassing
from torch_geometric.nn.inits import reset
from torch_geometric.typing import Adj, PairTensor, SparseTensor
from torch_geometric.utils import is_sparse

from pyg_ext.utils import edge_max, neighbor_max
from pyg_ext.utils.checks import check_adj, check_features, check_options


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
    For a node without neighbors the maximum is zero, and it is NaN where a
    neighbor has NaN. Its gradient goes to one neighbor; if several have the
    maximum, to that of the lowest index.

    Args:
        nn (torch.nn.Module): A neural network :math:`h_{\mathbf{\Theta}}`
            that maps features of shape :obj:`[-1, 2 * in_channels]` to shape
            :obj:`[-1, out_channels]`, *e.g.*, :class:`torch.nn.Linear`.
        **kwargs (optional): Additional arguments of
            :class:`torch_geometric.nn.conv.MessagePassing`: :obj:`flow`.

    Raises:
        ValueError: On another aggregation than :obj:`'max'`, on an argument
            that would have no effect, on edges that name nodes beyond those
            with features, if sources and targets differ in the number of
            features, or on a bipartite graph with
            :obj:`flow='target_to_source'`.

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
        check_options(
            kwargs,
            aggr=['max'],
            aggr_kwargs=[None],
            node_dim=[-2, 0],
            decomposed_layers=[1],
        )
        super().__init__(**kwargs)
        self.nn = nn
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws all parameters anew."""
        super().reset_parameters()
        reset(self.nn)

    def forward(self, x: Tensor | PairTensor, edge_index: Adj) -> Tensor:
        if not isinstance(x, (tuple, list)):
            x = (x, x)
        elif self.flow == 'target_to_source':
            raise ValueError(
                'a bipartite graph needs flow="source_to_target": give it '
                'edge_index.flip(0)'
            )
        for features in x:
            check_features(features)
        if x[0].size()[1:] != x[1].size()[1:]:
            raise ValueError(
                f'sources and targets must have the same number of features '
                f'(got {list(x[0].size())} and {list(x[1].size())})'
            )
        size = (x[0].size(0), x[1].size(0))
        edge_index, _ = check_adj(edge_index, None, size, signed=True)
        if self._takes_csr(edge_index, x[1]):
            top = _relative_max(*x, *_to_csr(edge_index, size[1]))
        else:
            top = self.propagate(edge_index, x=x, own=x[1], size=size)
        return self.nn(torch.cat([x[1], top], dim=-1))

    def _takes_csr(self, edge_index: Adj, x: Tensor) -> bool:
        """Whether edge indices are worth sorting, and no one looks at the
        messages.
        """
        return (
            not is_sparse(edge_index)
            and x.device.type == 'cpu'
            and self.flow == 'source_to_target'
            and not self.explain
            and not self._message_forward_pre_hooks
            and not self._message_forward_hooks
            and not torch.compiler.is_compiling()
        )

    def message(self, x_j: Tensor) -> Tensor:
        return x_j

    def aggregate(
        self,
        inputs: Tensor,
        index: Tensor,
        edge_index_j: Tensor,
        own: Tensor,
    ) -> Tensor:
        top = edge_max(inputs, edge_index_j, index, len(own))
        alone = torch.ones_like(own[:, :1], dtype=torch.bool)
        return (top - own).masked_fill(alone.index_fill(0, index, False), 0.0)

    def message_and_aggregate(
        self, edge_index: Adj, x: PairTensor, own: Tensor
    ) -> Tensor:
        if isinstance(edge_index, SparseTensor):
            rowptr, col, _ = edge_index.csr()
        else:
            matrix = edge_index.to_sparse_csr()
            rowptr, col = matrix.crow_indices(), matrix.col_indices()
        return _relative_max(x[0], own, rowptr, col)

    def __repr__(self) -> str:
        return f'{self.__class__.__name__}(nn={self.nn})'


def _relative_max(
    x: Tensor, own: Tensor, rowptr: Tensor, col: Tensor
) -> Tensor:
    top = neighbor_max(x, rowptr, col)
    alone = (rowptr.diff() == 0).unsqueeze(1)  # [M, 1]
    return (top - own).masked_fill(alone, 0.0)


def _to_csr(edge_index: Tensor, num_targets: int) -> tuple[Tensor, Tensor]:
    """Pointers and neighbors, target by target."""
    source, target = edge_index
    if not bool((target[1:] >= target[:-1]).all()):
        target, order = target.sort(stable=True)
        source = source[order]
    rowptr = target.bincount(minlength=num_targets).cumsum(0)
    return torch.cat([rowptr.new_zeros(1), rowptr]), source
