"""Layers, blocks and models."""

from pyg_ext.nn.dropout import Dropout
from pyg_ext.nn.models import GCN, GCNII, APPNPNet, ConvStack

__all__ = ['GCN', 'GCNII', 'APPNPNet', 'ConvStack', 'Dropout']
