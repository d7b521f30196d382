import torch
from torch import Tensor
from torch_geometric.typing import OptTensor
from torch_geometric.utils import coalesce, scatter, to_dense_batch

from pyg_ext.utils.checks import check_batch, check_edges, check_features


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
    graph, and the mean over the graphs of a batch. There they change with
    the padding to the largest graph of a batch; here nothing does, and no
    matrix of nodes by nodes is made: :math:`{\| \mathbf{A} - \mathbf{S}
    \mathbf{S}^{\top} \|}_F^2 = {\| \mathbf{A} \|}_F^2 - 2\, \mathrm{tr}
    (\mathbf{A}^{\prime}) + {\| \mathbf{S}^{\top} \mathbf{S} \|}_F^2`.

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
    size = len(x)
    if s.dim() != 2 or len(s) != size:
        raise ValueError(
            f's must have a row for each of {size} nodes (got shape '
            f'{list(s.shape)})'
        )
    check_edges(edge_index, edge_weight, size)
    batch = check_batch(batch, size)
    if batch is None:
        batch = torch.zeros(size, dtype=torch.long, device=x.device)
    if not bool((batch[1:] >= batch[:-1]).all()):
        raise ValueError('batch must ascend: nodes graph by graph')
    if edge_weight is None:
        edge_weight = x.new_ones(edge_index.size(1))
    edge_index, edge_weight = coalesce(edge_index, edge_weight, size)
    source, target = edge_index

    log = s.log_softmax(dim=-1)  # finite where a share is zero
    s = log.exp()
    messages = edge_weight.unsqueeze(1) * s[target]
    joined = scatter(messages, source, 0, size)  # [N, C]
    padded, _ = to_dense_batch(s, batch, batch_size=batch_size)
    features, joined = (
        to_dense_batch(t, batch, batch_size=batch_size)[0] for t in (x, joined)
    )
    adj = padded.mT @ joined  # [B, C, C]

    num = len(padded)
    nodes = scatter(torch.ones_like(s[:, 0]), batch, 0, num).clamp(min=1.0)
    square = scatter(edge_weight.square(), batch[source], 0, num)
    square = square - 2.0 * adj.diagonal(dim1=1, dim2=2).sum(1)
    square = square + (padded.mT @ padded).square().sum((1, 2))
    # What rounding leaves of zero has no root, and no gradient:
    link = (square.clamp(min=1e-6).sqrt() / nodes.square()).mean()
    entropy = scatter(-(s * log).sum(1), batch, 0, num) / nodes
    return padded.mT @ features, adj, link, entropy.mean()
