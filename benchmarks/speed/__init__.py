"""Speed against peers: correctness first, then ratios within one process."""

from benchmarks.speed import drift, epoch, knn, parts, reversible

FILES = {
    'epoch': epoch,
    'parts': parts,
    'reversible': reversible,
    'drift': drift,
    'knn': knn,
}

__all__ = ['FILES']
