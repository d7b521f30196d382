import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn import LSTM
from torch_geometric.nn.aggr import Aggregation
from torch_geometric.typing import OptTensor
from torch_geometric.utils import cumsum

from pyg_ext.utils.checks import check_count, check_ptr, check_vector


class LSTMAggregation(Aggregation):
    r"""The LSTM aggregation of the `"Inductive Representation Learning on
    Large Graphs" <https://arxiv.org/abs/1706.02216>`_ paper: the state of an
    LSTM after the elements of a group, in the order in which they are given;
    zero for a group without any.

    :class:`torch_geometric.nn.aggr.LSTMAggregation` fills all groups up to
    the size of the largest with zeros, and lets the LSTM run on through
    them: what a group gives depends on how large others are, and a graph
    with one large group costs as much as if all were. Here it ends with the
    group, and the groups need not be sorted. The parameters are the same.

    Args:
        in_channels (int): Size of each input sample.
        out_channels (int): Size of each output sample.

    Raises:
        ValueError: On sizes that are not positive, and in the forward pass on
            groups that there are not.

    Shapes:
        - **input:** elements :math:`(N, F_{in})`, the group of each
          :math:`(N)` or where groups start and end :math:`(G + 1)`
        - **output:** :math:`(G, F_{out})`
    """

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.in_channels = check_count('in_channels', in_channels)
        self.out_channels = check_count('out_channels', out_channels)
        self.lstm = LSTM(in_channels, out_channels)

    def reset_parameters(self) -> None:
        """Draws all parameters anew."""
        self.lstm.reset_parameters()

    def forward(
        self,
        x: Tensor,
        index: OptTensor = None,
        ptr: OptTensor = None,
        dim_size: int | None = None,
        dim: int = -2,
    ) -> Tensor:
        self.assert_two_dimensional_input(x, dim)
        num = x.size(0)
        if ptr is not None:
            ptr = check_ptr('ptr', ptr, num, 'elements')
            groups = torch.arange(len(ptr) - 1, device=ptr.device)
            index = groups.repeat_interleave(ptr.diff(), output_size=num)
            dim_size = len(groups)
        index = check_vector('index', index, num, dim_size, 'groups')
        size = index.bincount(minlength=dim_size or 0)  # [G]
        # Step by step: all elements that come first in their group, all that
        # come second, ...; in each step the largest group first.
        by_size = size.argsort(descending=True, stable=True)
        order = index.argsort(stable=True)
        step = torch.arange(num, device=x.device)
        step = step - cumsum(size)[index[order]]
        place = by_size.argsort()[index[order]]
        order = order[(step * len(size) + place).argsort()]
        states = self._states(x[order], step.bincount().tolist(), len(size))
        return states[by_size.argsort()]

    def _states(self, x: Tensor, counts: list[int], num: int) -> Tensor:
        """The last state of each group, the largest first, by the equations
        of :class:`torch.nn.LSTM`, whose own loop over steps costs the
        gradient a pass over all elements in each.
        """
        lstm = self.lstm
        given = F.linear(x, lstm.weight_ih_l0, lstm.bias_ih_l0)  # [N, 4 F]
        h = c = given.new_zeros(num, self.out_channels)
        ended = []
        for gates in given.split(counts) if counts else ():
            left = len(gates)  # groups with so many elements
            ended.append(h[left:])
            h, c = h[:left], c[:left]
            gates = gates + F.linear(h, lstm.weight_hh_l0, lstm.bias_hh_l0)
            i, f, g, o = gates.chunk(4, dim=-1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
        return torch.cat([h, *reversed(ended)])

    def __repr__(self) -> str:
        return (
            f'{self.__class__.__name__}({self.in_channels}, '
            f'{self.out_channels})'
        )
