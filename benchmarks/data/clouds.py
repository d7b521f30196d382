"""Point clouds: many graphs without edges."""

import io
import re
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.datasets import S3DIS
from torch_geometric.io.off import parse_off
from torch_geometric.transforms import NormalizeScale, SamplePoints

from ..errors import UsageError
from .archives import check_zip
from .download import reading
from .folders import cache_folder, find_root, made_once
from .graphs import Graphs

POINTS = 256  # of a cloud
AREA, KINDS, WIDTH = 5, 13, 9  # of S3DIS: to test; labels; features
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
    draws: dict[str, dict[str, Draw]] = {'train': {}, 'test': {}}
    with reading(file), zipfile.ZipFile(file) as archive:
        check_zip(archive, file)
        for name in sorted(archive.namelist()):
            if name.endswith('.off'):
                with reading(f'{name} in {file}'):
                    _, kind, part, _ = PurePosixPath(name).parts
                    draw = _sampler(archive.read(name).decode())
                    draws[part][kind] = draw
    if not draws['train'] or [*draws['train']] != [*draws['test']]:
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
        part: {
            file.stem.split('_')[2]: _chooser(_read_pcd(file))
            for file in sorted(folder.glob(f'ism_{part}_*.pcd'))
        }
        for part in ('train', 'test')
    }
    if len(draws['train']) != 5 or [*draws['train']] != [*draws['test']]:
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
    rooms = _check_rooms(raw, names)

    def make(folder: Path) -> None:  # PyG writes beside the files
        (folder / 'raw').symlink_to(raw)
        S3DIS(str(folder), AREA)

    folder = made_once(list(raw.iterdir()), 'S3DIS', make)
    given = [S3DIS(str(folder), AREA, train) for train in (True, False)]
    blocks = [
        Data(x=torch.cat([block.pos, block.x], 1), pos=block.pos, y=block.y)
        for part in given
        for block in part
    ]
    of = [room for room in rooms if f'Area_{AREA}' not in room]
    held = {*sorted({*of})[::10]}
    split = ['val' if name in held else 'train' for name in of]
    split += ['test'] * len(given[1])
    return Graphs(blocks, _split(split))


def _check_rooms(raw: Path, names: Path) -> list[str]:
    """Looks at the files that PyG reads, and returns the room of each block.

    Raises:
        UsageError: If a file is damaged, or if they do not fit together.
    """
    import h5py  # starts a process to look at the machine

    blocks, files = 0, raw / 'all_files.txt'
    with reading(files):
        found = files.read_text('utf-8').split()
    for name in found:
        file = raw / PurePosixPath(name).name
        with reading(file), h5py.File(file) as content:
            points, labels = content['data'], content['label']
            if points.ndim != 3 or points.shape[2] != WIDTH:
                raise ValueError(
                    f'it must hold blocks of points with {WIDTH} features '
                    f'(got shape {points.shape})'
                )
            if labels.shape != points.shape[:2]:
                raise ValueError('it must hold a label for each point')
            if (
                labels.size
                and not 0 <= np.min(labels) <= np.max(labels) < KINDS
            ):
                raise ValueError(f'labels must be in [0, {KINDS})')
            blocks += len(points)
    with reading(names):
        rooms = names.read_text('utf-8').split()
        if len(rooms) != blocks:
            raise ValueError(
                f'it must name a room for each of {blocks} blocks (got '
                f'{len(rooms)})'
            )
    return rooms


def _sampler(text: str) -> Draw:
    mesh = parse_off(text.splitlines())
    pos, face = mesh.pos, mesh.face
    good = pos.dim() == 2 and pos.size(1) == 3 and bool(pos.isfinite().all())
    if not good or face.dim() != 2 or not face.numel():
        raise ValueError('it is no mesh')
    if face.min() < 0 or face.max() >= len(pos):
        raise ValueError(f'corners must be in [0, {len(pos)})')
    sample = SamplePoints(POINTS)
    return lambda: sample(mesh).pos


def _chooser(points: Tensor) -> Draw:
    return lambda: points[torch.randperm(len(points))[:POINTS]]


def _read_pcd(file: Path) -> Tensor:
    with reading(file):
        head, _, rows = file.read_text('utf-8').partition('DATA ascii\n')
        if not rows:
            raise ValueError('it is no ascii PCD file')
        found = np.loadtxt(io.StringIO(rows), dtype=np.float32, ndmin=2)
        count = re.search(r'^POINTS (\d+)$', head, re.MULTILINE)
        wanted = int(count[1]) if count else max(len(found), POINTS)
        if found.shape != (wanted, 3) or not np.isfinite(found).all():
            raise ValueError(
                f'it must hold {wanted} points in 3 dimensions (got shape '
                f'{found.shape})'
            )
    return torch.from_numpy(found)


def _clouds(
    draws: dict[str, dict[str, Draw]], counts: dict[str, int]
) -> Graphs:
    scale = NormalizeScale()
    clouds, split = [], []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for part, count in counts.items():
            shapes = draws.get(part, draws['train']).values()
            for label, draw in enumerate(shapes):
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


def room(root: str | Path | None = None) -> Tensor:
    """A lidar scan of a room, 112,586 points, ``[N, 3]``.

    Raises:
        UsageError: If ``PointClouds/room_scan1.npy`` is not in the root.
    """
    file = (find_root(root) or cache_folder()) / 'PointClouds/room_scan1.npy'
    if not file.is_file():
        raise UsageError(
            f'{file} is missing: convert room_scan1.pcd of '
            f'github.com/PointCloudLibrary/data, or leave its row out with '
            f'--profile fast'
        )
    with reading(file):
        points = np.load(file, allow_pickle=False)
        if points.shape[1:] != (3,) or not np.isfinite(points).all():
            raise ValueError(
                f'it must hold points in 3 dimensions (got {points.shape})'
            )
        return torch.from_numpy(points)
