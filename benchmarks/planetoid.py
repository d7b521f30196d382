"""Cora, CiteSeer and PubMed."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from filelock import FileLock
from torch_geometric.data import Data
from torch_geometric.datasets import Planetoid

from benchmarks.errors import UsageError
from benchmarks.files import cache_folder, fetch, processed_folder

PARTS = ('x', 'tx', 'allx', 'y', 'ty', 'ally', 'graph', 'test.index')


def raw_folder(name: str, root: Path | None) -> Path:
    """Where the raw files of a graph are, or will be."""
    return (root or cache_folder()) / 'Planetoid' / name / 'raw'


def missing(name: str, raw: Path) -> list[str]:
    """The raw files that are not there."""
    files = [f'ind.{name.lower()}.{part}' for part in PARTS]
    return [file for file in files if not (raw / file).is_file()]


def read(name: str, root: Path | None, mirrors: Sequence[str] = ()) -> Data:
    """Reads raw files through PyG, whose own files go to the cache folder.

    Args:
        name: ``Cora``, ``CiteSeer`` or ``PubMed``.
        root: Folder with ``Planetoid/NAME/raw``.
        mirrors: Addresses to look for missing files at, before PyG's.

    Raises:
        UsageError: If files are missing and cannot be downloaded.
    """
    raw = raw_folder(name, root)
    for file in missing(name, raw):
        bases = [url.rstrip('/') for url in (*mirrors, Planetoid.url)]
        try:
            fetch([f'{base}/{file}' for base in bases], raw / file)
        except UsageError as error:
            raise UsageError(
                f'{error}. Put the 8 files ind.{name.lower()}.* of '
                f'github.com/kimiyoung/planetoid there, name a folder that '
                f'holds Planetoid/*/raw with --root or PYG_EXT_DATA, or '
                f'another address with --url'
            ) from error
    cache = processed_folder(raw.glob('ind.*'))
    with FileLock(cache / 'lock'):
        done = cache / name
        if not done.is_dir():  # appears whole, at once
            with tempfile.TemporaryDirectory(dir=cache) as folder:
                work = Path(folder) / name
                work.mkdir()
                (work / 'raw').symlink_to(raw)
                Planetoid(folder, name)
                work.rename(done)
        return Planetoid(str(cache), name)[0]
