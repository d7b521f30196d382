"""The figures of ``docs/results``, from ``benchmarks/results``."""
