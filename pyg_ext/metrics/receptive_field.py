import torch
from torch import Tensor
from torch_geometric.typing import Adj

from pyg_ext.utils import CSRTensor, edge_list
from pyg_ext.utils.checks import check_count

BLOCK = 256  # nodes whose receptive fields are grown at a time
MOST_HOPS = 2**20


def receptive_field(
    edge_index: Adj,
    hops: int,
    num_nodes: int | None = None,
    num_samples: int | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    r"""The share of all nodes whose features can reach a node in
    :math:`0, 1, \ldots, k` graph convolutions, the mean over all nodes.

    In a small world it comes near one after few convolutions, which is a
    reason for over-smoothing: two nodes that see the same are hard to tell
    apart. It does not see how much of each node arrives.

    Args:
        edge_index (torch.Tensor or SparseTensor): The edges.
        hops (int): The number of convolutions :math:`k`.
        num_nodes (int, optional): The number of nodes.
            (default: :obj:`None`)
        num_samples (int, optional): Takes the mean over so many random nodes.
            (default: :obj:`None`)
        generator (torch.Generator, optional): Where random numbers come from;
            by default PyTorch's own. (default: :obj:`None`)

    Raises:
        ValueError: If :obj:`hops` is negative or above :math:`2^{20}`, or
            :obj:`num_samples` not between one and the number of nodes.

    Shapes:
        - **input:** edge indices :math:`(2, |\mathcal{E}|)` or a sparse
          adjacency
        - **output:** shares in :math:`[0, 1]`, :math:`(k + 1)`; NaN
          without nodes
    """
    check_count('hops', hops, 0, MOST_HOPS)
    edges, _, size = edge_list(edge_index, None, num_nodes)
    nodes = torch.arange(size)
    if num_samples is not None:
        check_count('num_samples', num_samples, 1, size)
        order = torch.randperm(size, generator=generator)
        nodes = order[:num_samples]
    ones = torch.ones(edges.size(1), device=edges.device)
    step = CSRTensor.from_coo(edges, ones, (size, size))
    counts = torch.zeros(hops + 1, dtype=torch.float64)
    for part in nodes.to(edges.device).split(BLOCK):
        seen = torch.zeros(size, len(part), device=edges.device)  # [N, B]
        seen[part, torch.arange(len(part), device=part.device)] = 1.0
        counts[0] += len(part)
        total = len(part)
        for k in range(1, hops + 1):
            seen += step @ seen
            seen.clamp_(max=1.0)
            before, total = total, seen.sum(dtype=torch.float64).item()
            if total == before:  # whatever can be reached is
                counts[k:] += total
                break
            counts[k] += total
    return counts / (len(nodes) * size)
