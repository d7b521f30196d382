"""Speed against peers: correctness first, then ratios within one process."""

from . import (
    augment,
    drift,
    epoch,
    knn,
    layers,
    metrics,
    parts,
    pool,
    probe,
    reversible,
    sweep,
)

FILES = {
    'epoch': epoch,
    'parts': parts,
    'reversible': reversible,
    'layers': layers,
    'drift': drift,
    'knn': knn,
    'augment': augment,
    'metrics': metrics,
    'probe': probe,
    'pool': pool,
    'sweep': sweep,
}

__all__ = ['FILES']
