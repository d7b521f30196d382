"""Pages in headless Chromium, opened from the disk."""

import shutil
from contextlib import contextmanager

import pytest

SIZES = {'wide': (1280, 900), 'narrow': (400, 800)}


@pytest.fixture(scope='session')
def chromium():
    sync = pytest.importorskip('playwright.sync_api')
    path = shutil.which('chromium') or shutil.which('google-chrome')
    if path is None:
        pytest.skip('no Chromium is installed (Debian: chromium)')
    with sync.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=['--no-sandbox']
        )
        yield browser
        browser.close()


@pytest.fixture
def opened(chromium):
    """Opens a file of the disk; at the end nothing was asked of a network,
    and the console has no error.
    """

    @contextmanager
    def open_page(path, size='wide', scheme='light'):
        width, height = SIZES[size]
        context = chromium.new_context(
            viewport={'width': width, 'height': height}, color_scheme=scheme
        )
        page, wrong = context.new_page(), []
        page.on(
            'console',
            lambda said: said.type == 'error' and wrong.append(said.text),
        )
        page.on('pageerror', lambda error: wrong.append(str(error)))
        page.on(
            'request',
            lambda asked: (
                asked.url.split(':')[0] in ('http', 'https', 'ws')
                and wrong.append(asked.url)
            ),
        )
        page.goto(path.resolve().as_uri())
        try:
            yield page
        finally:
            context.close()
        assert wrong == []

    return open_page


@pytest.fixture
def violations():
    """What axe-core finds on a page that keeps somebody from using it."""
    axe = pytest.importorskip('axe_playwright_python.sync_playwright').Axe()

    def find(page):
        return [
            (found['id'], [node['html'] for node in found['nodes'][:3]])
            for found in axe.run(page).response['violations']
            if found['impact'] in ('serious', 'critical')
        ]

    return find
