"""Names of generated tasks, and what they say."""

import pytest
import torch

from benchmarks.data import datasets, tasks
from benchmarks.errors import UsageError
from benchmarks.interface.names import dataset_name, load_dataset


@pytest.mark.parametrize(
    ('text', 'name'),
    [
        ('ring-transfer', 'ring-transfer'),
        ('Ring-Transfer', 'ring-transfer'),
        ('ring-transfer:distance=5', 'ring-transfer'),
        ('ring-transfer: classes=3, distance=8', None),
        ('ring-transfer:distance=8', 'ring-transfer:distance=8'),
        ('digit-chain:seed=1,chains=10', 'digit-chain:chains=10,seed=1'),
    ],
)
def test_one_name_for_the_same_data(text, name):
    name = name or 'ring-transfer:distance=8,classes=3'
    assert dataset_name(text, None, None, None, None) == name
    assert datasets.find(name).name == name


@pytest.mark.parametrize(
    ('text', 'words'),
    [
        ('ring-transfer:hops=3', "option of ring-transfer 'hops'"),
        ('ring-transfer:distance', 'distance must be a whole number'),
        ('ring-transfer:distance=1', 'from 2 to 1000 (got 1)'),
        ('ring-transfer:distance=1.5', "(got '1.5')"),
        ('ring-transfer:distance=far', "(got 'far')"),
        ('clique-path:distance=2', 'from 3 to 1000 (got 2)'),
        ('tree-neighbors-match:radius=30', 'from 1 to 10 (got 30)'),
        ('ring-transfer:distance=[', "(got '[')"),
        ('ring-transfer:distance=3,distance=4', 'distance stands twice'),
        ('digit-chain:seed=-1', 'seed must be a whole number of at least 0'),
    ],
)
def test_what_cannot_be_is_said(text, words):
    with pytest.raises(UsageError) as error:
        dataset_name(text, None, None, None, None)
    assert words in str(error.value)


@pytest.mark.parametrize(
    ('text', 'depth'),
    [
        ('ring-transfer', 5),
        ('clique-path:distance=9', 9),
        ('tree-neighbors-match:radius=4', 4),
        ('eccentricity:graphs=20', None),
    ],
)
def test_needed_depth(text, depth):
    found = datasets.find(text)
    if depth is None:
        data = load_dataset(text)
        assert found.needs() == data.hops.max()
        assert data.y.max() <= 1.5
    else:
        assert found.needs() == depth


@pytest.mark.parametrize('name', tasks.TASKS)
def test_data_are_as_the_registry_says(name):
    found = datasets.find(name)
    data, again = (load_dataset(name) for _ in range(2))
    assert found.many == hasattr(data, 'graphs')
    if not found.many:
        assert torch.equal(data.x, again.x)
        data.x.zero_()
        assert load_dataset(name).x.any()  # what was read is one's own
    assert datasets.find('cora').needs is None
