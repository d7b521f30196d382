import torch
from torch import Tensor
from torch.nn import Parameter

from pyg_ext.utils.checks import check_count


class HyperConnection(torch.nn.Module):
    r"""Manifold-constrained hyper-connections: :math:`n` streams of states in
    place of one, which a layer with the output :math:`\mathbf{H}` mixes and
    adds to,

    .. math::
        \mathbf{X}^{\prime}_s = \sum_{t=1}^n M_{st} \mathbf{X}_t + \left( b_s
        + a \tanh \left( \frac{1}{n} \sum_{t=1}^n \frac{\mathbf{X}_t
        \mathbf{w}}{{\| \mathbf{X}_t \|}_2} \right) \right) \odot \mathbf{H},
        \qquad \mathbf{M} = \mathrm{Sinkhorn}(\mathbf{B} / \tau)

    with norms and gates of each node. Streams are from `"Hyper-Connections"
    <https://arxiv.org/abs/2409.19606>`_; that rows and columns of the learned
    :math:`\mathbf{M}` sum to one, by as many steps of Sinkhorn and Knopp, from
    `"mHC: Manifold-Constrained Hyper-Connections"
    <https://arxiv.org/abs/2512.24880>`_; this form is that of the code of
    mHC-GNN (``smlab-anon/mhc-gnn``), where a layer reads the mean of the
    streams. There :math:`\mathbf{B}` has a part of each node that is the same
    for a whole row, which the first step takes out: it is not here.

    As columns of :math:`\mathbf{M}` sum to one, the mean of the streams moves
    on as in a residual network, :math:`\mathbf{\bar{X}}^{\prime} =
    \mathbf{\bar{X}} + (\bar{b} + a \tanh(\cdot)) \odot \mathbf{H}`: what is
    mixed can change nothing but the gates, which begin with :math:`a = 0.01`.

    Args:
        channels (int): Size of each sample of a stream.
        streams (int, optional): Number of streams :math:`n`.
            (default: :obj:`4`)
        temperature (float, optional): :math:`\tau`. (default: :obj:`0.1`)
        iterations (int, optional): Steps for rows, then columns.
            (default: :obj:`10`)

    Raises:
        ValueError: On less than one stream or step, on a temperature that is
            not positive, or if the tensors do not fit.

    Shapes:
        - **input:** output of a layer :math:`(|\mathcal{V}|, F)` and streams
          :math:`(n, |\mathcal{V}|, F)`
        - **output:** streams :math:`(n, |\mathcal{V}|, F)`
    """

    def __init__(
        self,
        channels: int,
        streams: int = 4,
        temperature: float = 0.1,
        iterations: int = 10,
    ):
        super().__init__()
        check_count('streams', streams, 1)
        check_count('iterations', iterations, 1)
        if not temperature > 0.0:
            raise ValueError(
                f'temperature must be positive (got {temperature})'
            )
        self.channels = channels
        self.streams = streams
        self.temperature = temperature
        self.iterations = iterations
        self.mixing = Parameter(torch.empty(streams, streams))  # B
        self.bias = Parameter(torch.empty(streams))  # b
        self.weight = Parameter(torch.empty(channels))  # w
        self.scale = Parameter(torch.empty(()))  # a
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws all parameters anew."""
        with torch.no_grad():
            torch.nn.init.eye_(self.mixing)
            self.mixing += 0.01 * torch.randn_like(self.mixing)
            self.bias.fill_(1 / self.streams)
            torch.nn.init.normal_(self.weight, std=0.01)
            self.scale.fill_(0.01)

    def doubly_stochastic(self) -> Tensor:
        r"""The matrix :math:`\mathbf{M}`, of shape :math:`(n, n)`."""
        logits = self.mixing / self.temperature
        for _ in range(self.iterations):
            logits = logits.log_softmax(1).log_softmax(0)
        return logits.exp()

    def forward(self, out: Tensor, streams: Tensor) -> Tensor:
        wanted = self.streams, len(out), self.channels
        if out.dim() != 2 or streams.shape != wanted:
            raise ValueError(
                f'streams must be {self.streams} of the shape of the output, '
                f'with {self.channels} channels (got {[*streams.shape]} '
                f'beside {[*out.shape]})'
            )
        along = streams @ self.weight  # [n, N]
        length = streams.norm(dim=2).clamp(
            min=torch.finfo(out.dtype).tiny
        )  # [n, N]
        own = self.scale * (along / length).mean(0).tanh()  # [N]
        gate = self.bias.view(-1, 1) + own  # [n, N]
        mixed = self.doubly_stochastic() @ streams.flatten(1)  # [n, N * F]
        return mixed.view_as(streams) + gate.unsqueeze(2) * out

    def __repr__(self) -> str:
        return (
            f'{self.__class__.__name__}({self.channels}, '
            f'streams={self.streams})'
        )
