"""Splits that a protocol draws: functions of data and a seed."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.transforms import LargestConnectedComponents
from torch_geometric.utils import index_to_mask

from .graphs import SPLITS, Graphs, labels_of

# Of the GDC paper's code:
DEVELOPMENT_SEED, DEVELOPMENT_NODES = 1684992425, 1500
TUNED_SEED = 123  # of the scripts of Classic GNNs are Strong Baselines
SHCHUR = 20, 30  # nodes of a class to train, to validate


def with_masks(data: Data, index: Mapping[str, Tensor]) -> Data:
    """The data with a mask for the nodes of each split."""
    for split in SPLITS:
        data[f'{split}_mask'] = index_to_mask(index[split], data.num_nodes)
    return data


def in_order(*parts: Tensor) -> dict[str, Tensor]:
    """The parts to train, to validate and to test by their names."""
    return dict(zip(SPLITS, parts, strict=True))


def gdc(data: Data, seed: int) -> Data:
    """The largest component and a split of the GDC paper: the nodes to
    develop on are always the same, and the seed says which of them train.
    """
    data = LargestConnectedComponents()(data)
    size, labels = data.num_nodes, data.y.numpy()
    draw = np.random.RandomState(DEVELOPMENT_SEED).choice
    develop = draw(size, DEVELOPMENT_NODES, replace=False)
    draw = np.random.RandomState(seed).choice
    train = np.concatenate(
        [
            draw(develop[labels[develop] == label], 20, replace=False)
            for label in range(labels.max() + 1)
        ]
    )
    val = np.setdiff1d(develop, train)
    test = np.setdiff1d(np.arange(size), develop)
    parts = map(torch.from_numpy, (train, val, test))
    return with_masks(data, in_order(*parts))


def tuned(data: Data, seed: int) -> Data:
    """The one random split of the paper's scripts, whatever the seed."""
    draw = torch.Generator().manual_seed(TUNED_SEED)
    train, rest = [], []
    for label in range(int(data.y.max()) + 1):
        nodes = (data.y == label).nonzero().view(-1)
        nodes = nodes[torch.randperm(len(nodes), generator=draw)]
        train.append(nodes[:20])
        rest.append(nodes[20:])
    rest = torch.cat(rest)
    rest = rest[torch.randperm(len(rest), generator=draw)]
    parts = torch.cat(train), rest[:500], rest[500:1500]
    return with_masks(data, in_order(*parts))


def shchur(data: Data, seed: int) -> Data:
    """Draws nodes of each class to train and to validate; the rest test."""
    order = _shuffled(data.num_nodes, seed)
    classes = [order[data.y[order] == c] for c in data.y.unique()]
    cuts = SHCHUR[0], sum(SHCHUR)
    pieces = [nodes.tensor_split(cuts) for nodes in classes]
    return with_masks(
        data, in_order(*map(torch.cat, zip(*pieces, strict=True)))
    )


def folds(data: Graphs, seed: int, number: int = 10) -> Graphs:
    """The graphs of fold ``seed`` test; of the others, a tenth of each class
    validates. From ``number`` on, seeds take other folds.
    """
    from sklearn.model_selection import StratifiedKFold, train_test_split

    y = labels_of(data).numpy()
    again, fold = divmod(seed, number)
    draw = StratifiedKFold(number, shuffle=True, random_state=again)
    rest, test = [*draw.split(y, y)][fold]
    train, val = train_test_split(
        rest, test_size=0.1, random_state=again, stratify=y[rest]
    )
    parts = (
        torch.from_numpy(part).sort().values for part in (train, val, test)
    )
    return _apply(data, in_order(*parts))


def given(data: Data | Graphs, seed: int) -> Data | Graphs:
    """The masks that come with the data: of several, ``[N, S]``, those of
    column ``seed`` modulo ``S``.
    """
    if isinstance(data, Graphs):
        return data
    data = data.clone()
    for split in SPLITS:
        mask = data[f'{split}_mask']
        if mask.dim() == 2:
            data[f'{split}_mask'] = mask[:, seed % mask.size(1)]
    return data


def by_shares(
    data: Data | Graphs, seed: int, sizes: Sequence[int]
) -> Data | Graphs:
    """Draws percents of the labelled nodes, or of the graphs."""
    items = _items(data)
    order = items[_shuffled(len(items), seed)]
    cuts = [len(order) * sum(sizes[:n]) // 100 for n in (1, 2, 3)]
    return _apply(data, in_order(*order.tensor_split(cuts)[:3]))


def by_counts(
    data: Data | Graphs, seed: int, sizes: Sequence[int]
) -> Data | Graphs:
    """Draws some of each class to train, then some to validate and to test.

    Raises:
        ValueError: If labels are no classes, or there are too few.
    """
    y, (train, val, test) = labels_of(data), sizes
    if y.dim() != 1 or y.is_floating_point():
        raise ValueError(
            'a split of so many of each class is for classes: shares such as '
            '60/20/20 are for other labels'
        )
    items = _items(data)
    order = items[_shuffled(len(items), seed)]
    classes = [order[y[order] == c] for c in y[items].unique()]
    rest = order[~torch.isin(order, torch.cat([c[:train] for c in classes]))]
    least = min(map(len, classes))
    if least < train or len(rest) < val + test:
        raise ValueError(
            f'there are too few for a split of {train}:{val}:{test} (got '
            f'{least} of one class, and {len(rest)} besides)'
        )
    parts = rest.tensor_split((val, val + test))[:2]
    chosen = torch.cat([c[:train] for c in classes])
    return _apply(data, in_order(chosen, *parts))


def _shuffled(size: int, seed: int) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    return torch.randperm(size, generator=draw)


def _items(data: Data | Graphs) -> Tensor:
    """What can be drawn: graphs, or nodes whose label is known."""
    if isinstance(data, Graphs):
        return torch.arange(len(data.graphs))
    y = data.y if data.y.dim() == 2 else data.y.view(-1, 1)
    known = ~y.isnan().all(1) if y.is_floating_point() else (y >= 0).all(1)
    return known.nonzero().view(-1)


def _apply(data: Data | Graphs, index: dict[str, Tensor]) -> Data | Graphs:
    if isinstance(data, Graphs):
        return replace(data, split=index)
    return with_masks(data.clone(), index)
