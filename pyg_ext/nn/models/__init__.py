"""Whole networks that PyG lacks."""

from pyg_ext.nn.models.appnp import APPNPNet
from pyg_ext.nn.models.conv_stack import GAT, GCN, ConvStack, GraphSAGE
from pyg_ext.nn.models.deep_gcn import DeepGCN
from pyg_ext.nn.models.gcnii import GCNII
from pyg_ext.nn.models.rev_gnn import RevGNN

__all__ = [
    'GAT',
    'GCN',
    'GCNII',
    'APPNPNet',
    'ConvStack',
    'DeepGCN',
    'GraphSAGE',
    'RevGNN',
]
