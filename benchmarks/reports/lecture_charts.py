"""The charts of a lecture, as specifications of Vega-Lite.

The page has the data and the switches: it gives the data ``nodes`` and
``lines``, and sets the parameters by name.
"""

from typing import TYPE_CHECKING, Any

import pandas as pd

from . import style
from .charts import CONFIG

if TYPE_CHECKING:
    import altair

# The least value that a logarithmic axis shows; less is drawn as this.
FLOOR = 1e-12
NETWORKS = {  # of the page, and the method whose colour each has
    'gcn': 'gcn',
    'residual': 'resgcn',
    'initial': 'gcnii',
    'pairnorm': 'gcn+pair',
    'mlp': 'mlp',
}
# A node has the colour of its place in the plane of states:
COLOR = '"" + lab(62, 130 * datum.across, 130 * datum.up)'
SIDES = {'Mr. Hi': 'circle', 'Officer': 'square'}
LINE_MEASURES = {  # title, and kind of scale
    'mad': ('MAD', 'log'),
    'energy': ('Dirichlet energy', 'log'),
    'rank': ('numerical rank', 'linear'),
}
PROBE_MEASURES = {
    'gradient': ('gradient (share of that at the last layer)', 'log'),
    'mad': ('MAD (how far apart neighbours point)', 'log'),
    'dirichlet_energy': ('Dirichlet energy', 'log'),
    'numerical_rank': ('numerical rank', 'linear'),
}


def colors() -> dict[str, str]:
    """The colour of each network that the page computes."""
    looks = style.looks(NETWORKS.values())
    return {name: looks[method].color for name, method in NETWORKS.items()}


def _plain(chart: Any, height: int) -> Any:
    return (
        chart.properties(width='container', height=height)
        .configure(**CONFIG)
        .configure_view(strokeOpacity=0)
    )


def _nodes(x: str, y: str, **scale: Any) -> 'altair.Chart':
    import altair as alt

    hidden = {'axis': None, 'scale': alt.Scale(nice=False, **scale)}
    return (
        alt.Chart(alt.NamedData('nodes'))
        .transform_calculate(color=COLOR)
        .mark_point(
            size=190, filled=True, opacity=1, stroke='#7A7A7A', strokeWidth=1
        )
        .encode(
            alt.X(x, **hidden),
            alt.Y(y, **hidden),
            alt.Color('color:N', scale=None),
            alt.Shape('side:N', legend=None).scale(
                domain=[*SIDES], range=[*SIDES.values()]
            ),
            tooltip=[
                alt.Tooltip('member:Q', title='member'),
                alt.Tooltip('side:N', title='side'),
            ],
        )
    )


def club(graph: dict[str, Any]) -> 'altair.LayerChart':
    """The graph, each member at its place in the drawing."""
    import altair as alt

    places = graph['places']
    edges = pd.DataFrame(
        [[*places[i], *places[j]] for i, j in graph['edges']],
        columns=['x', 'y', 'x2', 'y2'],
    )
    lines = (
        alt.Chart(edges)
        .mark_rule(color='#7A7A7A', opacity=0.45)
        .encode(
            alt.X('x:Q', axis=None),
            alt.Y('y:Q', axis=None),
            alt.X2('x2:Q'),
            alt.Y2('y2:Q'),
        )
    )
    members = _nodes('x:Q', 'y:Q', domain=[-1.1, 1.1])
    return _plain(alt.layer(lines, members), 330)


def plane() -> 'altair.LayerChart':
    """The same members where their states point."""
    import altair as alt

    cross = alt.Chart(pd.DataFrame({'zero': [0]})).mark_rule(
        color='#7A7A7A', opacity=0.3
    )
    lines = (
        cross.encode(alt.X('zero:Q', axis=None)),
        cross.encode(alt.Y('zero:Q', axis=None)),
    )
    members = _nodes('across:Q', 'up:Q', domain=[-1.05, 1.05])
    return _plain(alt.layer(*lines, members), 330)


