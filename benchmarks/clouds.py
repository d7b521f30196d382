"""Point clouds as one batch of graphs without edges."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Batch, Data
from torch_geometric.io.off import parse_off
from torch_geometric.transforms import NormalizeScale, SamplePoints

from benchmarks.errors import UsageError

POINTS = 256  # of a cloud
Draw = Callable[[], Tensor]  # returns other points of a shape each time


def shapes(root: Path) -> Data:
    """Points on the 40 + 40 meshes of GeometricShapes.

    Each mesh for training gives two clouds to train and one to validate, each
    one for testing one cloud. The sampling is fixed.
    """
    file = root / 'GeometricShapes' / 'raw.zip'
    if not file.is_file():
        raise UsageError(
            f'{file} is missing: it is to be had from '
            f'github.com/Yannick-S/geometric_shapes'
        )
    draws: dict[str, list[Draw]] = {'train': [], 'test': []}
    with zipfile.ZipFile(file) as archive:
        for name in sorted(archive.namelist()):
            if name.endswith('.off'):
                text = archive.read(name).decode()
                mesh = parse_off(text.split('\n'))
                draws[name.split('/')[-2]].append(_sampler(mesh))
    if len(draws['train']) != len(draws['test']):
        raise UsageError(
            f'{file} must hold a mesh to train and one to test for each class '
            f'(got {len(draws["train"])} and {len(draws["test"])})'
        )
    return _clouds(draws, {'train': 2, 'val': 1, 'test': 1})


def animals(root: Path) -> Data:
    """Parts of ten clouds of PointCloudLibrary in five classes.

    Each cloud for training gives 8 parts to train and 4 to validate, each one
    for testing 8 parts. The choice of points is fixed.
    """
    folder = root / 'PointClouds'
    draws = {
        part: [
            _chooser(_read_pcd(file))
            for file in sorted(folder.glob(f'ism_{part}_*.pcd'))
        ]
        for part in ('train', 'test')
    }
    if [len(found) for found in draws.values()] != [5, 5]:
        raise UsageError(
            f'{folder} must hold the ten files ism_train_*.pcd and '
            f'ism_test_*.pcd of github.com/PointCloudLibrary/data'
        )
    return _clouds(draws, {'train': 8, 'val': 4, 'test': 8})


def _sampler(mesh: Data) -> Draw:
    sample = SamplePoints(POINTS)
    return lambda: sample(mesh).pos


def _chooser(points: Tensor) -> Draw:
    return lambda: points[torch.randperm(len(points))[:POINTS]]


def _read_pcd(file: Path) -> Tensor:
    _, _, rows = file.read_text().partition('DATA ascii\n')
    if not rows:
        raise UsageError(f'{file} is no ascii PCD file')
    return torch.from_numpy(np.loadtxt(io.StringIO(rows), dtype=np.float32))


def _clouds(draws: dict[str, list[Draw]], counts: dict[str, int]) -> Data:
    """One batch: the masks are of clouds, and so are the labels."""
    scale = NormalizeScale()
    single, split = [], []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for part, count in counts.items():
            for label, draw in enumerate(draws.get(part, draws['train'])):
                for _ in range(count):
                    single.append(scale(Data(pos=draw(), y=label)))
                    split.append(part)
    batch = Batch.from_data_list(single)
    data = Data(x=batch.pos, y=batch.y, batch=batch.batch)
    for part in counts:
        data[f'{part}_mask'] = torch.tensor([s == part for s in split])
    return data
