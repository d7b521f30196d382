from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch_geometric.typing import Adj, OptTensor

from pyg_ext.metrics.blocks import in_range
from pyg_ext.metrics.laplacian import adjacency, to_tensor
from pyg_ext.metrics.per_graph import dense_features
from pyg_ext.utils import edge_list
from pyg_ext.utils.checks import check_count, check_targets


def jacobian_by_distance(
    model: Callable[..., Tensor],
    x: Tensor,
    edge_index: Adj,
    max_distance: int | None = None,
    num_samples: int | None = None,
    num_projections: int | None = None,
    generator: torch.Generator | None = None,
    targets: OptTensor = None,
    **kwargs: Any,
) -> Tensor:
    r"""How much the output of a network at a node depends on the features of
    the nodes at each distance from it: the norm of the Jacobian

    .. math::
        J_k = \underset{(v, u) : \, d(u, v) = k}{\mathrm{mean}} \, {\left\|
        \frac{\partial \mathbf{h}_v}{\partial \mathbf{x}_u} \right\|}_F

    over pairs of a target :math:`v` and a source :math:`u` from which a
    shortest path along the edges takes :math:`k` of them. That it vanishes
    with the distance is over-squashing, by the definition of
    `"Understanding over-squashing and bottlenecks on graphs via curvature"
    <https://arxiv.org/abs/2111.14522>`_ (where norms are absolute values of
    single entries). It is exactly zero beyond as many hops as a network has
    layers.

    It sees one point: the present features and weights. It does not see why
    the dependence is small, for which compare with :math:`J_0` and
    :math:`J_1`; they fall as well where gradients vanish with depth.

    It takes one forward pass, in the mode that the model is in (call
    :meth:`eval` first, or dropout counts), and a backward pass for each
    target and output channel, or for each target and projection: where
    outputs are wide, :obj:`num_projections` random directions
    :math:`\mathbf{r}` of independent normal entries estimate :math:`{\|
    \mathbf{J} \|}_F^2` by the mean of :math:`{\| \mathbf{J}^{\top}
    \mathbf{r} \|}_2^2`. The norms themselves come out too small, by a fifth
    on average where one direction is all that counts and one projection is
    drawn, less with more of either. No gradient of a parameter is touched.

    PyG's :func:`torch_geometric.utils.total_influence` (PyG 2.7 and later)
    cuts out a subgraph for each target: it is less work on a large graph, but
    nodes at its rim lose edges, and with them their degree in a normalized
    layer; and it gives the sum over the nodes at a distance of the absolute
    entries.

    Args:
        model (torch.nn.Module or Callable): What is called as
            :obj:`model(x, edge_index, **kwargs)` and returns a row for each
            node. One that takes its edges otherwise, as by
            :func:`~pyg_ext.utils.gcn_adj`, goes into a function:
            :obj:`lambda x, _: model(x, adj)`.
        x (torch.Tensor): The node features.
        edge_index (torch.Tensor or SparseTensor): The edges.
        max_distance (int, optional): The largest distance; by default the
            largest that there is. (default: :obj:`None`)
        num_samples (int, optional): Takes so many random targets; all if
            :obj:`None`. (default: :obj:`None`)
        num_projections (int, optional): The number of random directions;
            exact, a pass for each channel, if :obj:`None`.
            (default: :obj:`None`)
        generator (torch.Generator, optional): Where random numbers come from;
            by default PyTorch's own. (default: :obj:`None`)
        targets (torch.Tensor, optional): The nodes whose outputs count, such
            as those with labels; all by default. (default: :obj:`None`)
        **kwargs (optional): Further arguments of the model.

    Raises:
        ValueError: If :obj:`max_distance` is negative, :obj:`num_samples` not
            between one and the number of targets, :obj:`num_projections` less
            than one, on :obj:`targets` that are no nodes, or if the model
            is none, or returns anything but floating point rows with a
            gradient, one for each node.

    Shapes:
        - **input:** node features :math:`(|\mathcal{V}|, F)`, edge indices
          :math:`(2, |\mathcal{E}|)` or a sparse adjacency
        - **output:** float64, :math:`(K + 1)` for distances from zero to
          :math:`K`; NaN at a distance of no pair, and at all if features
          are not finite
    """
    if not callable(model):
        raise ValueError(
            f'model must be called as model(x, edge_index) (got {model!r})'
        )
    x = dense_features(x)
    edges, _, size = edge_list(edge_index, None, len(x))
    if max_distance is not None:
        check_count('max_distance', max_distance, 0)
    if num_projections is not None:
        check_count('num_projections', num_projections, 1)
    targets = check_targets(targets, size)
    if num_samples is not None:
        check_count('num_samples', num_samples, 1, len(targets))
        order = torch.randperm(len(targets), generator=generator)
        targets = targets[order[:num_samples]]
    adj = adjacency(edges.flip(0), None, size)  # against the edges
    total = np.zeros(size + 1)  # of the norms at each distance
    count = np.zeros(size + 1)
    with torch.inference_mode(False), torch.enable_grad():
        x = x.detach().clone().requires_grad_()
        out = _check_output(model(x, edge_index, **kwargs), size)
        for target in targets.tolist():
            norms = _norms(out[target], x, num_projections, generator)
            hops = _hops(adj, target, max_distance)
            near = hops >= 0
            total += np.bincount(hops[near], norms[near], size + 1)
            count += np.bincount(hops[near], minlength=size + 1)
    if max_distance is None:
        max_distance = max(int((count > 0).sum()) - 1, 0)
    mean = np.full(max_distance + 1, np.nan)
    there = np.flatnonzero(count[: max_distance + 1])
    if x.isfinite().all():
        mean[there] = total[there] / count[there]
    return to_tensor(mean, x.device)


