from typing import Any

import torch
from torch import Tensor
from torch_geometric.nn import MessagePassing
from torch_geometric.typing import Adj
from torch_geometric.utils import is_sparse

from pyg_ext.nn.dropout import Dropout


class DropMessage(Dropout):
    r"""A convolution whose messages are dropped entry by entry in training,
    as in the `"DropMessage: Unifying Random Dropping for Graph Neural
    Networks" <https://arxiv.org/abs/2204.10038>`_ paper.

    Args:
        conv (torch_geometric.nn.MessagePassing): The convolution. It must
            make its messages, so that it takes no sparse adjacency here.
        p (float, optional): Probability of an entry of a message to become
            zero. (default: :obj:`0.5`)

    Raises:
        ValueError: If :obj:`p` is outside :math:`[0, 1]`, on a layer that
            passes no messages, or by other layers inside of it, or on a
            sparse adjacency.

    Shapes:
        - **input:** node features, edge indices :math:`(2, |\mathcal{E}|)`,
          and what else the convolution takes
        - **output:** what the convolution returns
    """

    def __init__(self, conv: MessagePassing, p: float = 0.5):
        super().__init__(p)
        if not isinstance(conv, MessagePassing):
            raise ValueError(
                f'DropMessage needs a MessagePassing layer (got {conv})'
            )
        self.conv = conv
        conv.made_messages = True  # as each call leaves it
        conv.register_message_forward_hook(self._drop)

    def reset_parameters(self) -> None:
        """Draws all parameters anew."""
        self.conv.reset_parameters()

    def _drop(self, conv: MessagePassing, inputs: Any, out: Tensor) -> Tensor:
        conv.made_messages = True
        return super().forward(out)

    def forward(self, x: Tensor, edge_index: Adj, *args: Any) -> Tensor:
        if is_sparse(edge_index):
            raise ValueError(
                'DropMessage needs edge indices: products with a sparse '
                'adjacency make no messages that could be dropped'
            )
        if not self.training or self.p == 0.0:
            return self.conv(x, edge_index, *args)
        return self._drop_messages(x, edge_index, *args)

    @torch.compiler.disable  # which passes over the hooks of PyG
    def _drop_messages(self, *args: Any) -> Tensor:
        self.conv.made_messages = False
        out = self.conv(*args)
        if not self.conv.made_messages:
            raise ValueError(
                f'DropMessage needs a layer that makes its own messages (got '
                f'{self.conv}, which made none)'
            )
        return out

    def __repr__(self) -> str:
        return f'{self.__class__.__name__}({self.conv}, p={self.p})'
