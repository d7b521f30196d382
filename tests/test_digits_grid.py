"""What the networks of docs/digits_grid.py assume about the order of pixels,
and that its page says what the runs do.
"""

from itertools import product

import pandas as pd
import pytest
import torch
from sklearn.neighbors import kneighbors_graph
from threadpoolctl import threadpool_limits
from torch import nn
from torch_geometric.data import Batch

from benchmarks import load_dataset
from docs import digits_grid
from docs.digits_grid import NETWORKS, ORDER, PIXELS, SIDE
from docs.figures.places import DOCS

CNN, SAGE, RGCN, KNN = [*NETWORKS][1:]


@pytest.fixture
def images():
    return load_dataset('digits').x[:20].double()


def made(name):
    torch.manual_seed(0)
    return NETWORKS[name]().double()


def batch_of(images, pixels='in order'):
    y = torch.zeros(len(images), dtype=torch.long)
    return Batch.from_data_list(digits_grid.graphs_of(images, y, pixels))


def scores(network, images, pixels='in order'):
    return digits_grid.scores(network, batch_of(images, pixels))


def hidden(network, images, pixels='in order'):
    """What the last convolution makes of each pixel, ``[N, H, 64]``."""
    found = []
    last = [m for m in network.modules() if isinstance(m, nn.ReLU)][-1]
    handle = last.register_forward_hook(lambda *given: found.append(given[2]))
    scores(network, images, pixels)
    handle.remove()
    if found[0].dim() == 4:
        return found[0].flatten(2)
    return found[0].view(len(images), SIDE**2, -1).transpose(1, 2)


def test_each_pixel_is_joined_to_itself_and_those_around():
    edge_index, edge_type = digits_grid.grid_graph()
    places = [*product(range(SIDE), range(SIDE))]
    near = [
        (i, j)
        for (i, (a, b)), (j, (c, d)) in product(enumerate(places), repeat=2)
        if max(abs(a - c), abs(b - d)) <= 1
    ]
    assert edge_index.t().tolist() == [[*pair] for pair in near]
    assert len(near) == 64 + 36 * 8 + 24 * 5 + 4 * 3
    into = edge_index[1] == 9  # second row, second column
    assert edge_index[0, into].tolist() == [0, 1, 2, 8, 9, 10, 16, 17, 18]
    assert edge_type[into].tolist() == [*range(9)]
    into = edge_index[1] == 7  # the upper right corner
    assert edge_index[0, into].tolist() == [6, 7, 14, 15]
    assert edge_type[into].tolist() == [3, 4, 6, 7]


@pytest.mark.parametrize('name', [SAGE, RGCN])
def test_nodes_with_their_edges_may_stand_in_any_order(name, images):
    network = made(name)
    plain = hidden(network, images)
    with_edges = hidden(network, images, PIXELS[2])
    torch.testing.assert_close(with_edges, plain[:, :, ORDER])
    alone = hidden(network, images, PIXELS[1])
    assert (alone - plain[:, :, ORDER]).abs().max() > 0.1
    same = scores(network, images)
    torch.testing.assert_close(scores(network, images, PIXELS[2]), same)
    assert (scores(network, images, PIXELS[1]) - same).abs().max() > 0.1


def test_a_cnn_needs_the_order(images):
    network = made(CNN)
    plain = hidden(network, images)
    for pixels in PIXELS[1:]:
        shuffled = hidden(network, images, pixels)
        assert (shuffled - plain[:, :, ORDER]).abs().max() > 0.1
        change = scores(network, images, pixels) - scores(network, images)
        assert change.abs().max() > 0.1


def test_to_a_perceptron_any_order_is_as_good(images):
    network, other = made('MLP'), made('MLP')
    lin = next(m for m in other.modules() if hasattr(m, 'weight'))
    lin.weight.data = lin.weight.data[:, ORDER]
    torch.testing.assert_close(
        scores(other, images, PIXELS[1]), scores(network, images)
    )


@pytest.mark.parametrize('name', [CNN, SAGE, RGCN])
def test_what_moves_is_seen_alike(name, images):
    network = made(name).eval()
    here = hidden(network, images).view(20, -1, SIDE, SIDE)
    moved = hidden(network, digits_grid.moved(images))
    there = moved.view(20, -1, SIDE, SIDE)
    # All that three layers see of column 3 is inside both images:
    torch.testing.assert_close(there[..., 4], here[..., 3])