def _check_output(out: Any, size: int) -> Tensor:
    """A row for each node, ``[N, C]``."""
    if (
        not isinstance(out, Tensor)
        or not out.is_floating_point()
        or out.dim() == 0
        or len(out) != size
    ):
        kind = getattr(out, 'dtype', type(out).__name__)
        raise ValueError(
            f'the model must return floating point rows, one for each of the '
            f'{size} nodes (got {kind} of shape '
            f'{[*getattr(out, "shape", [])]})'
        )
    if not out.requires_grad:
        raise ValueError(
            'the output of the model must have a gradient (got one that is '
            'detached, was computed under no_grad, or is a constant)'
        )
    return out.flatten(1) if out.dim() > 1 else out.view(-1, 1)


def _norms(
    row: Tensor,
    x: Tensor,
    num_projections: int | None,
    generator: torch.Generator | None,
) -> np.ndarray:
    """The norm of the derivative of a row of the output by each row of the
    features, ``[N]``.
    """
    norms = x.new_zeros(len(x), dtype=torch.double)
    directions = torch.eye(len(row))
    if num_projections is not None:
        directions = torch.randn(
            num_projections, len(row), generator=generator
        )
    for direction in directions.to(row):
        (grad,) = torch.autograd.grad(
            row, x, direction, retain_graph=True, materialize_grads=True
        )
        grad, scale = in_range(grad)
        norm = torch.linalg.vector_norm(grad, dim=1, dtype=torch.double)
        norms = torch.hypot(norms, norm * scale)
    if num_projections is not None:
        norms /= num_projections**0.5
    return norms.cpu().numpy()


def _hops(adj: Any, target: int, most: int | None) -> np.ndarray:
    """How far each node is from a target, -1 if too far, ``[N]``."""
    from scipy.sparse.csgraph import dijkstra

    limit = np.inf if most is None else most
    hops = dijkstra(adj, indices=target, unweighted=True, limit=limit)
    return np.where(np.isfinite(hops), hops, -1.0).astype(np.int64)
