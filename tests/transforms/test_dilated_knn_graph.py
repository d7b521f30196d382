import pytest
import torch
from torch.utils.data.datapipes.iter import IterableWrapper
from torch_geometric.data import Batch, Data
from torch_geometric.transforms import Compose
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
    with pytest.raises(ValueError, match=r'at least 1 \(got 4 and 0\)'):
        DilatedKNNGraph(4, 0)
    with pytest.raises(ValueError, match='flow must be one of'):
        DilatedKNNGraph(flow='up')
