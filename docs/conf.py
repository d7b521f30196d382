"""Sphinx settings."""

import os
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = str(HERE.parent)
sys.path[:0] = [str(HERE / '_ext'), ROOT]

import pyg_ext  # noqa: E402
from benchmarks.data import datasets  # noqa: E402

project = 'pyg_ext'
author = 'The pyg_ext authors'
release = pyg_ext.__version__

extensions = [
    'myst_nb',
    'sphinx.ext.autodoc',
    'sphinx.ext.autosummary',
    'sphinx.ext.napoleon',
    'sphinx.ext.viewcode',
    'sphinx_copybutton',
    'sphinx_design',
    'command_line',
    'mathml',
    'requirements',
    'zoo',
]
templates_path = ['_templates']
exclude_patterns = ['_build', 'jupyter_execute', 'lecture.html']

myst_enable_extensions = ['colon_fence', 'deflist', 'dollarmath']
myst_heading_anchors = 3

# Tutorials are run as the pages are built, and again only where their code
# has changed. DOCS_EXECUTE=off leaves their outputs out, DOCS_EXECUTE=force
# runs all of them. Without Cora, those on it are not run.
nb_execution_mode = os.environ.get('DOCS_EXECUTE', 'cache')
nb_execution_cache_path = str(HERE / '_build/.jupyter_cache')
nb_execution_in_temp = True
nb_execution_timeout = 300
nb_execution_raise_on_error = True
nb_merge_streams = True
if nb_execution_mode != 'off' and datasets.choose()[0] != 'cora':
    nb_execution_excludepatterns = [
        path.relative_to(HERE).as_posix()
        for path in (HERE / 'tutorials').glob('*.md')
        if "'cora'" in path.read_text('utf-8')
    ]
os.environ['PYTHONPATH'] = ROOT  # of the notebooks: `import benchmarks`
suppress_warnings = ['myst-nb.lexer']  # of notebooks that are not run

autodoc_member_order = 'bysource'
autodoc_inherit_docstrings = False
autosummary_ignore_module_all = False

# Names of other projects become links where their lists can be fetched.
# The pages build without a network, and so the links are asked for.
if os.environ.get('DOCS_LINKS'):
    extensions.append('sphinx.ext.intersphinx')
    intersphinx_timeout = 20
intersphinx_mapping = {
    'numpy': ('https://numpy.org/doc/stable', None),
    'pandas': ('https://pandas.pydata.org/docs', None),
    'python': ('https://docs.python.org/3', None),
    'scipy': ('https://docs.scipy.org/doc/scipy', None),
    'torch': ('https://docs.pytorch.org/docs/stable', None),
    'torch_geometric': (
        'https://pytorch-geometric.readthedocs.io/en/latest',
        None,
    ),
}

html_theme = 'furo'
html_title = f'pyg_ext {release}'
html_static_path = ['_static']
html_css_files = ['pages.css']
html_math_renderer = 'mathml'
html_show_copyright = False
html_show_search_summary = False  # it cannot be had from a disk
html_extra_path = [str(p) for p in [HERE / 'lecture.html'] if p.exists()]
copybutton_prompt_text = r'>>> |\.\.\. |\$ '
copybutton_prompt_is_regexp = True
