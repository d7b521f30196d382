import copy
from typing import Any

import numpy as np
import torch
from torch_geometric.typing import Adj

from pyg_ext.utils.adjacency import edge_list, gcn_adj
from pyg_ext.utils.checks import check_count, check_untraced
from pyg_ext.utils.csr import CSRTensor


class HopAdjacency:
    r"""The normalized adjacencies of nodes at each distance from one another,
    as the `"DRew: Dynamically Rewired Message Passing with Delay"
    <https://arxiv.org/abs/2305.08018>`_ paper passes messages along: the
    :obj:`edge_index` of :class:`~pyg_ext.nn.DRewGCN`, to be shared by all its
    layers and passes.

    .. math::
        \mathbf{\hat{D}}_k^{-1/2} (\mathbf{A}_k + \mathbf{I})
        \mathbf{\hat{D}}_k^{-1/2}, \qquad {(\mathbf{A}_k)}_{ij} = 1 \text{ if }
        d(j, i) = k \text{, else } 0

    with :math:`d(j, i)` the number of edges on a shortest path along the edges
    from node :math:`j` to node :math:`i`, and :math:`\mathbf{\hat{D}}_k` the
    row sums of :math:`\mathbf{A}_k + \mathbf{I}`. Nodes without a path, such
    as those of two graphs of a batch, are joined at no distance. Self-loops
    and repeated edges change nothing, nor do the weights that a sparse
    adjacency holds.

    They are searched for when :meth:`up_to` asks for them, by SciPy, and
    kept. A step takes a sparse product of the edges and the pairs of nodes at
    the distance before. All pairs within reach are stored, of :math:`N` nodes
    up to :math:`N^2`: some 30 bytes for each (40 where edges are directed),
    and 200 for those at one distance while their matrix is made.

    Args:
        edge_index (torch.Tensor or SparseTensor): Edges of shape
            :math:`(2, |\mathcal{E}|)`, or a transposed sparse adjacency as
            PyG's layers take it.
        num_nodes (int, optional): The number of nodes; by default what
            :obj:`edge_index` shows. (default: :obj:`None`)
        dtype (torch.dtype, optional): Type of the entries; PyTorch's default
            if :obj:`None`. (default: :obj:`None`)

    Raises:
        ValueError: As :func:`edge_list`.
    """

    @torch.compiler.disable
    def __init__(
        self,
        edge_index: Adj,
        num_nodes: int | None = None,
        dtype: torch.dtype | None = None,
    ):
        from scipy.sparse import coo_array, eye_array  # slow to load

        check_untraced('the distance between nodes')
        edge_index, _, num_nodes = edge_list(edge_index, None, num_nodes)
        source, target = edge_index.cpu().numpy()
        self.num_nodes = num_nodes
        self.device = edge_index.device
        self.dtype = dtype
        # Row i is what comes in to i; a sum of truth values is an `or`:
        ones, size = np.ones(len(source), bool), (num_nodes, num_nodes)
        self._step = coo_array((ones, (target, source)), size).tocsr()
        self._last = eye_array(num_nodes, dtype=bool, format='csr')
        self._reached = self._last  # within this distance and less
        self._found: list[CSRTensor] = []

    @torch.compiler.disable
    def up_to(self, distance: int) -> list[CSRTensor]:
        r"""The matrices of distances from one to :obj:`distance`, or to the
        largest that there is, if that is less.

        Args:
            distance (int): The number of edges.

        Raises:
            ValueError: If :obj:`distance` is less than one.
            RuntimeError: If a program is traced.

        Shapes:
            - **output:** each :math:`(|\mathcal{V}|, |\mathcal{V}|)`, row
              :math:`i` holds the messages that node :math:`i` receives
        """
        check_count('distance', distance)
        while len(self._found) < distance and self._last.nnz > 0:
            self._search()
        return self._found[:distance]

    def _search(self) -> None:
        """Goes a step farther."""
        ends = self._step @ self._last
        ends.sort_indices()
        self._last = ends > self._reached
        self._reached = self._reached + self._last
        if self._last.nnz == 0:
            return
        target, source = self._last.nonzero()
        pairs = torch.from_numpy(np.stack([source, target])).long()
        adj = gcn_adj(
            pairs.to(self.device), None, self.num_nodes, dtype=self.dtype
        )
        self._found.append(adj)

    def to(self, device: Any, non_blocking: bool = False) -> 'HopAdjacency':
        """The same with matrices on a device; it goes there with a
        :class:`~torch_geometric.data.Data` that holds it.

        Args:
            device (torch.device or str): The device.
            non_blocking (bool, optional): As in :meth:`torch.Tensor.to`.
                (default: :obj:`False`)
        """
        other = copy.copy(self)
        other.device = torch.device(device)
        other._found = [
            adj.to(device, non_blocking=non_blocking) for adj in self._found
        ]
        return other

    def cpu(self) -> 'HopAdjacency':
        """The same with matrices on the CPU."""
        return self.to('cpu')

    def cuda(
        self, device: Any = None, non_blocking: bool = False
    ) -> 'HopAdjacency':
        """The same with matrices on a GPU, the current one by default."""
        return self.to('cuda' if device is None else device, non_blocking)

    def __repr__(self) -> str:
        return (
            f'{self.__class__.__name__}({self.num_nodes}, '
            f'found={len(self._found)})'
        )
