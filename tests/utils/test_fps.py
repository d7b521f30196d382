import pytest
import torch

from pyg_ext.utils import fps

X = torch.randn(300, 3, generator=torch.Generator().manual_seed(0))
SIZES = torch.tensor([3, 0, 1, 200, 96])
BATCH = torch.arange(5).repeat_interleave(SIZES)


def brute(x, num, first):
    """The farthest points by all distances, none of them twice."""
    dist = torch.cdist(x.double(), x.double(), compute_mode=DIRECT)
    taken = [first]
    while len(taken) < num:
        least = dist[taken].amin(0)
        least[taken] = -1.0
        taken.append(int(least.argmax()))
    return taken


DIRECT = 'donot_use_mm_for_euclid_dist'


def test_as_in_pyg():
    """The example of PyG's documentation."""
    x = torch.tensor([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]])
    batch = torch.tensor([0, 0, 0, 0])
    index = fps(x, batch, ratio=0.5, random_start=False)
    assert index.tolist() == [0, 3]


def test_by_hand():
    """The farthest, of equally far ones the first, none twice."""
    line = torch.tensor([0.0, 1.0, 3.0, 6.0, 10.0])
    assert fps(line, None, 1.0, False).tolist() == [0, 4, 3, 2, 1]
    same = torch.ones(4, 2)
    assert fps(same, None, 1.0, False).tolist() == [0, 1, 2, 3]
    batch = torch.tensor([1, 0, 1, 0, 1])
    assert fps(line, batch, 0.5, False).tolist() == [1, 0, 4]
    assert torch.equal(
        fps(line, 2**62 * batch, 0.5, False), fps(line, batch, 0.5, False)
    )


@pytest.mark.parametrize(
    'dtype', [torch.half, torch.bfloat16, torch.float, torch.double]
)
@pytest.mark.parametrize('ratio', [0.01, 0.1, 0.5, 1.0])
def test_equals_all_distances(dtype, ratio):
    """With graphs of unequal size and points at one place."""
    x = X.clone()
    x[100:110] = x[50]
    x = x.to(dtype)
    index, start = [], 0
    for size in SIZES.tolist():
        num = -int(-size * ratio // 1)
        if size:
            found = brute(x[start : start + size], num, 0)
            index += [start + i for i in found]
        start += size
    assert fps(x, BATCH, ratio, random_start=False).tolist() == index
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(1))
    order = order[BATCH[order].argsort(stable=True)]
    mixed = torch.cat([order[::2], order[1::2]])  # of all graphs
    found = fps(x[mixed], BATCH[mixed], ratio, random_start=False)
    assert torch.equal(
        torch.bincount(BATCH[mixed[found]], minlength=5),
        torch.bincount(BATCH[torch.tensor(index)], minlength=5),
    )


@pytest.mark.parametrize('ratio', [0.07, 0.1, 0.29, 0.57])
def test_numbers_are_not_rounded_up_twice(ratio):
    """0.07 * 100 is a bit more than seven in float64."""
    assert len(fps(X[:100], None, ratio)) == round(100 * ratio)


def test_random_start_comes_from_the_generator():
    batch = torch.arange(30) // 10
    torch.manual_seed(3)
    found = fps(X[:30], batch)
    state = torch.get_rng_state()
    torch.manual_seed(3)
    assert torch.equal(fps(X[:30], batch), found)
    first = {int(fps(X[:30], batch)[0]) for _ in range(100)}
    assert first == set(range(10))
    for g in range(3):
        mine = (found[5 * g : 5 * g + 5] - 10 * g).tolist()
        assert mine == brute(X[10 * g : 10 * g + 10], 5, mine[0])
    torch.set_rng_state(state)
    fps(X[:30], batch, random_start=False)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize('threads', [1, 3])
def test_threads_change_nothing(threads):
    expected = fps(X, BATCH, random_start=False)
    torch.set_num_threads(threads)
    assert torch.equal(fps(X, BATCH, random_start=False), expected)


def test_shapes():
    assert fps(X[:0]).tolist() == fps(X[:0], BATCH[:0]).tolist() == []
    assert fps(X[:1]).tolist() == [0]
    x = X.view(150, 2, 3)
    flat = fps(X.view(150, 6), random_start=False)
    assert torch.equal(fps(x, random_start=False), flat)
    assert flat.dtype == torch.long


@pytest.mark.parametrize('power', [-1000, 1000])
def test_numbers_of_any_size(power):
    x = X.double() * 2.0**power
    found = fps(x, random_start=False)
    assert torch.equal(found, fps(X, random_start=False))


ERRORS = {
    r'ratio must be in \(0, 1\] \(got 0\)': {'ratio': 0},
    r'ratio must be in \(0, 1\] \(got 1.5\)': {'ratio': 1.5},
    r'ratio must be in \(0, 1\] \(got nan\)': {'ratio': float('nan')},
    r'ratio must be a number': {'ratio': 'all'},
    r'batch must be of shape \[300\]': {'batch': BATCH[:3]},
    r'batch must name graphs from 0 on': {'batch': -BATCH},
    r'x must be finite numbers': {'x': X * torch.nan},
    r'x must be a tensor': {'x': X.tolist()},
}


@pytest.mark.parametrize('message', ERRORS)
def test_errors(message):
    with pytest.raises(ValueError, match=message):
        fps(**{'x': X} | ERRORS[message])
