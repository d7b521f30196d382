from pyg_ext.nn.aggr.degree_scaled import (
    PowerSumAggregation,
    SoftmaxSumAggregation,
)

__all__ = ['PowerSumAggregation', 'SoftmaxSumAggregation']
