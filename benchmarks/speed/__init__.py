"""Speed against peers: correctness first, then ratios within one process."""

from benchmarks.speed import epoch, parts

FILES = {'epoch': epoch, 'parts': parts}

__all__ = ['FILES']
