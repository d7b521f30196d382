"""What every public door asks of its arguments, once and before any work.

Values are not looked at where a program is traced and there are none.
"""

import operator
from collections.abc import Collection
from typing import Any

import torch
import torch.fx
from torch import Tensor
from torch_geometric.typing import Adj, OptTensor, SparseTensor
from torch_geometric.utils import coalesce, is_sparse
from torch_geometric.utils.num_nodes import maybe_num_nodes


def check_name(what: str, name: str | None, known: Collection) -> None:
    """Raises a ValueError if a name is not a known one."""
    if name not in known:
        names = ', '.join(map(str, known))
        raise ValueError(f'{what} must be one of {names} (got {name!r})')


def check_options(options: dict[str, Any], **known: Collection) -> None:
    """Raises a ValueError if an option that is given is not a known one."""
    for name in known:
        if name in options:
            check_name(name, options[name], known[name])


def check_real(name: str, value: Any) -> float:
    """Returns a number; raises a ValueError if it is none."""
    try:
        return float(value + 0.0)
    except (TypeError, ValueError, OverflowError, RuntimeError):
        raise ValueError(f'{name} must be a number (got {value!r})') from None


def check_probability(name: str, p: float) -> float:
    """Raises a ValueError if a probability is outside :math:`[0, 1]`."""
    check_real(name, p)
    if not 0.0 <= p <= 1.0:
        raise ValueError(f'{name} must be a probability in [0, 1] (got {p})')
    return p


def check_same_shape(**tensors: Tensor) -> None:
    """Raises a ValueError if tensors differ in shape, which PyTorch might
    stretch.
    """
    shapes = [list(tensor.size()) for tensor in tensors.values()]
    if shapes[1:] != shapes[:-1]:
        raise ValueError(
            f'{" and ".join(tensors)} must be of one shape (got '
            f'{" and ".join(map(str, shapes))})'
        )


def check_count(
    name: str, value: Any, least: int = 1, most: int | None = None
) -> int:
    """Returns a whole number.

    Raises:
        ValueError: If it is none, or out of range.
    """
    if not has_values():  # a size that is yet to be known
        return value
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or isinstance(value, bool):
        raise ValueError(f'{name} must be an integer (got {value!r})')
    if number < least:
        raise ValueError(f'{name} must be at least {least} (got {number})')
    if most is not None and number > most:
        raise ValueError(f'{name} must be at most {most} (got {number})')
    return number


def check_index(
    name: str, index: Any, bound: int | None, what: str = 'nodes'
) -> Tensor:
    """Checks numbers in :math:`[0, bound)`, or from zero on without a bound,
    and returns them as int64.

    Raises:
        ValueError: If they are no tensor of integers, or out of range.
    """
    if not isinstance(index, Tensor):
        raise ValueError(
            f'{name} must be a tensor (got {type(index).__name__})'
        )
    if index.dtype == torch.bool:
        raise ValueError(
            f'{name} must hold the numbers of {what}, not a mask (got '
            f'{index.dtype})'
        )
    if index.is_floating_point() or index.is_complex():
        raise ValueError(
            f'{name} must hold the numbers of {what} as integers (got '
            f'{index.dtype})'
        )
    if index.layout != torch.strided:
        raise ValueError(f'{name} must be dense (got {index.layout})')
    index = index.long()
    if index.numel() > 0 and has_values(index):
        low, high = value_range(index)
        if low < 0 or (bound is not None and high >= bound):
            raise ValueError(
                f'{name} must name {what} '
                + ('from 0 on' if bound is None else f'from 0 to {bound - 1}')
                + f' (got {low if low < 0 else high})'
            )
    return index


def check_ptr(name: str, ptr: Any, total: int, what: str) -> Tensor:
    """Checks pointers to where each group starts among all, and to where the
    last one ends, and returns them as int64.

    Raises:
        ValueError: If they do not go up from zero to the total.
    """
    ptr = check_index(name, ptr, total + 1, what)
    if has_values(ptr) and not (
        ptr.dim() == 1
        and ptr.numel() > 0
        and int(ptr[0]) == 0
        and int(ptr[-1]) == total
        and bool((ptr[1:] >= ptr[:-1]).all())
    ):
        raise ValueError(
            f'{name} must go up from 0 to the {total} {what} (got {ptr})'
        )
    return ptr


