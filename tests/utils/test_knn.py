from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import Tensor

from pyg_ext.utils import knn, knn_graph, knn_index
from pyg_ext.utils.knn import (
    TREE_DIMS,
    kernels,
    padded,
    places,
    products,
    score_kernels,
    search,
    task,
    times_power,
    tree,
)
from pyg_ext.utils.knn.padded import distances
from pyg_ext.utils.sorting import nth, sort

BACKENDS = ['tree', 'products', 'torch']


@pytest.fixture(params=BACKENDS)
def backend(request):
    return request.param


LINE = torch.tensor([0.0, 1.0, 3.0, 6.0, 10.0])

TABLE = {  # x, y, k, batch_x, batch_y -> index, squared distances
    'line': (
        (LINE, LINE[[1, 4]], 2, None, None),
        [[1, 0], [4, 3]],
        [[0, 1], [0, 16]],
    ),
    'ties go to the lower index': (
        (LINE[[2, 0, 0, 2]], LINE[:1], 3, None, None),
        [[1, 2, 0]],
        [[0, 0, 9]],
    ),
    'fewer points than k': (
        (LINE[:2], LINE[:1], 3, None, None),
        [[0, 1, -1]],
        [[0, 1, torch.inf]],
    ),
    'batch in any order': (
        (
            LINE,
            LINE[[0, 0]],
            2,
            torch.tensor([1, 0, 1, 0, 1]),
            torch.tensor([1, 0]),
        ),
        [[0, 2], [1, 3]],
        [[0, 9], [1, 36]],
    ),
    'a graph without points, and one that skips a number': (
        (
            LINE[:2],
            LINE[[0, 0]],
            1,
            torch.tensor([0, 3]),
            torch.tensor([1, 3]),
        ),
        [[-1], [1]],
        [[torch.inf], [1]],
    ),
    'plane': (
        (
            torch.tensor([[0.0, 0], [3, 4], [6, 8], [0, 1]]),
            torch.tensor([[0.0, 0]]),
            3,
            None,
            None,
        ),
        [[0, 3, 1]],
        [[0, 1, 25]],
    ),
}


@pytest.mark.parametrize('dtype', [torch.half, torch.float, torch.double])
@pytest.mark.parametrize('example', TABLE)
def test_by_hand(example, dtype, backend):
    (x, y, *rest), index, squared = TABLE[example]
    found = knn_index(x.to(dtype), y.to(dtype), *rest, backend=backend)
    assert found.index.tolist() == index
    assert found.dist.dtype == dtype
    expected = torch.tensor(squared, dtype=dtype).sqrt()
    assert torch.equal(found.dist, expected)
    assert torch.equal(found.mask, found.index >= 0)


def oracle(
    x: Tensor,
    y: Tensor,
    k: int,
    batch_x: Tensor,
    batch_y: Tensor,
    cosine: bool,
    exclude_self: bool,
) -> tuple[Tensor, Tensor]:
    """All distances in float64, added up as the documentation says."""
    x, y = x.double(), y.double()
    if cosine:
        x, y = (t / t.norm(dim=1, keepdim=True) for t in (x, y))
    terms = (y[:, None] - x[None]).square().unbind(-1)
    whole = len(terms) - len(terms) % 8
    sums = [sum(terms[i:whole:8], torch.zeros(())) for i in range(8)]
    while len(sums) > 1:
        sums = [a + b for a, b in zip(sums[::2], sums[1::2], strict=True)]
    total = sum(terms[whole:], sums[0].double().expand(len(y), len(x)))
    other = batch_y[:, None] != batch_x
    if exclude_self:
        other |= torch.eye(len(x), dtype=torch.bool)
    dist, index = total.masked_fill(other, torch.inf).sort(dim=1, stable=True)
    missing = max(k - len(x), 0)
    dist = torch.nn.functional.pad(dist, (0, missing), value=torch.inf)
    index = torch.nn.functional.pad(index, (0, missing), value=-1)
    dist = dist[:, :k]
    index = index[:, :k].masked_fill(dist.isinf(), -1)
    return index, dist / 2 if cosine else dist.sqrt()


