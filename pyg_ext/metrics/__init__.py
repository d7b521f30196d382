"""Measures of what depth does to a graph network."""

from pyg_ext.metrics.attention_entropy import attention_entropy
from pyg_ext.metrics.curvature import balanced_forman_curvature
from pyg_ext.metrics.diagnosis import Diagnosis, Finding, diagnose
from pyg_ext.metrics.energy import dirichlet_energy, rayleigh_quotient
from pyg_ext.metrics.feature_correlation import feature_correlation
from pyg_ext.metrics.group_distance_ratio import group_distance_ratio
from pyg_ext.metrics.jacobian import jacobian_by_distance
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
from pyg_ext.metrics.resistance import (
    commute_time,
    effective_resistance,
    total_resistance,
)
from pyg_ext.metrics.smooth_distance import smooth_distance
from pyg_ext.metrics.spectral_gap import cheeger_bounds, spectral_gap

__all__ = [
    'Diagnosis',
    'Finding',
    'OverSmoothingProbe',
    'attention_entropy',
    'balanced_forman_curvature',
    'cheeger_bounds',
    'column_difference',
    'commute_time',
    'diagnose',
    'dirichlet_energy',
    'effective_rank',
    'effective_resistance',
    'feature_correlation',
    'group_distance_ratio',
    'jacobian_by_distance',
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
    'spectral_gap',
    'total_resistance',
]
