"""``python -m docs.figures [NAME ...]`` draws all, or those named."""

import sys

from benchmarks.errors import UsageError, check_name
from benchmarks.output import replacing

from . import FIGURES
from .places import IMAGES

for name in sys.argv[1:] or FIGURES:
    try:
        check_name('figure', name, FIGURES)
    except UsageError as error:
        sys.exit(str(error))
    with replacing(IMAGES / f'{name}.png') as part:
        FIGURES[name]().savefig(part, dpi=150)
