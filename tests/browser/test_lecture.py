from contextlib import contextmanager

import pytest
import torch
from torch_geometric.nn import GCN2Conv, GCNConv, PairNorm
from torch_geometric.utils import to_undirected

from benchmarks.reports import karate, lecture, page
from pyg_ext.metrics import dirichlet_energy, mad, numerical_rank

pytestmark = pytest.mark.browser

KINDS = ('gcn', 'residual', 'initial', 'pairnorm', 'mlp')
LOOKED_AT = (0, 1, 2, 8, 64)


@pytest.fixture(scope='module')
def file(tmp_path_factory):
    for name in page.NEEDED:
        pytest.importorskip(name, reason='pip install pyg-ext[html]')
    place = tmp_path_factory.mktemp('lecture') / 'lecture.html'
    lecture.write(place)
    return place


@pytest.fixture
def at(opened, file):
    """Opens the page, with its charts drawn."""

    @contextmanager
    def open_at(place=file, **how):
        with opened(place, **how) as shown:
            shown.wait_for_selector('body[data-ready]')
            yield shown

    return open_at


def drawn(shown, place):
    return shown.locator(f'#{place} svg').inner_html()


def states(kind, draw):
    """The states of a network, by the layers of PyG."""
    weights = karate.weights(draw)
    edges = torch.tensor(karate.graph()['edges']).t()
    edges = to_undirected(edges)
    x = first = torch.tensor(weights['first']).double() / karate.UNIT
    size = karate.CHANNELS
    out = [x]
    for i, whole in enumerate(weights['layers'], 1):
        w = torch.tensor(whole).double() / karate.UNIT
        if kind == 'initial':
            conv = GCN2Conv(size, karate.ALPHA, karate.THETA, i).double()
            conv.weight1.data = w
            x = conv(x, first, edges).relu()
        elif kind == 'mlp':
            x = (x @ w).relu()
        else:
            conv = GCNConv(size, size, bias=False).double()
            conv.lin.weight.data = w.t()
            new = conv(x, edges)
            if kind == 'pairnorm':
                new = PairNorm()(new)
            x = x + new.relu() if kind == 'residual' else new.relu()
        out.append(x.detach())
    return out, edges


@pytest.mark.parametrize('draw', range(karate.DRAWS))
def test_numbers_of_pytorch(at, draw):
    with at() as shown:
        seen = shown.evaluate(f'computed({draw})')
    for kind in KINDS:
        wanted, edges = states(kind, draw)
        for layer in LOOKED_AT:
            x = wanted[layer]
            expected = {
                'energy': dirichlet_energy(x, edges).item(),
                'mad': mad(x, edges).item(),
                'rank': numerical_rank(x).item(),
            }
            found = seen[kind]['measures'][layer]
            assert found == pytest.approx(expected, rel=1e-5, abs=0), kind


@pytest.mark.parametrize('draw', range(karate.DRAWS))
def test_what_there_was_to_see(at, draw):
    with at() as shown:
        seen = shown.evaluate(f'computed({draw})')

    def apart(kind, layer):
        return seen[kind]['measures'][layer]['mad']

    assert 0.01 < apart('gcn', 2) < 0.5
    assert apart('gcn', 8) < 0.02
    assert apart('residual', 8) > apart('gcn', 8)
    assert apart('residual', 64) < 1e-3
    assert apart('initial', 64) > 0.1
    assert apart('pairnorm', 64) > 0.1
    assert apart('gcn', 64) < apart('mlp', 64) < 0.01


def test_slider(at):
    with at() as shown:
        before = drawn(shown, 'club'), drawn(shown, 'plane')
        assert 'After 0 layers' in shown.inner_text('#said')
        shown.focus('#layer')
        for _ in range(8):
            shown.keyboard.press('ArrowRight')
        assert shown.inner_text('#layer-shown') == '8'
        assert 'After 8 layers: neighbours are' in shown.inner_text('#said')
        shown.wait_for_timeout(100)
        assert drawn(shown, 'club') != before[0]
        assert drawn(shown, 'plane') != before[1]
        shown.keyboard.press('End')
        assert 'After 64 layers: all are alike' in shown.inner_text('#said')
        spots = shown.evaluate("views.plane.data('nodes')")
        assert max(abs(s['across']) + abs(s['up']) for s in spots) < 1e-3


