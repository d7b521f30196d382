"""A GPU computes what the CPU does, and keeps it."""

import pytest
import torch
from torch import Tensor
from torch_geometric.data import Data

from pyg_ext import metrics
from pyg_ext.nn import GCN, DeepGCN, DilatedKNNConv, RevGNN
from pyg_ext.transforms import (
    SDRF,
    AddRandomWalkEdges,
    DilatedKNNGraph,
    FoSR,
)
from pyg_ext.utils import (
    CSRTensor,
    dilated_knn_graph,
    fps,
    gcn_adj,
    heat_kernel_topk,
    knn_graph,
    knn_index,
    mean_adj,
    ppr_topk,
    radius_graph,
    random_walk,
    walk_graph,
    walk_topk,
)

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason='needs CUDA'),
]

N = 200


@pytest.fixture
def data():
    draw = torch.Generator().manual_seed(0)
    batch = torch.arange(N) // 50
    edges = torch.randint(N, (2, 2000), generator=draw)
    edges = edges[:, batch[edges[0]] == batch[edges[1]]]
    edges = torch.cat([edges, edges.flip(0)], 1).unique(dim=1)
    return Data(
        x=torch.randn(N, 16, generator=draw),
        y=torch.arange(N) % 5,
        pos=torch.randn(N, 3, generator=draw),
        batch=batch,
        edge_index=edges,
        edge_weight=torch.rand(edges.size(1), generator=draw) + 0.1,
    )


def tensors(found) -> list[Tensor]:
    """All tensors of a result, plain."""
    if isinstance(found, CSRTensor):
        return [found.crow_indices(), found.col_indices(), found.values()]
    if isinstance(found, Tensor):
        return [found]
    if isinstance(found, Data):
        found = [found[key] for key in sorted(found.keys())]
    return [t for part in found for t in tensors(part)]


FUNCTIONS = {
    'knn_graph': lambda d: knn_graph(d.x, 6, d.batch),
    'knn_graph cosine': lambda d: knn_graph(d.pos, 6, d.batch, cosine=True),
    'dilated_knn_graph': lambda d: dilated_knn_graph(
        d.pos, 4, dilation=2, batch=d.batch
    ),
    'radius_graph': lambda d: radius_graph(d.pos, 0.8, d.batch),
    'fps': lambda d: fps(d.pos, d.batch, 0.3, random_start=False),
    'gcn_adj': lambda d: gcn_adj(d.edge_index, d.edge_weight),
    'mean_adj': lambda d: mean_adj(d.edge_index, d.edge_weight),
    'product': lambda d: gcn_adj(d.edge_index, num_nodes=N) @ d.x,
    'walk_graph': lambda d: walk_graph(d.edge_index, 2, N),
    'ppr_topk': lambda d: ppr_topk(d.edge_index, k=5, eps=1e-8),
    'heat_kernel_topk': lambda d: heat_kernel_topk(
        d.edge_index, k=5, eps=1e-8
    )[1],
    'DilatedKNNGraph': DilatedKNNGraph(4, 2),
}


@pytest.mark.parametrize('name', FUNCTIONS)
def test_functions(name, data):
    here = tensors(FUNCTIONS[name](data))
    there = tensors(FUNCTIONS[name](data.to('cuda')))
    for a, b in zip(here, there, strict=True):
        assert b.is_cuda
        assert torch.allclose(a.double(), b.double().cpu(), atol=1e-5)


WALKS = {
    'random_walk': lambda d: random_walk(d.edge_index, d.edge_index[0], 3),
    'walk_topk': lambda d: walk_topk(d.edge_index, k=3),
    'AddRandomWalkEdges': AddRandomWalkEdges(),
    'SDRF': SDRF(3),
    'FoSR': FoSR(3),
}


@pytest.mark.parametrize('name', WALKS)
def test_walks_stay_on_the_device(name, data):
    assert all(t.is_cuda for t in tensors(WALKS[name](data.to('cuda'))))


