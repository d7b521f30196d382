"""Where things are."""

from pathlib import Path

DOCS = Path(__file__).parents[1]
IMAGES = DOCS / 'images'
RESULTS = DOCS.parent / 'benchmarks' / 'results'
