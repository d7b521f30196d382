"""Formulas as MathML, which browsers draw without a script or a network."""

import re
from html import escape
from typing import Any

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number
from sphinx.writers.html5 import HTML5Translator

logger = logging.getLogger(__name__)


def inline(self: HTML5Translator, node: nodes.math) -> None:
    """Writes a formula within a line."""
    self.body.append(drawn(node, node.astext(), False))
    raise nodes.SkipNode


def displayed(self: HTML5Translator, node: nodes.math_block) -> None:
    """Writes a formula of its own; blank lines in it begin a new line."""
    self.body.append(self.starttag(node, 'div', CLASS='math-block'))
    for line in node.astext().split('\n\n'):
        self.body.append(drawn(node, line, True))
    if node['number']:
        number = get_node_equation_number(self, node)
        self.body.append(f'<span class="eqno">({number})</span>')
    self.body.append('</div>\n')
    raise nodes.SkipNode


def drawn(node: nodes.Element, formula: str, as_block: bool) -> str:
    """A formula as MathML; as it stands, with a warning, if it cannot be."""
    tex = re.sub(r'\\dots\b', r'\\ldots', formula)
    if '&' in tex and r'\begin' not in tex:
        tex = rf'\begin{{aligned}}{tex}\end{{aligned}}'
    try:
        return tex2mathml(tex, as_block)
    except MathError as error:
        logger.warning('%s: %s', error, formula, location=node)
        return f'<code>{escape(formula)}</code>'


def setup(app: Sphinx) -> dict[str, Any]:
    """Makes ``html_math_renderer = 'mathml'`` known."""
    app.add_html_math_renderer('mathml', (inline, None), (displayed, None))
    return {'parallel_read_safe': True, 'parallel_write_safe': True}
