import re
import zipfile
from itertools import chain

import h5py
import pytest
import torch
from torch_geometric.data import Data
from torch_geometric.loader import DataLoader

from benchmarks.data import clouds, datasets
from benchmarks.data.protocols import PROTOCOLS
from benchmarks.errors import UsageError
from benchmarks.methods import spec
from benchmarks.recipes import presets
from benchmarks.training import graphs as train_graphs

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


PAGE = b'<!DOCTYPE html><html></html>'


def refused(name, root, match):
    """The error is one line that names the file."""
    with pytest.raises(UsageError, match=match) as info:
        datasets.load(name, root)
    assert '\n' not in str(info.value)
    return str(info.value)


@pytest.mark.parametrize(
    ('change', 'text'),
    [
        (lambda text: text[: len(text) // 2], 'columns|300 points'),
        (lambda text: text.rstrip().rpartition('\n')[0], '300 points'),
        (lambda text: '', 'no ascii PCD file'),
        (lambda text: text.replace('ascii', 'binary'), 'no ascii PCD file'),
        (
            lambda text: re.sub(r'\n0\.5\d*', '\nnan', text),
            'must hold 300 points',
        ),
        (lambda text: text.replace('0.5', 'x', 1), 'could not convert'),
        (lambda text: PAGE.decode(), 'it is a web page'),
        (
            lambda text: text.partition('DATA')[0] + 'DATA ascii\n1 2 3\n',
            '300',
        ),
        (lambda text: 'DATA ascii\n1 2 3\n', 'must hold 256 points'),
        (lambda text: 'DATA ascii\n' + '1 2\n' * 300, 'in 3 dimensions'),
    ],
)
def test_damaged_clouds(change, text, made):
    file = made / 'PointClouds' / 'ism_test_eel.pcd'
    good = file.read_text().replace('DATA', 'POINTS 300\nDATA')
    file.write_text(good)
    datasets.load('pointclouds', made)
    file.write_text(change(good))
    assert file.name in refused('pointclouds', made, text)


def test_clouds_of_other_classes(made):
    """As many to train as to test, but not of the same classes."""
    folder = made / 'PointClouds'
    (folder / 'ism_test_eel.pcd').rename(folder / 'ism_test_owl.pcd')
    refused('pointclouds', made, 'must hold the ten files')
    file = made / 'GeometricShapes' / 'raw.zip'
    file.unlink()
    with zipfile.ZipFile(file, 'w') as archive:
        for name in ('raw/a/train/a.off', 'raw/b/test/b.off'):
            archive.writestr(name, TRIANGLE.format(z=1))
    refused('geometricshapes', made, 'a mesh to train and one to test')


@pytest.mark.parametrize(
    ('text', 'match'),
    [
        ('', 'a.off in .*raw.zip cannot be read'),
        ('OFF\n3 1 0\n0 0 0\n1 0 0\n', 'a.off in .*raw.zip cannot be read'),
        (TRIANGLE.format(z=1).replace('0 1 2', '0 1 3'), r'in \[0, 3\)'),
        (TRIANGLE.format(z=1).replace('0 1 2', '0 1 -1'), r'in \[0, 3\)'),
        (TRIANGLE.format(z='nan'), 'no mesh'),
        ('OFF\n3 0 0\n0 0 0\n1 0 0\n0 1 0\n', 'no mesh'),
        (PAGE.decode(), 'a.off in .*raw.zip cannot be read'),
    ],
)
def test_damaged_meshes(text, match, made):
    file = made / 'GeometricShapes' / 'raw.zip'
    with zipfile.ZipFile(file, 'w') as archive:
        archive.writestr('raw/a/train/a.off', text)
        archive.writestr('raw/a/test/a.off', TRIANGLE.format(z=1))
    refused('geometricshapes', made, match)


@pytest.mark.parametrize('damage', ['cut', 'empty', 'page', 'lone'])
def test_damaged_archive_of_meshes(damage, made):
    file = made / 'GeometricShapes' / 'raw.zip'
    content = file.read_bytes()
    if damage == 'lone':
        with zipfile.ZipFile(file, 'w') as archive:
            archive.writestr('a.off', TRIANGLE.format(z=1))
    else:
        cut = {'cut': content[:-9], 'empty': b'', 'page': PAGE}
        file.write_bytes(cut[damage])
    refused('geometricshapes', made, r'raw\.zip cannot be read')


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
    method = spec.parse('deepgcn+res+dilated')
    overrides = {'epochs': 2, 'hidden_channels': 4, 'k': 2, **config}
    config = presets.configure('points', name, method, overrides)
    network, recipe = presets.split(config, method, 2)
    protocol = PROTOCOLS[datasets.find(name).protocol()]
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


def change_rooms(raw, change):
    file = raw / 'ply_data_all_1.h5'
    if change == 'cut':
        file.write_bytes(file.read_bytes()[:-999])
    elif change == 'page':
        file.write_bytes(PAGE)
    elif change == 'gone':
        file.unlink()
    elif change == 'names':
        file = raw / 'room_filelist.txt'
        file.write_text(file.read_text().partition('\n')[2])
    else:
        with h5py.File(file, 'r+') as content:
            if change == 'label':
                content['label'][0, 0] = 13
            else:
                del content[change]
                content[change] = [[[1.0, 2.0]]]
    return file.name


@pytest.mark.parametrize(
    'change', ['cut', 'page', 'gone', 'names', 'label', 'data']
)
def test_damaged_rooms(change, rooms):
    name = change_rooms(rooms / 'S3DIS' / 'raw', change)
    assert name in refused('s3dis', rooms, 'cannot be read')


def test_interrupted_rooms_are_made_again(rooms, monkeypatch):
    def stop(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(clouds.S3DIS, 'save', stop)
        with pytest.raises(KeyboardInterrupt):
            datasets.load('s3dis', rooms)
    assert len(datasets.load('s3dis', rooms).graphs) == 10


@pytest.mark.parametrize(
    ('size', 'batch_size', 'sizes'),
    [
        (5, 2, [2, 3]),
        (6, 2, [2, 2, 2]),
        (5, 1, [2, 3]),
        (5, 4, [5]),
        (3, 8, [3]),
        (1, 4, [1]),
    ],
)
def test_no_batch_of_one(size, batch_size, sizes):
    points = [Data(x=torch.zeros(2, 3), y=torch.tensor([0]))] * size
    batches = list(train_graphs.Shuffled(points, batch_size))
    assert list(map(len, batches)) == sizes
    assert sorted(chain(*batches)) == [*range(size)]


def test_batches_are_those_of_the_loader():
    """From the same random numbers."""
    points = [Data(x=torch.zeros(2, 3), y=torch.tensor([i])) for i in range(8)]
    sampler = train_graphs.Shuffled(points, 3)
    torch.manual_seed(0)
    found = [b.y.tolist() for b in DataLoader(points, batch_sampler=sampler)]
    torch.manual_seed(0)
    loader = DataLoader(points, 3, shuffle=True)
    assert found == [batch.y.tolist() for batch in loader]


@pytest.mark.parametrize('batch_size', [1, 39])
def test_a_cloud_left_over(batch_size, made):
    """Of 40 to train, whose head has a norm over clouds."""
    data = datasets.load('pointclouds', made)
    scores = run('pointclouds', data, epochs=1, batch_size=batch_size)
    assert scores['epochs'] == 1


def test_missing_rooms(tmp_path):
    with pytest.raises(UsageError, match=r'is missing: unzip indoor3d_sem'):
        datasets.load('s3dis', tmp_path)
