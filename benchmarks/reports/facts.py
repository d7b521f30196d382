"""What a report says of its runs beside the scores, in plain text."""

from collections.abc import Iterable

import pandas as pd

from ..data import datasets
from ..errors import UsageError
from ..methods import spec
from ..recipes import presets
from ..runs.store import Row
from ..training.layers import TARGETS
from .summary import GONE, REACH_NODES, changes, nested


def _found(dataset: str) -> datasets.Dataset | None:
    try:
        return datasets.find(dataset)
    except UsageError:
        return None


def about(dataset: str) -> str:
    """What a dataset is."""
    found = _found(dataset)
    return found.about if found else GONE


def needed_depth(dataset: str) -> int | None:
    """How far away the answers are at most, where that is known."""
    found = _found(dataset)
    return found and found.needs and found.needs()


def marked_depth(summary: pd.DataFrame) -> int | None:
    """The same, where a figure has room for it: at most twice as many layers
    as were run, and no fewer.
    """
    needed, depths = needed_depth(summary['dataset'].iloc[0]), summary['depth']
    if needed is None or not depths.min() <= needed <= 2 * depths.max():
        return None
    return needed


def guess(dataset: str) -> float | None:
    """The score of who guesses, in percent, where it is known."""
    found = _found(dataset)
    return found and found.guess and 100 * found.guess


def hops(dataset: str) -> str:
    """How far away the answers are, in words, if it is known."""
    needed = needed_depth(dataset)
    if needed is None:
        return ''
    most = '' if _found(dataset).exact else 'up to '
    return f'{most}{needed} hop{"s" * (needed > 1)}'


def away(dataset: str) -> str:
    """The same as a clause."""
    far = hops(dataset)
    return far and f"the answers are {far} away along the graph's own edges"


def far(dataset: str) -> str:
    """What that means for networks."""
    words, luck = away(dataset), guess(dataset)
    if not words:
        return ''
    limit = 'can know only the nearer ones'
    if _found(dataset).exact:
        right = f' (right in {luck:.3g} %)' if luck else ''
        limit = f'can only guess{right}'
    return (
        f'{words}. A network that reaches less far {limit}, unless other '
        f'edges or a virtual node shorten the way, or its layers take more '
        f'than one hop; one that reaches them may not learn it.'
    )


def below(summary: pd.DataFrame, seen: pd.DataFrame | None) -> str:
    """What else the figure of the curves shows."""
    dataset = summary['dataset'].iloc[0]
    needed, parts = needed_depth(dataset), []
    if needed is not None:
        mark = 'Dashed' if marked_depth(summary) else 'Not drawn'
        parts.append(f'{mark}: {far(dataset)}')
    if guess(dataset):
        parts.append('Gray and dotted: the score of who guesses.')
    if (nested(summary) > 1).any():
        parts.append('Points in one another have the same mean.')
    if seen is not None:
        parts.append(
            f'Below the curves: the share of all nodes whose features reach '
            f'a node in so many convolutions, the mean over at most '
            f'{REACH_NODES} random nodes.'
        )
    elif 'jacobian' in summary:
        parts.append(
            f'Below the curves: the norm of the Jacobian of a trained '
            f"network's outputs by features {needed} hops away, the mean over "
            f'at most {TARGETS} nodes to train with, one run each (seed 0); '
            f'no point where it is zero.'
        )
    return ' '.join(parts)


def source(preset: str) -> str:
    """Where a preset is from."""
    try:
        return presets.read(preset).source
    except UsageError:
        return GONE


def unit(method: str, rows: list[Row]) -> str:
    """What the depth of a method counts."""
    config = next(r['config'] for r in rows if r['method'] == method)
    try:
        parsed = spec.parse(method)
    except UsageError:
        return GONE
    text = parsed.backbone.unit
    if parsed.keywords.get('skip') == 'dense' and 'growth' in config:
        text += f', each adding {config["growth"]} channels'
    return text


def own_words(rows: list[Row]) -> list[str]:
    """Of what users bring: whose recipe it took, and which code it was."""
    texts = {
        'recipe_of': 'the recipe of {}, for the preset has none of its own',
        'code': '{}: other code or data would be other runs',
    }
    out = []
    for name, text in texts.items():
        methods: dict[str, dict[str, None]] = {}
        for row in rows:
            if name in row:
                methods.setdefault(row[name], {})[row['method']] = None
        out += [
            f'{", ".join(some)}: {text.format(value)}'
            for value, some in methods.items()
        ]
    return out


def what_was_run(rows: list[Row], left_out: Iterable[str] = ()) -> list[str]:
    """How many runs there are, of what, and made by what."""
    failed = len([row for row in rows if row['status'] != 'ok'])
    minutes = sum(row.get('seconds', 0) for row in rows) / 60
    out = [
        f'{len(rows)} runs, {failed} of them failed; {minutes:.1f} minutes of '
        f'training in all',
        f'changed from the preset: {", ".join(changes(rows)) or "nothing"}',
        *own_words(rows),
        *(
            f'in the same store, and not in this report: {words}'
            for words in left_out
        ),
    ]
    for name in ('commit', 'device', 'versions', 'data'):
        found = {
            ', '.join(f'{k} {v}' for k, v in value.items())
            if isinstance(value, dict)
            else str(value)
            for value in (row.get(name) for row in rows)
            if value is not None
        }
        if found:
            out.append(f'{name}: {"; ".join(sorted(found))}')
    return out
