"""Charts for a browser, as specifications of Vega-Lite.

A page has their switches: it sets the parameters by name.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import pandas as pd

from ..runs.store import Row
from ..training.layers import DRAWN
from . import facts, style
from .layers import LEAST, LINEAR, STATES
from .summary import (
    cell_text,
    limits,
    metric_of,
    nested,
    protocol_of,
    usual_runs,
)

if TYPE_CHECKING:
    import altair

HEIGHT = 380
MARKER = 60  # square pixels
GRAY = '#7A7A7A'
AXIS = {
    'minExtent': 34,  # so that charts stand below each other
    'labelFontSize': 12,
    'titleFontSize': 13,
    'labelFont': 'system-ui, sans-serif',
    'titleFont': 'system-ui, sans-serif',
}
CONFIG = {'background': 'transparent', 'axis': AXIS}


def curves(
    summary: pd.DataFrame, rows: Iterable[Row] = ()
) -> 'altair.LayerChart':
    """The curves. Parameters: ``shown``, the methods; ``chosen``, one that
    stands out, if any; ``band`` and ``dots``, whether standard deviations and
    seeds are drawn.

    Args:
        summary: A line for each method and depth.
        rows: The runs, for the seeds.
    """
    import altair as alt

    looks = style.looks(summary['method'])
    lines = _lines(summary[summary['runs'] > 0])
    seeds = _seeds(rows)
    methods = [*looks]
    x = _by_depth('depth:Q', 'depth (layers or propagation steps)', summary)
    title = f'test {metric_of(summary).title}'
    luck = facts.guess(summary['dataset'].iloc[0])
    scores = alt.Scale(domain=limits(summary, luck), nice=False)
    y = alt.Y('mean:Q', title=title, scale=scores)
    color = alt.Color('method:N', legend=None).scale(
        domain=methods, range=[look.color for look in looks.values()]
    )
    dash = alt.StrokeDash('method:N', legend=None).scale(
        domain=methods, range=[[*look.dash] for look in looks.values()]
    )
    shape = alt.Shape('method:N', legend=None).scale(
        domain=methods,
        range=[style.MARKERS[look.marker] for look in looks.values()],
    )
    seen = 'indexof(shown, datum.method) >= 0'
    bold = alt.condition('datum.method == chosen', alt.value(4), alt.value(2))
    tooltip = [
        alt.Tooltip(f'{name}:N', title=name.replace('_', ' '))
        for name in TOLD
        if lines[name].any()
    ]
    base = alt.Chart(lines).transform_filter(seen)
    of_seeds = alt.Chart(seeds).transform_filter(seen)
    return (
        alt.layer(
            *_needed(summary, named=True),
            *_guess(luck, scores),
            base.transform_filter('band')
            .mark_area(opacity=0.15)
            .encode(x, alt.Y('low:Q').scale(scores), alt.Y2('high:Q'), color),
            base.mark_line().encode(x, y, color, dash, strokeWidth=bold),
            base.transform_filter('isValid(datum.published)')
            .mark_point(size=110, strokeWidth=2)
            .encode(x, alt.Y('published:Q').scale(scores), color, shape),
            base.transform_filter('isValid(datum.fixed)')
            .mark_line(strokeWidth=1, strokeDash=[1, 3])
            .encode(x, alt.Y('fixed:Q').scale(scores), color),
            of_seeds.transform_filter('dots')
            .mark_circle(size=14, opacity=0.6)
            .encode(x, alt.Y('test:Q').scale(scores), color),
            base.mark_point(filled=True, opacity=1).encode(
                *(x, y, color, shape),
                size=alt.Size('size:Q', scale=None, legend=None),
                tooltip=tooltip,
            ),
        )
        .add_params(
            alt.param(name='shown', value=methods),
            alt.param(name='chosen', value=''),
            alt.param(name='band', value=True),
            alt.param(name='dots', value=False),
        )
        .properties(width='container', height=HEIGHT)
        .configure(**CONFIG)
        .configure_view(strokeOpacity=0)
    )


TOLD = ('name', 'depth', 'score', 'interval', 'runs', 'reference', 'verdict')


def _lines(summary: pd.DataFrame) -> pd.DataFrame:
    """What the curves are drawn from, and what is told of each point."""
    usual = usual_runs(summary) if len(summary) else 0
    told = [
        {
            'method': line['method'],
            'name': style.name_of(line['method']),
            'depth': int(line['depth']),
            'mean': line['mean'],
            'low': line['mean'] - (0 if pd.isna(line['std']) else line['std']),
            'high': line['mean']
            + (0 if pd.isna(line['std']) else line['std']),
            'published': line['published']
            if line['verified'] == 'yes'
            else None,
            'fixed': None if pd.isna(line.get('fixed')) else line['fixed'],
            'score': cell_text(line, usual),
            'interval': _interval(line),
            'runs': f'{line["runs"]:.0f}',
            'reference': ''
            if pd.isna(line['published'])
            else f'{line["published"]:.2f} ({line["paper"]})',
            'verdict': '' if pd.isna(line['published']) else line['verdict'],
            'size': MARKER * wide**2,
        }
        for (_, line), wide in zip(
            summary.iterrows(), nested(summary), strict=True
        )
    ]
    drawn = ('mean', 'low', 'high', 'published', 'fixed', 'size')
    columns = ('method', *drawn, *TOLD)
    return pd.DataFrame(told, columns=columns)


def _by_depth(field: str, title: str, summary: pd.DataFrame) -> 'altair.X':
    """The axis that charts of the same runs share."""
    import altair as alt

    depths = sorted({int(depth) for depth in summary['depth']})
    ends = [depths[0], depths[-1]]
    if len(depths) == 1:
        ends = [depths[0] / 2, depths[0] * 2]
    return alt.X(
        field,
        title=title,
        scale=alt.Scale(type='log', base=2, nice=False, domain=ends),
        axis=alt.Axis(values=depths, format='d', grid=False),
    )


def _interval(line: pd.Series) -> str:
    if pd.isna(line['ci95_low']):
        return ''
    return f'[{line["ci95_low"]:.2f}, {line["ci95_high"]:.2f}] (95 %)'


def _seeds(rows: Iterable[Row]) -> pd.DataFrame:
    good = [row for row in rows if row['status'] == 'ok']
    scale = protocol_of(good[0]).metric.scale if good else 1.0
    return pd.DataFrame(
        {
            'method': row['method'],
            'depth': row['depth'],
            'test': scale * row['test'],
        }
        for row in good
    ).reindex(columns=['method', 'depth', 'test'])


def _needed(
    summary: pd.DataFrame, named: bool = False
) -> list['altair.Chart']:
    """A line at the depth that is needed, where that is known, perhaps with
    the words for it above.
    """
    import altair as alt

    needed = facts.marked_depth(summary)
    if needed is None:
        return []
    base = alt.Chart(pd.DataFrame({'needed': [needed]}))
    x = alt.X('needed:Q').scale(type='log', base=2)
    line = base.mark_rule(strokeDash=[4, 4], color=GRAY).encode(x)
    hops = facts.hops(summary['dataset'].iloc[0])
    text = base.mark_text(dy=-8, color=GRAY, text=hops)
    return [line, text.encode(x, y=alt.value(0))] if named else [line]


def _guess(luck: float | None, scores: 'altair.Scale') -> list['altair.Chart']:
    """A line at the score of who guesses, where that is known."""
    import altair as alt

    if luck is None:
        return []
    base = alt.Chart(pd.DataFrame({'guess': [luck]}))
    y = alt.Y('guess:Q').scale(scores)
    line = base.mark_rule(strokeDash=[1, 3], color=GRAY).encode(y)
    text = base.mark_text(align='right', dy=-7, color=GRAY, text='guess')
    return [line, text.encode(y, x=alt.value('width'))]


def far(summary: pd.DataFrame) -> 'altair.Chart':
    """Below the curves, how much outputs depend on features that are as far
    away as the answers.
    """
    import altair as alt

    looks = style.looks(summary['method'])
    some = summary[summary['jacobian'] > 0]
    color = alt.Color('method:N', legend=None).scale(
        domain=[*looks], range=[look.color for look in looks.values()]
    )
    line = (
        alt.Chart(some[['method', 'depth', 'jacobian']])
        .mark_line(point=True)
        .encode(
            _by_depth('depth:Q', 'depth', summary),
            alt.Y('jacobian:Q', title='Jacobian')
            .scale(type='log')
            .axis(tickCount=4, format='.0e'),
            color,
            tooltip=[
                alt.Tooltip('method:N'),
                alt.Tooltip('depth:Q'),
                alt.Tooltip('jacobian:Q', format='.2e'),
            ],
        )
    )
    return (
        alt.layer(*_needed(summary), line)
        .properties(width='container', height=150)
        .configure(**CONFIG)
        .configure_view(strokeOpacity=0)
    )


def reach(summary: pd.DataFrame, seen: pd.DataFrame) -> 'altair.Chart':
    """The receptive field below the curves."""
    import altair as alt

    depths = summary['depth']
    some = seen[seen['hops'].between(depths.min(), depths.max())]
    return (
        alt.Chart(some[['hops', 'percent']])
        .mark_line(point=True, color=GRAY)
        .encode(
            _by_depth('hops:Q', 'convolutions', summary),
            alt.Y('percent:Q', title='% of nodes in reach').scale(
                domain=[0, 100]
            ),
            tooltip=[
                alt.Tooltip('hops:Q', title='convolutions'),
                alt.Tooltip('percent:Q', title='% of nodes', format='.1f'),
            ],
        )
        .properties(width='container', height=110)
        .configure(**CONFIG)
        .configure_view(strokeOpacity=0)
    )


def layers(lines: pd.DataFrame) -> dict[str, 'altair.Chart']:
    """A heat map for each measure that was taken, depths by layers, before
    and after training, of the data ``layers``, as :func:`layers.frame` gives
    them. Parameters: ``chosen``, the method; ``depth``, one that stands out,
    if it is not 0.
    """
    import altair as alt

    out = {}
    for name in DRAWN:
        values = lines[name].dropna().astype(float)
        if values.empty:
            continue
        kind = 'linear' if name in LINEAR else 'log'
        fits = 'isValid(datum.value)'
        if kind == 'log':
            fits = 'isValid(datum.value) && datum.value > 0'
        out[name] = (
            alt.Chart(alt.NamedData('layers'))
            .transform_filter('datum.method == chosen')
            .transform_calculate(value=f'datum.{name}')
            .transform_filter(fits)
            .mark_rect()
            .encode(
                alt.X('layer:O', title='layer').axis(
                    labelOverlap=True, labelAngle=0, ticks=False
                ),
                alt.Y('depth:O', title='depth'),
                alt.Color('value:Q', title=None).scale(
                    type=kind, scheme='viridis'
                ),
                alt.Row('state:N', title=None, sort=[*STATES]).header(
                    labelOrient='top', labelAnchor='start'
                ),
                opacity=alt.condition(
                    'depth == 0 || datum.depth == depth',
                    alt.value(1),
                    alt.value(0.35),
                ),
                tooltip=[
                    'state:N',
                    'depth:O',
                    'layer:O',
                    alt.Tooltip(
                        'value:Q', title=name.replace('_', ' '), format='.3g'
                    ),
                ],
            )
            .add_params(
                alt.param(name='chosen', value=lines['method'].iloc[0]),
                alt.param(name='depth', value=0),
            )
            .properties(width=190, height=110)
            .configure(**CONFIG, header={'labelFontSize': 12})
            .configure_view(strokeOpacity=0)
        )
    return out


def attention(lines: pd.DataFrame) -> 'altair.Chart':
    """What each head lacks of a plain mean, layer by layer, before and after
    training, of the data ``attention``, as :func:`layers.attention` gives
    them. Parameters as in :func:`layers`.
    """
    import altair as alt

    return (
        alt.Chart(alt.NamedData('attention'))
        .transform_filter('datum.method == chosen')
        .transform_filter('depth == 0 || datum.depth == depth')
        .transform_filter('isValid(datum.divergence)')
        .mark_point(filled=True, size=18, opacity=0.8)
        .encode(
            alt.X('layer:O', title='layer').axis(
                labelOverlap=True, labelAngle=0, ticks=False
            ),
            alt.Y('divergence:Q', title=None)
            .scale(type='log', domain=[LEAST, 1], nice=False)
            .axis(format='.0e', tickCount=4),
            alt.Color('depth:O', title='depth').scale(scheme='viridis'),
            alt.Row('state:N', title=None, sort=[*STATES]).header(
                labelOrient='top', labelAnchor='start'
            ),
            tooltip=[
                *('state:N', 'depth:O', 'layer:O', 'head:O'),
                alt.Tooltip(
                    'divergence:Q', title='1 - relative entropy', format='.3g'
                ),
            ],
        )
        .add_params(
            alt.param(name='chosen', value=lines['method'].iloc[0]),
            alt.param(name='depth', value=0),
        )
        .properties(width=190, height=110)
        .configure(**CONFIG, header={'labelFontSize': 12})
        .configure_view(strokeOpacity=0)
    )


def specification(chart: 'altair.TopLevelMixin') -> dict[str, Any]:
    """The chart as JSON."""
    import altair as alt

    with alt.data_transformers.enable('default', max_rows=None):
        return chart.to_dict()
