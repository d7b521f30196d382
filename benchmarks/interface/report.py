"""Stored runs."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..errors import UsageError, check_name, find_name
from ..methods import spec
from ..reports.outcome import Runs
from ..reports.summary import check_one_kind, select
from ..runs.store import Store
from .runs import PROBES, STORE


def report(
    out: str | Path,
    wanted: Mapping[str, Any] | None = None,
    store: str | Path | None = None,
    methods: str | Iterable[str] | None = None,
) -> Runs:
    """The runs of a store, as :func:`sweep` gives them; ``write()`` redoes
    table, figure and report.

    Args:
        out: The folder.
        wanted: Values of rows or of their configuration, such as ``{'preset':
            'classic', 'epochs': 200}``: only runs with these.
        store: Another store than ``results.jsonl`` in the folder.
        methods: Specification strings: only runs of these.

    Raises:
        UsageError: If there is no store, or no run of what is wanted, or runs
            that must not stand in one table.
    """
    path = Path(out) / STORE if store is None else Path(store)
    if not path.is_file():
        raise UsageError(f'there is no store {path}')
    stored = Store(path.parent, path.name).read()
    wanted = dict(wanted or {})
    known = {name for row in stored for name in (*row, *row['config'])}
    for name, value in wanted.items():
        check_name(f'key in {path}', name, known)
        if name in ('dataset', 'protocol', 'preset'):
            there = {row[name] for row in stored}
            wanted[name] = find_name(f'{name} in {path}', value, there)
    rows = select(stored, wanted)
    if methods is not None:
        names = spec.expand(methods) if isinstance(methods, str) else methods
        there = {row['method'] for row in rows}
        kept = [find_name(f'method in {path}', name, there) for name in names]
        rows = [row for row in rows if row['method'] in kept]
    check_one_kind(rows)
    others = len(stored) - len(rows)
    left_out = [f'{others} runs, as was asked for'] if others else []
    return Runs(rows, out, left_out, None, Store(out, PROBES).read())
