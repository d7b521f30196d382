"""The notebooks of docs/tutorials, run as the pages are."""

import os
from pathlib import Path

import nbclient
import pytest
from myst_nb.core.read import read_myst_markdown_notebook
from myst_parser.config.main import MdParserConfig

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    path
    for path in (ROOT / 'docs/tutorials').glob('*.md')
    if path.stem != 'index'
)
# Jupyter has no widget for progress where this one runs, and says so:
WARNINGS = 'error::FutureWarning,ignore:IProgress not found'


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.stem)
def test_page_runs(page, request, tmp_path, monkeypatch):
    text = page.read_text('utf-8')
    if "'cora'" in text:
        request.getfixturevalue('root')  # or it is skipped
    here, temporary = tmp_path / 'here', tmp_path / 'temporary'
    here.mkdir()
    temporary.mkdir()
    path = [str(ROOT), *filter(None, [os.environ.get('PYTHONPATH')])]
    monkeypatch.setenv('PYTHONPATH', os.pathsep.join(path))
    monkeypatch.setenv('PYTHONWARNINGS', WARNINGS)
    monkeypatch.setenv('OMP_NUM_THREADS', '1')
    monkeypatch.delenv('MPLBACKEND', raising=False)  # as a command sets it
    monkeypatch.setenv('TMPDIR', str(temporary))
    notebook = read_myst_markdown_notebook(text, MdParserConfig())
    nbclient.NotebookClient(
        notebook,
        timeout=300,
        kernel_name='python3',
        resources={'metadata': {'path': str(here)}},
    ).execute()

    cells = [cell for cell in notebook.cells if cell.cell_type == 'code']
    outputs = [output for cell in cells for output in cell.outputs]
    said = [o.text for o in outputs if o.get('name') == 'stderr']
    assert said == []
    assert any('image/png' in o.get('data', {}) for o in outputs)
    assert list(here.iterdir()) == []
    # PyG leaves the code that it writes for each class of layers:
    left = [p.name for p in temporary.iterdir() if 'propagate' not in p.name]
    assert [name for name in left if 'edge_updater' not in name] == []


def test_gallery_shows_each_page():
    text = (ROOT / 'docs/tutorials/index.md').read_text('utf-8')
    for page in PAGES:
        assert f':link: {page.stem}\n' in text
        assert f'\n{page.stem}\n' in text
