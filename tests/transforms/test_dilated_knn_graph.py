import numpy as np
import pytest
import torch
from torch.utils.data.datapipes.iter import IterableWrapper
from torch_geometric.data import Batch, Data, HeteroData
from torch_geometric.transforms import Compose
from torch_geometric.typing import WITH_TORCH_SPARSE, SparseTensor
from torch_geometric.utils import is_undirected

from pyg_ext.transforms import DilatedKNNGraph
from pyg_ext.utils import dilated_knn_graph

POS = torch.rand(30, 3, generator=torch.Generator().manual_seed(0))


def test_joins_positions_or_features():
    data = Data(pos=POS, x=POS.flip(0), edge_attr=torch.rand(5))
    out = DilatedKNNGraph(4, 2)(data)
    assert torch.equal(out.edge_index, dilated_knn_graph(POS, 4, 2))
    assert 'edge_attr' not in out
    assert data.edge_index is None  # is left alone
    out = DilatedKNNGraph(4, 2, loop=True, cosine=True)(Data(x=POS))
    expected = dilated_knn_graph(POS, 4, 2, loop=True, cosine=True)
    assert torch.equal(out.edge_index, expected)


def test_each_graph_by_itself():
    single = [Data(pos=POS[:3]), Data(pos=POS)]
    transform = DilatedKNNGraph(4, 2)
    together = transform(Batch.from_data_list(single))
    first, second = (transform(data).edge_index for data in single)
    assert torch.equal(
        together.edge_index, torch.cat([first, second + 3], dim=1)
    )


OLD = torch.tensor([[0, 1, 2, 3], [1, 2, 3, 0]])


@pytest.mark.parametrize('undirected', [False, True])
def test_attributes_of_old_edges_go(undirected):
    old = {
        'edge_weight': torch.rand(4),
        'edge_type': torch.arange(4),
        'length': torch.rand(4, 2),
        'names': ['a', 'b', 'c', 'd'],
        'weight': np.ones(4),
        'edge_index_batch': torch.zeros(4),
        'edge_attr': torch.rand(5),
    }
    kept = {
        'y': torch.arange(30),
        'colors': 30 * ['red'],
        'edge_label': torch.rand(4),
        'edge_label_index': OLD,
        'edge_scale': 2.0,
        'split': 'train',
    }
    if WITH_TORCH_SPARSE:
        old['adj_t'] = SparseTensor.from_edge_index(OLD, sparse_sizes=(30, 30))
    transform = DilatedKNNGraph(4, force_undirected=undirected)
    out = transform(Data(pos=POS, edge_index=OLD, **old, **kept))
    assert set(out.keys()) == {'pos', 'edge_index', *kept}
    assert torch.equal(out.edge_index, transform(Data(pos=POS)).edge_index)


@pytest.mark.parametrize(
    'kept',
    [  # as many as edges, by chance
        {'y': torch.ones(1), 'edge_index': OLD[:, :1], 'face': OLD[:3, :1]},
        {'face': torch.zeros(3, 4).long(), 'edge_index': OLD},
        {'color': torch.ones(30), 'edge_index': OLD[:, :1].expand(2, 30)},
        {'names': 30 * ['a'], 'edge_index': OLD[:, :1].expand(2, 30)},
    ],
)
def test_what_may_be_of_something_else_stays(kept):
    out = DilatedKNNGraph(4)(Data(pos=POS, edge_attr=torch.ones(1), **kept))
    assert set(out.keys()) == {'pos', *kept}


@pytest.mark.parametrize(
    'kwargs',
    [{}, {'force_undirected': True}, {'flow': 'target_to_source'}],
)
@pytest.mark.parametrize('name', ['pos', 'x'])
def test_batch_is_taken_apart(kwargs, name):
    transform = DilatedKNNGraph(4, 2, **kwargs)
    graphs = [
        Data(
            edge_index=OLD,
            edge_attr=torch.rand(4),
            y=torch.ones(1),
            **{name: POS[:size]},
        )
        for size in (3, 0, 30, 1)
    ]
    batch = Batch.from_data_list(graphs, follow_batch=['edge_index'])
    together = transform(batch)
    expected = [transform(graph) for graph in graphs]
    for found, graph in zip(together.to_data_list(), expected, strict=True):
        assert set(found.keys()) == {'edge_index', 'y', name}
        assert torch.equal(found.edge_index, graph.edge_index)
    again = Batch.from_data_list(expected)
    assert torch.equal(together.edge_index, again.edge_index)
    assert torch.equal(batch[2].edge_index, OLD)  # is left alone
    assert transform(Batch(pos=POS, batch=batch.batch[:30])).num_edges > 0


def test_batch_of_batches():
    graphs = [Data(pos=POS[:size]) for size in (3, 9, 5)]
    pair = Batch.from_data_list(graphs[:2])
    batch = Batch.from_data_list([pair, Batch.from_data_list(graphs[2:])])
    transform = DilatedKNNGraph(2)
    first, second = transform(batch).to_data_list()
    assert torch.equal(first.edge_index, transform(pair).edge_index)
    assert torch.equal(second.edge_index, transform(graphs[2]).edge_index)


def test_undirected():
    out = Compose([DilatedKNNGraph(4, 2, force_undirected=True)])(
        Data(pos=POS)
    )
    assert is_undirected(out.edge_index)


def test_functional_name():
    pipe = IterableWrapper([Data(pos=POS)]).dilated_knn_graph(k=4)
    (data,) = pipe
    assert data.num_edges == 30 * 4


def test_repr_and_errors():
    assert str(DilatedKNNGraph(4, 2)) == 'DilatedKNNGraph(k=4, dilation=2)'
    with pytest.raises(ValueError, match='neither pos nor x'):
        DilatedKNNGraph()(Data(num_nodes=3))
    with pytest.raises(ValueError, match=r'at least 1 \(got 0\)'):
        DilatedKNNGraph(4, 0)
    with pytest.raises(ValueError, match='flow must be one of'):
        DilatedKNNGraph(flow='up')
    with pytest.raises(ValueError, match=r'epsilon must be .*got 2'):
        DilatedKNNGraph(epsilon=2)
    with pytest.raises(ValueError, match='epsilon has no effect unless'):
        DilatedKNNGraph(epsilon=0.5)
    with pytest.raises(ValueError, match=r'takes Data .*got HeteroData'):
        DilatedKNNGraph()(HeteroData())
