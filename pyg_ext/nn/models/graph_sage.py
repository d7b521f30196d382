import torch.nn.functional as F
from torch import Tensor
from torch_geometric.nn import GraphConv, MessagePassing, SAGEConv
from torch_geometric.typing import Adj, OptPairTensor, OptTensor, Size
from torch_geometric.utils import is_sparse

from pyg_ext.nn.aggr import LSTMAggregation
from pyg_ext.nn.models.conv_stack import ConvStack
from pyg_ext.utils import edge_list, mean_norm_once
from pyg_ext.utils.checks import check_name, check_options

AGGREGATORS = ('mean', 'max', 'lstm')


class MeanConv(GraphConv):
    """PyG's, which averages what its linear layer gives, and not what it
    takes, where that is wider or sparse: the same, with less work.
    """

    # Not that which PyG may have compiled for GraphConv since, with which
    # explanations would not reach the edges of a class that inherits it.
    propagate = MessagePassing.propagate

    def forward(
        self,
        x: Tensor | OptPairTensor,
        edge_index: Adj,
        edge_weight: OptTensor = None,
        size: Size = None,
    ) -> Tensor:
        if not isinstance(x, Tensor) or (
            self.in_channels <= self.out_channels and not is_sparse(x)
        ):
            return super().forward(x, edge_index, edge_weight, size)
        h = F.linear(x, self.lin_rel.weight)
        out = self.propagate(
            edge_index, x=(h, h), edge_weight=edge_weight, size=size
        )
        out = out if self.lin_rel.bias is None else out + self.lin_rel.bias
        return out + self.lin_root(x)


class GraphSAGE(ConvStack):
    r"""The network of the `"Inductive Representation Learning on Large
    Graphs" <https://arxiv.org/abs/1706.02216>`_ paper at any depth, with the
    remedies of :class:`ConvStack`.

    With the mean as aggregator, the layers are
    :class:`torch_geometric.nn.GraphConv`, which is
    :class:`torch_geometric.nn.SAGEConv` with weights of edges. These are
    divided by their sums once for all layers, so that they give a weighted
    mean, or not at all when the adjacency comes from
    :func:`pyg_ext.utils.mean_adj`.

    With another one, the layers are :class:`torch_geometric.nn.SAGEConv`,
    which knows no weights of edges. The max pooling of the paper is
    :obj:`aggr='max'` with :obj:`project=True`. Its LSTM,
    :class:`~pyg_ext.nn.LSTMAggregation`, reads the neighbors in the order of
    the edges, which therefore counts: the paper draws one at random. These
    take sparse node features with :obj:`lin_in` only, and no layer does
    whose :obj:`in_channels` is :obj:`-1`.

    Args, errors and shapes are those of :class:`ConvStack`, and

    Args:
        aggr (str, optional): :obj:`'mean'`, :obj:`'max'` or :obj:`'lstm'`.
            (default: :obj:`'mean'`)
        project (bool, optional): Whether a linear layer and ReLU go ahead of
            an aggregator other than the mean. (default: :obj:`False`)
    """

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
        self.takes_sparse = self.lin_in is not None or (
            aggr == 'mean' and self.in_channels != -1
        )
        if aggr == 'mean':
            if project:
                raise ValueError(
                    'project needs aggr="max" or "lstm" (got aggr="mean")'
                )
            return MeanConv(in_channels, out_channels, **kwargs)
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
