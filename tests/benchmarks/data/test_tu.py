from pathlib import Path

import pytest
import torch

from benchmarks.data import datasets, splits, tu
from benchmarks.data.graphs import Graphs, labels_of
from benchmarks.errors import UsageError


@pytest.mark.parametrize(
    ('name', 'number', 'features', 'classes'),
    [
        ('mutag', 188, 7, [63, 125]),
        ('proteins', 1113, 4, [663, 450]),
        ('enzymes', 600, 21, [100] * 6),
    ],
)
def test_sets_as_published(name, number, features, classes, root):
    data = datasets.load(name, root)
    assert len(data.graphs) == number
    assert {graph.num_features for graph in data.graphs} == {features}
    assert labels_of(data).bincount().tolist() == classes


def test_another_set(root):
    with pytest.raises(UsageError, match=r'must have 7 graphs \(got 188\)'):
        tu.read('MUTAG', 7, Path(root))


def some(number: int) -> Graphs:
    from torch_geometric.data import Data

    return Graphs([Data(y=torch.tensor([i % 3])) for i in range(number)])


def test_folds():
    """Each graph tests once, and each part has all classes alike."""
    data = some(150)
    tested = []
    for seed in range(10):
        split = splits.folds(data, seed).split
        assert [len(split[s]) for s in split] == [121, 14, 15]
        together = torch.cat([*split.values()])
        assert together.sort().values.tolist() == [*range(150)]
        classes = labels_of(data)[split['test']].bincount()
        assert classes.tolist() == [5, 5, 5]
        assert labels_of(data)[split['val']].bincount().min() >= 4
        tested.append(split['test'])
    assert torch.cat(tested).sort().values.tolist() == [*range(150)]


def test_further_folds_are_others():
    data = some(150)
    first, again, same = (
        splits.folds(data, seed).split['test'].tolist() for seed in (0, 10, 0)
    )
    assert first == same != again
