"""What a run is known by.

A run is the same as a stored one if it agrees in dataset, method, depth,
seed, protocol, preset and every key of its configuration. Two rules keep it
so that what is stored stays what it was, and that a changed thing is never
answered by what was stored before the change:

- A new field of a recipe has the default None, and does not stand in a
  configuration that does not set it.
- What a user brings, data or a network, counts with the digest of its content
  or source, and with it the version of pyg_ext: its ``code``. Runs of what is
  built in have none, and their rows say the commit and versions.
"""

import hashlib
import json
from typing import Any

KEYS = ('dataset', 'method', 'depth', 'seed', 'protocol', 'preset')


def config_hash(config: dict[str, Any]) -> str:
    """A short name of a configuration that does not depend on key order."""
    text = json.dumps(config, sort_keys=True)
    return hashlib.sha1(text.encode()).hexdigest()[:12]


def key(row: dict[str, Any]) -> tuple:
    """What makes two rows the same run."""
    hashed = config_hash(row['config'])
    return *(row[k] for k in KEYS), hashed, row.get('code')
