import pytest
import torch

from pyg_ext.nn import Dropout
from pyg_ext.utils import CSRTensor


def test_dropout():
    layer = Dropout(0.25)
    assert str(layer) == 'Dropout(p=0.25)'
    x = torch.ones(10_000)
    torch.manual_seed(0)
    out = layer(x)
    assert 0.7 < (out != 0).float().mean() < 0.8
    layer.eval()
    assert layer(x) is x


def test_sparse_features():
    x = CSRTensor.from_dense(torch.eye(1000))
    out = Dropout(0.5)(x)
    assert isinstance(out, CSRTensor)
    assert 400 < out.to_dense().count_nonzero() < 600


def test_error():
    with pytest.raises(ValueError, match=r'in \[0, 1\] \(got 2.0\)'):
        Dropout(2.0)
