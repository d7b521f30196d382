"""Message passing layers."""

from pyg_ext.nn.conv.rev_gcn_conv import RevGCNConv

__all__ = ['RevGCNConv']
