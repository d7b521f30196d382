import torch
from torch import Tensor

from pyg_ext.metrics.per_graph import per_graph, rows_at_a_time


@per_graph
def feature_correlation(x: Tensor) -> Tensor:
    r"""The mean absolute correlation of two channels, of `"Feature
    Overcorrelation in Deep Graph Neural Networks: A New Perspective"
    <https://arxiv.org/abs/2206.07743>`_,

    .. math::
        \frac{1}{F (F - 1)} \sum_{i \neq j} | \rho(\mathbf{x}_{\cdot i},
        \mathbf{x}_{\cdot j}) |.

    Channels that do not vary have no correlation, and do not count.
    Over-correlation is not over-smoothing: the features of different nodes
    may differ much and all channels say the same.

    Args:
        x (torch.Tensor): The node features.
        batch (torch.Tensor, optional): The graph of each node.
            (default: :obj:`None`)

    Shapes:
        - **input:** node features :math:`(|\mathcal{V}|, F)`
        - **output:** float64, a scalar, or :math:`(|\mathcal{G}|)` with
          :obj:`batch`; in :math:`[0, 1]`, and no number where less than two
          channels vary
    """
    rows = rows_at_a_time(x.size(1))
    mean = sum(part.double().sum(dim=0) for part in x.split(rows)) / len(x)
    moment = sum(
        centered.t() @ centered
        for centered in (part.double() - mean for part in x.split(rows))
    )
    spread = moment.diagonal().sqrt()
    noise = torch.finfo(x.dtype).eps * len(x) ** 0.5
    varies = spread > noise * mean.abs()
    moment, spread = moment[varies][:, varies], spread[varies]
    count = len(spread)
    if count < 2:
        return moment.new_tensor(float('nan'))
    correlation = (moment / spread / spread.view(-1, 1)).abs()
    others = correlation.sum() - correlation.diagonal().sum()
    return others / (count * (count - 1))
