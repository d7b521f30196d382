"""The figures of ``docs/results``, from ``benchmarks/results``."""

from . import depths, published, runs, sizes, speed

FIGURES = {
    **speed.FIGURES,
    **sizes.FIGURES,
    **runs.FIGURES,
    **depths.FIGURES,
    **published.FIGURES,
}
