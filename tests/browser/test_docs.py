"""The pages of the docs, at the width of a laptop and of a telephone."""

import pytest

pytestmark = pytest.mark.browser

PAGES = (
    'index',
    'zoo',
    'command_line',
    'results/reproduction',
    'reference/generated/pyg_ext.nn.GCNII',
)
# Tables whose container reaches beyond the window, and cannot be scrolled:
BEYOND = """[...document.querySelectorAll('article table')].filter(table => {
  const box = table.closest('.table-wrapper') || table;
  return box.getBoundingClientRect().right > innerWidth + 1;
}).length"""


@pytest.mark.parametrize('size', ['wide', 'narrow'])
@pytest.mark.parametrize('scheme', ['light', 'dark'])
@pytest.mark.parametrize('name', PAGES)
def test_fits_the_window(site, opened, name, size, scheme):
    with opened(site / f'{name}.html', size, scheme) as page:
        width = page.evaluate('document.documentElement.scrollWidth')
        assert width <= page.viewport_size['width']
        assert page.evaluate(BEYOND) == 0


@pytest.mark.parametrize('name', ['zoo', 'results/reproduction'])
def test_verdicts_are_seen_without_scrolling(site, opened, name):
    with opened(site / f'{name}.html') as page:
        heads = page.locator('th', has_text='verdict').all()
        assert heads
        for head in heads:
            box = head.bounding_box()
            assert box['x'] + box['width'] <= 1280 + 1


def test_the_search_finds_a_class(site, opened):
    with opened(site / 'search.html') as page:
        page.goto(f'{page.url}?q=GCNII')
        page.wait_for_selector('ul.search li a')
        found = page.locator('ul.search li a').all_inner_texts()
        assert any('GCNII' in text for text in found)
