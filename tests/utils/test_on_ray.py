import pytest
import torch
from torch_geometric.data import Data
from torch_geometric.utils import erdos_renyi_graph

from pyg_ext.transforms import AddRandomWalkEdges
from pyg_ext.utils import (
    heat_kernel_topk,
    on_ray,
    ppr_topk,
    similarity_graph,
    walk_topk,
)
from pyg_ext.utils.walk_steps import DiffusionRun

ray = pytest.importorskip('ray')
pytestmark = pytest.mark.xdist_group('ray')  # one cluster at a time


@pytest.fixture(scope='module')
def two_processors():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('RAY_USAGE_STATS_ENABLED', '0')
        ray.init(num_cpus=2, logging_level='error')
        yield
        ray.shutdown()


def test_the_same_in_tasks(two_processors):
    torch.manual_seed(0)
    edges = erdos_renyi_graph(900, 0.006)
    weight = torch.rand(edges.size(1)).double()
    some = torch.randperm(900)[:301]
    data = Data(edge_index=edges, num_nodes=900)
    calls = [
        lambda: ppr_topk(edges, num_nodes=900, k=8),
        lambda: ppr_topk(edges, edge_weight=weight, targets=some, k=None),
        lambda: heat_kernel_topk(edges, num_nodes=900, avg_degree=5),
        lambda: walk_topk(edges, num_nodes=900, k=4, seed=1),
        lambda: walk_topk(edges, num_nodes=900, k=4, seed=1, measure='cosine'),
        lambda: similarity_graph(edges, num_nodes=900, k=8),
        lambda: AddRandomWalkEdges('heat', k=4)(data).edge_index,
        lambda: ppr_topk(edges, num_nodes=900, targets=some[:0]),
    ]
    plain = [call() for call in calls]
    with on_ray(8):
        spread = [call() for call in calls]
    assert ray.is_initialized()  # as before
    for one, other in zip(plain, spread, strict=True):
        for a, b in zip(one, other, strict=True):
            assert a.dtype == b.dtype
            assert torch.equal(a, b)


def test_this_process_looks_for_nothing(two_processors, monkeypatch):
    edges = erdos_renyi_graph(50, 0.2)
    plain = ppr_topk(edges)
    monkeypatch.setattr(DiffusionRun, 'rows', None)
    with on_ray(2):
        assert torch.equal(ppr_topk(edges)[1], plain[1])
    with pytest.raises(TypeError):
        ppr_topk(edges)


@pytest.mark.parametrize('name', ['num_tasks', 'num_cpus'])
def test_errors(name):
    counts = {'num_tasks': 2, name: 0}
    with pytest.raises(ValueError, match=f'{name} must be'), on_ray(**counts):
        pass


def test_another_cluster(two_processors):
    here = ray.get_runtime_context().gcs_address
    for address in (None, 'auto', here):
        with on_ray(2, address=address):
            pass
    with (
        pytest.raises(ValueError, match=rf"{here} \(got '1.2.3.4:5'\)"),
        on_ray(2, address='1.2.3.4:5'),
    ):
        pass
