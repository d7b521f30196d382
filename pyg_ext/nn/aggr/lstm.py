import torch
from torch import Tensor
from torch.nn import LSTM
from torch.nn.utils.rnn import PackedSequence
from torch_geometric.nn.aggr import Aggregation
from torch_geometric.typing import OptTensor
from torch_geometric.utils import cumsum

from pyg_ext.utils.checks import (
    check_count,
    check_options,
    check_ptr,
    check_vector,
)


class LSTMAggregation(Aggregation):
    r"""The LSTM aggregation of the `"Inductive Representation Learning on
    Large Graphs" <https://arxiv.org/abs/1706.02216>`_ paper: the state of an
    LSTM after the elements of a group, in the order in which they are given;
    zero for a group without any.

    :class:`torch_geometric.nn.aggr.LSTMAggregation` fills all groups up to
    the size of the largest with zeros, and lets the LSTM run on through
    them: what a group gives depends on how large others are, and a graph
    with one large group costs as much as if all were. Here it ends with the
    group, and the groups need not be sorted.

    Args:
        in_channels (int): Size of each input sample.
        out_channels (int): Size of each output sample.
        **kwargs (optional): Further arguments of :class:`torch.nn.LSTM`.

    Raises:
        ValueError: On sizes that are not positive, on a
            :class:`torch.nn.LSTM` that goes both ways or projects, and in the
            forward pass on groups that there are not.

    Shapes:
        - **input:** elements :math:`(N, F_{in})`, the group of each
          :math:`(N)` or where groups start and end :math:`(G + 1)`
        - **output:** :math:`(G, F_{out})`
    """

    def __init__(self, in_channels: int, out_channels: int, **kwargs):
        super().__init__()
        check_options(
            kwargs,
            batch_first=[False],
            bidirectional=[False],
            proj_size=[0],
        )
        self.in_channels = check_count('in_channels', in_channels)
        self.out_channels = check_count('out_channels', out_channels)
        self.lstm = LSTM(in_channels, out_channels, **kwargs)
        self.reset_parameters()

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
        size = index.bincount(minlength=dim_size or 0)
        out = x.new_zeros(len(size), self.out_channels)
        if num == 0:
            return out
        # Step by step, and in a step the largest groups first: all elements
        # that come first in a group, all that come second, ...
        by_size = size.argsort(descending=True, stable=True)
        place = torch.empty_like(by_size)
        place[by_size] = torch.arange(len(size), device=x.device)
        order = index.argsort(stable=True)
        step = torch.arange(num, device=x.device)
        step = step - cumsum(size)[index[order]]  # [N]
        order = order[(step * len(size) + place[index[order]]).argsort()]
        packed = PackedSequence(x[order], step.bincount().cpu())
        _, (state, _) = self.lstm(packed)
        filled = by_size[: state.size(1)]
        return out.index_copy(0, filled, state[-1].to(out.dtype))

    def __repr__(self) -> str:
        return (
            f'{self.__class__.__name__}({self.in_channels}, '
            f'{self.out_channels})'
        )
