"""Deep graph networks on top of PyTorch Geometric."""

from pyg_ext import nn, transforms, utils

__version__ = '0.1.0'

__all__ = ['nn', 'transforms', 'utils']
