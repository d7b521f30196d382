"""Measures of what depth does to a graph network."""

from pyg_ext.metrics.receptive_field import receptive_field

__all__ = ['receptive_field']
