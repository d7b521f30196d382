from typing import Any

import torch
from torch_geometric.data import Batch, Data
from torch_geometric.data.datapipes import functional_transform
from torch_geometric.transforms import BaseTransform
from torch_geometric.utils import coalesce

from pyg_ext.transforms.edge_attributes import (
    carry_over,
    edge_attrs,
    source_edges,
)
from pyg_ext.transforms.gdc import check_gdc_data, gdc_options
from pyg_ext.transforms.graphs import check_data, graphs_of, weight_attr
from pyg_ext.utils import similarity_graph
from pyg_ext.utils.checks import check_edges, check_name

MODES = ('add', 'replace')
WEIGHTS = ('similarity', 'one')


@functional_transform('add_random_walk_edges')
class AddRandomWalkEdges(BaseTransform):
    r"""Joins each node to those that random walks from it find similar, as in
    the `"Diffusion Improves Graph Learning"
    <https://arxiv.org/abs/1911.05485>`_ paper (functional name:
    :obj:`add_random_walk_edges`).

    With :obj:`mode='replace'`, the edges become those of
    :func:`~pyg_ext.utils.similarity_graph`. With :obj:`mode='add'`, old edges
    and their weights stay (1 where there are none), new ones come with their
    normalized similarity, which sums to one over the new edges to a node by
    default, a pair found twice takes the larger weight, and no node is joined
    to itself. :meth:`gdc` takes the arguments of GDC.

    Weights are read from and written to :obj:`data.edge_weight`, or
    :obj:`data.edge_attr` where only that is there, has one dimension and
    fractions.
    All other attributes of edges, tensors and arrays, get a row of zeros for a
    new edge, and lists and tuples :obj:`None`; of repeated edges, the first
    counts. Attributes of edges are those with an entry for each edge whose
    name holds :obj:`edge` or, if they are tensors and there are more or fewer
    nodes than edges, has any other name but :obj:`y`. What goes with edges of
    its own stays, such as :obj:`edge_label` with :obj:`edge_label_index`.
    Each graph of a :class:`~torch_geometric.data.Batch` is treated by itself.

    Args:
        method (str, optional): :obj:`'ppr'`, :obj:`'heat'` or
            :obj:`'walk'`. (default: :obj:`'ppr'`)
        k (int, optional): The most edges to a node that are found for it; no
            limit if :obj:`None`. (default: :obj:`64`)
        threshold (float, optional): The least similarity.
            (default: :obj:`None`)
        avg_degree (int, optional): The mean number of edges to a node that
            are found. (default: :obj:`None`)
        exact (bool, optional): If set to :obj:`True`, computes dense
            :math:`N \times N` matrices. (default: :obj:`False`)
        mode (str, optional): :obj:`'add'` or :obj:`'replace'`.
            (default: :obj:`'add'`)
        weight (str, optional): :obj:`'similarity'`, or :obj:`'one'` for
            edges that are found to weigh 1. (default: :obj:`'similarity'`)
        **kwargs (optional): Further arguments of
            :func:`~pyg_ext.utils.similarity_graph`, with the defaults
            there: :obj:`alpha`, :obj:`t`, :obj:`eps`, :obj:`walk_length`,
            :obj:`num_walks`, :obj:`restart`, :obj:`measure`,
            :obj:`symmetric`, :obj:`normalization_in`,
            :obj:`normalization_out`, :obj:`self_loop_weight`, :obj:`seed`,
            :obj:`progress`. Without a :obj:`seed`, walks differ from call to
            call.

    Raises:
        ValueError: On unknown names, on :obj:`normalization_out` with
            :obj:`weight='one'`, on data of several types of nodes, without
            :obj:`edge_index` or with a sparse adjacency beside it, on a batch
            that was changed after its graphs were joined, on attributes of
            edges that new edges cannot get, and as in
            :func:`~pyg_ext.utils.similarity_graph`.
    """

    def __init__(
        self,
        method: str = 'ppr',
        k: int | None = 64,
        threshold: float | None = None,
        avg_degree: int | None = None,
        exact: bool = False,
        mode: str = 'add',
        weight: str = 'similarity',
        **kwargs: Any,
    ):
        check_name('mode', mode, MODES)
        check_name('weight', weight, WEIGHTS)
        if weight == 'one' and 'normalization_out' in kwargs:
            raise ValueError(
                f"normalization_out has no effect with weight='one' (got "
                f'normalization_out={kwargs["normalization_out"]!r})'
            )
        self.method = method
        self.k = k
        self.mode = mode
        self.weight = weight
        self.weight_attr: str | None = None  # edge_weight or edge_attr
        self.kwargs = {
            'threshold': threshold,
            'avg_degree': avg_degree,
            'exact': exact,
            'loop': mode == 'replace',
            **kwargs,
        }
        nothing = torch.empty(2, 0, dtype=torch.long)
        similarity_graph(nothing, None, 1, method, k, **self.kwargs)  # checks

    @classmethod
    def gdc(
        cls,
        self_loop_weight: float | None = 1.0,
        normalization_in: str = 'sym',
        normalization_out: str | None = 'col',
        diffusion_kwargs: dict[str, Any] | None = None,
        sparsification_kwargs: dict[str, Any] | None = None,
        exact: bool = True,
    ) -> 'AddRandomWalkEdges':
        r"""Takes the arguments of :class:`torch_geometric.transforms.GDC`, and
        makes the graph that it makes with :obj:`exact=True`. Weights are read
        from and written to :obj:`data.edge_attr`.

        Other than there, edges of weight zero are left out, of equal entries
        those of lower nodes are kept first, each graph of a batch is treated
        by itself, and a walk stays at a node that no edge, nor a loop, leads
        to, where GDC loses it.

        Args:
            self_loop_weight (float, optional): As in
                :func:`~pyg_ext.utils.similarity_graph`.
                (default: :obj:`1.0`)
            normalization_in (str, optional): As there.
                (default: :obj:`'sym'`)
            normalization_out (str, optional): As there.
                (default: :obj:`'col'`)
            diffusion_kwargs (dict, optional): :obj:`method='ppr'` with
                :obj:`alpha`, or :obj:`method='heat'` with :obj:`t`; unless
                :obj:`exact`, perhaps with :obj:`eps`, the error bound.
                PageRank with :obj:`alpha=0.15` if :obj:`None`.
                (default: :obj:`None`)
            sparsification_kwargs (dict, optional): :obj:`method='threshold'`
                with :obj:`eps` or :obj:`avg_degree`, or :obj:`method='topk'`
                with :obj:`k` and :obj:`dim=0`. :obj:`avg_degree=64` if
                :obj:`None`. (default: :obj:`None`)
            exact (bool, optional): If set to :obj:`False`, pushes mass along
                the edges without a dense :math:`N \times N` matrix. In
                contrast to GDC, this takes weights, heat kernels and
                :obj:`'topk'`. (default: :obj:`True`)

        Raises:
            ValueError: On other options, :obj:`method='coeff'` and
                :obj:`dim=1`, which other functions have, and as in the
                constructor; in the forward pass on :obj:`data.edge_weight`,
                which GDC does not read.
        """
        options = gdc_options(diffusion_kwargs, sparsification_kwargs, exact)
        out = cls(
            **options,
            exact=exact,
            mode='replace',
            symmetric=False,
            normalization_in=normalization_in,
            normalization_out=normalization_out,
            self_loop_weight=self_loop_weight,
        )
        out.weight_attr = 'edge_attr'
        return out

    def forward(self, data: Data) -> Data:
        if isinstance(data, Batch):
            graphs, follow = graphs_of(data)
            graphs = [self.forward(graph) for graph in graphs]
            return Batch.from_data_list(graphs, follow)
        check_data(data)
        old, _, size = check_edges(
            data.edge_index,
            num_nodes=data.num_nodes,
        )
        name = self.weight_attr or weight_attr(data)
        weight = data.get(name)
        if self.weight_attr is not None:
            check_gdc_data(data)
        new, similarity = similarity_graph(
            old, weight, size, self.method, self.k, **self.kwargs
        )
        if self.weight == 'one':
            similarity = torch.ones_like(similarity)
        if self.mode == 'add':
            if weight is None:
                weight = similarity.new_ones(old.size(1))
            new, similarity = coalesce(
                torch.cat([old, new], dim=1),
                torch.cat([weight, similarity]),
                size,
                reduce='max',
            )
        others = [key for key in edge_attrs(data, size) if key != name]
        source = source_edges(old, new, size) if others else None
        for key in others:
            data[key] = carry_over(key, data[key], source)
        data.edge_index, data[name] = new, similarity
        return data

    def __repr__(self) -> str:
        return (
            f'{self.__class__.__name__}(method={self.method}, k={self.k}, '
            f'mode={self.mode})'
        )