def check_edges(
    edge_index: Any,
    edge_weight: OptTensor = None,
    num_nodes: int | None = None,
    signed: bool = False,
) -> tuple[Tensor, OptTensor, int]:
    """Checks a weighted graph.

    Args:
        edge_index: Edges of shape ``[2, E]``.
        edge_weight: Their weights of shape ``[E]``.
        num_nodes: The number of nodes, by default what the edges show.
        signed: Whether weights may be negative.

    Returns:
        The edges as int64, their weights in a floating point type, and the
        number of nodes.

    Raises:
        ValueError: On another shape or type, nodes out of range, or weights
            that are negative, infinite or no numbers.
    """
    if isinstance(edge_index, Tensor) and (
        edge_index.dim() != 2 or edge_index.size(0) != 2
    ):
        raise ValueError(
            f'edge_index must be of shape [2, E] (got '
            f'{list(edge_index.size())})'
        )
    if num_nodes is not None:
        num_nodes = check_count('num_nodes', num_nodes, 0)
    edge_index = check_index('edge_index', edge_index, num_nodes)
    if num_nodes is None:
        num_nodes = maybe_num_nodes(edge_index)
    if edge_weight is not None:
        if not isinstance(edge_weight, Tensor) or is_sparse(edge_weight):
            raise ValueError(
                f'edge_weight must be a dense tensor (got '
                f'{getattr(edge_weight, "layout", type(edge_weight))})'
            )
        if edge_weight.size() != edge_index.size()[1:]:
            raise ValueError(
                f'edge_weight must be of shape [{edge_index.size(1)}], one '
                f'for each edge (got {list(edge_weight.size())})'
            )
        edge_weight = _check_weight(edge_weight, signed)
    return edge_index, edge_weight, num_nodes


def check_undirected(
    edge_index: Tensor, edge_weight: OptTensor, num_nodes: int
) -> None:
    """Raises a ValueError unless each edge goes both ways, with one weight;
    those of repeated edges add up.
    """
    if edge_weight is None:
        edge_weight = torch.ones_like(edge_index[0], dtype=torch.double)
    weight = edge_weight.detach().double()
    there = coalesce(edge_index, weight, num_nodes)
    back = coalesce(edge_index.flip(0), weight, num_nodes)
    if not torch.equal(there[0], back[0]):
        keys, others = (e[0] * num_nodes + e[1] for e, _ in (there, back))
        lone = there[0][:, ~torch.isin(keys, others)][:, 0].tolist()
        raise ValueError(
            f'edge_index must hold each edge both ways (got {lone[0]} to '
            f'{lone[1]} and not back): take to_undirected of '
            f'torch_geometric.utils'
        )
    apart = ~torch.isclose(there[1], back[1], rtol=1e-6, atol=0.0)
    if apart.any():
        source, target = there[0][:, apart][:, 0].tolist()
        one, other = there[1][apart][0].item(), back[1][apart][0].item()
        raise ValueError(
            f'edge_weight must be the same both ways (got {one:g} from '
            f'{source} to {target} and {other:g} back)'
        )


def check_adj(
    edge_index: Adj,
    edge_weight: OptTensor,
    num_nodes: int | tuple[int, int],
    signed: bool = False,
    normalized: Collection[str] = (),
) -> tuple[Adj, OptTensor]:
    """Checks a graph in any of PyG's forms, as :func:`check_edges` does; a
    transposed sparse adjacency holds its weights, and must be of the size of
    the nodes. One that says how it was normalized must be foreseen.
    """
    kind = normalization_of(edge_index)
    if kind is not None and kind not in normalized:
        meant = ' or '.join(f'{name}_adj' for name in normalized)
        raise ValueError(
            f'edge_index is a matrix of {kind}_adj, and must be '
            f'{f"one of {meant} or " if meant else ""}'
            f'edges that are not normalized, such as data.edge_index'
        )
    if not isinstance(num_nodes, tuple):
        if not is_sparse(edge_index):
            return check_edges(edge_index, edge_weight, num_nodes, signed)[:2]
        num_nodes = (num_nodes, num_nodes)
    if not is_sparse(edge_index):
        most = max(num_nodes)
        edge_index, edge_weight, _ = check_edges(
            edge_index, edge_weight, most, signed
        )
        for ends, bound in zip(edge_index, num_nodes, strict=True):
            if bound < most:
                check_index('edge_index', ends, bound)
        return edge_index, edge_weight
    if edge_weight is not None:
        raise ValueError(
            'a sparse adjacency holds its weights: give no edge_weight'
        )
    rows, columns = (edge_index.size(dim) for dim in (0, 1))
    if (columns, rows) != num_nodes:
        raise ValueError(
            f'the adjacency must be of size {num_nodes[1]} x {num_nodes[0]}, '
            f'as there are nodes (got {rows} x {columns})'
        )
    if kind is not None:  # its entries were looked at when it was made
        return edge_index, None
    if type(edge_index) in (Tensor, SparseTensor):
        _check_entries(edge_index)  # a CSRTensor looked when it was made
    if isinstance(edge_index, SparseTensor):
        values = edge_index.storage.value()
    else:
        if edge_index.layout == torch.sparse_coo:
            edge_index = edge_index.coalesce()
        values = edge_index.values()
    if values is not None:
        if values.dim() != 1:
            raise ValueError(
                f'a sparse adjacency must hold one weight for each edge '
                f'(got values of shape {list(values.size())})'
            )
        _check_weight(values, signed)
    return edge_index, None


