from torch import Tensor

from pyg_ext.metrics.blocks import in_range, rows_at_a_time, varies
from pyg_ext.metrics.graphs import Graphs
from pyg_ext.metrics.per_graph import per_graph


@per_graph
def feature_correlation(x: Tensor, *, graphs: Graphs) -> Tensor:
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
        batch_size (int, optional): The number of graphs, where the last ones
            are empty. (default: :obj:`None`)

    Shapes:
        - **input:** node features :math:`(|\mathcal{V}|, F)`
        - **output:** float64, a scalar, or :math:`(|\mathcal{G}|)` with
          :obj:`batch`; in :math:`[0, 1]`, and NaN where less than two
          channels vary
    """
    return graphs.map(_correlation, x)


def _correlation(x: Tensor) -> Tensor:
    x, _ = in_range(x, dim=0)
    rows = rows_at_a_time(x.size(1))
    mean = sum(part.double().sum(dim=0) for part in x.split(rows)) / len(x)
    moment = sum(
        centered.t() @ centered
        for centered in (part.double() - mean for part in x.split(rows))
    )
    spread = moment.diagonal().sqrt()
    kept = varies(spread / len(x) ** 0.5, mean, x.dtype)
    moment, spread = moment[kept][:, kept], spread[kept]
    count = len(spread)
    correlation = (moment / spread / spread.view(-1, 1)).abs()
    others = correlation.sum() - correlation.diagonal().sum()
    return others / (count * (count - 1))
