from torch import Tensor
from torch_geometric.nn import GCNConv, MessagePassing
from torch_geometric.typing import Adj, OptTensor

from pyg_ext.nn.conv.gcne_conv import GCNEConv
from pyg_ext.nn.models.conv_stack import ConvStack
from pyg_ext.nn.models.graph_model import GraphModel
from pyg_ext.utils import edge_list
from pyg_ext.utils.checks import check_normalization, check_options


class GCN(ConvStack):
    r"""The graph convolutional network of the `"Semi-supervised
    Classification with Graph Convolutional Networks"
    <https://arxiv.org/abs/1609.02907>`_ paper at any depth, with the
    remedies of :class:`ConvStack`.

    The layers are :class:`torch_geometric.nn.GCNConv`.
    The adjacency is normalized once for all of them, or not at all when it
    comes from :func:`pyg_ext.utils.gcn_adj`, which is the fast way to train
    on one graph:

    .. code-block:: python

        adj = gcn_adj(data.edge_index, num_nodes=data.num_nodes)
        x = CSRTensor.from_dense(data.x)  # where most entries are zero
        out = model(x, adj)

    Args, errors and shapes are those of :class:`ConvStack`, and

    Args:
        edge_dim (int, optional): Size of each edge feature, with which the
            layers are :class:`~pyg_ext.nn.GCNEConv`, and weights do not
            count. (default: :obj:`None`)
        normalize (bool, optional): As in :class:`GraphModel`.
            (default: :obj:`True`)
        improved (bool, optional): As in :class:`GraphModel`.
            (default: :obj:`False`)
        add_self_loops (bool, optional): As in :class:`GraphModel`.
            (default: :obj:`True`)
    """

    def init_conv(
        self,
        in_channels: int,
        out_channels: int,
        last: bool,
        edge_dim: int | None = None,
        normalize: bool = True,
        improved: bool = False,
        add_self_loops: bool = True,
        **kwargs,
    ) -> MessagePassing:
        self.normalize = normalize
        self.improved = improved
        self.add_self_loops = add_self_loops
        applies = normalize and edge_dim is None
        how = 'with normalize=False or edge_dim'
        check_normalization(how, applies, improved, add_self_loops)
        if edge_dim is not None:
            self.supports_edge_weight = False
            if not normalize:
                raise ValueError(
                    'normalize has no effect with edge_dim (got False)'
                )
            return GCNEConv(in_channels, out_channels, edge_dim, **kwargs)
        check_options(kwargs, cached=[False], flow=['source_to_target'])
        return GCNConv(in_channels, out_channels, normalize=False, **kwargs)

    def prepare(
        self, edge_index: Adj, edge_weight: OptTensor, x: Tensor
    ) -> tuple[Adj, OptTensor]:
        if self.edge_dim is not None:
            return edge_list(edge_index, None, x.size(0))[0], None
        return GraphModel.prepare(self, edge_index, edge_weight, x)