def check_normalization(
    how: str, applies: bool, improved: bool, add_self_loops: bool
) -> None:
    """Raises a ValueError if options of a normalization have no effect."""
    if not applies and (improved or not add_self_loops):
        raise ValueError(
            f'improved and add_self_loops say how to normalize, and have no '
            f'effect {how} (got improved={improved}, add_self_loops='
            f'{add_self_loops})'
        )


def normalization_of(edge_index: Adj) -> str | None:
    """How a matrix was normalized, if it says so."""
    if not is_sparse(edge_index):  # which a compiler can ask
        return None
    return getattr(edge_index, 'normalization', None)


def check_targets(
    targets: OptTensor, num_nodes: int, name: str = 'targets'
) -> Tensor:
    """The seeds as a vector of int64 on the CPU, all nodes by default."""
    if targets is None:
        return torch.arange(num_nodes)
    if isinstance(targets, Tensor) and targets.dim() != 1:
        raise ValueError(
            f'{name} must be a vector of nodes (got shape '
            f'{list(targets.size())})'
        )
    return check_index(name, targets, num_nodes).cpu()


def check_vector(
    name: str,
    values: Any,
    num_nodes: int,
    bound: int | None = None,
    what: str = 'classes',
) -> Tensor:
    """Checks one number for each node, such as its class or its graph, and
    returns them as int64.

    Raises:
        ValueError: On another shape or type, or numbers out of range.
    """
    if isinstance(values, Tensor) and values.size() != (num_nodes,):
        raise ValueError(
            f'{name} must be of shape [{num_nodes}], one for each node (got '
            f'{list(values.size())})'
        )
    return check_index(name, values, bound, what)


def check_batch(batch: OptTensor, num_nodes: int) -> OptTensor:
    """Checks the graph of each node, if there is more than one; numbers too
    large to count graphs by become smaller.
    """
    if batch is None:
        return None
    batch = check_vector('batch', batch, num_nodes, what='graphs')
    if num_nodes > 0 and has_values(batch) and batch.max() >= num_nodes:
        return batch.unique(return_inverse=True)[1]
    return batch


def check_joins(edge_index: Tensor, batch: Tensor) -> None:
    """Raises a ValueError on an edge between nodes of two graphs."""
    one, other = batch[edge_index]
    if not torch.equal(one, other):
        i, j = edge_index[:, one != other][:, 0].tolist()
        raise ValueError(
            f'edge_index must join nodes of one graph of the batch (got an '
            f'edge from {i} to {j}, of graphs {batch[i]} and {batch[j]})'
        )


def check_features(
    x: Any,
    channels: int | None = None,
    dense: bool = True,
    stacked: bool = False,
) -> Tensor:
    """Checks features of nodes and returns them.

    Args:
        x: The features, of shape ``[N, F]``.
        channels: How many a node has; any number if not positive.
        dense: Whether they must be dense.
        stacked: Whether they may have dimensions ahead of these.

    Raises:
        ValueError: On anything else.
    """
    if isinstance(x, torch.fx.Proxy):
        raise ValueError(
            'torch.fx cannot trace a model that checks its input, as '
            'to_hetero asks: use HeteroConv with layers, or to_hetero on a '
            'network of your own that is made of them'
        )
    if not isinstance(x, Tensor):
        raise ValueError(f'x must be a tensor (got {type(x).__name__})')
    known = channels is not None and channels > 0
    if (
        not x.is_floating_point()
        or (x.dim() < 2 if stacked else x.dim() != 2)
        or (known and x.size(-1) != channels)
    ):
        raise ValueError(
            f'x must be floating point features of shape '
            f'[{"*, " * stacked}N, {channels if known else "F"}] (got '
            f'{x.dtype} of shape {list(x.size())})'
        )
    if dense and x.layout != torch.strided:
        raise ValueError(f'x must be dense (got {x.layout})')
    return x


