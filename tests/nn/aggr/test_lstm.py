import pytest
import torch
from torch_geometric.nn.aggr import LSTMAggregation as PaddedLSTM

from pyg_ext.nn import LSTMAggregation

X = torch.rand(6, 3, generator=torch.Generator().manual_seed(0)).double()
INDEX = torch.tensor([2, 0, 2, 0, 0, 3])  # not sorted; nothing in group 1
MEMBERS = [[1, 3, 4], [], [0, 2], [5]]


@pytest.fixture
def aggr():
    torch.manual_seed(0)
    return LSTMAggregation(3, 4).double()


def test_the_state_after_the_last_element(aggr):
    """Of each group by itself, as torch's LSTM gives it."""
    x = X.clone().requires_grad_()
    out = aggr(x, INDEX)
    assert out.size() == (4, 4)
    for group, members in enumerate(MEMBERS):
        if not members:
            assert not out[group].any()
            continue
        state = aggr.lstm(x[members])[0][-1]
        assert torch.allclose(out[group], state)
    gradients = torch.autograd.grad(out.sum(), [x, *aggr.parameters()])
    expected = sum(aggr.lstm(x[m])[0][-1].sum() for m in MEMBERS if m)
    wanted = torch.autograd.grad(expected, [x, *aggr.parameters()])
    for one, other in zip(gradients, wanted, strict=True):
        assert torch.allclose(one, other)


def test_pyg_where_all_groups_are_of_one_size(aggr):
    padded = PaddedLSTM(3, 4).double()
    padded.load_state_dict(aggr.state_dict())
    index = torch.tensor([0, 0, 1, 1, 2, 2])
    assert torch.allclose(aggr(X, index), padded(X, index))


def test_a_group_does_not_see_the_size_of_others(aggr):
    few = aggr(X[:2], torch.tensor([0, 1]))
    many = aggr(X, torch.tensor([0, 1, 2, 2, 2, 2]))
    assert torch.allclose(many[:2], few)


def test_pointers_sizes_and_nothing(aggr):
    ptr = torch.tensor([0, 2, 2, 6])
    index = torch.tensor([0, 0, 2, 2, 2, 2])
    assert torch.equal(aggr(X, ptr=ptr), aggr(X, index))
    assert aggr(X, index, dim_size=5).size() == (5, 4)
    empty = aggr(X[:0], INDEX[:0], dim_size=2)
    assert empty.tolist() == [[0.0] * 4] * 2


def test_errors(aggr):
    with pytest.raises(ValueError, match='in_channels must be at least 1'):
        LSTMAggregation(-1, 4)
    assert str(aggr) == 'LSTMAggregation(3, 4)'
    with pytest.raises(ValueError, match=r'groups from 0 to 2 \(got 3\)'):
        aggr(X, INDEX, dim_size=3)
