"""A look at each layer of a network."""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch_geometric.typing import Adj
from torch_geometric.utils import index_to_mask

from pyg_ext.metrics import (
    OverSmoothingProbe,
    attention_entropy,
    diagnose,
    jacobian_by_distance,
)
from pyg_ext.nn import GAT

MEASURES = (
    'dirichlet_energy',
    'rayleigh_quotient',
    'mad',
    'numerical_rank',
    'effective_rank',
    'linear_probe',
)

TARGETS = 16  # nodes whose Jacobian is taken
NONE = 'There is no hidden layer to look at.'
DRAWN = ('activation', 'gradient', *MEASURES)


def look(
    model: torch.nn.Module,
    x: Tensor,
    adj: Adj,
    y: Tensor,
    index: dict[str, Tensor],
    edge_index: Tensor,
    far: int | None = None,
) -> dict[str, Any]:
    """The layers of a network in evaluation, with the gradients of the
    training loss, the diagnosis in words, and the attention of a GAT; where
    the answers are :obj:`far` away, the Jacobian at each distance up to
    there. Draws no random number and leaves the network as it was. One layer
    has no hidden state, and so no row.
    """
    mode = model.training
    masks = {s: index_to_mask(i, len(y)) for s, i in index.items()}
    watch = OverSmoothingProbe(
        model,
        edge_index,
        MEASURES,
        y=y.clamp(min=0),  # a node without a class is in no mask
        train_mask=masks['train'],
        test_mask=masks['val'],
    )
    model.eval()
    with watch:
        out = model(x, adj)
        F.cross_entropy(out[index['train']], y[index['train']]).backward()
    model.zero_grad()
    more, reach = {}, {}
    if isinstance(model, GAT):
        more['attention'] = attention(model, x, adj)
    if far is not None:
        norms = jacobian_by_distance(
            lambda x, _: model(x, adj),
            x,
            edge_index,
            far,
            min(TARGETS, len(index['train'])),
            generator=torch.Generator().manual_seed(0),
            targets=index['train'],
        )
        more['jacobian'] = [*map(_plain, norms.tolist())]
        if far > 1:
            reach = {'jacobian': norms, 'distance': far}
    model.train(mode)
    if not watch.rows:
        return {'layers': [], 'findings': [], 'words': NONE, **more}
    right = (out.argmax(dim=-1) == y).double()
    scores = (
        right[index[s]].mean().item() if len(index[s]) else None
        for s in ('train', 'val')
    )
    found = diagnose(watch, *scores, **reach)
    columns = ('layer', 'module', *DRAWN)
    return {
        'layers': [
            {name: _plain(row[name]) for name in columns}
            for row in watch.step()
        ],
        'findings': list(found.names),
        'words': str(found),
        **more,
    }


@torch.no_grad()
def attention(model: GAT, x: Tensor, adj: Adj) -> list[list[float | None]]:
    """The relative entropy of attention, a row of heads for each layer: one
    where a head takes a plain mean.
    """
    _, weights = model(x, adj, return_attention_weights=True)
    return [
        [
            _plain(value)
            for value in attention_entropy(
                edges, alpha, len(x), relative=True
            ).tolist()
        ]
        for edges, alpha in weights
    ]


def _plain(value: Any) -> Any:
    """Nothing in place of a number that JSON cannot hold."""
    lost = isinstance(value, float) and not np.isfinite(value)
    return None if lost else value
