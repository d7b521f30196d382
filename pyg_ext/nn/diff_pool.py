import torch
from torch import Tensor
from torch_geometric.typing import OptTensor
from torch_geometric.utils import coalesce, scatter, to_dense_batch

from pyg_ext.utils.checks import (
    check_batch,
    check_count,
    check_edges,
    check_features,
)


def diff_pool(
    x: Tensor,
    s: Tensor,
    edge_index: Tensor,
    edge_weight: OptTensor = None,
    batch: OptTensor = None,
    batch_size: int | None = None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    r"""The pooling of the `"Hierarchical Graph Representation Learning with
    Differentiable Pooling" <https://arxiv.org/abs/1806.08804>`_ paper, from
    sparse edges.

    With :math:`\mathbf{S} = \mathrm{softmax}(\mathbf{s})`, each graph becomes
    one of :math:`C` clusters,

    .. math::
        \mathbf{X}^{\prime} = \mathbf{S}^{\top} \mathbf{X}, \quad
        \mathbf{A}^{\prime} = \mathbf{S}^{\top} \mathbf{A} \mathbf{S},

    and two losses make nodes that are joined go to one cluster, and to few
    clusters each:

    .. math::
        \mathcal{L}_{LP} = \frac{1}{n^2} {\| \mathbf{A} - \mathbf{S}
        \mathbf{S}^{\top} \|}_F, \quad
        \mathcal{L}_E = \frac{1}{n} \sum_{i=1}^{n} H(\mathbf{S}_i).

    Both are those of :func:`torch_geometric.nn.dense.dense_diff_pool` for one
    graph, and the mean over the graphs of a batch that have nodes. There they
    change with the padding to the largest graph of a batch; here nothing
    does, and no matrix of nodes by nodes is made, since

    .. math::
        {\| \mathbf{A} - \mathbf{S} \mathbf{S}^{\top} \|}_F^2 = {\| \mathbf{A}
        \|}_F^2 - 2\, \mathrm{tr} (\mathbf{A}^{\prime}) + {\|
        \mathbf{S}^{\top} \mathbf{S} \|}_F^2.

    Args:
        x (torch.Tensor): Node features.
        s (torch.Tensor): What the assignment of nodes to clusters is the
            softmax of.
        edge_index (torch.Tensor): The edges; those that stand twice are
            summed.
        edge_weight (torch.Tensor, optional): Their weights.
            (default: :obj:`None`)
        batch (torch.Tensor, optional): The graph of each node, ascending.
            (default: :obj:`None`)
        batch_size (int, optional): The number of graphs :math:`B`, if the
            last may have no node. (default: :obj:`None`)

    Raises:
        ValueError: On features, assignments, edges, weights or a batch vector
            of another shape or type than below, or on nodes that there are
            not.

    Shapes:
        - **input:** node features :math:`(|\mathcal{V}|, F)`, assignments
          :math:`(|\mathcal{V}|, C)`, edge indices :math:`(2, |\mathcal{E}|)`,
          weights :math:`(|\mathcal{E}|)` *(optional)*, graphs
          :math:`(|\mathcal{V}|)` *(optional)*
        - **output:** features :math:`(B, C, F)`, adjacencies
          :math:`(B, C, C)`, and both losses, numbers
    """
    check_features(x)
    num_nodes = len(x)
    if s.dim() != 2 or len(s) != num_nodes or not s.size(1):
        raise ValueError(
            f's must have a row for each of {num_nodes} nodes, and a column '
            f'for each cluster (got shape {list(s.shape)})'
        )
    edge_index, edge_weight, _ = check_edges(
        edge_index, edge_weight, num_nodes
    )
    batch, size = ordered(batch, batch_size, x)
    if hasattr(edge_index, 'as_tensor'):  # PyG's EdgeIndex
        edge_index = edge_index.as_tensor()
    if edge_weight is None:
        edge_weight = x.new_ones(edge_index.size(1))
    edge_index, edge_weight = coalesce(edge_index, edge_weight, num_nodes)
    source, target = edge_index
    number = batch.bincount(minlength=size)  # of nodes, [B]
    most = int(number.max()) if size else 0

    def dense(values: Tensor) -> Tensor:
        return to_dense_batch(values, batch, 0.0, most, size)[0]

    log = s.log_softmax(dim=-1)  # finite where a share is zero
    s = log.exp()
    messages = edge_weight.unsqueeze(1) * s[target]
    joined = scatter(messages, source, 0, num_nodes)  # [N, C]
    shares = dense(s).mT  # [B, C, n]
    features, adj = shares @ dense(x), shares @ dense(joined)

    # Of large sums that nearly cancel:
    exact, weight = s.double(), edge_weight.double()
    gram = dense(exact)
    square = (gram.mT @ gram).square().sum((1, 2))
    inner = (exact[source] * exact[target]).sum(1)  # [E]
    terms = weight * (weight - 2.0 * inner)
    square = square + scatter(terms, batch[source], 0, size)
    # What rounding leaves of zero has no root, and no gradient:
    link = square.clamp(min=1e-10).sqrt() / number.clamp(min=1).square()
    entropy = scatter(-(exact * log.double()).sum(1), batch, 0, size)
    graphs = (number > 0).sum().clamp(min=1)  # the others have no loss
    link = link.where(number > 0, 0.0).sum() / graphs
    entropy = (entropy / number.clamp(min=1)).sum() / graphs
    dtype = torch.promote_types(x.dtype, torch.float)
    return features, adj, link.to(dtype), entropy.to(dtype)


def ordered(
    batch: OptTensor, batch_size: int | None, x: Tensor
) -> tuple[Tensor, int]:
    """The graph of each node, which must ascend, and the number of graphs."""
    batch = check_batch(batch, len(x))
    if batch is None:
        batch = torch.zeros(len(x), dtype=torch.long, device=x.device)
    if not bool((batch[1:] >= batch[:-1]).all()):
        raise ValueError('batch must ascend: nodes graph by graph')
    least = int(batch[-1]) + 1 if len(batch) else 0
    if batch_size is None:
        return batch, least
    return batch, check_count('batch_size', batch_size, least)
