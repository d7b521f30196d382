"""Accuracy against depth on real graphs: ``python -m benchmarks``."""
