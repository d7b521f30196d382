import hashlib
import json
import os
import warnings
from pathlib import Path
from typing import Any

from filelock import FileLock

KEYS = ('dataset', 'method', 'depth', 'seed', 'protocol', 'preset')

Row = dict[str, Any]


def config_hash(config: dict[str, Any]) -> str:
    """A short name of a configuration that does not depend on key order."""
    text = json.dumps(config, sort_keys=True)
    return hashlib.sha1(text.encode()).hexdigest()[:12]


def key(row: Row) -> tuple:
    """What makes two rows the same run."""
    return *(row[k] for k in KEYS), config_hash(row['config'])


class Store:
    """Runs as JSON lines in a file, ``FOLDER/results.jsonl`` by default.

    A row is on the disk when :meth:`append` returns.
    Several processes may read and append at a time.
    """

    def __init__(self, folder: str | Path, name: str = 'results.jsonl'):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.path = self.folder / name
        self._lock = FileLock(self.folder / f'{name}.lock')

    def read(self) -> list[Row]:
        """All runs, one for each key: a later row replaces a failed one.

        A line that is torn, as a killed process may leave it, is taken out
        of the file with a warning.
        """
        with self._lock:
            return list(self._read().values())

    def append(self, row: Row) -> bool:
        """Adds a run, unless a good run of the same key is there already."""
        with self._lock:
            there = self._read().get(key(row))
            if there is not None and there['status'] == 'ok':
                return False
            line = json.dumps(row, sort_keys=True) + '\n'
            with open(self.path, 'ab') as file:
                file.write(line.encode())
                file.flush()
                os.fsync(file.fileno())
            return True

    def _read(self) -> dict[tuple, Row]:
        if not self.path.exists():
            return {}
        lines = self.path.read_bytes().split(b'\n')
        rows: dict[tuple, Row] = {}
        good = []
        for number, line in enumerate(lines, 1):
            if not line:
                continue
            try:
                row = json.loads(line)
                rows[key(row)] = row
                good.append(line)
            except (ValueError, TypeError, KeyError):
                text = line[:80].decode(errors='replace')
                warnings.warn(
                    f'{self.path}: line {number} is torn and was taken out; '
                    f'its run will be done again ({text!r})',
                    stacklevel=4,
                )
        whole = b''.join(line + b'\n' for line in good)
        if whole != b'\n'.join(lines):
            part = self.path.with_suffix('.part')
            part.write_bytes(whole)
            os.replace(part, self.path)
        return rows
