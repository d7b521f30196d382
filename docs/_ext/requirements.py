"""Roles for what the package says of itself: its version, what it needs."""

import re
from importlib.metadata import metadata, requires
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxRole

PACKAGE = 'pyg-ext'


def facts() -> dict[str, str]:
    """What is said, by name: of the package and of each library it needs."""
    about = metadata(PACKAGE)
    found = {
        'version': about['Version'],
        'licence': about.get('License-Expression', about.get('License')),
        'python': about['Requires-Python'],
    }
    for line in requires(PACKAGE):
        name, bounds, rest = re.fullmatch(
            r'([\w-]+)([^;]*)(.*)', line
        ).groups()
        if not rest:
            found[name] = bounds
    return found


class Badge(SphinxRole):
    """A fact as a badge."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Makes the badge."""
        text = f'{self.text} {facts()[self.text]}'.replace('>=', '≥ ')
        classes = ['sd-badge', 'sd-bg-secondary', 'sd-bg-text-secondary']
        return [nodes.inline(text, text, classes=classes)], []


def setup(app: Sphinx) -> dict[str, Any]:
    """Makes ``package-fact`` known."""
    app.add_role('package-fact', Badge())
    return {'parallel_read_safe': True, 'parallel_write_safe': True}
