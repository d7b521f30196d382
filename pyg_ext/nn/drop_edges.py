import torch
from torch import Tensor
from torch_geometric.typing import OptTensor
from torch_geometric.utils import dropout_edge, dropout_node, is_sparse

from pyg_ext.utils import dropout_path
from pyg_ext.utils.checks import check_edges, check_probability


class DropEdge(torch.nn.Module):
    r"""Drops random edges in training, other ones at each call, as in
    `"DropEdge: Towards Deep Graph Convolutional Networks on Node
    Classification" <https://arxiv.org/abs/1907.10903>`_:
    :func:`torch_geometric.utils.dropout_edge` as a module. What remains is to
    be normalized afterwards.

    Args:
        p (float, optional): Probability of an edge to be dropped.
            (default: :obj:`0.5`)
        **kwargs (optional): Further arguments of the function, such as
            :obj:`force_undirected`.

    Raises:
        ValueError: If :obj:`p` is outside :math:`[0, 1]`, on edges of another
            shape or type or beyond the nodes, or on a sparse adjacency.

    Shapes:
        - **input:** edge indices :math:`(2, |\mathcal{E}|)`, any number of
          tensors :math:`(|\mathcal{E}|, *)` or :obj:`None`, such as weights
          and features of the edges, and the number of nodes *(optional)*
        - **output:** a tuple of the edges that are left and their rows of
          those tensors
    """

    def __init__(self, p: float = 0.5, **kwargs):
        super().__init__()
        self.p = check_probability('p', p)
        self.kwargs = kwargs

    def forward(
        self,
        edge_index: Tensor,
        *edge_attrs: OptTensor,
        num_nodes: int | None = None,
    ) -> tuple[OptTensor, ...]:
        if not self.training or self.p == 0.0:
            return edge_index, *edge_attrs
        if is_sparse(edge_index):
            raise ValueError(
                f'{self.__class__.__name__} needs edge indices, not a sparse '
                f'adjacency (got {type(edge_index).__name__})'
            )
        edge_index, _, num_nodes = check_edges(edge_index, None, num_nodes)
        edge_index, left = self.drop(edge_index, num_nodes)
        return edge_index, *(
            None if attr is None else attr[left] for attr in edge_attrs
        )

    def drop(
        self, edge_index: Tensor, num_nodes: int
    ) -> tuple[Tensor, Tensor]:
        """The edges that are left, and a mask or indices of them."""
        return dropout_edge(edge_index, self.p, **self.kwargs)

    def __repr__(self) -> str:
        return f'{self.__class__.__name__}(p={self.p})'


class DropNode(DropEdge):
    r"""Drops random nodes in training, with all their edges, as in `"Graph
    Contrastive Learning with Augmentations"
    <https://arxiv.org/abs/2010.13902>`_:
    :func:`torch_geometric.utils.dropout_node` as a module. The nodes stay,
    without neighbors.

    Args, errors and shapes are those of :class:`DropEdge`, with nodes for
    edges.
    """

    def drop(
        self, edge_index: Tensor, num_nodes: int
    ) -> tuple[Tensor, Tensor]:
        edge_index, left, _ = dropout_node(
            edge_index, self.p, num_nodes, **self.kwargs
        )
        return edge_index, left


class DropPath(DropEdge):
    r"""Drops the edges that random walks take in training, as in `"MaskGAE:
    Masked Graph Modeling Meets Graph Autoencoders"
    <https://arxiv.org/abs/2205.10053>`_:
    :func:`pyg_ext.utils.dropout_path` as a module.

    Args, errors and shapes are those of :class:`DropEdge`, where :obj:`p` is
    the probability that a walk starts at an edge.
    """

    def drop(
        self, edge_index: Tensor, num_nodes: int
    ) -> tuple[Tensor, Tensor]:
        return dropout_path(
            edge_index, self.p, num_nodes=num_nodes, **self.kwargs
        )
