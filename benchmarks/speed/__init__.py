"""Speed against peers: correctness first, then ratios within one process."""

from benchmarks.speed import epoch

FILES = {'epoch': epoch}

__all__ = ['FILES']
