import zipfile

import h5py
import pytest
import torch

from benchmarks import datasets, methods, presets, train_graphs
from benchmarks.errors import UsageError
from benchmarks.protocols import PROTOCOLS

TRIANGLE = 'OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 {z}\n3 0 1 2\n'
NAMES = ('cat', 'dog', 'eel', 'fox', 'gnu')


@pytest.fixture
def made(tmp_path):
    """Both sets of clouds, small: classes differ in height."""
    folder = tmp_path / 'PointClouds'
    folder.mkdir()
    generator = torch.Generator().manual_seed(0)
    for height, name in enumerate(NAMES):
        for part in ('train', 'test'):
            points = torch.rand(300, 3, generator=generator)
            points[:, 2] *= 1 + 3 * height
            rows = '\n'.join(' '.join(map(str, p)) for p in points.tolist())
            text = f'VERSION .7\nFIELDS x y z\nDATA ascii\n{rows}\n'
            (folder / f'ism_{part}_{name}.pcd').write_text(text)
    (tmp_path / 'GeometricShapes').mkdir()
    file = tmp_path / 'GeometricShapes' / 'raw.zip'
    with zipfile.ZipFile(file, 'w') as archive:
        for height, name in enumerate(NAMES):
            for part in ('train', 'test'):
                text = TRIANGLE.format(z=height)
                archive.writestr(f'raw/{name}/{part}/{name}.off', text)
    return tmp_path


@pytest.mark.parametrize(
    ('name', 'sizes'),
    [('geometricshapes', (10, 5, 5)), ('pointclouds', (40, 20, 40))],
)
def test_clouds(name, sizes, made):
    data = datasets.load(name, made)
    assert tuple(map(len, data.split.values())) == sizes
    assert sorted(torch.cat([*data.split.values()]).tolist()) == [
        *range(sum(sizes))
    ]
    for index, size in zip(data.split.values(), sizes, strict=True):
        labels = torch.cat([data.graphs[int(i)].y for i in index])
        assert labels.bincount().tolist() == [size // 5] * 5
    again = datasets.load(name, made)
    for cloud, same in zip(data.graphs, again.graphs, strict=True):
        assert cloud.x.size() == (256, 3)
        assert bool(cloud.x.abs().amax() <= 1)
        assert torch.equal(cloud.x, same.x)
    first, second = data.graphs[:2]  # of one shape
    assert not torch.equal(first.x, second.x)


def test_loading_leaves_the_random_numbers_alone(made):
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    datasets.load('pointclouds', made)
    assert torch.equal(torch.rand(2), expected)


@pytest.mark.parametrize('name', ['geometricshapes', 'pointclouds'])
def test_missing_files(name, tmp_path):
    with pytest.raises(UsageError, match=r'is missing|must hold the ten'):
        datasets.load(name, tmp_path)


def test_real_clouds(root):
    for name, counts in (
        ('geometricshapes', [4] * 40),
        ('pointclouds', [20] * 5),
    ):
        graphs = datasets.load(name, root).graphs
        labels = torch.cat([cloud.y for cloud in graphs])
        assert labels.bincount().tolist() == counts


@pytest.mark.parametrize('name', ['geometricshapes', 'pointclouds'])
@pytest.mark.parametrize('level', ['graph', 'node'])
def test_run(name, level, made):
    scores = run(name, datasets.load(name, made), level=level)
    size = {'geometricshapes': 5, 'pointclouds': 40}[name]
    assert scores['epochs'] == 2
    assert scores['test'] * size == pytest.approx(round(scores['test'] * size))


def test_clouds_to_test_on_are_unseen_in_training(made):
    data = datasets.load('pointclouds', made)
    before = run('pointclouds', data)
    for i in data.split['test']:
        data.graphs[int(i)].x = torch.zeros(256, 3)
    after = run('pointclouds', data)
    assert after['test'] == 0.2  # one class of five
    for name in ('train', 'val', 'best_epoch'):
        assert before[name] == after[name]


def run(name, data, **config):
    method = methods.parse('deepgcn+res+dilated')
    overrides = {'epochs': 2, 'hidden_channels': 4, 'k': 2, **config}
    config = presets.configure('points', name, method, overrides)
    network, recipe = presets.split(config, method, 2)
    protocol = PROTOCOLS[datasets.protocol_of(name)]
    return train_graphs.run(network, data, recipe, protocol, seed=0)


@pytest.fixture
def rooms(tmp_path):
    """Blocks as in the files of S3DIS, of 256 points: where a point is in its
    block says what it belongs to.
    """
    raw = tmp_path / 'S3DIS' / 'raw'
    raw.mkdir(parents=True)
    names = [f'Area_{area}_hall_1' for area in (1, 2, 3, 5, 6) for _ in '12']
    generator = torch.Generator().manual_seed(0)
    for part in range(2):
        points = torch.rand(5, 256, 9, generator=generator)
        with h5py.File(raw / f'ply_data_all_{part}.h5', 'w') as file:
            file['data'] = points.numpy()
            file['label'] = (points[:, :, 2] > 0.5).numpy().astype('uint8')
    files = [f'indoor3d_sem_seg_hdf5_data/{f.name}' for f in raw.glob('*.h5')]
    (raw / 'all_files.txt').write_text('\n'.join(sorted(files)) + '\n')
    (raw / 'room_filelist.txt').write_text('\n'.join(names) + '\n')
    return tmp_path


def test_rooms(rooms):
    before = sorted(rooms.rglob('*'))
    data = datasets.load('s3dis', rooms)
    assert sorted(rooms.rglob('*')) == before
    parts = {split: index.tolist() for split, index in data.split.items()}
    assert parts == {
        'train': [2, 3, 4, 5, 6, 7],
        'val': [0, 1],
        'test': [8, 9],
    }
    with h5py.File(rooms / 'S3DIS/raw/ply_data_all_1.h5') as file:
        given = torch.from_numpy(file['data'][1:3])  # of area 5
    for place, block in zip((8, 9), given, strict=True):
        assert torch.equal(data.graphs[place].x, block)
        assert torch.equal(data.graphs[place].pos, block[:, :3])
    assert data.graphs[0].y.size() == (256,)


def test_rooms_are_learned(rooms):
    scores = run(
        *('s3dis', datasets.load('s3dis', rooms)),
        **{'lr': 0.005, 'epochs': 40, 'dropout': 0.0, 'batch_size': 2},
        **{'hidden_channels': 16, 'k': 4},
    )
    assert scores['test'] > 0.6  # 0.33 for a constant


def test_missing_rooms(tmp_path):
    with pytest.raises(UsageError, match=r'is missing: unzip indoor3d_sem'):
        datasets.load('s3dis', tmp_path)
