"""Whole networks that PyG lacks."""

from pyg_ext.nn.models.adgn import ADGN
from pyg_ext.nn.models.appnp import APPNPNet
from pyg_ext.nn.models.conv_stack import ConvStack
from pyg_ext.nn.models.dagnn import DAGNN
from pyg_ext.nn.models.decoupled import DecoupledNet
from pyg_ext.nn.models.deep_gcn import DeepGCN
from pyg_ext.nn.models.deeper_gcn import DeeperGCN
from pyg_ext.nn.models.dense_gcnii import DenseGCNII
from pyg_ext.nn.models.drew_gcn import DRewGCN
from pyg_ext.nn.models.gat import GAT
from pyg_ext.nn.models.gcn import GCN
from pyg_ext.nn.models.gcnii import GCNII
from pyg_ext.nn.models.gin import GIN
from pyg_ext.nn.models.gprgnn import GPRGNN
from pyg_ext.nn.models.graph_model import GraphModel
from pyg_ext.nn.models.graph_sage import GraphSAGE
from pyg_ext.nn.models.incep_gcn import IncepGCN
from pyg_ext.nn.models.mlp import NodeMLP
from pyg_ext.nn.models.pool_net import PoolNet
from pyg_ext.nn.models.rev_gat import RevGAT
from pyg_ext.nn.models.rev_gnn import RevGNN
from pyg_ext.nn.models.sgc import SGC

__all__ = [
    'ADGN',
    'DAGNN',
    'GAT',
    'GCN',
    'GCNII',
    'GIN',
    'GPRGNN',
    'SGC',
    'APPNPNet',
    'ConvStack',
    'DRewGCN',
    'DecoupledNet',
    'DeepGCN',
    'DeeperGCN',
    'DenseGCNII',
    'GraphModel',
    'GraphSAGE',
    'IncepGCN',
    'NodeMLP',
    'PoolNet',
    'RevGAT',
    'RevGNN',
]
