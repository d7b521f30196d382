"""Labels as inputs, and predictions in place of those that are not known."""

import torch
from torch import Tensor
from torch_geometric.typing import Adj


class LabelReuse(torch.nn.Module):
    """A network that also sees labels, as in the "Bag of Tricks for Node
    Classification with Graph Neural Networks" paper (arXiv 2103.13355).

    In training it sees those of a random part of the training nodes, and is
    to predict the others; in evaluation it sees all of the training nodes.
    Where it sees none, it sees its own prediction in further passes.

    Args:
        model: The network, whose input is wider by the number of classes.
        y: The classes, ``[N]``.
        train: Indices of the training nodes.
        classes: The number of classes.
        rate: The share of training nodes that a step sees the labels of.
        steps: How many further passes there are.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        y: Tensor,
        train: Tensor,
        classes: int,
        rate: float,
        steps: int,
    ):
        super().__init__()
        self.model = model
        self.classes = classes
        self.rate = rate
        self.steps = steps
        self.register_buffer('y', y)
        self.register_buffer('train_nodes', train)
        self.drawn = train

    def draw(self) -> Tensor:
        """Draws whose labels the next training step sees; returns the other
        training nodes, which it is to learn from.
        """
        train = self.train_nodes
        seen = torch.rand(len(train), device=train.device) < self.rate
        self.drawn = train[seen]
        return train[~seen]

    def forward(self, x: Tensor, adj: Adj, **given: Tensor) -> Tensor:
        seen = self.drawn if self.training else self.train_nodes
        labels = x.new_zeros(x.size(0), self.classes)
        labels[seen, self.y[seen]] = 1
        known = torch.zeros_like(self.y, dtype=torch.bool)
        known[seen] = True
        guess = labels
        for _ in range(self.steps):
            with torch.no_grad():  # the last pass alone is learned from
                out = self.model(torch.cat([x, guess], dim=1), adj, **given)
            guess = torch.where(known.view(-1, 1), labels, out.softmax(-1))
        return self.model(torch.cat([x, guess], dim=1), adj, **given)
