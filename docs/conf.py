"""Sphinx settings."""

import pyg_ext

project = 'pyg_ext'
author = 'The pyg_ext authors'
release = pyg_ext.__version__

extensions = [
    'myst_parser',
    'sphinx.ext.autodoc',
    'sphinx.ext.napoleon',
    'sphinx.ext.mathjax',
]
exclude_patterns = ['_build']
html_theme = 'furo'
myst_enable_extensions = ['dollarmath']
autodoc_member_order = 'bysource'
autodoc_inherit_docstrings = False
