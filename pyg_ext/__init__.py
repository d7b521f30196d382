"""Deep graph networks on top of PyTorch Geometric."""

from pyg_ext import metrics, nn, transforms, utils

__version__ = '0.1.0'

__all__ = ['metrics', 'nn', 'transforms', 'utils']
