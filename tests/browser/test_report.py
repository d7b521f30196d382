"""The page of a report."""

from contextlib import ExitStack
from pathlib import Path

import pandas as pd
import pytest

from benchmarks.reports import files
from benchmarks.runs.store import Store

pytestmark = pytest.mark.browser
RESULTS = Path(__file__).parents[2] / 'benchmarks' / 'results'
METHODS = ('gcn', 'resgcn', 'jknet', 'appnp', 'gcnii', 'mlp')


@pytest.fixture(scope='module')
def path(tmp_path_factory):
    """The report of committed runs, with their layers."""
    folder = tmp_path_factory.mktemp('report')
    rows = Store(RESULTS, 'cora-classic.jsonl').read()
    rows = [row for row in rows if row['method'] in METHODS]
    first = {row['commit'] for row in rows[:1]}
    rows = [row for row in rows if row['commit'] in first]  # one is enough
    hops = {'hops': range(65), 'percent': [min(100, 2 * i) for i in range(65)]}
    seen = pd.DataFrame({'dataset': 'cora', **hops})
    probed = Store(RESULTS, 'cora-probe.jsonl').read()
    files.write(rows, folder, seen, (), probed)
    return folder / 'report.html'


@pytest.fixture
def ready(opened, path):
    with ExitStack() as stack:

        def open_report(*how):
            page = stack.enter_context(opened(path, *how))
            page.wait_for_selector('body[data-ready]')
            return page

        yield open_report


def lines(page):
    """The curves that are drawn."""
    return page.locator('#curves .mark-line path').count()


def test_switches(ready):
    page = ready()
    methods = page.locator('#methods input').count()
    assert lines(page) == methods >= 3
    page.get_by_label('GCNII', exact=True).uncheck()
    page.wait_for_function(
        f'document.querySelectorAll("#curves .mark-line path").length'
        f' === {methods - 1}'
    )
    page.get_by_label('each seed').focus()
    page.keyboard.press('Space')
    page.wait_for_selector(
        '#curves .mark-symbol path[stroke="transparent"], '
        '#curves .mark-symbol path[opacity="0.6"]'
    )
    area = page.locator('#curves .mark-area path')
    assert area.count() > 0
    page.get_by_label('standard deviation').uncheck()
    page.wait_for_function(
        'document.querySelectorAll("#curves .mark-area path").length === 0'
    )


def test_hover(ready):
    page = ready()
    page.locator('#curves .mark-symbol path').last.hover(force=True)
    tip = page.locator('#vg-tooltip-element.visible')
    tip.wait_for()
    for word in ('depth', 'score', 'interval', 'runs'):
        assert word in tip.inner_text()


def test_runs_sort_and_filter(ready):
    page = ready()
    test = page.locator('#runs tbody tr td:nth-child(4)')
    head = page.locator('#runs thead th', has_text='test')
    for direction, order in ((1, 'asc'), (-1, 'desc')):
        head.click()
        page.wait_for_selector(f'#runs th.dt-ordering-{order}')
        scores = [float(text) for text in test.all_inner_texts()]
        assert scores == sorted(scores, reverse=direction < 0)
    page.locator('input[type="search"]').fill('appnp')
    names = page.locator('#runs tbody tr td:first-child').all_inner_texts()
    assert {*names} == {'appnp'}


def test_a_point_chooses_its_layers(ready):
    page = ready()
    assert page.locator('#findings tbody tr:visible').count() > 1
    page.select_option('#chosen', 'appnp')
    page.select_option('#depth', '32')
    [row] = page.locator('#findings tbody tr:visible').all()
    assert row.inner_text().startswith('APPNP')
    cells = '#layers-mad .mark-rect path'
    page.wait_for_function(f'document.querySelectorAll("{cells}").length > 0')
    page.locator('#curves .mark-symbol path').last.click(force=True)
    page.wait_for_function(
        'document.getElementById("chosen").value !== "appnp" || '
        'document.getElementById("depth").value !== "32"'
    )


@pytest.mark.parametrize('size', ['wide', 'narrow'])
@pytest.mark.parametrize('scheme', ['light', 'dark'])
def test_any_window(ready, violations, size, scheme):
    page = ready(size, scheme)
    width = page.evaluate('document.documentElement.scrollWidth')
    assert width <= page.viewport_size['width']
    assert violations(page) == []


def test_print(ready):
    page = ready()
    page.emulate_media(media='print', color_scheme='dark')
    assert page.locator('.switches').first.is_hidden()
    color = page.evaluate('getComputedStyle(document.body).backgroundColor')
    assert color == 'rgb(255, 255, 255)'
    assert page.locator('#means').is_visible()


def test_a_page_that_is_read_again_keeps_its_switches(ready):
    page = ready()
    page.get_by_label('APPNP', exact=True).uncheck()
    page.get_by_label('each seed').check()
    page.reload()
    page.wait_for_selector('body[data-ready]')
    assert not page.get_by_label('APPNP', exact=True).is_checked()
    assert page.get_by_label('each seed').is_checked()
