"""The figures of the results are drawn from the committed files."""

from pathlib import Path

import pytest

from docs.figures import FIGURES

DOCS = Path(__file__).parent.parent / 'docs'


@pytest.mark.parametrize('name', FIGURES)
def test_figure_is_drawn_and_shown(name):
    figure = FIGURES[name]()
    assert all(axes.has_data() for axes in figure.axes if axes.axison)
    assert (DOCS / 'images' / f'{name}.png').is_file()
    [page] = [
        page
        for page in (DOCS / 'results').glob('*.md')
        if f'](../images/{name}.png)' in page.read_text('utf-8')
    ]
    commands = ' '.join(page.read_text('utf-8').split())
    command = commands.partition('python -m docs.figures ')[2]
    assert name in command.partition('`')[0].split()
