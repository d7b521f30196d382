"""What specification strings add to a model."""

from dataclasses import dataclass, field
from typing import Any

from .backbones import BACKBONES, Backbone

# Of pyg_ext, which is not imported for its names (a test compares them):
NORMS = (
    *('batch', 'layer', 'pair', 'pair-si', 'pair-scs', 'node', 'mean'),
    *('group', 'comb', 'message'),
)
READOUTS = ('mean', 'sum', 'max', 'attention', 'set2set')
POOLS = (*READOUTS, 'topk', 'sag', 'diffpool')


@dataclass(frozen=True)
class Remedy:
    """What a remedy says to the model, and what a recipe may change."""

    fixed: dict[str, Any] = field(default_factory=dict)
    default: dict[str, Any] = field(default_factory=dict)


# What looks at the neighbors, messages or weights of a convolution:
OF_CONVOLUTIONS = ('gate', 'identity', 'dropmessage')

HYPER = {'skip': 'hyper', 'lin_in': True, 'lin_out': True}

REMEDIES = {
    'res': Remedy({'skip': 'res'}),
    'residual': Remedy({'skip': 'residual'}),
    'initial': Remedy({'skip': 'initial', 'lin_in': True}),
    'dense': Remedy({'skip': 'dense'}),
    'gate': Remedy({'skip': 'gate'}),
    'jump': Remedy({'jk': 'cat'}),
    'dilated': Remedy({'dilated': True}),
    'v2': Remedy({'v2': True}),
    'unshared': Remedy({'shared_weights': False}),
    'static': Remedy({'static': True}),
    'identity': Remedy({'lin_in': True}, {'theta': 0.5}),
    **{norm: Remedy({'norm': norm}) for norm in NORMS},
    'mhc': Remedy(HYPER, {'streams': 4}),
    'mhc-2': Remedy({**HYPER, 'streams': 2}),
    'message': Remedy({'norm': 'message', 'lin_in': True}),
    'virtual': Remedy({'virtual_node': True, 'lin_in': True, 'lin_out': True}),
    'skipnode': Remedy(default={'skip_node': 0.5}),
    'dropmessage': Remedy(default={'message_dropout': 0.5}),
    **{f'pool-{pool}': Remedy({'pool': pool}) for pool in POOLS},
    'pool': Remedy({'aggr': 'max', 'project': True}),
    'lstm': Remedy({'aggr': 'lstm', 'project': False}),
    'unsupervised': Remedy(),  # trained by pairs of nodes, without labels
}


def backbones_of(remedy: str) -> list[str]:
    """The built-in backbones that know a remedy."""
    return [n for n, b in BACKBONES.items() if knows(b, remedy)]


def knows(backbone: Backbone, remedy: str) -> bool:
    """Whether a remedy can be added to a backbone."""
    if remedy == 'unsupervised':  # which needs a graph, and goes by itself
        return not (backbone.joins_points or backbone.transductive)
    if remedy in OF_CONVOLUTIONS and backbone.edgeless:
        return False
    asks = {*REMEDIES[remedy].fixed, *REMEDIES[remedy].default}
    if backbone.pools:
        asks -= {'pool'}
    known = backbone.takes
    return asks <= {*(backbone.parameters() if known is None else known)}
