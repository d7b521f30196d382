"""Splits with their metrics, so that numbers can be compared."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from ..errors import UsageError, unknown
from ..late import call
from .metrics import METRICS, Metric

if TYPE_CHECKING:
    from torch_geometric.data import Data

    from .graphs import Graphs

Split = Callable[[Any, int], Any]  # of data, and a seed


@dataclass(frozen=True)
class Protocol:
    """What is measured on which nodes or graphs.

    Args:
        name: What rows and tables call it.
        about: The split in words.
        metric: What is measured.
        draw: Gives data with the split of a seed; without it the split is
            the one that the files have.
    """

    name: str
    about: str
    metric: Metric
    draw: Split | None = None

    def split(self, data: Data | Graphs, seed: int) -> Data | Graphs:
        """The data with the split of a seed.

        Raises:
            ValueError: If there is nothing to split it by.
        """
        return data if self.draw is None else self.draw(data, seed)


def _of_molecules(metric: str) -> Protocol:
    return Protocol(
        f'ogb-scaffold-{metric}',
        "ogb's split of molecules by their scaffolds: 80 % to train, 10 % to "
        'validate, and 10 % to test, which resemble them little',
        METRICS[metric],
    )


PROTOCOLS = {
    p.name: p
    for p in (
        Protocol(
            'planetoid-public',
            'the fixed split of Yang et al. 2016: 20 labels per class to '
            'train, 500 nodes to validate, 1,000 to test',
            METRICS['accuracy'],
        ),
        Protocol(
            'gdc-lcc',
            'the largest component, with 1,500 fixed nodes to develop on, of '
            'which each seed draws 20 per class to train and takes the rest '
            'to validate; all other nodes to test (Gasteiger et al. 2019)',
            METRICS['accuracy'],
            partial(call, '.data.splits:gdc'),
        ),
        Protocol(
            'tunedgnn-random',
            'one random split: 20 labels per class to train, 500 nodes to '
            'validate, 1,000 to test (Luo et al. 2024)',
            METRICS['accuracy'],
            partial(call, '.data.splits:tuned'),
        ),
        Protocol(
            'tu-10-fold',
            'ten folds, the seed says which one tests; of the others a tenth '
            'of each class validates, in each fold anew (Errica et al. 2020)',
            METRICS['accuracy'],
            partial(call, '.data.splits:folds'),
        ),
        Protocol(
            'shapes-official',
            'points on 40 meshes to train, other points on them to validate, '
            'and 40 other meshes to test, one for each class',
            METRICS['accuracy'],
        ),
        Protocol(
            'shchur-20-per-class',
            'each seed draws 20 nodes per class to train and 30 to validate; '
            'all other nodes to test (Shchur et al. 2018)',
            METRICS['accuracy'],
            partial(call, '.data.splits:shchur'),
        ),
        Protocol(
            'animals-official',
            'parts of 5 clouds to train, other parts to validate, and 40 '
            'parts of 5 other clouds to test',
            METRICS['accuracy'],
        ),
        Protocol(
            's3dis-area-5',
            'area 5 to test; of the rooms of the other areas, every tenth to '
            'validate and the rest to train',
            METRICS['miou'],
        ),
        Protocol(
            'ogb-time',
            "ogb's split by year: papers up to 2017 to train, of 2018 to "
            'validate, from 2019 to test',
            METRICS['accuracy'],
        ),
        Protocol(
            'arxiv-sim-time',
            "ogb's split of ogbn-arxiv by year, on SIMULATED citations and "
            'features',
            METRICS['accuracy'],
        ),
        Protocol(
            'ogb-sales-ranking',
            "ogb's split by sales: the top 8 % to train, the next 2 % to "
            'validate, the rest to test',
            METRICS['accuracy'],
        ),
        Protocol(
            'ogb-species',
            "ogb's split by species: proteins of some to train, of another "
            'to validate, of another to test; 112 functions each',
            METRICS['rocauc'],
        ),
        _of_molecules('rocauc'),
        _of_molecules('ap'),
        _of_molecules('rmse'),
        Protocol(
            'platonov-50-25-25',
            'ten fixed splits, one for each seed, then again: half of the '
            'nodes to train, a quarter to validate, a quarter to test '
            '(Platonov et al. 2023)',
            METRICS['accuracy'],
            partial(call, '.data.splits:given'),
        ),
        *(
            Protocol(
                f'lrgb-{metric}',
                'the split of the Long Range Graph Benchmark: 70 % to train, '
                '15 % to validate, 15 % to test (Dwivedi et al. 2022)',
                METRICS[metric],
            )
            for metric in ('ap', 'mae')
        ),
        Protocol(
            'generated',
            'examples that were generated: 80 % to train, 10 % to validate, '
            '10 % to test; or each class once in each part',
            METRICS['accuracy'],
        ),
        Protocol(
            'generated-rmse',
            'graphs that were generated: 80 % to train, 10 % to validate, '
            '10 % to test',
            METRICS['rmse'],
        ),
        Protocol(
            'digits-5-per-class',
            'one fixed split: 5 labels per class to train, 500 images to '
            'validate, 1,247 to test',
            METRICS['accuracy'],
        ),
    )
}


MASKS = 'masks'
SHARES = re.compile(r'(\d{1,2})/(\d{1,2})/(\d{1,2})')
COUNTS = re.compile(r'(\d{1,9}):(\d{1,9}):(\d{1,9})')
DRAWN = '60/20/20'  # where neither the data nor the request has a split


def find(name: str) -> Protocol:
    """A protocol by its name: one of :data:`PROTOCOLS`, or one of data that
    somebody brings: ``masks`` that come with them, ``60/20/20`` percent or
    ``20:500:1000`` nodes that each seed draws, and perhaps a metric behind,
    as in ``60/20/20-rmse``.

    Raises:
        UsageError: On an unknown name.
    """
    if name in PROTOCOLS:
        return PROTOCOLS[name]
    split, _, metric = name.partition('-')
    metric = metric or 'accuracy'
    if metric in METRICS:
        if split == MASKS:
            return Protocol(
                name,
                'the masks that come with the data; of several, a seed takes '
                'its own',
                METRICS[metric],
                partial(call, '.data.splits:given'),
            )
        if SHARES.fullmatch(split) or COUNTS.fullmatch(split):
            return _drawn(name, split, METRICS[metric])
    raise unknown('protocol', name, PROTOCOLS)


def own_name(split: str, metric: Metric) -> str:
    """The name of a protocol of data that somebody brings."""
    return split if metric.name == 'accuracy' else f'{split}-{metric.name}'


def _drawn(name: str, split: str, metric: Metric) -> Protocol:
    shares = SHARES.fullmatch(split)
    sizes = [*map(int, (shares or COUNTS.fullmatch(split)).groups())]
    if 0 in sizes or (shares and sum(sizes) > 100):
        meant = 'at most 100 in all' if shares else 'nodes'
        raise UsageError(
            f'a split must have three parts of at least 1, {meant} (got '
            f'{split!r})'
        )
    train, val, test = sizes
    if shares:
        about = f'{train} % to train, {val} % to validate, {test} % to test'
        draw = '.data.splits:by_shares'
    else:
        about = (
            f'{train} of each class to train, {val} others to validate, '
            f'{test} others to test'
        )
        draw = '.data.splits:by_counts'
    return Protocol(
        name,
        f'each seed draws {about}',
        metric,
        partial(call, draw, sizes=sizes),
    )
