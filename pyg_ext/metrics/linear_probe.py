import torch
from torch import Tensor
from torch_geometric.utils import one_hot

from pyg_ext.metrics.blocks import in_range, largest, varies
from pyg_ext.metrics.per_graph import dense_features, nan_of
from pyg_ext.utils.checks import check_mask, check_vector


def linear_probe(
    x: Tensor, y: Tensor, train_mask: Tensor, test_mask: Tensor
) -> Tensor:
    r"""How well a linear classifier tells classes apart from node features,
    as in `"Understanding intermediate layers using linear classifier probes"
    <https://arxiv.org/abs/1610.01644>`_: the accuracy on :obj:`test_mask` of
    a ridge regression on the classes, with penalty one, of features scaled to
    mean zero and deviation one over :obj:`train_mask`.

    It sees what is left in the features of what labels ask for, whatever the
    network makes of it.

    Args:
        x (torch.Tensor): The node features.
        y (torch.Tensor): The class of each node, from zero on: give any class
            to a node without one, and leave it out of the masks.
        train_mask (torch.Tensor): Which nodes to fit.
        test_mask (torch.Tensor): Which nodes to score.

    Raises:
        ValueError: On classes or masks of another shape or type, or on a mask
            without a node.

    Shapes:
        - **input:** node features :math:`(|\mathcal{V}|, F)`, classes and
          boolean masks :math:`(|\mathcal{V}|)`
        - **output:** float64, a scalar in :math:`[0, 1]`, and NaN where
          a feature of any node is not finite
    """
    x = dense_features(x).detach()
    y = check_vector('y', y, len(x))
    check_mask('train_mask', train_mask, len(x))
    check_mask('test_mask', test_mask, len(x))
    if x.numel() == 0 or not largest(x, 1).isfinite().all():
        return nan_of(x)
    x, _ = in_range(x, dim=0)
    train, test = x[train_mask].double(), x[test_mask].double()
    mean, deviation = train.mean(dim=0), train.std(dim=0, correction=0)
    scale = torch.where(varies(deviation, mean, x.dtype), 1.0 / deviation, 0.0)
    train, test = (train - mean) * scale, (test - mean) * scale
    labels, label = y[train_mask].unique(return_inverse=True)
    target = one_hot(label, len(labels), dtype=torch.double)
    center = target.mean(dim=0)
    # (A A' + I)^-1 is as good as (A' A + I)^-1, and small for few nodes.
    gram = train @ train.t() + torch.eye(len(train)).to(train)
    weight = train.t() @ torch.linalg.solve(gram, target - center)
    guess = labels[(test @ weight + center).argmax(dim=-1)]
    return (guess == y[test_mask]).double().mean()
