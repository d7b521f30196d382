"""Layers, blocks and models."""

from pyg_ext.nn.block import GNNBlock
from pyg_ext.nn.conv import RevGCNConv
from pyg_ext.nn.dropout import Dropout
from pyg_ext.nn.models import GCN, GCNII, APPNPNet, ConvStack, RevGNN
from pyg_ext.nn.reversible import GroupAddRev, ReversibleSequential

__all__ = [
    'GCN',
    'GCNII',
    'APPNPNet',
    'ConvStack',
    'Dropout',
    'GNNBlock',
    'GroupAddRev',
    'RevGCNConv',
    'RevGNN',
    'ReversibleSequential',
]