def test_moved_by_one_pixel():
    image = torch.arange(64.0).view(8, 8)
    moved = digits_grid.moved(image.view(1, 64)).view(8, 8)
    assert moved[:, 0].tolist() == [0] * 8
    assert moved[:, 1:].equal(image[:, :-1])


def mirrored(images):
    return images.flip(2)


def turned(images):
    return images.rot90(dims=(1, 2))


@pytest.mark.parametrize('change', [mirrored, turned])
def test_only_directions_tell_an_image_from_its_mirror_image(change, images):
    other = change(images.view(-1, SIDE, SIDE)).flatten(1)
    network = made(SAGE)
    torch.testing.assert_close(scores(network, other), scores(network, images))
    for name in (CNN, RGCN):
        network = made(name)
        difference = scores(network, other) - scores(network, images)
        assert difference.abs().max() > 0.01


def test_a_cnn_is_a_graph_network_with_directions(images):
    cnn, rgcn = made(CNN), made(RGCN)
    pairs = [*zip(cnn.parameters(), rgcn.parameters(), strict=True)]

    def as_relations(filters):
        return filters.permute(2, 3, 1, 0).flatten(0, 1)

    for mine, other in pairs:
        found = as_relations(mine) if mine.dim() == 4 else mine
        other.data = found.detach().clone()
    ours, theirs = scores(cnn, images), scores(rgcn, images)
    torch.testing.assert_close(ours, theirs)
    ours.square().sum().backward()
    theirs.square().sum().backward()
    for mine, other in pairs:
        found = as_relations(mine.grad) if mine.dim() == 4 else mine.grad
        torch.testing.assert_close(found, other.grad)


def test_shuffled_images_have_the_same_neighbours():
    data = load_dataset('digits')
    with threadpool_limits(1):
        adj = kneighbors_graph(data.x[:, ORDER].numpy(), n_neighbors=10)
    row, col = map(torch.from_numpy, adj.maximum(adj.T).nonzero())
    assert data.edge_index.equal(torch.stack([row, col]).long())


def test_networks_are_of_like_size():
    sizes = [sum(p.numel() for p in made(n).parameters()) for n in NETWORKS]
    assert min(sizes) > 19_000
    assert max(sizes) < 19_500


@pytest.mark.parametrize('name', NETWORKS)
def test_a_run_is_its_seed(name, monkeypatch):
    few = load_dataset('digits').subgraph(torch.arange(200))
    monkeypatch.setattr(digits_grid, 'load_dataset', lambda name: few)
    monkeypatch.setattr(digits_grid, 'STEPS', 3)
    first = digits_grid.run(name, 'in order', 0)
    assert first == digits_grid.run(name, 'in order', 0)
    assert {*first} == ({'test'} if name == KNN else {'test', 'moved'})
    assert 0 < first['test'] < 1


def test_what_is_there_is_not_run_again(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(digits_grid, 'RUNS', tmp_path / 'runs.csv')
    monkeypatch.setattr(digits_grid, 'SEEDS', range(2))
    done = []

    def run(*key):
        done.append(key)
        moved = {'moved': 0.25} if key[1] == PIXELS[0] else {}
        return {'test': 0.5 + key[2] / 2, **moved}

    monkeypatch.setattr(digits_grid, 'run', run)
    digits_grid.main()
    lines = capsys.readouterr().out.splitlines()
    # 6.31 is half of t at 97.5 % with one degree of freedom, 12.7:
    assert lines[3].split(' | ')[1:3] == [
        '75.0 [-242.7, 392.7]',
        '25.0 [25.0, 25.0]',
    ]
    assert len(done) == len({*done}) == 2 * (3 * 2 + 2 * 3)
    digits_grid.main()
    assert capsys.readouterr().out.splitlines() == lines
    assert len(done) == 24


def test_the_page_has_the_table_of_the_runs():
    runs = pd.read_csv(digits_grid.RUNS)
    found = [*runs[digits_grid.KEYS].itertuples(index=False, name=None)]
    wanted = product(digits_grid.cases(), digits_grid.SEEDS)
    assert found == [(*case, seed) for case, seed in wanted]
    page = (DOCS / 'results' / 'order.md').read_text('utf-8')
    assert digits_grid.table(runs) in page
    assert 'python -m docs.digits_grid' in page
    grid = runs[runs['network'].isin([SAGE, RGCN])]
    with_edges = grid[grid['pixels'] == PIXELS[2]]['test']
    in_order = grid[grid['pixels'] == PIXELS[0]]['test']
    difference = with_edges.to_numpy() - in_order.to_numpy()
    assert abs(difference).max() < 3.5 / 1247  # as the page says
