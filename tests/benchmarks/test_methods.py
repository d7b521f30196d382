import pytest
import torch

from benchmarks import methods
from benchmarks.errors import UsageError

SPECS = [
    *methods.BACKBONES,
    *methods.aliases(),
    'gcn+res+jump',
]


@pytest.mark.parametrize('spec', SPECS)
@pytest.mark.parametrize('depth', [2, 5])
def test_build(spec, depth):
    method = methods.parse(spec)
    model = method.build(4, 3, depth, {'hidden_channels': 8})
    edges = torch.tensor([[0, 1, 2], [1, 2, 0]])
    assert model(torch.rand(3, 4), edges).size() == (3, 3)
    assert getattr(model, method.backbone.depth) == depth


def test_aliases_are_one_method():
    assert methods.parse('resgcn').name == 'resgcn'
    assert methods.parse('gcn+res').name == 'resgcn'
    assert methods.parse('gcn+jump').name == 'jknet'
    assert methods.parse('gcn+jump+res').name == 'gcn+res+jump'
    for alias, spec in methods.aliases().items():
        assert methods.parse(alias) == methods.parse(spec)


def test_depth_counts_graph_convolutions():
    model = methods.parse('jknet').build(4, 3, 6, {'hidden_channels': 8})
    assert len(model.convs) == 6


@pytest.mark.parametrize(
    ('spec', 'message'),
    [
        ('gnc', "unknown method 'gnc': did you mean 'gcn'"),
        ('gcn+rse', "unknown remedy 'rse': did you mean 'res'"),
        ('gcn+res+dense', "'dense' excludes another"),
        ('gcn+res+res', "'res' excludes another"),
        ('appnp+res', "appnp has no remedy 'res'"),
        ('', "unknown method ''"),
    ],
)
def test_errors(spec, message):
    with pytest.raises(UsageError, match=message):
        methods.parse(spec)
