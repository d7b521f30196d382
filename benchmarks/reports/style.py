"""How a method looks, the same in every figure: its place, its name."""

from collections.abc import Iterable
from dataclasses import dataclass
from zlib import crc32

from ..output import shown

# After Okabe and Ito: told apart by all common kinds of colour vision, and
# with a contrast of 3 on white and on black alike.
COLORS = (
    '#0072B2',
    '#D55E00',
    '#009E73',
    '#CC79A7',
    '#B27B00',
    '#3D9AD1',
    '#7A7A7A',
    '#8E5FB0',
)
DASHES = ((1, 0), (5, 2), (2, 2), (6, 2, 2, 2))
MARKERS = {  # of matplotlib, and of Vega
    'o': 'circle',
    's': 'square',
    'D': 'diamond',
    '^': 'triangle-up',
    'v': 'triangle-down',
    'P': 'cross',
}
PLACES = len(COLORS) * len(DASHES)

# In this order in every figure; the first ones have a place of their own.
NAMES = {
    'gcn': 'GCN',
    'resgcn': 'ResGCN',
    'jknet': 'JKNet',
    'appnp': 'APPNP',
    'gcnii': 'GCNII',
    'densegcn': 'DenseGCN',
    'gat': 'GAT',
    'sage': 'GraphSAGE',
    'mlp': 'MLP',
    'gatv2': 'GATv2',
    'gin': 'GIN',
    'sgc': 'SGC',
    'dagnn': 'DAGNN',
    'ss-gcnii': 'SS-GCNII',
    'ss-dagnn': 'SS-DAGNN',
    'gprgnn': 'GPR-GNN',
    'incepgcn': 'IncepGCN',
    'deepergcn': 'DeeperGCN',
    'revgcn': 'RevGCN',
    'revgat': 'RevGAT',
    'gcnii*': 'GCNII*',
    'gcnii-dense': 'GCNII (dense)',
    'deepgcn': 'DeepGCN',
    'node2vec': 'node2vec',
    'adgn': 'A-DGN',
    'drew': 'DRew-GCN',
}
REMEDIES = {
    'batch': 'BatchNorm',
    'comb': 'CombNorm',
    'dropedge': 'DropEdge',
    'dropmessage': 'DropMessage',
    'dropnode': 'DropNode',
    'droppath': 'DropPath',
    'fosr': 'FoSR',
    'gate': 'G²',
    'group': 'DGN',
    'heat': 'heat kernel',
    'identity': 'identity mapping',
    'jump': 'JK',
    'layer': 'LayerNorm',
    'lstm': 'LSTM',
    'mean': 'MeanSubtraction',
    'message': 'MessageNorm',
    'node': 'NodeNorm',
    'pair': 'PairNorm',
    'pair-si': 'PairNorm-SI',
    'pair-scs': 'PairNorm-SCS',
    'pool': 'max pooling',
    'ppr': 'PPR',
    'sdrf': 'SDRF',
    'skipnode': 'SkipNode',
    'unsupervised': 'unsupervised',
    'virtual': 'virtual node',
    'walk': 'walks',
}


@dataclass(frozen=True)
class Look:
    """How a method is drawn."""

    name: str  # as publications have it
    color: str
    marker: str
    dash: tuple[int, ...]


def name_of(method: str) -> str:
    """The name of a method as publications have it."""
    first, *rest = shown(method).split('+')
    words = [NAMES.get(first, first), *(REMEDIES.get(r, r) for r in rest)]
    return ' + '.join(words)


def in_order(methods: Iterable[str]) -> list[str]:
    """Each method once, as every figure has them: known ones with their
    remedies first, then the others by name.
    """
    known = [*NAMES]

    def rank(method: str) -> tuple:
        first = method.split('+')[0]
        place = known.index(first) if first in NAMES else len(known)
        return place, method

    return sorted({*methods}, key=rank)


def looks(methods: Iterable[str]) -> dict[str, Look]:
    """How methods are drawn, in their order. A place belongs to a method and
    not to its company, unless another of a figure has its colour.
    """
    known, ordered = [*NAMES], in_order(methods)
    own = known[: len(COLORS)]
    taken = {m: own.index(m) for m in ordered if m in own}
    for method in ordered:
        if method in taken:
            continue
        first = crc32(method.encode())
        after = [(first + step) % PLACES for step in range(PLACES)]
        free = [place for place in after if place not in taken.values()]
        used = {place % len(COLORS) for place in taken.values()}
        apart = [place for place in free if place % len(COLORS) not in used]
        taken[method] = (apart or free or after)[0]
    return {method: _look(method, taken[method]) for method in ordered}


def _look(method: str, place: int) -> Look:
    turn, color = divmod(place, len(COLORS))
    markers = [*MARKERS]
    marker = markers[(color + turn) % len(markers)]
    return Look(name_of(method), COLORS[color], marker, DASHES[turn])
