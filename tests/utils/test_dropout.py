import pytest
import torch
import torch.nn.functional as F

from pyg_ext.utils import CSRTensor, dropout

DTYPES = (torch.float, torch.double, torch.bfloat16, torch.half)


@pytest.mark.parametrize('dtype', DTYPES)
@pytest.mark.parametrize('p', [0.1, 0.5, 0.8])
def test_keeps_the_right_share_and_the_mean(p, dtype):
    torch.manual_seed(0)
    n = 400_000
    out = dropout(torch.ones(n, dtype=dtype), p)
    share = (out != 0).double().mean().item()
    deviation = (p * (1 - p) / n) ** 0.5
    assert abs(share - (1 - p)) < 5 * deviation
    kept = out[out != 0].unique()
    assert kept.numel() == 1
    assert kept.dtype == dtype
    assert kept.double().item() == pytest.approx(1 / (1 - p), rel=1e-2)


def test_scale_is_the_inverse_of_the_rounded_share():
    torch.manual_seed(0)
    out = dropout(torch.ones(10_000, dtype=torch.double), 0.3)
    keep = round(0.7 * 2**16) / 2**16
    assert out.max().item() == pytest.approx(1 / keep, rel=1e-7)


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.half])
@pytest.mark.parametrize('p', [0.1, 0.3, 1 - 2**-16])
def test_half_types_do_not_round_the_scale(p, dtype):
    torch.manual_seed(0)
    x = torch.rand(200_000).add(0.1).to(dtype)
    out = dropout(x, p)
    kept = out != 0
    scale = 2**16 / round((1 - p) * 2**16)
    assert torch.equal(out[kept], (x[kept].float() * scale).to(dtype))


def test_other_memory():
    torch.manual_seed(0)
    x = torch.rand(6, 50).t()[::2] + 1.0
    out = dropout(x, 0.5)
    assert torch.allclose(out[out != 0], 2 * x[out != 0])
    assert not (out == 0).all()


def test_entries_are_independent():
    # Four entries come from one random integer: no lane may know another.
    torch.manual_seed(0)
    kept = dropout(torch.ones(100_000, 4), 0.5).ne(0).double()
    correlation = torch.corrcoef(kept.t()).fill_diagonal_(0.0)
    assert correlation.abs().max() < 5 / 100_000**0.5
    rows = torch.corrcoef(torch.stack([kept[:-1, 0], kept[1:, 0]]))
    assert abs(rows[0, 1]) < 5 / 100_000**0.5
    assert (kept.mean(0) - 0.5).abs().max() < 5 * 0.5 / 100_000**0.5


@pytest.mark.parametrize('size', [(0,), (1,), (3,), (4,), (5, 7), (2, 3, 5)])
def test_any_shape(size):
    x = torch.rand(size) + 1.0
    out = dropout(x, 0.5)
    assert out.size() == x.size()
    assert torch.allclose(out[out != 0], 2 * x[out != 0])


def test_extremes():
    x = torch.rand(100) + 1.0
    assert dropout(x, 0.0) is x
    assert dropout(x, 0.7, training=False) is x
    assert torch.equal(dropout(x, 1.0), torch.zeros(100))


def test_gradient_uses_the_mask_of_the_forward_pass():
    torch.manual_seed(0)
    x = torch.rand(50, 4, dtype=torch.double, requires_grad=True)
    out = dropout(x, 0.5)
    out.sum().backward()
    assert torch.equal(x.grad, (out != 0).double() * 2)


def test_seed_and_generator_repeat():
    x = torch.ones(1000)
    torch.manual_seed(3)
    first = dropout(x)
    torch.manual_seed(3)
    assert torch.equal(first, dropout(x))
    state = torch.random.get_rng_state()
    second = dropout(x, generator=torch.Generator().manual_seed(7))
    assert torch.equal(
        second, dropout(x, generator=torch.Generator().manual_seed(7))
    )
    assert torch.equal(state, torch.random.get_rng_state())
    assert not torch.equal(first, second)


@pytest.mark.parametrize('function', [dropout, F.dropout])
def test_sparse_features_lose_stored_entries_only(function):
    torch.manual_seed(0)
    dense = torch.rand(60, 50) * (torch.rand(60, 50) < 0.2)
    x = CSRTensor.from_dense(dense)
    out = function(x, 0.5, training=True)
    assert isinstance(out, CSRTensor)
    values = out.to_dense()
    assert torch.equal(
        values[dense == 0], torch.zeros_like(values)[dense == 0]
    )
    kept = values != 0
    assert 0.4 < kept.sum() / dense.count_nonzero() < 0.6
    assert torch.allclose(values[kept], 2 * dense[kept])
    assert torch.equal(out.t().to_dense(), values.t())  # the twin follows
    assert function(x, 0.5, training=False) is x


@pytest.mark.parametrize(
    ('x', 'p', 'message'),
    [
        (torch.ones(2), 1.5, r'in \[0, 1\] \(got 1.5\)'),
        (torch.ones(2), float('nan'), r'in \[0, 1\] \(got nan\)'),
        (torch.ones(2), -0.1, r'in \[0, 1\] \(got -0.1\)'),
        (torch.ones(2).long(), 0.5, r'floating point input \(got torch.int64'),
        (torch.eye(2).to_sparse(), 0.5, 'dense tensor or a CSRTensor'),
    ],
)
def test_errors(x, p, message):
    with pytest.raises(ValueError, match=message):
        dropout(x, p)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs CUDA')
@pytest.mark.parametrize('seeded', [True, False])
def test_cuda(seeded):
    generator = torch.Generator('cuda').manual_seed(0) if seeded else None
    out = dropout(torch.ones(400_000, device='cuda'), 0.3, True, generator)
    assert abs((out != 0).double().mean().item() - 0.7) < 0.005
    assert out.mean().item() == pytest.approx(1.0, abs=0.01)
