import warnings

import torch
from torch import Tensor
from torch_geometric.nn.conv.gcn_conv import gcn_norm
from torch_geometric.typing import Adj, OptTensor, SparseTensor
from torch_geometric.utils import is_sparse, scatter

from pyg_ext.utils.checks import (
    check_adj,
    check_edges,
    check_normalization,
    has_values,
    normalization_of,
    value_range,
)
from pyg_ext.utils.csr import CSRTensor


def edge_list(
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
        ValueError: On edges of another shape or type, or beyond the nodes, on
            weights of another shape, negative or not finite, or that come
            with a sparse adjacency, or on one that is not square or that
            :func:`gcn_adj` or :func:`mean_adj` normalized.

    Shapes:
        - **output:** edge indices :math:`(2, |\mathcal{E}|)`, weights
          :math:`(|\mathcal{E}|)` or :obj:`None`, the number of nodes
    """
    if not is_sparse(edge_index):
        return check_edges(edge_index, edge_weight, num_nodes)
    size = edge_index.size(0) if num_nodes is None else num_nodes
    check_adj(edge_index, edge_weight, size)
    edges, edge_weight = entries(edge_index)
    return *check_edges(edges, edge_weight, size)[:2], size


def entries(adj_t: Adj) -> tuple[Tensor, OptTensor]:
    """Edges and weights of a transposed sparse adjacency, whether or not it is
    normalized.
    """
    if is_normalized(adj_t):
        adj_t = adj_t.plain()
    if isinstance(adj_t, SparseTensor):
        row, col, edge_weight = adj_t.coo()
        return torch.stack([col, row]), edge_weight
    adj_t = adj_t.to_sparse_coo().coalesce()
    return adj_t.indices().flip(0), adj_t.values()


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
        ValueError: As :func:`edge_list`, and if :obj:`edge_weight` requires
            gradients.

    Shapes:
        - **output:** row :math:`i` holds the messages that node :math:`i`
          receives, :math:`(|\mathcal{V}|, |\mathcal{V}|)`
    """
    sparse = is_sparse(edge_index)
    edge_index, edge_weight, num_nodes = _constant_edges(
        edge_index, edge_weight, num_nodes
    )
    if sparse and _looks_normalized(edge_index, edge_weight, num_nodes):
        warnings.warn(
            'the adjacency looks as if it were normalized already, and is '
            'normalized again: give edge_index, or give it to a model with '
            'normalize=False',
            stacklevel=2,
        )
    (source, target), value = _gcn_norm(
        edge_index, edge_weight, num_nodes, dtype, improved, add_self_loops
    )
    return CSRTensor.from_coo(
        torch.stack([target, source]), value, (num_nodes, num_nodes), 'gcn'
    )


def _looks_normalized(
    edge_index: Tensor, edge_weight: OptTensor, num_nodes: int
) -> bool:
    """Whether the square roots of the degrees, of which the self-loops are
    the inverse, are an eigenvector of the value one.
    """
    source, target = edge_index
    loop = source == target
    if edge_weight is None or not has_values() or bool(loop.all()):
        return False
    weight = edge_weight.detach().double()
    root = weight.new_zeros(num_nodes)
    root = root.index_put((source[loop],), weight[loop].clamp(min=0).rsqrt())
    if not bool((root.isfinite() & (root > 0.0)).all()):
        return False
    out = scatter(weight * root[source], target, 0, num_nodes)
    return torch.allclose(out, root, rtol=1e-2)


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
        ValueError: As :func:`gcn_adj`.

    Shapes:
        - **output:** row :math:`i` holds the shares of the nodes with an edge
          to node :math:`i`, :math:`(|\mathcal{V}|, |\mathcal{V}|)`
    """
    edge_index, edge_weight, num_nodes = _constant_edges(
        edge_index, edge_weight, num_nodes
    )
    (source, target), share = _mean_norm(
        edge_index, edge_weight, num_nodes, dtype
    )
    return CSRTensor.from_coo(
        torch.stack([target, source]), share, (num_nodes, num_nodes), 'mean'
    )


def _constant_edges(
    edge_index: Adj, edge_weight: OptTensor, num_nodes: int | None
) -> tuple[Tensor, OptTensor, int]:
    edge_index, edge_weight, num_nodes = edge_list(
        edge_index, edge_weight, num_nodes
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
    improved: bool = False,
    add_self_loops: bool = True,
    normalize: bool = True,
) -> tuple[Adj, OptTensor]:
    r"""What a model does at the start of its forward pass: normalizes the
    adjacency once for all layers.

    An edge index stays one, so that gradients reach the weights and
    :func:`torch.compile` sees through. A sparse adjacency goes to
    :func:`gcn_adj`, unless it comes from there and says so.

    Args:
        edge_index (torch.Tensor, SparseTensor or CSRTensor): The edges.
        edge_weight (torch.Tensor): Weights of shape
            :math:`(|\mathcal{E}|)`, or :obj:`None`.
        num_nodes (int): The number of nodes.
        dtype (torch.dtype, optional): Type of the entries.
            (default: :obj:`None`)
        improved (bool, optional): As in :func:`gcn_adj`.
            (default: :obj:`False`)
        add_self_loops (bool, optional): As in :func:`gcn_adj`.
            (default: :obj:`True`)
        normalize (bool, optional): If set to :obj:`False`, weights are taken
            as they are. (default: :obj:`True`)

    Raises:
        ValueError: As :func:`edge_list`, and on a sparse adjacency for another
            number of nodes, or one that was normalized for another model, or
            if :obj:`improved` or :obj:`add_self_loops` has no effect.
    """
    edge_index, edge_weight = check_adj(
        *(edge_index, edge_weight, num_nodes),
        signed=not normalize,
        normalized=('gcn',),
    )
    fixed = is_normalized(edge_index) or not normalize
    check_normalization(
        'on weights that are used as they are',
        not fixed,
        improved,
        add_self_loops,
    )
    if fixed and isinstance(edge_index, CSRTensor):
        return edge_index, None
    if not normalize:
        return _as_given(edge_index, edge_weight, num_nodes, dtype)
    if is_sparse(edge_index):
        return gcn_adj(
            edge_index, None, None, improved, add_self_loops, dtype
        ), None
    options = (dtype, improved, add_self_loops)
    return _typed(
        *_gcn_norm(edge_index, edge_weight, num_nodes, *options), dtype
    )


def mean_norm_once(
    edge_index: Adj,
    edge_weight: OptTensor,
    num_nodes: int,
    dtype: torch.dtype | None = None,
) -> tuple[Adj, OptTensor]:
    r"""As :func:`gcn_norm_once`, for a mean over the neighbors, with
    :func:`mean_adj` in place of :func:`gcn_adj`.

    Args:
        edge_index (torch.Tensor, SparseTensor or CSRTensor): The edges.
        edge_weight (torch.Tensor): Weights of shape
            :math:`(|\mathcal{E}|)`, or :obj:`None`.
        num_nodes (int): The number of nodes.
        dtype (torch.dtype, optional): Type of the entries.
            (default: :obj:`None`)

    Raises:
        ValueError: As :func:`gcn_norm_once`.
    """
    edge_index, edge_weight = check_adj(
        edge_index, edge_weight, num_nodes, normalized=('mean',)
    )
    if is_normalized(edge_index):
        return edge_index, None
    if is_sparse(edge_index):
        return mean_adj(edge_index, dtype=dtype), None
    return _typed(
        *_mean_norm(edge_index, edge_weight, num_nodes, dtype), dtype
    )


def _as_given(
    edge_index: Adj,
    edge_weight: OptTensor,
    num_nodes: int,
    dtype: torch.dtype | None,
) -> tuple[Adj, OptTensor]:
    """Edges whose weights are used as they are, one where there are none."""
    sparse = is_sparse(edge_index)
    if sparse:
        edge_index, edge_weight = entries(edge_index)
    if edge_weight is None:
        edge_weight = torch.ones_like(
            edge_index[0], dtype=dtype or torch.get_default_dtype()
        )
    if not sparse:
        return _typed(edge_index, edge_weight, dtype)
    size = (num_nodes, num_nodes)
    return CSRTensor.from_coo(edge_index.flip(0), edge_weight, size), None


def is_normalized(edge_index: Adj) -> bool:
    """Whether a matrix says that it comes from :func:`gcn_adj` or
    :func:`mean_adj`.
    """
    return normalization_of(edge_index) is not None


def _typed(
    edge_index: Tensor, value: Tensor, dtype: torch.dtype | None
) -> tuple[Tensor, Tensor]:
    return edge_index, value if dtype is None else value.to(dtype)


def _gcn_norm(
    edge_index: Tensor,
    edge_weight: OptTensor,
    num_nodes: int,
    dtype: torch.dtype | None,
    improved: bool = False,
    add_self_loops: bool = True,
) -> tuple[Tensor, Tensor]:
    """PyG's, with degrees that half types cannot count in float32."""
    given = dtype if edge_weight is None else edge_weight.dtype
    if edge_weight is not None:
        edge_weight = _summable(edge_weight)
    edge_index, value = gcn_norm(
        edge_index,
        edge_weight,
        num_nodes,
        improved,
        add_self_loops,
        dtype=given and _at_least_single(given),
    )
    return edge_index, value if given is None else value.to(given)


def _mean_norm(
    edge_index: Tensor,
    edge_weight: OptTensor,
    num_nodes: int,
    dtype: torch.dtype | None,
) -> tuple[Tensor, Tensor]:
    target = edge_index[1]
    if edge_weight is None:
        edge_weight = torch.ones_like(
            target, dtype=dtype or torch.get_default_dtype()
        )
    given = edge_weight.dtype
    edge_weight = _summable(edge_weight)
    total = scatter(edge_weight, target, 0, num_nodes)
    share = edge_weight / torch.where(total == 0.0, 1.0, total)[target]
    return edge_index, share.to(given)


def _summable(edge_weight: Tensor) -> Tensor:
    """Weights in a type whose sums neither overflow nor lose count."""
    edge_weight = edge_weight.to(_at_least_single(edge_weight.dtype))
    num = edge_weight.numel()
    if num > 0 and has_values(edge_weight):
        most = torch.finfo(edge_weight.dtype).max / num
        _, high = value_range(edge_weight.detach())
        if high > most:
            raise ValueError(
                f'edge_weight must be at most {most:.3g}, or sums of {num} '
                f'weights overflow (got {high:g})'
            )
    return edge_weight


def _at_least_single(dtype: torch.dtype) -> torch.dtype:
    return torch.promote_types(dtype, torch.float)
