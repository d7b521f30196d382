import torch
from torch import Tensor
from torch_geometric.nn.conv.gcn_conv import gcn_norm
from torch_geometric.typing import Adj, OptTensor, SparseTensor
from torch_geometric.utils import is_sparse, scatter
from torch_geometric.utils.num_nodes import maybe_num_nodes

from pyg_ext.utils.csr import CSRTensor


def edges_of(
    edge_index: Adj,
    edge_weight: OptTensor = None,
    num_nodes: int | None = None,
) -> tuple[Tensor, OptTensor, int]:
    r"""The edges of a graph in any of PyG's forms.

    Args:
        edge_index (torch.Tensor or SparseTensor): Edges of shape
            :math:`(2, |\mathcal{E}|)`, or a transposed sparse adjacency,
            which holds its weights.
        edge_weight (torch.Tensor, optional): Weights of shape
            :math:`(|\mathcal{E}|)`. (default: :obj:`None`)
        num_nodes (int, optional): The number of nodes; by default what
            :obj:`edge_index` shows. (default: :obj:`None`)

    Raises:
        ValueError: If weights come with a sparse adjacency.

    Shapes:
        - **output:** edge indices :math:`(2, |\mathcal{E}|)`, weights
          :math:`(|\mathcal{E}|)` or :obj:`None`, the number of nodes
    """
    if not is_sparse(edge_index):
        return edge_index, edge_weight, maybe_num_nodes(edge_index, num_nodes)
    if edge_weight is not None:
        raise ValueError(
            'a sparse adjacency holds its weights: give no edge_weight'
        )
    if isinstance(edge_index, SparseTensor):
        row, col, edge_weight = edge_index.coo()
        return torch.stack([col, row]), edge_weight, edge_index.size(0)
    adj_t = edge_index.to_sparse_coo().coalesce()
    return adj_t.indices().flip(0), adj_t.values(), edge_index.size(0)


def gcn_adj(
    edge_index: Adj,
    edge_weight: OptTensor = None,
    num_nodes: int | None = None,
    improved: bool = False,
    add_self_loops: bool = True,
    dtype: torch.dtype | None = None,
) -> CSRTensor:
    r"""The normalized adjacency of the `"Semi-supervised Classification with
    Graph Convolutional Networks" <https://arxiv.org/abs/1609.02907>`_ paper,
    computed once, to be shared by all layers of a network.

    .. math::
        \mathbf{\hat{D}}^{-1/2} (\mathbf{A} + \mathbf{I})
        \mathbf{\hat{D}}^{-1/2}

    Give the result in place of :obj:`edge_index` to PyG's layers that were
    built with :obj:`normalize=False`, or to the models of this package.

    Args:
        edge_index (torch.Tensor or SparseTensor): Edges of shape
            :math:`(2, |\mathcal{E}|)`, or a transposed sparse adjacency as
            PyG's layers take it.
        edge_weight (torch.Tensor, optional): Constant weights of shape
            :math:`(|\mathcal{E}|)`. (default: :obj:`None`)
        num_nodes (int, optional): The number of nodes; by default what
            :obj:`edge_index` shows. (default: :obj:`None`)
        improved (bool, optional): If set to :obj:`True`, adds
            :math:`2\mathbf{I}`. (default: :obj:`False`)
        add_self_loops (bool, optional): Whether to add :math:`\mathbf{I}`
            where a node has no loop. (default: :obj:`True`)
        dtype (torch.dtype, optional): Type of the entries where
            :obj:`edge_weight` is not given. (default: :obj:`None`)

    Raises:
        ValueError: If an edge names a node beyond :obj:`num_nodes`, or if
            :obj:`edge_weight` requires gradients.

    Shapes:
        - **output:** row :math:`i` holds the messages that node :math:`i`
          receives, :math:`(|\mathcal{V}|, |\mathcal{V}|)`
    """
    edge_index, edge_weight, num_nodes = _constant_edges(
        edge_index, edge_weight, num_nodes
    )
    (source, target), value = gcn_norm(
        edge_index,
        edge_weight,
        num_nodes,
        improved,
        add_self_loops,
        dtype=dtype,
    )
    return CSRTensor.from_coo(
        torch.stack([target, source]), value, (num_nodes, num_nodes)
    )


