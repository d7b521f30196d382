"""A vector of each node, which is no function of its features."""

import torch
from torch import Tensor
from torch_geometric.typing import Adj


class Node2Vec(torch.nn.Module):
    r"""The embedding of the `"node2vec: Scalable Feature Learning for
    Networks" <https://arxiv.org/abs/1607.00653>`_ paper; with :math:`p = q =
    1`, of DeepWalk. PyG's needs pyg-lib.

    Args:
        in_channels: The number of nodes.
        hidden_channels: Size of a vector.
        window: How many steps the nodes of a pair may be apart on a walk;
            for whoever draws the pairs.
        out_channels: The same as :obj:`hidden_channels`, if given.
    """

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int,
        window: int,
        out_channels: int | None = None,
    ):
        super().__init__()
        self.window = window
        self.table = torch.nn.Embedding(
            in_channels, out_channels or hidden_channels
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws all vectors anew."""
        torch.nn.init.normal_(
            self.table.weight, std=self.table.embedding_dim**-0.5
        )

    def forward(self, x: Tensor, adj: Adj | None = None) -> Tensor:
        """The vectors; of the features it only looks at how many nodes there
        are.
        """
        if x.size(0) != self.table.num_embeddings:
            raise ValueError(
                f'node2vec has learned a vector for each of '
                f'{self.table.num_embeddings} nodes, and none for a new one '
                f'(got {x.size(0)} nodes): a network such as '
                f'sage+unsupervised gives one'
            )
        return self.table.weight
