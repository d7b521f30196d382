from pyg_ext.nn.aggr.degree_scaled import (
    PowerSumAggregation,
    SoftmaxSumAggregation,
)
from pyg_ext.nn.aggr.lstm import LSTMAggregation

__all__ = [
    'LSTMAggregation',
    'PowerSumAggregation',
    'SoftmaxSumAggregation',
]