def mean_adj(
    edge_index: Adj,
    edge_weight: OptTensor = None,
    num_nodes: int | None = None,
    dtype: torch.dtype | None = None,
) -> CSRTensor:
    r"""The adjacency whose product with features is the mean over the
    neighbors, :math:`\mathbf{D}^{-1} \mathbf{A}`, computed once, to be shared
    by all layers of a network.

    Args:
        edge_index (torch.Tensor or SparseTensor): Edges of shape
            :math:`(2, |\mathcal{E}|)`, or a transposed sparse adjacency as
            PyG's layers take it.
        edge_weight (torch.Tensor, optional): Constant weights of shape
            :math:`(|\mathcal{E}|)`, for a weighted mean.
            (default: :obj:`None`)
        num_nodes (int, optional): The number of nodes; by default what
            :obj:`edge_index` shows. (default: :obj:`None`)
        dtype (torch.dtype, optional): Type of the entries where
            :obj:`edge_weight` is not given. (default: :obj:`None`)

    Raises:
        ValueError: If an edge names a node beyond :obj:`num_nodes`, or if
            :obj:`edge_weight` requires gradients.

    Shapes:
        - **output:** row :math:`i` holds the shares of the nodes with an edge
          to node :math:`i`, :math:`(|\mathcal{V}|, |\mathcal{V}|)`
    """
    (source, target), weight, num_nodes = _constant_edges(
        edge_index, edge_weight, num_nodes
    )
    if weight is None:
        weight = torch.ones_like(
            source, dtype=dtype or torch.get_default_dtype()
        )
    total = scatter(weight, target, 0, num_nodes)
    share = weight / torch.where(total == 0.0, 1.0, total)[target]
    return CSRTensor.from_coo(
        torch.stack([target, source]), share, (num_nodes, num_nodes)
    )


def _constant_edges(
    edge_index: Adj, edge_weight: OptTensor, num_nodes: int | None
) -> tuple[Tensor, OptTensor, int]:
    if isinstance(edge_index, CSRTensor):
        raise ValueError('edge_index is a CSRTensor: normalize it only once')
    edge_index, edge_weight, num_nodes = edges_of(
        edge_index, edge_weight, num_nodes
    )
    if edge_index.numel() > 0 and int(edge_index.max()) >= num_nodes:
        raise ValueError(
            f'edge_index must name nodes below num_nodes={num_nodes} '
            f'(got {int(edge_index.max())})'
        )
    if edge_weight is not None and edge_weight.requires_grad:
        raise ValueError(
            'edge_weight must be constant in a shared adjacency (got one '
            'that requires gradients); give it to the layer instead'
        )
    return edge_index, edge_weight, num_nodes


def gcn_norm_once(
    edge_index: Adj,
    edge_weight: OptTensor,
    num_nodes: int,
    dtype: torch.dtype | None = None,
) -> tuple[Adj, OptTensor]:
    r"""What a model does at the start of its forward pass: normalizes the
    adjacency once for all layers.

    An edge index stays one, so that gradients reach the weights and
    :func:`torch.compile` sees through. A sparse adjacency goes to
    :func:`gcn_adj`. A :class:`~pyg_ext.utils.CSRTensor`, which comes from
    there, is used as it is.

    Args:
        edge_index (torch.Tensor, SparseTensor or CSRTensor): The edges.
        edge_weight (torch.Tensor): Weights of shape
            :math:`(|\mathcal{E}|)`, or :obj:`None`.
        num_nodes (int): The number of nodes.
        dtype (torch.dtype, optional): Type of the entries.
            (default: :obj:`None`)

    Raises:
        ValueError: If weights come with a :class:`~pyg_ext.utils.CSRTensor`,
            or if that has another number of nodes.
    """
    if is_sparse(edge_index) and not isinstance(edge_index, CSRTensor):
        edge_index = gcn_adj(edge_index, dtype=dtype)
    if not isinstance(edge_index, CSRTensor):
        return gcn_norm(edge_index, edge_weight, num_nodes, dtype=dtype)
    if edge_weight is not None:
        raise ValueError(
            'a sparse adjacency holds its weights: give no edge_weight'
        )
    if edge_index.size() != (num_nodes, num_nodes):
        raise ValueError(
            f'the adjacency must be of size {num_nodes} x {num_nodes} '
            f'(got {tuple(edge_index.size())})'
        )
    return edge_index, None
