"""Measures of what depth does to a graph network."""

from pyg_ext.metrics.attention_entropy import attention_entropy
from pyg_ext.metrics.diagnosis import Diagnosis, Finding, diagnose
from pyg_ext.metrics.energy import dirichlet_energy, rayleigh_quotient
from pyg_ext.metrics.feature_correlation import feature_correlation
from pyg_ext.metrics.group_distance_ratio import group_distance_ratio
from pyg_ext.metrics.linear_probe import linear_probe
from pyg_ext.metrics.mad import mad, mad_gap, mad_rusch
from pyg_ext.metrics.pair_distances import (
    column_difference,
    row_difference,
    smv,
)
from pyg_ext.metrics.probe import OverSmoothingProbe
from pyg_ext.metrics.rank import effective_rank, numerical_rank
from pyg_ext.metrics.receptive_field import receptive_field
from pyg_ext.metrics.smooth_distance import smooth_distance

__all__ = [
    'Diagnosis',
    'Finding',
    'OverSmoothingProbe',
    'attention_entropy',
    'column_difference',
    'diagnose',
    'dirichlet_energy',
    'effective_rank',
    'feature_correlation',
    'group_distance_ratio',
    'linear_probe',
    'mad',
    'mad_gap',
    'mad_rusch',
    'numerical_rank',
    'rayleigh_quotient',
    'receptive_field',
    'row_difference',
    'smooth_distance',
    'smv',
]
