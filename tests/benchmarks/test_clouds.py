import zipfile

import pytest
import torch

from benchmarks import datasets, methods, presets, train
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
    assert data.x.size() == (256 * sum(sizes), 3)
    assert data.batch.bincount().tolist() == [256] * sum(sizes)
    masks = [data[f'{split}_mask'] for split in ('train', 'val', 'test')]
    assert tuple(int(mask.sum()) for mask in masks) == sizes
    assert bool((sum(mask.long() for mask in masks) == 1).all())
    for mask, size in zip(masks, sizes, strict=True):
        assert data.y[mask].bincount().tolist() == [size // 5] * 5
    again = datasets.load(name, made)
    assert torch.equal(again.x, data.x)
    assert bool(data.x.abs().amax() <= 1)
    first, second = data.x[:256], data.x[256:512]  # of one shape
    assert not torch.equal(first, second)


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
    data = datasets.load('geometricshapes', root)
    assert data.y.bincount().tolist() == [4] * 40
    data = datasets.load('pointclouds', root)
    assert data.y.bincount().tolist() == [20] * 5


class Sums(torch.nn.Module):
    """Adds up the points of each graph."""

    def forward(self, x, adj, batch):
        out = x.new_zeros(int(batch.max()) + 1, x.size(1))
        return out.index_add(0, batch, x)


def test_only_clouds_to_train_on_are_seen_in_training():
    x = torch.arange(6.0).view(6, 1)
    batch = torch.tensor([0, 1, 1, 2, 3, 3])
    mask = torch.tensor([False, True, False, True])
    model = train.OnClouds(Sums(), batch, mask)
    x[~mask[batch]] = torch.nan
    assert model(x, None).tolist() == [[0.0], [3.0], [0.0], [9.0]]
    x = torch.arange(6.0).view(6, 1)
    model.eval()
    assert model(x, None).tolist() == [[0.0], [3.0], [3.0], [9.0]]


def test_run(made):
    method = methods.parse('deepgcn+res+dilated')
    overrides = {'epochs': 2, 'hidden_channels': 4, 'k': 2}
    config = presets.configure('points', 'geometricshapes', method, overrides)
    network, recipe = presets.split(config, method, 2)
    scores = train.run(
        network,
        datasets.load('geometricshapes', made),
        recipe,
        PROTOCOLS['shapes-official'],
        seed=0,
    )
    assert scores['epochs'] == 2
    assert scores['test'] * 5 == pytest.approx(round(scores['test'] * 5))