MEASURES = {
    **{
        name: lambda d, name=name: getattr(metrics, name)(
            d.x, d.edge_index, batch=d.batch
        )
        for name in (
            'dirichlet_energy',
            'rayleigh_quotient',
            'mad',
            'mad_rusch',
            'smooth_distance',
        )
    },
    **{
        name: lambda d, name=name: getattr(metrics, name)(d.x, batch=d.batch)
        for name in ('mad', 'effective_rank', 'numerical_rank', 'smv')
    },
    'feature_correlation': lambda d: metrics.feature_correlation(d.x),
    'group_distance_ratio': lambda d: metrics.group_distance_ratio(d.x, d.y),
    'mad_gap': lambda d: metrics.mad_gap(d.x, d.edge_index, 1, 2),
    **{
        name: lambda d, name=name: getattr(metrics, name)(
            d.edge_index[:, d.edge_index[0] != d.edge_index[1]]
        )
        for name in (
            'balanced_forman_curvature',
            'cheeger_bounds',
            'commute_time',
            'effective_resistance',
        )
    },
    'jacobian_by_distance': lambda d: metrics.jacobian_by_distance(
        lambda x, edges: x.square(), d.x, d.edge_index, 0
    ),
    'linear_probe': lambda d: metrics.linear_probe(
        d.x, d.y, d.batch < 3, d.batch == 3
    ),
}


@pytest.mark.parametrize('name', MEASURES)
def test_measures(name, data):
    here = torch.as_tensor(MEASURES[name](data))
    there = torch.as_tensor(MEASURES[name](data.to('cuda')))
    assert bool(here.isfinite().all())
    assert torch.allclose(here.double(), there.double().cpu(), atol=1e-4)


MODELS = {
    'GCN': lambda: GCN(16, 8, 4, 5, 0.0, norm='batch'),
    'DeepGCN': lambda: DeepGCN(16, 8, 3, 5, k=4),
    'RevGNN': lambda: RevGNN(16, 8, 8, 5),
    'DilatedKNNConv': lambda: DilatedKNNConv(16, 5, 4, 2),
}


def call(model, data):
    if isinstance(model, GCN | RevGNN):
        return model(data.x, data.edge_index)
    return model(data.x, batch=data.batch)


@pytest.mark.parametrize('name', MODELS)
def test_gradients(name, data):
    torch.manual_seed(0)
    model, results = MODELS[name]().double(), []
    data.x = data.x.double()
    for device in ('cpu', 'cuda'):
        model.to(device).zero_grad()
        out = call(model, data.to(device))
        out.square().sum().backward()
        results.append([out, *(p.grad for p in model.parameters())])
    for a, b in zip(*results, strict=True):
        assert torch.allclose(a.cpu(), b.cpu(), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
@pytest.mark.parametrize('name', MODELS)
def test_mixed_precision(name, data, dtype):
    torch.manual_seed(0)
    model = MODELS[name]().cuda()
    optimizer = torch.optim.Adam(model.parameters())
    scaler = torch.amp.GradScaler('cuda')
    data = data.to('cuda')
    losses = []
    for _ in range(30):
        optimizer.zero_grad()
        with torch.autocast('cuda', dtype=dtype):
            out = call(model, data)
        loss = torch.nn.functional.cross_entropy(out.float(), data.y)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


def test_depth_takes_no_memory():
    nodes = torch.arange(20_000, device='cuda')
    edges = torch.stack([nodes, nodes.roll(1)])
    x = torch.randn(len(nodes), 16, device='cuda', requires_grad=True)
    peaks = []
    for depth in (8, 64):
        model = RevGNN(16, 8, depth, 5, dropout=0.2).cuda()
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        model(x, edges).sum().backward()
        peaks.append(torch.cuda.max_memory_allocated() - before)
    assert peaks[1] < 1.2 * peaks[0]


def test_pinned_memory(data):
    adj = gcn_adj(data.edge_index).pin_memory()
    moved = adj.to('cuda', non_blocking=True)
    assert moved.is_cuda
    assert moved.cpu().normalization == moved.normalization == 'gcn'


def test_two_devices(data):
    x = data.x.cuda()
    with pytest.raises(ValueError, match='on one device'):
        knn_index(x, data.x, 3)
    with pytest.raises(RuntimeError, match='same device'):
        GCN(16, 8, 2, 5).cuda()(x, data.edge_index)