def line(name: str) -> 'altair.LayerChart':
    """A measure by layers of all networks. Parameters: ``kind``, the network
    that stands out; ``layer``, the layer that is looked at.
    """
    import altair as alt

    title, kind = LINE_MEASURES[name]
    x = alt.X('layer:Q', title='layer').axis(
        values=[0, 16, 32, 48, 64], grid=False
    )
    scale = alt.Scale(type=kind, nice=False)
    form = '.0e' if kind == 'log' else 'd'
    y = alt.Y(f'{name}:Q', title=title, scale=scale).axis(
        format=form, tickCount=4, gridOpacity=0.4
    )
    color = alt.Color('kind:N', legend=None).scale(
        domain=[*colors()], range=[*colors().values()]
    )
    mine = 'datum.kind == kind'
    base = alt.Chart(alt.NamedData('lines')).encode(x, y, color)
    return _plain(
        alt.layer(
            base.mark_line().encode(
                detail='kind:N',
                opacity=alt.condition(mine, alt.value(1), alt.value(0.4)),
                strokeWidth=alt.condition(mine, alt.value(3), alt.value(1)),
            ),
            base.transform_filter(
                f'{mine} && datum.layer == layer'
            ).mark_point(size=120, filled=True, opacity=1),
        ).add_params(
            alt.param(name='kind', value='gcn'),
            alt.param(name='layer', value=0),
        ),
        170,
    )


def probed(lines: pd.DataFrame) -> pd.DataFrame:
    """What :func:`by_layer` draws, of lines of :func:`layers.frame`: the
    gradient as a share of that at the last layer, no value below the floor.
    """
    runs = lines.groupby(['method', 'depth', 'seed', 'state'])
    share = lines['gradient'] / runs['gradient'].transform('last')
    out = lines.assign(gradient=share, name=lines['method'].map(style.name_of))
    columns = ['method', 'name', 'depth', 'state', 'layer', *PROBE_MEASURES]
    out = out.loc[runs['layer'].transform('size') > 3, columns]
    for name, (_, kind) in PROBE_MEASURES.items():
        if kind == 'log':
            out[name] = out[name].clip(lower=FLOOR)
        out[name] = out[name].map(lambda value: float(f'{value:.4g}'))
    return out


def by_layer(lines: pd.DataFrame, name: str, state: str) -> 'altair.Chart':
    """A measure by layers in a state of training, of the data ``lines``.
    Parameters: ``shown``, the methods; ``depth``, that of the networks.
    """
    import altair as alt

    title, kind = PROBE_MEASURES[name]
    looks = style.looks(lines['method'])
    ends = [float(lines[name].min()), float(lines[name].max())]
    y = alt.Y(f'{name}:Q', title=title).scale(
        type=kind, domain=ends, nice=kind == 'linear'
    )
    form = '.0e' if kind == 'log' else 'd'
    color = alt.Color('method:N', legend=None).scale(
        domain=[*looks], range=[look.color for look in looks.values()]
    )
    dash = alt.StrokeDash('method:N', legend=None).scale(
        domain=[*looks], range=[[*look.dash] for look in looks.values()]
    )
    x = alt.X('layer:Q', title='layer', scale=alt.Scale(nice=False)).axis(
        grid=False, tickMinStep=1, format='d'
    )
    base = (
        alt.Chart(alt.NamedData('lines'))
        .transform_filter(f'datum.state == "{state}"')
        .transform_filter('datum.depth == depth')
        .transform_filter('indexof(shown, datum.method) >= 0')
        .encode(x, y.axis(format=form, tickCount=6, gridOpacity=0.4), color)
    )
    told = [
        alt.Tooltip('name:N', title='method'),
        'layer:Q',
        alt.Tooltip(f'{name}:Q', title=title.split(' (')[0], format='.3g'),
    ]
    return _plain(
        alt.layer(
            base.mark_line(strokeWidth=2).encode(dash),
            base.mark_point(size=30, filled=True, opacity=1).encode(
                tooltip=told
            ),
        ).add_params(
            alt.param(name='shown', value=[*looks]),
            alt.param(name='depth', value=int(lines['depth'].max())),
        ),
        280,
    )
