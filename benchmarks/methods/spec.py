import itertools
import re
from dataclasses import dataclass, field
from typing import Any

from pyg_ext.nn import ConvStack, PoolNet
from pyg_ext.transforms import AddRandomWalkEdges
from pyg_ext.utils import similarity_graph

from ..errors import UsageError, check_words, find_name
from ..late import find
from ..values import ANY, Kind, kind_of
from . import own
from .backbones import Backbone, aliases, annotations
from .edges import DROPS, EDGES, GRAPH, REWIRINGS, SIMILARITIES
from .remedies import REMEDIES, knows

# Of networks for whole graphs:
POOLED = {
    name: PoolNet.__init__.__annotations__[name]
    for name in ('pool', 'num_pools', 'ratio', 'clusters')
}
HIDDEN = 64  # channels, where a recipe does not say


@dataclass(frozen=True)
class Method:
    """A specification string ``backbone[+remedy...][+edges]``, understood."""

    name: str
    backbone: Backbone
    keywords: dict[str, Any]
    defaults: dict[str, Any] = field(default_factory=dict)
    edges: str | None = None  # a name in EDGES
    base: str = ''  # its name without those edges
    words: frozenset[str] = frozenset()  # of its full name

    def options(self) -> set[str]:
        """The names a recipe may set on the model."""
        return {*self.kinds()}

    def kinds(self) -> dict[str, Kind]:
        """What a recipe may set on the model."""
        data = {'in_channels', 'out_channels', 'edge_dim'}
        fixed = {*data, self.backbone.depth, *self.keywords}
        if self.backbone.normalizes:
            fixed |= {'normalize', 'improved', 'add_self_loops'}
        known = self.backbone.parameters()
        if 'pool' in self.keywords:
            known |= POOLED
        if self.backbone.code is not None:  # of its own arguments, anything
            usual = annotations(ConvStack)
            known = {k: usual.get(k, ANY) for k in known}
        return {k: kind_of(k, a) for k, a in known.items() if k not in fixed}

    def edge_kinds(self) -> dict[str, Kind]:
        """What a recipe may set on what changes the edges."""
        if self.edges is None:
            return {}
        if self.edges in SIMILARITIES:
            known = annotations(similarity_graph)
            known |= annotations(AddRandomWalkEdges)
        else:
            known = annotations(find({**REWIRINGS, **DROPS}[self.edges]))
        return {k: kind_of(k, a) for k, a in known.items() if k not in GRAPH}

    @property
    def unsupervised(self) -> bool:
        """Whether labels are for a classifier of what it gives alone."""
        return self.backbone.transductive or 'unsupervised' in self.words

    @property
    def sees_edges(self) -> bool:
        """Whether the model can take features of edges."""
        own = getattr(self.backbone.model, 'sees_edges', False)
        return own or 'edge_dim' in self.backbone.parameters()


def expand(text: str) -> list[str]:
    """Splits a list of specification strings at its commas, after expanding
    braces as a shell does: ``gcn+{none,res}`` is ``gcn+none`` and
    ``gcn+res``.

    Raises:
        UsageError: On a brace without its partner, or one inside another, or
            where a name is missing.
    """
    words = []
    for word in re.split(r',(?![^{]*\})', text):
        pieces = re.split(r'\{([^{}]*)\}', word.strip())
        if re.search('[{}]', ''.join(pieces[::2])):
            raise UsageError(f'braces do not match in {word.strip()!r}')
        choices = [
            [part.strip() for part in piece.split(',')] if i % 2 else [piece]
            for i, piece in enumerate(pieces)
        ]
        words += [''.join(chosen) for chosen in itertools.product(*choices)]
    return check_words(text, words)


def parse(spec: str) -> Method:
    """Reads a specification string such as ``gcn+res`` or ``jknet+ppr``; a
    part ``none`` says nothing. It may begin with a user's own network, by its
    registered name or as ``[NAME=]FILE.py:NAME`` or ``[NAME=]MODULE:NAME``.

    Raises:
        UsageError: On an unknown backbone or remedy, a remedy that the
            backbone does not know, or two that exclude each other.
    """
    first, *rest = (part.strip() for part in spec.split('+'))
    if not all([first, *rest]):
        raise UsageError(
            f'a part of the method {spec!r} is missing: a backbone and '
            f'perhaps remedies are meant, as in gcn or gcn+res+jump'
        )
    first = own.resolve(first)
    backbones = own.known()
    first = find_name('method', first, [*backbones, *aliases()])
    name, *more = aliases().get(first, first).split('+')
    remedies = [
        find_name('remedy', part, ['none', *REMEDIES, *EDGES])
        for part in (*more, *rest)
    ]
    remedies = [remedy for remedy in remedies if remedy != 'none']
    known = backbones[name].parameters()
    keywords: dict[str, Any] = {}
    defaults: dict[str, Any] = {}
    if 'hidden_channels' in known:
        defaults['hidden_channels'] = HIDDEN
    edges = None
    for remedy in remedies:
        if remedies.count(remedy) > 1:
            raise UsageError(f'{remedy!r} stands twice in {spec!r}')
        if remedy in EDGES:
            if edges is not None or backbones[name].joins_points:
                raise UsageError(
                    f'{remedy!r} cannot change the edges in {spec!r}: '
                    f'{edges or name} does'
                )
            if backbones[name].transductive and remedy in DROPS:
                raise UsageError(
                    f'{remedy!r} has no effect in {spec!r}: {name} learns '
                    f'from walks on all edges'
                )
            if backbones[name].edgeless and 'unsupervised' not in remedies:
                raise UsageError(
                    f'{remedy!r} has no effect in {spec!r}: {name} takes no '
                    f'edges'
                )
            edges = remedy
            continue
        fixed, default = REMEDIES[remedy].fixed, REMEDIES[remedy].default
        if not knows(backbones[name], remedy):
            raise UsageError(f'{name} has no remedy {remedy!r} ({spec})')
        clash = any(
            keywords.get(key, value) != value for key, value in fixed.items()
        )
        if clash:
            raise UsageError(
                f'remedy {remedy!r} excludes another in {spec!r}: both set '
                f'{", ".join({**fixed, **default})}'
            )
        keywords |= fixed
        defaults |= default
    if 'message_dropout' in defaults and edges in SIMILARITIES:
        raise UsageError(
            f'{spec!r}: messages are dropped on edges without weights, and '
            f'{edges!r} gives weighted ones'
        )
    full = [name, *(r for r in REMEDIES if r in remedies)]
    common = {value: key for key, value in aliases().items()}
    for length in range(len(full), 1, -1):
        first = '+'.join(full[:length])
        if first in common:
            full = [common[first], *full[length:]]
            break
    base = '+'.join(full)
    return Method(
        base if edges is None else f'{base}+{edges}',
        backbones[name],
        keywords,
        defaults,
        edges,
        base,
        frozenset([name, *remedies]),
    )
