import inspect
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
import yaml

from benchmarks.errors import UsageError, check_name
from pyg_ext.nn import GCN, GCNII, APPNPNet, DeepGCN, RevGNN


@dataclass(frozen=True)
class Backbone:
    """A model and what depth means for it."""

    model: type[torch.nn.Module]
    depth: str  # the keyword that depth sets
    unit: str
    joins_points: bool = False  # makes its own graph of nearest neighbors


BACKBONES = {
    'gcn': Backbone(
        GCN, 'num_layers', 'graph convolutions, the first and last included'
    ),
    'gcnii': Backbone(GCNII, 'num_layers', 'hidden blocks'),
    'revgcn': Backbone(RevGNN, 'num_layers', 'hidden blocks'),
    'appnp': Backbone(APPNPNet, 'K', 'propagation steps'),
    'deepgcn': Backbone(
        DeepGCN,
        'num_blocks',
        'graph convolutions',
        joins_points=True,
    ),
}

REMEDIES: dict[str, dict[str, Any]] = {
    'res': {'skip': 'res'},
    'dense': {'skip': 'dense'},
    'jump': {'jk': 'cat'},
    'dilated': {'dilated': True},
}


@cache
def aliases() -> dict[str, str]:
    """Common names of specification strings, from ``methods.yaml``."""
    text = Path(__file__).with_name('methods.yaml').read_text()
    return yaml.safe_load(text)


@dataclass(frozen=True)
class Method:
    """A specification string ``backbone[+remedy...]``, understood."""

    name: str
    backbone: Backbone
    keywords: dict[str, Any]

    def options(self) -> set[str]:
        """The names a recipe may set on the model."""
        names = set(inspect.signature(self.backbone.model).parameters)
        fixed = {'in_channels', 'out_channels', self.backbone.depth}
        return names - fixed - set(self.keywords)

    def build(
        self,
        in_channels: int,
        out_channels: int,
        depth: int,
        options: dict[str, Any],
    ) -> torch.nn.Module:
        """Returns a new model of a given depth."""
        return self.backbone.model(
            in_channels=in_channels,
            out_channels=out_channels,
            **{self.backbone.depth: depth},
            **self.keywords,
            **options,
        )


def parse(spec: str) -> Method:
    """Reads a specification string such as ``gcn+res`` or ``jknet``.

    Raises:
        UsageError: On an unknown backbone or remedy, a remedy that the
            backbone does not know, or two that exclude each other.
    """
    spec = aliases().get(spec, spec)
    name, *remedies = spec.split('+')
    check_name('method', name, [*BACKBONES, *aliases()])
    check = set(inspect.signature(BACKBONES[name].model).parameters)
    keywords: dict[str, Any] = {}
    for remedy in remedies:
        check_name('remedy', remedy, REMEDIES)
        for key, value in REMEDIES[remedy].items():
            if key not in check:
                raise UsageError(f'{name} has no remedy {remedy!r} ({spec})')
            if key in keywords:
                raise UsageError(
                    f'remedy {remedy!r} excludes another in {spec!r}: both '
                    f'set {key}'
                )
            keywords[key] = value
    ordered = '+'.join([name, *(r for r in REMEDIES if r in remedies)])
    common = {value: key for key, value in aliases().items()}
    return Method(common.get(ordered, ordered), BACKBONES[name], keywords)
