"""Speed against peers: correctness first, then ratios within one process."""

from benchmarks.speed import augment, drift, epoch, knn, parts, reversible

FILES = {
    'epoch': epoch,
    'parts': parts,
    'reversible': reversible,
    'drift': drift,
    'knn': knn,
    'augment': augment,
}

__all__ = ['FILES']