def test_networks_and_draws(at):
    with at() as shown:
        shown.locator('#layer').fill('16')
        said = set()
        for kind in KINDS:
            shown.check(f'input[name="kind"][value="{kind}"]')
            assert shown.evaluate("views['line-mad'].signal('kind')") == kind
            said.add(shown.inner_text('#said'))
        shown.select_option('#draw', '1')
        said.add(shown.inner_text('#said'))
        assert len(said) == len(KINDS) + 1
        caption = shown.text_content('#numbers caption')
        assert caption == 'MLP: no graph'
        assert shown.locator('#numbers tbody tr').count() == 8


def test_play(at):
    with at() as shown:
        shown.locator('#layer').fill('62')
        shown.click('#play')
        shown.wait_for_function("layer.value === '64' && !playing")
        assert shown.inner_text('#play') == 'Play'


def test_curves(at):
    with at() as shown:
        before = drawn(shown, 'curves-cora')
        shown.uncheck('input[name="curve"][value="gcn"]')
        shown.wait_for_timeout(100)
        assert drawn(shown, 'curves-cora') != before
        shown.check('input[name="graph"][value="pubmed"]')
        assert not shown.is_visible('#curves-cora')
        shown.wait_for_timeout(300)
        box = shown.locator('#curves-pubmed svg').bounding_box()
        assert box['width'] > 600


def test_layers(at):
    with at() as shown:
        before = drawn(shown, 'trained')
        shown.check('input[name="measure"][value="mad"]')
        shown.wait_for_timeout(500)
        assert 'MAD' in drawn(shown, 'trained')
        assert drawn(shown, 'trained') != before
        shown.check('input[name="depth"][value="8"]')
        shown.uncheck('input[name="probe"][value="mlp"]')
        assert shown.evaluate("views.trained.signal('depth')") == 8
        assert 'mlp' not in shown.evaluate("views.initial.signal('shown')")


def test_questions_by_keyboard(at):
    with at() as shown:
        assert shown.locator('.answer:visible').count() == 0
        for number in range(1, 6):
            shown.focus(f'input[name="question-{number}"] >> nth=0')
            shown.keyboard.press('Space')
        assert shown.locator('.answer:visible').count() == 5
        first = shown.locator('.answer >> nth=0')
        assert first.inner_text().startswith('No, look:')
        shown.focus('input[name="question-1"] >> nth=0')
        shown.keyboard.press('ArrowUp')  # to the last one
        assert first.inner_text().startswith('Yes.')
        assert 'mean of 10 runs' in first.inner_text()


@pytest.mark.parametrize('size', ['wide', 'narrow'])
@pytest.mark.parametrize('scheme', ['light', 'dark'])
def test_looks(at, size, scheme):
    axe = pytest.importorskip('axe_playwright_python.sync_playwright')
    with at(size=size, scheme=scheme) as shown:
        for number in range(1, 6):
            shown.check(f'input[name="question-{number}"] >> nth=0')
        for part in shown.locator('summary:visible').all():
            part.click()
        width = shown.evaluate('document.documentElement.scrollWidth')
        assert width <= shown.viewport_size['width']
        paper = shown.evaluate('getComputedStyle(document.body).background')
        assert ('255, 255, 255' in paper) == (scheme == 'light')
        found = axe.Axe().run(shown).response['violations']
        assert [
            v for v in found if v['impact'] in ('serious', 'critical')
        ] == []


def test_print(at):
    with at() as shown:
        shown.emulate_media(media='print')
        assert shown.locator('.answer:visible').count() == 5
        assert not shown.is_visible('#play')
        assert shown.is_visible('input[name="curve"] >> nth=0')  # the legend


def test_links_of_a_checkout(at, file, tmp_path):
    copy = tmp_path / 'docs' / 'lecture.html'
    copy.parent.mkdir()
    copy.write_bytes(file.read_bytes())
    for place, ending in ((file, '.html'), (copy, '.md')):
        with at(place) as shown:
            links = shown.locator('#docs a').all()
            ends = [link.get_attribute('href') for link in links]
            assert links
            assert all(end.endswith(ending) for end in ends)
