import torch
from torch import Tensor
from torch_geometric.typing import OptTensor
from torch_geometric.utils import scatter

from pyg_ext.metrics.per_graph import check_graphs
from pyg_ext.utils.checks import check_edges, check_name


def attention_entropy(
    edge_index: Tensor,
    alpha: Tensor,
    num_nodes: int | None = None,
    relative: bool = False,
    reduction: str = 'mean',
    batch: OptTensor = None,
    batch_size: int | None = None,
) -> Tensor:
    r"""The entropy of the attention :math:`\alpha_{ij}` of the `"Graph
    Attention Networks" <https://arxiv.org/abs/1710.10903>`_ paper that a node
    :math:`i` pays to its neighbors,

    .. math::
        H_i = - \sum_{j \in \mathcal{N}(i)} \alpha_{ij} \ln \alpha_{ij},

    the mean over nodes for each head. It is zero where all attention goes to
    one neighbor, and :math:`\ln d_i` where it is the same for all :math:`d_i`
    of them, so that attention is a plain mean. As hubs can have more of it
    than other nodes, graphs and layers compare by the relative entropy
    :math:`H_i / \ln d_i`.

    It does not see whether attention goes to the right neighbors.

    Args:
        edge_index (torch.Tensor): The edges of the attention, with the
            self-loops that a layer adds, as :class:`~pyg_ext.nn.GAT` and
            PyG's layers return them.
        alpha (torch.Tensor): The attention of each edge. That of all edges
            into a node must sum to one, which it does not where dropout took
            some, in training.
        num_nodes (int, optional): The number of nodes.
            (default: :obj:`None`)
        relative (bool, optional): Whether to divide by :math:`\ln d_i`, the
            entropy of a plain mean. (default: :obj:`False`)
        reduction (str, optional): :obj:`'mean'` over nodes, or
            :obj:`'none'`. (default: :obj:`'mean'`)
        batch (torch.Tensor, optional): The graph of each node, for the mean
            of each. (default: :obj:`None`)
        batch_size (int, optional): The number of graphs, where the last ones
            are empty. (default: :obj:`None`)

    Nodes without an edge into them have no entropy, and those with one have
    no relative one: they have NaN, and no part in a mean.

    Raises:
        ValueError: On attention of another shape, below zero or that does not
            sum to one, on an unknown :obj:`reduction`, or on :obj:`batch`
            where there is no mean.

    Shapes:
        - **input:** edge indices :math:`(2, |\mathcal{E}|)`, attention
          :math:`(|\mathcal{E}|, H)` or :math:`(|\mathcal{E}|)`
        - **output:** float64, :math:`(H)`, with :obj:`batch`
          :math:`(|\mathcal{G}|, H)`, or :math:`(|\mathcal{V}|, H)` without
          reduction; without :math:`H` where attention has none; NaN for a
          mean over no node, or of attention that is not finite
    """
    check_name('reduction', reduction, ('mean', 'none'))
    if reduction == 'none' and batch is not None:
        raise ValueError(
            'batch is for the mean over each graph, and has no effect with '
            'reduction="none"'
        )
    if num_nodes is None and batch is not None:
        num_nodes = len(batch)
    edge_index, _, size = check_edges(edge_index, None, num_nodes)
    _check_attention(alpha, edge_index)
    one_head = alpha.dim() == 1
    alpha = alpha.unsqueeze(-1) if one_head else alpha  # [E, H]
    target = edge_index[1]
    degree = target.bincount(minlength=size)
    _check_sums(alpha, target, degree)
    alpha = alpha.double().masked_fill(~alpha.isfinite(), torch.nan)
    entropy = scatter(torch.special.entr(alpha), target, 0, size)  # [N, H]
    if relative:
        entropy = entropy / degree.clamp(min=2).log().view(-1, 1)
    counts = degree > (1 if relative else 0)
    if reduction == 'none':
        out = entropy.where(counts.view(-1, 1), torch.nan)
    else:
        graph, graphs = check_graphs(batch, batch_size, entropy, edge_index)
        graph = graph[counts]
        number = graph.bincount(minlength=graphs).view(-1, 1)
        out = scatter(entropy[counts], graph, 0, graphs) / number  # [G, H]
        out = out[0] if batch is None else out
    return out.squeeze(-1) if one_head else out


def _check_attention(alpha: Tensor, edge_index: Tensor) -> None:
    number = edge_index.size(1)
    if (
        not isinstance(alpha, Tensor)
        or not alpha.is_floating_point()
        or alpha.dim() not in (1, 2)
        or len(alpha) != number
    ):
        kind = getattr(alpha, 'dtype', type(alpha).__name__)
        raise ValueError(
            f'alpha must be floating point attention of shape [{number}, H] '
            f'or [{number}], one for each edge (got {kind} of shape '
            f'{[*getattr(alpha, "shape", [])]})'
        )
    if (alpha < 0.0).any():
        least = alpha[alpha < 0.0].min().item()
        raise ValueError(f'alpha must not be negative (got {least:g})')


def _check_sums(alpha: Tensor, target: Tensor, degree: Tensor) -> None:
    total = scatter(alpha.double(), target, 0, len(degree))  # [N, H]
    far = (total - 1.0).abs() > torch.finfo(alpha.dtype).eps ** 0.5
    wrong = far & total.isfinite() & (degree > 0).view(-1, 1)
    if wrong.any():
        node, head = wrong.nonzero()[0].tolist()
        raise ValueError(
            f'alpha must sum to one over the edges into each node (got '
            f'{total[node, head].item():.4g} at node {node}): take that of a '
            f'model in evaluation, with the edges that come with it'
        )
