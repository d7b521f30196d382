from pyg_ext.nn.reversible.modules import GroupAddRev, ReversibleSequential

__all__ = ['GroupAddRev', 'ReversibleSequential']
