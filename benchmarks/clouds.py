"""Point clouds: many graphs without edges."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.datasets import S3DIS
from torch_geometric.io.off import parse_off
from torch_geometric.transforms import NormalizeScale, SamplePoints

from benchmarks.errors import UsageError
from benchmarks.files import processed_folder
from benchmarks.graphs import Graphs

POINTS = 256  # of a cloud
AREA = 5  # of S3DIS, to test
Draw = Callable[[], Tensor]  # returns other points of a shape each time


def shapes(root: Path) -> Graphs:
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


def animals(root: Path) -> Graphs:
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


def rooms(root: Path) -> Graphs:
    """The blocks of 4,096 points of S3DIS: what each point belongs to.

    Features are the place in the block, the color and the place in the room.
    Area 5 tests, and of the rooms of the others every tenth validates.
    """
    raw = root / 'S3DIS' / 'raw'
    names = raw / 'room_filelist.txt'
    if not names.is_file():
        raise UsageError(
            f'{names} is missing: unzip {S3DIS.url.rpartition("/")[2]}, of '
            f'{S3DIS.url} or a mirror, as {raw}'
        )
    folder = processed_folder(raw.iterdir())  # PyG writes beside the files
    if not (folder / 'raw').exists():
        (folder / 'raw').symlink_to(raw)
    given = [S3DIS(str(folder), AREA, train) for train in (True, False)]
    blocks = [
        Data(x=torch.cat([block.pos, block.x], 1), pos=block.pos, y=block.y)
        for part in given
        for block in part
    ]
    of = [n for n in names.read_text().split() if f'Area_{AREA}' not in n]
    held = {*sorted({*of})[::10]}
    split = ['val' if name in held else 'train' for name in of]
    split += ['test'] * len(given[1])
    return Graphs(blocks, _split(split))


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


def _clouds(draws: dict[str, list[Draw]], counts: dict[str, int]) -> Graphs:
    scale = NormalizeScale()
    clouds, split = [], []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for part, count in counts.items():
            for label, draw in enumerate(draws.get(part, draws['train'])):
                for _ in range(count):
                    points = scale(Data(pos=draw())).pos
                    clouds.append(Data(x=points, y=torch.tensor([label])))
                    split.append(part)
    return Graphs(clouds, _split(split))


def _split(parts: list[str]) -> dict[str, Tensor]:
    """Where each part stands."""
    return {
        name: torch.tensor([part == name for part in parts]).nonzero().view(-1)
        for name in ('train', 'val', 'test')
    }
