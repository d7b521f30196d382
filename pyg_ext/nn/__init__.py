"""Layers, blocks and models."""

from pyg_ext.nn.aggr import (
    LSTMAggregation,
    PowerSumAggregation,
    SoftmaxSumAggregation,
)
from pyg_ext.nn.block import GNNBlock
from pyg_ext.nn.conv import (
    DilatedKNNConv,
    DynamicEdgeConv,
    GCN2DenseConv,
    GCNEConv,
    MRConv,
    NormGATConv,
    RandomWalkConv,
    RevGCNConv,
)
from pyg_ext.nn.diff_pool import diff_pool
from pyg_ext.nn.drop_edges import DropEdge, DropNode, DropPath
from pyg_ext.nn.drop_message import DropMessage
from pyg_ext.nn.dropout import Dropout
from pyg_ext.nn.hidden_state import HiddenState
from pyg_ext.nn.hyper_connection import HyperConnection
from pyg_ext.nn.identity_mapping import IdentityLinear, identity_mapping
from pyg_ext.nn.models import (
    ADGN,
    DAGNN,
    GAT,
    GCN,
    GCNII,
    GIN,
    GPRGNN,
    SGC,
    APPNPNet,
    ConvStack,
    DecoupledNet,
    DeeperGCN,
    DeepGCN,
    DenseGCNII,
    DRewGCN,
    GraphModel,
    GraphSAGE,
    IncepGCN,
    NodeMLP,
    PoolNet,
    RevGAT,
    RevGNN,
)
from pyg_ext.nn.norm import NORMS, NodeNorm, PairNormSCS, make_norm
from pyg_ext.nn.reversible import GroupAddRev, ReversibleSequential
from pyg_ext.nn.skip import (
    DenseConnection,
    GradientGating,
    InitialConnection,
    ResidualConnection,
    SkipNode,
)
from pyg_ext.nn.virtual_node import VirtualNode

__all__ = [
    'ADGN',
    'DAGNN',
    'GAT',
    'GCN',
    'GCNII',
    'GIN',
    'GPRGNN',
    'NORMS',
    'SGC',
    'APPNPNet',
    'ConvStack',
    'DRewGCN',
    'DecoupledNet',
    'DeepGCN',
    'DeeperGCN',
    'DenseConnection',
    'DenseGCNII',
    'DilatedKNNConv',
    'DropEdge',
    'DropMessage',
    'DropNode',
    'DropPath',
    'Dropout',
    'DynamicEdgeConv',
    'GCN2DenseConv',
    'GCNEConv',
    'GNNBlock',
    'GradientGating',
    'GraphModel',
    'GraphSAGE',
    'GroupAddRev',
    'HiddenState',
    'HyperConnection',
    'IdentityLinear',
    'IncepGCN',
    'InitialConnection',
    'LSTMAggregation',
    'MRConv',
    'NodeMLP',
    'NodeNorm',
    'NormGATConv',
    'PairNormSCS',
    'PoolNet',
    'PowerSumAggregation',
    'RandomWalkConv',
    'ResidualConnection',
    'RevGAT',
    'RevGCNConv',
    'RevGNN',
    'ReversibleSequential',
    'SkipNode',
    'SoftmaxSumAggregation',
    'VirtualNode',
    'diff_pool',
    'identity_mapping',
    'make_norm',
]
