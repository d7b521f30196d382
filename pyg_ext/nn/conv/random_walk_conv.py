from typing import Any

import torch
from torch import Tensor
from torch_geometric.nn import GCNConv
from torch_geometric.typing import Adj, OptTensor

from pyg_ext.utils import CSRTensor, edge_list, similarity_graph
from pyg_ext.utils.checks import check_features


class RandomWalkConv(GCNConv):
    r"""The graph convolution on nodes that random walks find similar from the
    `"Diffusion Improves Graph Learning" <https://arxiv.org/abs/1911.05485>`_
    paper (GDC), in place of :class:`torch_geometric.nn.GCNConv`.

    .. math::
        \mathbf{X}^{\prime} = \mathbf{\tilde{S}}^{\top} \mathbf{X}
        \mathbf{\Theta}

    where column :math:`i` of :math:`\mathbf{\tilde{S}}` holds the weights of
    the nodes that :func:`~pyg_ext.utils.similarity_graph` joins to node
    :math:`i`.
    They are computed at the first call and kept. Another graph gets its own
    the next time, which takes longer than the convolution by far: for
    mini-batches, apply :class:`~pyg_ext.transforms.AddRandomWalkEdges` to the
    whole graph once.

    Args:
        in_channels (int): Size of each input sample, or :obj:`-1` to take it
            from the first input.
        out_channels (int): Size of each output sample.
        method (str, optional): :obj:`'ppr'`, :obj:`'heat'` or
            :obj:`'walk'`. (default: :obj:`'ppr'`)
        k (int, optional): The most nodes that are found for a node.
            (default: :obj:`64`)
        similarity_kwargs (dict, optional): Further arguments of
            :func:`~pyg_ext.utils.similarity_graph`. (default: :obj:`None`)
        bias (bool, optional): If set to :obj:`False`, there is no additive
            bias. (default: :obj:`True`)
        **kwargs (optional): Additional arguments of
            :class:`torch_geometric.nn.conv.MessagePassing`.

    Raises:
        ValueError: As :func:`~pyg_ext.utils.similarity_graph` in the forward
            pass, on features of another shape or type, on weights that
            require gradients, and if edges are to be explained, which would
            be lost.

    Shapes:
        - **input:**
          node features :math:`(*, |\mathcal{V}|, F_{in})`,
          edge indices :math:`(2, |\mathcal{E}|)` or a sparse adjacency,
          edge weights :math:`(|\mathcal{E}|)` *(optional)*
        - **output:** node features :math:`(*, |\mathcal{V}|, F_{out})`
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        method: str = 'ppr',
        k: int | None = 64,
        similarity_kwargs: dict[str, Any] | None = None,
        bias: bool = True,
        **kwargs,
    ):
        super().__init__(
            in_channels, out_channels, bias=bias, normalize=False, **kwargs
        )
        self.method = method
        self.k = k
        self.similarity_kwargs = similarity_kwargs or {}

    def reset_parameters(self) -> None:
        """Draws all parameters anew, and forgets the edges."""
        super().reset_parameters()
        self._graph: tuple[Tensor, ...] | None = None
        self._similar: CSRTensor | None = None

    def forward(
        self, x: Tensor, edge_index: Adj, edge_weight: OptTensor = None
    ) -> Tensor:
        check_features(x, self.in_channels, dense=False, stacked=True)
        if self.explain:
            raise ValueError(
                'edges cannot be explained through a random walk: apply '
                'AddRandomWalkEdges to the graph, or explain the nodes only'
            )
        edges = edge_list(edge_index, edge_weight, x.size(self.node_dim))
        return super().forward(x, self.similar(*edges, x.dtype))

    @torch.compiler.disable
    def similar(
        self,
        edge_index: Tensor,
        edge_weight: OptTensor,
        num_nodes: int,
        dtype: torch.dtype,
    ) -> CSRTensor:
        """The weights of the nodes found, computed anew if the graph is not
        that of the last call.

        Args:
            edge_index: The edges.
            edge_weight: Their weights.
            num_nodes: The number of nodes.
            dtype: Type of the weights.
        """
        if edge_weight is None:
            edge_weight = torch.ones_like(edge_index[0], dtype=dtype)
        if edge_weight.requires_grad:
            raise ValueError(
                'edge_weight must be constant (got one that requires '
                'gradients, which cannot reach it through a random walk)'
            )
        graph = (edge_index, edge_weight.to(dtype))
        size = (num_nodes, num_nodes)
        if (
            self._similar is None
            or self._similar.size() != size
            or self._similar.dtype != dtype
            or self._similar.device != edge_index.device
            or not all(map(torch.equal, self._graph, graph))
        ):
            (source, target), weight = similarity_graph(
                *graph,
                num_nodes,
                self.method,
                self.k,
                **self.similarity_kwargs,
            )
            self._similar = CSRTensor.from_coo(
                torch.stack([target, source]), weight, size
            )
            self._graph = tuple(tensor.clone() for tensor in graph)
        return self._similar

    def message_and_aggregate(self, adj_t: CSRTensor, x: Tensor) -> Tensor:
        rows = x.movedim(self.node_dim, 0)  # [N, ...]
        out = super().message_and_aggregate(adj_t, rows.flatten(1))
        return out.view(rows.size()).movedim(0, self.node_dim)

    def __repr__(self) -> str:
        return (
            f'{self.__class__.__name__}({self.in_channels}, '
            f'{self.out_channels}, method={self.method}, k={self.k})'
        )
