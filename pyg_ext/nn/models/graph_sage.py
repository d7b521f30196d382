from torch import Tensor
from torch_geometric.nn import GraphConv, MessagePassing, SAGEConv
from torch_geometric.typing import Adj, OptTensor

from pyg_ext.nn.aggr import LSTMAggregation
from pyg_ext.nn.models.conv_stack import ConvStack
from pyg_ext.utils import edge_list, mean_norm_once
from pyg_ext.utils.checks import check_name, check_options

AGGREGATORS = ('mean', 'max', 'lstm')


class GraphSAGE(ConvStack):
    r"""The network of the `"Inductive Representation Learning on Large
    Graphs" <https://arxiv.org/abs/1706.02216>`_ paper at any depth, with the
    remedies of :class:`ConvStack`.

    With the mean as aggregator, the layers are
    :class:`torch_geometric.nn.GraphConv`, which is
    :class:`torch_geometric.nn.SAGEConv` with weights of edges. These are
    divided by their sums once for all layers, so that they give a weighted
    mean, or not at all when the adjacency comes from
    :func:`pyg_ext.utils.mean_adj`. Node features must be dense.

    With another one, the layers are :class:`torch_geometric.nn.SAGEConv`,
    which knows no weights of edges. The max pooling of the paper is
    :obj:`aggr='max'` with :obj:`project=True`. Its LSTM,
    :class:`~pyg_ext.nn.LSTMAggregation`, reads the neighbors in the order of
    the edges, which therefore counts: the paper draws one at random.

    Args, errors and shapes are those of :class:`ConvStack`, and

    Args:
        aggr (str, optional): :obj:`'mean'`, :obj:`'max'` or :obj:`'lstm'`.
            (default: :obj:`'mean'`)
        project (bool, optional): Whether a linear layer and ReLU go ahead of
            an aggregator other than the mean. (default: :obj:`False`)
    """

    takes_sparse = False

    def init_conv(
        self,
        in_channels: int,
        out_channels: int,
        last: bool,
        aggr: str = 'mean',
        project: bool = False,
        **kwargs,
    ) -> MessagePassing:
        check_name('aggr', aggr, AGGREGATORS)
        check_options(kwargs, flow=['source_to_target'])
        self.supports_edge_weight = aggr == 'mean'
        if aggr == 'mean':
            if project:
                raise ValueError(
                    'project needs aggr="max" or "lstm" (got aggr="mean")'
                )
            return GraphConv(in_channels, out_channels, **kwargs)
        if in_channels == -1 and (project or aggr == 'lstm'):
            raise ValueError(
                f'in_channels must be known for aggr="lstm" and for '
                f'project=True, or use lin_in=True (got -1, aggr={aggr!r} '
                f'and project={project})'
            )
        if aggr == 'lstm':
            aggr = LSTMAggregation(in_channels, in_channels)
        return SAGEConv(
            in_channels, out_channels, aggr, project=project, **kwargs
        )

    def prepare(
        self, edge_index: Adj, edge_weight: OptTensor, x: Tensor
    ) -> tuple[Adj, OptTensor]:
        if self.supports_edge_weight:
            return mean_norm_once(edge_index, edge_weight, x.size(0), x.dtype)
        return edge_list(edge_index, None, x.size(0))[0], None
