"""Speed against peers: correctness first, then ratios within one process."""

from benchmarks.speed import drift, epoch, parts, reversible

FILES = {
    'epoch': epoch,
    'parts': parts,
    'reversible': reversible,
    'drift': drift,
}

__all__ = ['FILES']
