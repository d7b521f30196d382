"""Formulas as MathML, which browsers draw without a script or a network."""

import re
from html import escape
from typing import Any

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number
from sphinx.writers.html5 import HTML5Translator

logger = logging.getLogger(__name__)


def inline(self: HTML5Translator, node: nodes.math) -> None:
    """Writes a formula within a line."""
    self.body.append(drawn(node, 'inline'))
    raise nodes.SkipNode


def displayed(self: HTML5Translator, node: nodes.math_block) -> None:
    """Writes a formula of its own."""
    self.body.append(self.starttag(node, 'div', CLASS='math-block'))
    self.body.append(drawn(node, 'block'))
    if node['number']:
        number = get_node_equation_number(self, node)
        self.body.append(f'<span class="eqno">({number})</span>')
    self.body.append('</div>\n')
    raise nodes.SkipNode


def drawn(node: nodes.Element, display: str) -> str:
    """A formula as MathML; as it stands, with a warning, if it cannot be."""
    tex = node.astext()
    try:
        out = convert(in_lines(tex), display=display)
        unknown = re.findall(r'>(\\[A-Za-z]+)<', out)
        if unknown:
            raise ValueError(f'{", ".join(unknown)} is not known')
    except Exception as error:  # of any kind, by what is wrong in it
        logger.warning('formula %s: %s', tex, error, location=node)
        return f'<code>{escape(tex)}</code>'
    return out


def in_lines(tex: str) -> str:
    """A formula whose lines have blank lines between, or columns."""
    lines = re.split(r'\n\s*\n', tex)
    if len(lines) == 1 and ('&' not in tex or r'\begin' in tex):
        return tex
    body = r' \\ '.join(lines)
    return rf'\begin{{split}}{body}\end{{split}}'


def setup(app: Sphinx) -> dict[str, Any]:
    """Makes ``html_math_renderer = 'mathml'`` known."""
    app.add_html_math_renderer('mathml', (inline, None), (displayed, None))
    return {'parallel_read_safe': True, 'parallel_write_safe': True}
