"""Whole networks that PyG lacks."""

from pyg_ext.nn.models.appnp import APPNPNet
from pyg_ext.nn.models.conv_stack import GAT, GCN, ConvStack, GraphSAGE
from pyg_ext.nn.models.dagnn import DAGNN
from pyg_ext.nn.models.decoupled import DecoupledNet
from pyg_ext.nn.models.deep_gcn import DeepGCN
from pyg_ext.nn.models.gcnii import GCNII
from pyg_ext.nn.models.gprgnn import GPRGNN
from pyg_ext.nn.models.rev_gnn import RevGNN
from pyg_ext.nn.models.sgc import SGC

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
    'GraphSAGE',
    'RevGNN',
]