def points(kind: str, num: int, dims: int, generator: torch.Generator):
    def normal(n):
        return torch.randn(n, dims, generator=generator)

    def whole(high, *size):
        return torch.randint(high, size, generator=generator)

    if kind == 'grid':
        return whole(3, num, dims).float()
    if kind == 'duplicates':
        return normal(num // 3 + 1)[whole(num // 3 + 1, num)]
    if kind == 'few places':
        return normal(num // 50 + 1)[whole(num // 50 + 1, num)]
    if kind == 'half at one place':
        return normal(num) * whole(2, num, 1)
    if kind == 'far clusters':  # which float32 products cannot tell apart
        return 1e-3 * normal(num) + 1000 * whole(3, num, 1)
    return normal(num)


KINDS = (
    *('normal', 'grid', 'duplicates', 'far clusters'),
    *('few places', 'half at one place'),
)


@pytest.mark.parametrize('case', range(60))
def test_all_backends_equal_the_oracle(case, monkeypatch):
    """Index for index, with ties, near-ties, batches and chunks."""
    monkeypatch.setattr(search, 'CACHED', 2**12)  # few rows at a time
    generator = torch.Generator().manual_seed(case)

    def draw(low, high):
        return int(torch.randint(low, high + 1, (), generator=generator))

    kind = KINDS[case % 6]
    num, dims = draw(0, 500), draw(1, 300) if case % 4 > 1 else draw(1, 7)
    same, cosine = draw(0, 2) == 0, case % 5 == 0 and kind == 'normal'
    x = points(kind, num, dims, generator)
    y = x if same else points(kind, draw(0, 200), dims, generator)
    graphs = draw(1, 4)
    batch_x = torch.randint(graphs, (len(x),), generator=generator)
    batch_y = batch_x
    if not same:
        batch_y = torch.randint(graphs + 1, (len(y),), generator=generator)
    exclude_self, k = same and draw(0, 1) == 0, draw(1, 80)
    metric = 'cosine' if cosine else 'euclidean'
    index, dist = oracle(x, y, k, batch_x, batch_y, cosine, exclude_self)
    for backend in BACKENDS:
        if backend == 'tree' and dims + cosine > TREE_DIMS:
            continue
        for chunk_size, small in ((None, 0), (draw(1, 100), 256)):
            monkeypatch.setattr(search, 'SMALL', small)
            found = knn_index(
                *(x, y, k, batch_x, batch_y, metric, exclude_self),
                *(backend, chunk_size),
            )
            assert torch.equal(found.index, index), backend
            assert torch.allclose(found.dist, dist.float(), atol=1e-6)


@pytest.fixture(params=[1, 2, 3])
def threads(request):
    usual = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield
    torch.set_num_threads(usual)


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('dims', [3, 20])
@pytest.mark.usefixtures('threads')
def test_many_blocks(kind, dims, monkeypatch):
    """Blocks and chunks that do not divide the number of points."""
    monkeypatch.setattr(products, 'LEAST', 50)
    monkeypatch.setattr(task, 'BLOCK', 100)
    monkeypatch.setattr(task, 'BYTES', 2**18)
    monkeypatch.setattr(padded, 'BYTES', 2**18)
    x = points(kind, 730, dims, torch.Generator().manual_seed(0))
    batch = torch.zeros(730, dtype=torch.long)
    index, _ = oracle(x, x, 20, batch, batch, False, True)
    args = (x, x, 20, None, None, 'euclidean', True)
    for backend in ('products', 'torch', *['tree'] * (dims < 8)):
        for chunk in (None, 64, 250, 300, 730):
            found = knn_index(*args, backend=backend, chunk_size=chunk)
            assert torch.equal(found.index, index), (backend, chunk)


@pytest.mark.parametrize('num', [1, 2, 3, 4, 5, 8, 11])
@pytest.mark.usefixtures('threads')
def test_each_pair_of_blocks_meets_once(num, monkeypatch):
    """And no row is in two blocks of a round, which run at a time."""
    monkeypatch.setattr(products, 'LEAST', 1)
    monkeypatch.setattr(task, 'BLOCK', 2)
    x = torch.zeros(2 * num + 3, 1)
    index = torch.zeros(len(x), 4, dtype=torch.long)
    for part in (slice(0, len(x)), slice(1, 2 * num), slice(2, 3)):
        for y in (x, x.clone()):
            whole = task.Task(x, y, False, index, index.double())
            met = torch.zeros(len(y), len(x))
            for blocks in products.rounds(whole, part, 2):
                busy = torch.zeros(len(y))
                if y is not x and part.stop - part.start > 1:
                    assert len(blocks) > 1  # so that no thread has nothing
                for rows, columns, both in blocks:
                    met[rows, columns] += 1
                    busy[rows] += 1
                    if both:
                        met[columns, rows] += 1
                        busy[columns] += 1
                assert busy.max() <= 1
            assert (met[part] == 1).all()
            assert met.sum() == met[part].sum()


@pytest.mark.parametrize('default', [torch.double, torch.half])
def test_another_default_type(default):
    x = torch.randn(700, 12, generator=torch.Generator().manual_seed(0))
    found = knn_index(x, x, 9)
    usual = torch.get_default_dtype()
    torch.set_default_dtype(default)
    try:
        for other in (x, x.double()):
            again = knn_index(other, other, 9)
            assert torch.equal(found.index, again.index)
    finally:
        torch.set_default_dtype(usual)


@pytest.mark.usefixtures('threads')
def test_points_of_inference_mode():
    x = torch.randn(700, 12, generator=torch.Generator().manual_seed(0))
    found = knn_index(x, x, 9)
    with torch.inference_mode():
        other = x + 0.0
        again = knn_index(other, other, 9)
        batch = torch.arange(7).repeat_interleave(100)
        many = knn_index(other, other, 9, batch, batch)
    assert torch.equal(found.index, again.index)
    assert torch.equal(many.index, knn_index(x, x, 9, batch, batch).index)


def ragged(sizes: list[int], kind: str, dims: int) -> tuple[Tensor, Tensor]:
    """Points of graphs of given sizes, and the graph of each."""
    generator = torch.Generator().manual_seed(0)
    batch = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
    return points(kind, len(batch), dims, generator), batch


SIZES = [0, 1, 700, 2, 0, 33, 1, 300, 5, 0, 64, 40, 3, 0]


@pytest.mark.usefixtures('threads')
@pytest.mark.parametrize(('dims', 'backend'), [(3, 'tree'), (20, 'products')])
@pytest.mark.parametrize('repeats', [1, 4])
def test_graphs_in_threads(dims, backend, repeats, monkeypatch):
    """A few, which all threads share, or many."""
    monkeypatch.setattr(search, 'SMALL', 8)
    x, batch = ragged(SIZES * repeats, 'normal', dims)
    index, _ = oracle(x, x, 9, batch, batch, False, True)
    for chunk in (None, 100):
        found = knn_index(
            *(x, x, 9, batch, batch, 'euclidean', True, backend, chunk)
        )
        assert torch.equal(found.index, index)


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('dims', [2, 20])
@pytest.mark.parametrize('k', [1, 20])
def test_graphs_of_unequal_size(kind, dims, k, monkeypatch):
    """Also few rows at a time, and fewer than a graph has."""
    x, batch_x = ragged(SIZES, kind, dims)
    y, batch_y = ragged([*SIZES[5:], *SIZES[:5], 3], kind, dims)
    for other, batch in ((x, batch_x), (y, batch_y)):
        same = other is x
        index, _ = oracle(x, other, k, batch_x, batch, False, same)
        for size, chunk in ((2**24, None), (2**16, None), (2**24, 7)):
            monkeypatch.setattr(padded, 'BYTES', size)
            found = knn_index(
                *(x, other, k, batch_x, batch_x if same else batch),
                *('euclidean', same, 'torch', chunk),
            )
            assert torch.equal(found.index, index), (same, size, chunk)


@pytest.mark.parametrize('sizes', [[1] * 50, [0, 0], [1], [100] * 60])
@pytest.mark.parametrize('same', [True, False])
def test_graphs_of_one_size(sizes, same, backend):
    x, batch = ragged(sizes, 'normal', 3)
    index, _ = oracle(x, x, 4, batch, batch, False, same)
    found = knn_index(x, x, 4, batch, batch, 'euclidean', same, backend)
    assert torch.equal(found.index, index)


def test_graphs_are_searched_together(monkeypatch):
    """As many calls for a thousand graphs as for a hundred."""
    calls = []
    monkeypatch.setattr(padded, 'BYTES', 2**28)
    monkeypatch.setattr(
        *(padded, 'distances', lambda *a: calls.append(0) or distances(*a))
    )
    for num in (100, 1000):
        x, batch = ragged([20] * num, 'normal', 3)
        knn_index(x, x, 3, batch, batch, backend='torch')
    assert len(calls) == 2


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('num', [3, 700, 3000])
def test_tree_of_many_leaves(kind, num, monkeypatch):
    """Few points that choose are far from one another, and near all leaves."""
    monkeypatch.setattr(search, 'CACHED', 2**16)  # for a leaf or two
    generator = torch.Generator().manual_seed(num)
    x = points(kind, 3000, 3, generator)
    y = x if num == 3000 else points(kind, num, 3, generator)
    zeros = [torch.zeros(len(t)) for t in (x, y)]
    index, _ = oracle(x, y, 20, *zeros, False, num == 3000)
    args = 'euclidean', num == 3000, 'tree'
    assert torch.equal(knn_index(x, y, 20, None, None, *args).index, index)


def test_tree_of_leaves_far_from_one_another(monkeypatch):
    """Each has as many points as neighbors are asked for, and one too few."""
    monkeypatch.setattr(search, 'SMALL', 0)
    generator = torch.Generator().manual_seed(0)
    ends = torch.tensor([[0.0], [1.0], [5.0], [9.0]])
    x = ends.repeat_interleave(tree.LEAF, 0).expand(-1, 3)
    x = x + 0.1 * torch.rand(x.shape, generator=generator)
    batch = torch.zeros(len(x))
    index, _ = oracle(x, x, tree.LEAF, batch, batch, False, True)
    found = knn_index(x, x, tree.LEAF, exclude_self=True)
    assert torch.equal(found.index, index)


@pytest.mark.parametrize('kind', ['normal', 'grid', 'duplicates'])
@pytest.mark.parametrize('num', [257, 512, 513, 1025])
def test_few_and_more_neighbors(kind, num, monkeypatch):
    """In leaves that are full, half full, and hold less than there are
    neighbors; in order from the start or in the end.
    """
    x = points(kind, num, 2, torch.Generator().manual_seed(num))
    y, zeros = x[::3].clone(), torch.zeros(num)
    more = tree.FEW + 1
    for other, same in ((x, True), (x, False), (y, False)):
        args = zeros, zeros[: len(other)], False, same
        index, _ = oracle(x, other, more, *args)
        for k in (1, 2, more - 2, more - 1, more):
            for few in (tree.FEW, more):
                monkeypatch.setattr(tree, 'FEW', few)
                found = knn_index(x, other, k, exclude_self=same)
                assert torch.equal(found.index, index[:, :k]), (k, few)
                monkeypatch.undo()


@pytest.mark.parametrize('k', [1, 8, 16, 17])
def test_distances_that_differ_in_the_last_bits(k):
    generator = torch.Generator().manual_seed(0)
    steps = torch.randperm(400, generator=generator).double()
    x = torch.stack([1.0 + 2.0**-52 * (steps // 2), steps * 0.0], 1)
    y = torch.zeros(50, 2, dtype=torch.double)
    batch_x, batch_y = torch.zeros(400), torch.zeros(50)
    index, dist = oracle(x, y, k, batch_x, batch_y, False, False)
    found = knn_index(x, y, k, backend='tree')
    assert torch.equal(found.index, index)
    assert torch.equal(found.dist, dist)


@pytest.mark.parametrize('scale', [0.0, 1e-310, 1e-30, 1e-3, 1.0, 1e30, 1e150])
@pytest.mark.parametrize('center', [0.0, -5e6, 1e20])
@pytest.mark.parametrize('num', [1, 32, 33, 1000, 1024])
def test_leaves_of_a_tree(scale, center, num):
    """Leaves of like size that share the points, in their boxes."""
    generator = torch.Generator().manual_seed(num)
    x = torch.randn(num, 3, dtype=torch.double, generator=generator)
    x = (center + scale * x).numpy()
    lines, (order, start, stop, low, high) = tree.build(x, 32)
    assert np.array_equal(np.sort(order), np.arange(num))
    assert np.array_equal(lines.T, x[order])
    first = len(start) // 2
    assert start[first] == 0
    assert stop[-1] == num
    assert np.array_equal(start[first + 1 :], stop[first:-1])
    sizes = stop[first:] - start[first:]
    assert sizes.max() <= 32
    assert np.ptp(sizes) <= 1
    for node in range(len(start)):
        part = x[order[start[node] : stop[node]]]
        assert np.array_equal(low[node], part.min(0))
        assert np.array_equal(high[node], part.max(0))


def test_halves_of_a_tree_far_from_the_origin():
    """Small differences beside large numbers still tell points apart."""
    x = np.zeros((1000, 2))
    x[:, 1] = -1e9 + 1e-6 * np.random.default_rng(0).permutation(1000)
    _, (_, _, _, low, high) = tree.build(x, 32)
    first = len(low) // 2
    assert (high[first:-1, 1] <= low[first + 1 :, 1]).all()


def test_many_alike():
    generator = torch.Generator().manual_seed(0)
    hashes = torch.randint(2**62, (100_000,), generator=generator)
    assert not places._many_alike(hashes)
    hashes[torch.arange(places.CROWD) * 999] = -1
    assert not places._many_alike(hashes)
    hashes[-1] = -1
    assert places._many_alike(hashes)
    assert not places._many_alike(torch.arange(100_000) << 40)
    assert not places._many_alike(torch.zeros(1, dtype=torch.long))


@pytest.mark.parametrize('threads', [1, 3])
def test_threads_change_nothing(threads, backend):
    x = torch.randn(900, 5, generator=torch.Generator().manual_seed(0))
    batch = torch.arange(900) // 300
    torch.set_num_threads(threads)
    found = knn_index(x, x, 9, batch, batch, backend=backend)
    index, _ = oracle(x, x, 9, batch, batch, False, False)
    assert torch.equal(found.index, index)


def test_called_from_many_threads():
    x = torch.randn(600, 16, generator=torch.Generator().manual_seed(0))
    expected = knn_index(x, x, 5).index
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: knn_index(x, x, 5), range(8)):
            assert torch.equal(found.index, expected)


@pytest.mark.parametrize('dims', [3, 16])
def test_all_points_at_one_place(dims):
    x = torch.ones(1500, dims)
    found = knn_index(x, x, 4, exclude_self=True)
    assert found.index[:6].tolist() == [
        [1, 2, 3, 4],
        [0, 2, 3, 4],
        [0, 1, 3, 4],
        [0, 1, 2, 4],
        [0, 1, 2, 3],
        [0, 1, 2, 3],
    ]
    assert bool((found.dist == 0).all())


@pytest.mark.parametrize('dims', [2, 16])
@pytest.mark.parametrize('same', [True, False])
def test_points_at_one_place_are_searched_once(dims, same, monkeypatch):
    searched = []

    def spy(task, *args):
        searched.append((len(task.x), len(task.y)))
        padded.by_torch(task, *args)

    monkeypatch.setattr(search, 'by_torch', spy)
    generator = torch.Generator().manual_seed(0)
    x = points('normal', 300, dims, generator)
    x = x[torch.randint(300, (2000,), generator=generator)]
    x[:500] = x[:500] * 0.0  # of both signs
    y = x if same else x[::3].clone()
    batch_x, batch_y = torch.zeros(len(x)), torch.zeros(len(y))
    args = 'euclidean', same, 'torch'
    index, _ = oracle(x, y, 5, batch_x, batch_y, False, same)
    assert torch.equal(knn_index(x, y, 5, None, None, *args).index, index)
    num = [len(t.unique(dim=0)) for t in (x, y)]
    assert searched == [tuple(num)]
    x = points('normal', 1000, dims, generator)
    x[100:120] = x[0]  # trouble only where less are asked for
    batch = torch.zeros(1000)
    for k, num in ((10, 980), (30, 1000)):
        index, _ = oracle(x, x, k, batch, batch, False, same)
        assert torch.equal(knn_index(x, x, k, None, None, *args).index, index)
        assert searched.pop() == (num, num)


def test_places_that_look_the_same(monkeypatch):
    """Points of one hash are no points at one place."""
    x = torch.arange(900.0)[:, None].expand(-1, 8) // 3
    monkeypatch.setattr(
        *(places, '_hashes', lambda x, _: torch.arange(len(x)) // 300)
    )
    assert places.places(x, np.array([0, 900]), np.array([0])) is None
    index, _ = oracle(x, x, 7, *[torch.zeros(900)] * 2, False, False)
    assert torch.equal(knn_index(x, x, 7).index, index)


def test_numbers_of_graphs_may_be_large():
    x = torch.rand(600, 3, generator=torch.Generator().manual_seed(0))
    batch = torch.arange(600) % 2
    for few, many in ((batch, 2**62 * batch), (batch, 7 + batch.short())):
        for y_few, y_many in ((few[:9], many[:9]), (None, None)):
            expected = knn_index(x, x[:9], 4, few, y_few)
            shifted = y_few is None and int(many.min()) > 0
            found = knn_index(x, x[:9], 4, many, y_many)
            if shifted:  # without numbers, all are in graph 0
                assert not found.mask.any()
            else:
                assert torch.equal(found.index, expected.index)
        found = knn_graph(x, 4, many)
        assert torch.equal(found, knn_graph(x, 4, few))
    found = knn_index(x[:9], x, 4, None, 2**62 * batch)
    assert torch.equal(found.mask.all(1), batch == 0)


def test_k_may_be_larger_than_the_cloud():
    assert knn_graph(LINE[:2], 2**31 - 1).tolist() == [[1, 0], [0, 1]]
    assert knn(LINE[:2], LINE[:1], 2**31 - 1).tolist() == [[0, 0], [0, 1]]
    found = knn_index(LINE[:2], LINE[:1], 4)
    assert found.index.tolist() == [[0, 1, -1, -1]]
    assert found.dist.tolist() == [[0.0, 1.0, torch.inf, torch.inf]]
    assert found.mask.tolist() == [[True, True, False, False]]


@pytest.mark.parametrize('dims', [1, 3, 16])
@pytest.mark.parametrize('power', [-1060, -500, 0, 500, 1020])
@pytest.mark.parametrize('num', [300, 400])
def test_numbers_of_any_size(dims, power, num, backend):
    """Up to where float64 ends, and down to where it has few digits."""
    if backend == 'tree' and dims > TREE_DIMS:
        pytest.skip('too many dimensions')
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(num, dims, dtype=torch.double, generator=generator)
    x = times_power(x, power)
    found = knn_index(x, x, 7, backend=backend)
    near = times_power(x, -power)
    args = near, near, 7, *[torch.zeros(num)] * 2, False, False
    index, dist = oracle(*args)
    assert torch.equal(found.index, index)
    assert torch.equal(found.dist, times_power(dist, power))


def test_tiny_differences_beside_large_numbers(backend):
    """What is 300 decades less is told apart, what is more is not."""
    x = torch.zeros(400, 2, dtype=torch.double)
    x[:, 0] = torch.arange(400.0).flip(0)
    x *= 2.0**-465
    x[399] = 2.0**500
    found = knn_index(x, x[380:], 3, backend=backend)
    assert found.index[:-1].tolist() == [
        *([j, j - 1, j + 1] for j in range(380, 398)),
        [398, 397, 396],
    ]
    assert found.index[-1].tolist() == [399, 0, 1]
    x[:399] *= 2.0**-560
    found = knn_index(x, x[380:], 3, backend=backend)
    assert found.index[:-1].tolist() == 19 * [[0, 1, 2]]


def test_distance_beyond_all_numbers(backend):
    x = torch.tensor([[-1.7e308], [1.7e308]], dtype=torch.double)
    found = knn_index(x, x, 2, backend=backend)
    assert found.index.tolist() == [[0, 1], [1, 0]]
    assert found.dist.tolist() == [[0.0, torch.inf]] * 2
    assert bool(found.mask.all())


@pytest.mark.parametrize('dtype', [torch.half, torch.bfloat16, torch.float])
@pytest.mark.parametrize('dims', [2, 12])
def test_tiny_and_large_numbers_of_every_type(dtype, dims):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(400, dims, generator=generator)
    for size in (torch.finfo(dtype).tiny, torch.finfo(dtype).max / 8):
        points = (x * size).to(dtype)
        batch = torch.zeros(400)
        index, _ = oracle(points, points, 9, batch, batch, False, False)
        for backend in ('tree', 'products', 'torch'):
            if backend != 'tree' or dims <= TREE_DIMS:
                found = knn_index(points, points, 9, backend=backend)
                assert torch.equal(found.index, index)


@pytest.mark.parametrize('dims', [2, 12])
def test_small_differences_far_from_the_origin(dims):
    generator = torch.Generator().manual_seed(0)
    x = 1e8 + torch.randint(40, (700, dims), generator=generator).float()
    batch = torch.zeros(700)
    index, _ = oracle(x, x, 9, batch, batch, False, True)
    for backend in ('auto', 'products', 'torch'):
        for points in (x, x.long(), x.double(), x.T.contiguous().T):
            found = knn_index(
                *(points, points, 9, None, None, 'euclidean', True, backend)
            )
            assert torch.equal(found.index, index), backend


def test_settings_of_the_user_do_not_matter(backend):
    x = torch.randn(700, 7, generator=torch.Generator().manual_seed(0))
    expected = knn_index(x, x, 5, backend=backend).index
    torch.set_float32_matmul_precision('medium')
    try:
        with torch.autocast('cpu', torch.bfloat16), torch.inference_mode():
            found = knn_index(x.clone(), x, 5, backend=backend)
        assert torch.get_float32_matmul_precision() == 'medium'
    finally:
        torch.set_float32_matmul_precision('highest')
    assert torch.equal(found.index, expected)


def test_more_than_a_hundred_neighbors():
    x = torch.randn(2000, 3, generator=torch.Generator().manual_seed(0))
    found = knn_index(x, x, 432)
    assert bool(found.mask.all())
    index, _ = oracle(x, x, 432, *[torch.zeros(2000)] * 2, False, False)
    assert torch.equal(found.index, index)


def test_origin_under_cosine(backend):
    x = torch.tensor([[0.0, 0], [1, 0], [-1, 0], [3, 0], [0, 0]])
    found = knn_index(x, x, 5, metric='cosine', backend=backend)
    assert found.index[0].tolist() == [0, 4, 1, 2, 3]
    assert found.dist[0].tolist() == [0, 0, 1, 1, 1]
    assert found.index[1].tolist() == [1, 3, 0, 4, 2]
    assert found.dist[1].tolist() == [0, 0, 1, 1, 2]


def test_packed_candidates_sort_by_score_and_index():
    tiny = np.finfo(np.float32).tiny
    scores = np.float32([2.5, -1.0, 0.0, tiny, -tiny, np.inf, 1e30, -1e30, 0])
    keys = [score_kernels.pack(s, j) for j, s in enumerate(scores)]
    order = np.argsort(scores, kind='stable')
    assert np.argsort(np.uint64(keys)).tolist() == order.tolist()
    back = [score_kernels.score_of(np.uint64(key)) for key in keys]
    assert np.array_equal(back, scores)
    assert max(keys) < kernels.NONE


@pytest.mark.parametrize('size', [0, 1, 2, 33, 500])
def test_sort_and_selection(size):
    draw = np.random.default_rng(size)
    index = draw.permutation(size)
    nearly = np.arange(size) + draw.integers(4, size=size)
    for keys in (draw.integers(9, size=size), nearly, -nearly):
        expected = sorted(zip(keys.tolist(), index.tolist(), strict=True))
        found, at = keys.astype(float), index.copy()
        sort(found, at, size)
        assert [*zip(found, at, strict=True)] == expected
        for k in {min(1, size), size // 2, size} - {0}:
            some = keys.copy()
            assert nth(some, k, size) == np.sort(keys)[k - 1]
            assert np.array_equal(np.sort(some[:k]), np.sort(keys)[:k])


def test_no_gradient_and_no_change():
    x = torch.randn(20, 3, requires_grad=True)
    before = x.detach().clone()
    assert not knn_index(x, x, 3).dist.requires_grad
    assert torch.equal(x.detach(), before)


@pytest.mark.parametrize(('num', 'k'), [(0, 3), (5, 0), (1, 2)])
def test_nothing_to_find(num, k, backend):
    x = torch.rand(num, 2)
    found = knn_index(x, x, k, exclude_self=True, backend=backend)
    assert found.index.size() == found.dist.size() == (num, k)
    assert not found.mask.any()


def test_knn_as_in_pyg():
    """The example of PyG's documentation."""
    x = torch.tensor([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]])
    y = torch.tensor([[-1.0, 0.0], [1.0, 0.0]])
    batch_x, batch_y = torch.zeros(4).long(), torch.zeros(2).long()
    edges = knn(x, y, 2, batch_x, batch_y)
    assert edges.tolist() == [[0, 0, 1, 1], [0, 1, 2, 3]]


def test_knn_graph():
    x = LINE[[0, 0, 2]]
    assert knn_graph(x, 1).tolist() == [[1, 0, 0], [0, 1, 2]]
    flow = 'target_to_source'
    assert knn_graph(x, 1, flow=flow).tolist() == [[0, 1, 2], [1, 0, 0]]
    loops = knn_graph(x, 2, loop=True)
    assert loops.tolist() == [[0, 1, 0, 1, 2, 0], [0, 0, 1, 1, 2, 2]]
    batch = torch.tensor([0, 1, 0])
    assert knn_graph(x, 5, batch).tolist() == [[2, 0], [0, 2]]


def test_no_graph_shifts_another():
    """A graph with few points took neighbors away from the next ones."""
    x = torch.cat([LINE[:2], LINE])
    batch = torch.tensor([0] * 2 + [1] * 5)
    edges = knn_graph(x, 3, batch)
    alone = knn_graph(LINE, 3) + 2
    assert edges[:, :2].tolist() == [[1, 0], [0, 1]]
    assert torch.equal(edges[:, 2:], alone)


X, B = torch.rand(4, 2), torch.zeros(4, dtype=torch.long)

ERRORS = {
    r'k must be at least 0 \(got -1\)': (X, X, -1),
    r'k must be an integer \(got 1.5\)': (X, X, 1.5),
    r'k must be at most 2147483647 \(got 4294967296\)': (X, X, 2**32),
    r'\[N, F\] and \[M, F\].*got \[4, 2\] and \[4, 1\]': (X, X[:, :1], 1),
    r'x must be of shape \[N, F\] or \[N\] \(got \[4, 2, 1\]\)': (
        *(X[..., None], X, 1),
    ),
    r'y must be of shape .*\(got \[\]\)': (X, X[0, 0], 1),
    r'x must have at least one number.*\[4, 0\]': (X[:, :0], X[:, :0], 1),
    r'x must be a tensor \(got list\)': (X.tolist(), X, 1),
    r'y must be a dense tensor of real .*sparse_coo': (X, X.to_sparse(), 1),
    r'x must be a dense tensor of real .*complex64': (X * 1j, X, 1),
    r'y must have values \(got a meta tensor\)': (X, X.to('meta'), 1),
    r'y must be whole numbers less than 2\*\*53 .*row 1': (
        *(X.long(), torch.tensor([[0, 0], [0, -(2**53)]]), 1),
    ),
    r'batch_x must hold the numbers of graphs as .*float32': (
        *(X, X, 1, B.float()),
    ),
    r'batch_x must hold the numbers of graphs, not a mask': (
        X,
        X,
        1,
        B.bool(),
    ),
    r'batch_y must be of shape \[4\].*\[3\]': (X, X, 1, B, B[:3]),
    r'batch_y must be of shape \[4\].*\[4, 1\]': (X, X, 1, B, B[:, None]),
    r'batch_x must be a tensor \(got list\)': (X, X, 1, [0, 0, 0, 0]),
    r'batch_x must name graphs from 0 on \(got -1\)': (X, X, 1, B - 1, B),
    r"metric must be one of .*got 'l1'": (X, X, 1, None, None, 'l1'),
    r"backend must be one of .*got 'x'": (
        *(X, X, 1, None, None, 'euclidean', False, 'x'),
    ),
    r'exclude_self needs y to be x': (
        *(X, X.clone(), 1, None, None, 'euclidean', True),
    ),
    r'chunk_size must be an integer \(got 0.5\)': (
        *(X, X, 1, None, None, 'euclidean', False, 'auto', 0.5),
    ),
    r'chunk_size must be at least 1 \(got 0\)': (
        *(X, X, 1, None, None, 'euclidean', False, 'auto', 0),
    ),
    r"'tree' takes up to 7 dimensions.*got 9": (
        *(torch.rand(4, 9), torch.rand(4, 9), 1, None, None, 'euclidean'),
        *(False, 'tree'),
    ),
}


@pytest.mark.parametrize('message', ERRORS)
def test_errors(message):
    with pytest.raises(ValueError, match=message):
        knn_index(*ERRORS[message])


@pytest.mark.parametrize('value', [torch.nan, torch.inf, -torch.inf])
def test_no_numbers(value):
    x = X.double().clone()
    x[2, 1] = value
    with pytest.raises(ValueError, match=r'y must be finite .* in row 2'):
        knn_index(X, x, 1)


def test_graphs_of_one_set_of_points():
    with pytest.raises(ValueError, match=r'^batch must be of shape \[4\]'):
        knn_graph(X, 1, B[:3])


def test_unknown_flow():
    with pytest.raises(ValueError, match='flow must be one of'):
        knn_graph(X, 1, flow='up')


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs CUDA')
@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('metric', ['euclidean', 'cosine'])
def test_cuda_equals_the_cpu(kind, metric):
    x = points(kind, 3000, 20, torch.Generator().manual_seed(0))
    batch = torch.arange(3000) % 7
    expected = knn_index(x, x, 30, batch, batch, metric)
    x, batch = x.cuda(), batch.cuda()
    found = knn_index(x, x, 30, batch, batch, metric)
    assert torch.equal(found.index.cpu(), expected.index)
    assert torch.equal(found.dist.cpu(), expected.dist)