def check_mask(name: str, mask: Any, num_nodes: int) -> Tensor:
    """Raises a ValueError unless a mask says of each node yes or no."""
    if not isinstance(mask, Tensor) or mask.dtype != torch.bool:
        kind = getattr(mask, 'dtype', type(mask).__name__)
        raise ValueError(f'{name} must be a boolean mask (got {kind})')
    if mask.size() != (num_nodes,):
        raise ValueError(
            f'{name} must be of shape [{num_nodes}], one for each node (got '
            f'{list(mask.size())})'
        )
    if num_nodes > 0 and not mask.any():
        raise ValueError(f'{name} must have at least one node (got none)')
    return mask


def check_edge_attr(
    edge_index: Adj, edge_attr: OptTensor, edge_dim: int | None
) -> None:
    """Raises an error if features of edges are missing, not foreseen, or come
    with an adjacency that has edges in another order.
    """
    if (edge_attr is None) != (edge_dim is None):
        given = None if edge_attr is None else tuple(edge_attr.shape)
        raise ValueError(
            f'edge_attr goes with edge_dim, which is {edge_dim} (got '
            f'edge_attr of shape {given})'
        )
    if edge_attr is None:
        return
    if is_sparse(edge_index):
        raise ValueError(
            f'edge_attr needs edge indices: a sparse adjacency has its edges '
            f'in another order (got {type(edge_index).__name__})'
        )
    shape = [edge_index.size(1), edge_dim]
    if list(edge_attr.size()) != shape:
        raise ValueError(
            f'edge_attr must be of shape {shape}, a row for each edge (got '
            f'{list(edge_attr.size())})'
        )


def _check_entries(adj: Tensor | SparseTensor) -> None:
    """Raises a ValueError if a sparse matrix has entries beyond its size,
    which PyTorch reads without a look.
    """
    size = tuple(adj.size(dim) for dim in (0, 1))
    if isinstance(adj, SparseTensor):
        ends = adj.coo()[:2]
    elif adj.layout == torch.sparse_coo:
        ends = adj._indices()
    else:
        ptr, index = adj.crow_indices, adj.col_indices
        if adj.layout == torch.sparse_csc:
            ptr, index = adj.ccol_indices, adj.row_indices
            size = size[::-1]
        check_ptr('edge_index', ptr(), len(index()), 'edges')
        ends, size = (index(),), size[1:]
    for index, bound in zip(ends, size, strict=True):
        check_index('edge_index', index, bound)


def _check_weight(weight: Tensor, signed: bool) -> Tensor:
    if weight.is_complex():
        raise ValueError(f'edge_weight must be real (got {weight.dtype})')
    if not weight.is_floating_point():
        weight = weight.to(torch.get_default_dtype())
    if weight.numel() > 0 and has_values(weight):
        low, high = value_range(weight.detach())
        least = -torch.inf if signed else 0.0
        if not (least <= low and -torch.inf < low and high < torch.inf):
            meant = 'finite' if signed else 'finite and not negative'
            raise ValueError(
                f'edge_weight must be {meant} (got values from {low:g} to '
                f'{high:g})'
            )
    return weight


def value_range(values: Tensor) -> tuple[float, float]:
    """The least and the largest of some values; no numbers among no
    numbers.
    """
    inner = torch._C._functorch  # of which a wrapped tensor has no values
    while inner.is_functorch_wrapped_tensor(values):
        values = inner.get_unwrapped(values)
    low, high = torch.aminmax(values)
    return low.item(), high.item()


@torch.compiler.disable  # a graph break there, and no error
def check_untraced(what: str) -> None:
    """Raises a RuntimeError if a program is traced that computes something
    outside of PyTorch, which a trace would keep as a constant.
    """
    if not has_values():
        raise RuntimeError(
            f'{what} is computed outside of PyTorch and cannot be traced by '
            f'torch.jit.trace or torch.export: compute the edges beforehand, '
            f'and trace a model that takes them'
        )


def has_values(*tensors: Tensor) -> bool:
    """Whether a program runs, and is not traced, and tensors are no mere
    shapes.
    """
    traced = torch.compiler.is_compiling() or torch.jit.is_tracing()
    return not (traced or any(tensor.is_meta for tensor in tensors))
