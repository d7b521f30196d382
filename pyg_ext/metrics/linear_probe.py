import torch
from torch import Tensor
from torch_geometric.utils import is_sparse, one_hot


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
        y (torch.Tensor): The class of each node.
        train_mask (torch.Tensor): Which nodes to fit.
        test_mask (torch.Tensor): Which nodes to score.

    Shapes:
        - **input:** node features :math:`(|\mathcal{V}|, F)`, classes and
          masks :math:`(|\mathcal{V}|)`
        - **output:** float64, a scalar in :math:`[0, 1]`
    """
    x = (x.to_dense() if is_sparse(x) else x).detach()
    train, test = x[train_mask].double(), x[test_mask].double()
    mean, deviation = train.mean(dim=0), train.std(dim=0, correction=0)
    scale = torch.where(deviation > 0.0, 1.0 / deviation, 0.0)
    train, test = (train - mean) * scale, (test - mean) * scale
    target = one_hot(y[train_mask], int(y.max()) + 1, dtype=torch.double)
    center = target.mean(dim=0)
    # (A A' + I)^-1 is as good as (A' A + I)^-1, and small for few nodes.
    gram = train @ train.t() + torch.eye(len(train)).to(train)
    weight = train.t() @ torch.linalg.solve(gram, target - center)
    guess = (test @ weight + center).argmax(dim=-1)
    return (guess == y[test_mask]).double().mean()
