"""A look at each layer of a network."""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch_geometric.typing import Adj
from torch_geometric.utils import index_to_mask

from pyg_ext.metrics import OverSmoothingProbe, diagnose

MEASURES = (
    'dirichlet_energy',
    'rayleigh_quotient',
    'mad',
    'numerical_rank',
    'effective_rank',
    'linear_probe',
)


DRAWN = ('activation', 'gradient', *MEASURES)


def look(
    model: torch.nn.Module,
    x: Tensor,
    adj: Adj,
    y: Tensor,
    index: dict[str, Tensor],
    edge_index: Tensor,
) -> dict[str, Any]:
    """The layers of a network in evaluation, with the gradients of the
    training loss, and the diagnosis in words. Draws no random number and
    leaves the network as it was.
    """
    mode = model.training
    masks = {s: index_to_mask(i, len(y)) for s, i in index.items()}
    watch = OverSmoothingProbe(
        model,
        edge_index,
        MEASURES,
        y=y,
        train_mask=masks['train'],
        test_mask=masks['val'],
    )
    model.eval()
    with watch:
        out = model(x, adj)
        F.cross_entropy(out[index['train']], y[index['train']]).backward()
    model.zero_grad()
    model.train(mode)
    right = (out.argmax(dim=-1) == y).double()
    found = diagnose(
        watch, *(right[index[s]].mean().item() for s in ('train', 'val'))
    )
    columns = ('layer', 'module', *DRAWN)
    layers = [{name: row[name] for name in columns} for row in watch.step()]
    return {
        'layers': [_plain(layer) for layer in layers],
        'findings': list(found.names),
        'words': str(found),
    }


def _plain(layer: dict[str, Any]) -> dict[str, Any]:
    """Without what JSON cannot hold."""
    return {
        name: None
        if isinstance(value, float) and not np.isfinite(value)
        else value
        for name, value in layer.items()
    }
