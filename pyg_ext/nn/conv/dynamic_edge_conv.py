from collections.abc import Callable

from torch import Tensor
from torch_geometric.nn import EdgeConv
from torch_geometric.typing import OptTensor, PairTensor

from pyg_ext.utils.checks import check_count, check_features, check_name
from pyg_ext.utils.knn import MOST, check_workers, nearest, neighbor_edges


class DynamicEdgeConv(EdgeConv):
    r"""The dynamic edge convolution from the `"Dynamic Graph CNN for Learning
    on Point Clouds" <https://arxiv.org/abs/1801.07829>`_ paper, in place of
    :class:`torch_geometric.nn.DynamicEdgeConv`.

    .. math::
        \mathbf{x}^{\prime}_i = \max_{j \in \mathcal{N}_k(i)}
        h_{\mathbf{\Theta}}(\mathbf{x}_i \, \Vert \,
        \mathbf{x}_j - \mathbf{x}_i),

    where :math:`\mathcal{N}_k(i)` are the :math:`k` points nearest to
    :math:`\mathbf{x}_i`, itself among them, from
    :func:`~pyg_ext.utils.knn_graph`, and :math:`h_{\mathbf{\Theta}}` is a
    neural network.

    Args:
        nn (torch.nn.Module): The network :math:`h_{\mathbf{\Theta}}`, from
            :math:`2 F_{in}` to :math:`F_{out}` features.
        k (int): The number of neighbors.
        aggr (str, optional): How messages are aggregated.
            (default: :obj:`'max'`)
        num_workers (int, optional): Stands where PyG has it, and must be one:
            the number of threads is that of PyTorch. (default: :obj:`1`)
        **kwargs (optional): Additional arguments of
            :class:`torch_geometric.nn.conv.MessagePassing`.

    Raises:
        ValueError: On :obj:`k` less than one, another :obj:`num_workers` than
            one, another :obj:`flow` than :obj:`'source_to_target'`, and as in
            :func:`~pyg_ext.utils.knn_index`.

    Shapes:
        - **input:**
          node features :math:`(|\mathcal{V}|, F_{in})` or
          :math:`((|\mathcal{V_s}|, F_{in}), (|\mathcal{V_t}|, F_{in}))`
          if bipartite,
          batch vector :math:`(|\mathcal{V}|)` or
          :math:`((|\mathcal{V}_s|), (|\mathcal{V}_t|))` *(optional)*
        - **output:** node features :math:`(|\mathcal{V}|, F_{out})` or
          :math:`(|\mathcal{V}_t|, F_{out})` if bipartite
    """

    def __init__(
        self,
        nn: Callable,
        k: int,
        aggr: str = 'max',
        num_workers: int = 1,
        **kwargs,
    ):
        self.k = check_count('k', k, 1, MOST)
        check_workers(num_workers)
        if 'flow' in kwargs:
            check_name('flow', kwargs['flow'], ('source_to_target',))
        super().__init__(nn, aggr, **kwargs)

    def forward(
        self,
        x: Tensor | PairTensor,
        batch: OptTensor | PairTensor = None,
    ) -> Tensor:
        x = (x, x) if isinstance(x, Tensor) else x
        of, to = batch if isinstance(batch, tuple) else (batch, batch)
        for features in x:
            check_features(features)
        near = nearest(*x, self.k, of, to).index
        return super().forward(x, neighbor_edges(near))

    def __repr__(self) -> str:
        return f'{self.__class__.__name__}(nn={self.nn}, k={self.k})'
