"""Layers, blocks and models."""

from pyg_ext.nn.aggr import PowerSumAggregation, SoftmaxSumAggregation
from pyg_ext.nn.block import GNNBlock
from pyg_ext.nn.conv import (
    DilatedKNNConv,
    MRConv,
    RandomWalkConv,
    RevGCNConv,
)
from pyg_ext.nn.dropout import Dropout
from pyg_ext.nn.models import (
    DAGNN,
    GAT,
    GCN,
    GCNII,
    GPRGNN,
    SGC,
    APPNPNet,
    ConvStack,
    DecoupledNet,
    DeepGCN,
    GraphSAGE,
    RevGNN,
)
from pyg_ext.nn.reversible import GroupAddRev, ReversibleSequential

__all__ = [
    'DAGNN',
    'GAT',
    'GCN',
    'GCNII',
    'GPRGNN',
    'SGC',
    'APPNPNet',
    'ConvStack',
    'DecoupledNet',
    'DeepGCN',
    'DilatedKNNConv',
    'Dropout',
    'GNNBlock',
    'GraphSAGE',
    'GroupAddRev',
    'MRConv',
    'PowerSumAggregation',
    'RandomWalkConv',
    'RevGCNConv',
    'RevGNN',
    'ReversibleSequential',
    'SoftmaxSumAggregation',
]
