"""Directives for the model zoo, from methods, presets, stores, references."""

import inspect
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from functools import cache
from typing import Any

import pandas as pd
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from benchmarks.methods import spec
from benchmarks.methods.backbones import BACKBONES, aliases
from benchmarks.recipes import presets
from benchmarks.reports import claims, verdict
from benchmarks.reports.published import CELL
from benchmarks.runs.identity import key
from benchmarks.runs.store import Row, Store

ABOVE = '/../benchmarks'  # as seen from the root of the pages
ON_ARXIV = re.compile(r'arXiv (\d{4}\.\d{5})')
IN_DOCSTRING = re.compile(r'`"([^"]+)"\s+<(https://arxiv\.org/[^>]+)>`_')
COLORS = {'agrees': 'success', 'differs': 'warning', 'undecided': 'info'}
UNSURE = 'unverified reference'
STRENGTH = ('runs', 'difference', 'runs to agree')
NO_BREAK = '\N{NO-BREAK SPACE}'


@cache
def stores() -> dict[str, list[Row]]:
    """The committed runs by the name of their file."""
    return {
        path.name: Store(path.parent, path.name).read()
        for path in sorted(verdict.RESULTS.glob('*.jsonl'))
    }


@cache
def to_the_letter() -> dict[str, list[Row]]:
    """Those of them that follow their preset."""
    return {name: verdict.read([verdict.RESULTS / name]) for name in stores()}


def each_once() -> list[Row]:
    """The same, of all stores."""
    rows = {key(r): r for rows in to_the_letter().values() for r in rows}
    return [*rows.values()]


@cache
def cells() -> pd.DataFrame:
    """The cells with a published number of known source, and ours."""
    lines = verdict.judge(each_once()).dropna(subset='published')
    return lines[lines['verdict'] != UNSURE].reset_index(drop=True)


def files_of(line: pd.Series) -> list[str]:
    """The stores that hold runs of a cell."""
    return [
        name
        for name, rows in to_the_letter().items()
        if any(all(row[k] == line[k] for k in CELL) for row in rows)
    ]


class Table(SphinxDirective):
    """A table that is made as the pages are built."""

    head: tuple[str, ...]
    numbers: tuple[str, ...] = ()

    def run(self) -> list[nodes.Node]:
        """Makes the table."""
        rule = ('---:' if h in self.numbers else '---' for h in self.head)
        lines = [f'| {" | ".join(r)} |' for r in (self.head, rule)]
        lines += [f'| {" | ".join(row)} |' for row in self.lines()]
        for path in verdict.RESULTS.glob('*.jsonl'):
            self.env.note_dependency(path)
        return self.parse_text_to_nodes('\n'.join(lines))

    def lines(self) -> Iterable[list[str]]:
        """The cells of each line, in Markdown."""
        raise NotImplementedError


class Networks(Table):
    """Each network of the benchmark."""

    head = ('method', 'class', 'paper', 'depth counts', 'presets', 'runs')
    numbers = ('runs',)

    def lines(self) -> Iterable[list[str]]:
        """A line for each network, and for each other name."""
        runs: Counter[str] = Counter()
        known = {key(row) for rows in stores().values() for row in rows}
        for _, method, *_ in known:
            runs[method.partition('+')[0]] += 1
        recipes = defaultdict(list)
        for preset in map(presets.read, presets.names()):
            methods = {m for ms in preset.recipes.values() for m in ms}
            for name in {m.partition('+')[0] for m in methods}:
                recipes[name].append(preset.name)
        for name in (*BACKBONES, *aliases()):
            backbone = spec.parse(name).backbone
            stands_for = aliases().get(name)
            text = f'`{name}`'
            if stands_for is not None:
                text += f' = `{stands_for}`'
            yield [
                text,
                class_of(name),
                '' if stands_for else paper_of(backbone.model),
                backbone.unit,
                ', '.join(map(preset_file, recipes[name])),
                str(runs[name]),
            ]


class PublishedCells(Table):
    """The cells of a dataset that have a published number."""

    required_arguments = 1
    head = (
        'method',
        'class',
        'depth',
        'preset',
        'published',
        'ours',
        'runs',
        'difference',
        'verdict',
        'runs to agree',
    )
    numbers = (
        'depth',
        'published',
        'ours',
        'runs',
        'difference',
        'runs to agree',
    )

    def lines(self) -> Iterable[list[str]]:
        """A line for each cell."""
        found = cells()
        for _, line in found[found['dataset'] == self.arguments[0]].iterrows():
            yield [
                f'`{line["method"]}`',
                class_of(line['method']),
                str(line['depth']),
                f'{preset_file(line["preset"])} {source_of(line["preset"])}',
                f'{line["published"]:.2f}',
                with_spread(line),
                runs_of(line),
                with_interval(line),
                badge(line['verdict']),
                runs_to_agree(line),
            ]


class UndecidedCells(Table):
    """The cells whose runs do not say whether they agree."""

    head = ('dataset', 'method', 'depth', 'preset', *STRENGTH)
    numbers = ('depth', *STRENGTH)

    def lines(self) -> Iterable[list[str]]:
        """A line for each cell."""
        found = cells()
        found = found[found['verdict'] == 'undecided']
        for _, line in found.sort_values('dataset', kind='stable').iterrows():
            yield [
                *(f'`{line[key]}`' for key in ('dataset', 'method')),
                str(line['depth']),
                preset_file(line['preset']),
                runs_of(line),
                with_interval(line),
                runs_to_agree(line),
            ]


class Claims(SphinxDirective):
    """What papers say of depth, and what the committed runs say of it."""

    def run(self) -> list[nodes.Node]:
        """Makes the table."""
        for path in verdict.RESULTS.glob('*.jsonl'):
            self.env.note_dependency(path)
        lines = claims.markdown(claims.check(each_once()))
        return self.parse_text_to_nodes('\n'.join(lines))


class CommittedRuns(Table):
    """The stores of this repository."""

    head = ('file', 'runs', 'datasets', 'presets', 'methods')
    numbers = ('runs',)

    def lines(self) -> Iterable[list[str]]:
        """A line for each file."""
        for name, rows in stores().items():
            seen = (
                list(dict.fromkeys(row[key] for row in rows))
                for key in ('dataset', 'preset', 'method')
            )
            yield [
                download(name.removesuffix('.jsonl'), f'results/{name}'),
                str(len(rows)),
                *(', '.join(f'`{word}`' for word in words) for words in seen),
            ]


def class_of(method: str) -> str:
    """The class that a method is made of, linked if others may use it."""
    model = spec.parse(method).backbone.model
    if not model.__module__.startswith('pyg_ext'):
        return f'`{model.__name__}`'
    return f'{{class}}`~pyg_ext.nn.{model.__name__}`'


def paper_of(model: type) -> str:
    """The paper that a class names, linked."""
    found = IN_DOCSTRING.search(inspect.getdoc(model))
    if found is None:
        return ''
    return f'[{" ".join(found[1].split())}]({found[2]})'


def preset_file(name: str) -> str:
    """A preset, linked to its file."""
    return download(name, f'recipes/presets/{name}.yaml')


def source_of(preset: str) -> str:
    """The paper of a preset, linked."""
    found = ON_ARXIV.search(presets.read(preset).source)
    return f'([paper](https://arxiv.org/abs/{found[1]}))'


def download(text: str, place: str) -> str:
    """A file of the benchmark, linked."""
    return f'{{download}}`{text} <{ABOVE}/{place}>`'


def runs_of(line: pd.Series) -> str:
    """How many runs a cell has, linked to their files."""
    first, *more = files_of(line)
    links = [download(f'{line["runs"]:.0f}', f'results/{first}')]
    links += [
        download(f'[{number}]', f'results/{name}')
        for number, name in enumerate(more, 2)
    ]
    return ' '.join(links)


def with_spread(line: pd.Series) -> str:
    """Our mean, and the standard deviation if there are several runs."""
    if pd.isna(line['std']):
        return f'{line["mean"]:.2f}'
    return f'{line["mean"]:.2f} ± {line["std"]:.2f}'.replace(' ', NO_BREAK)


def with_interval(line: pd.Series) -> str:
    """Our difference, and half of its 90 % interval if there is one."""
    if pd.isna(line['half90']):
        return f'{line["difference"]:+.2f}'
    text = f'{line["difference"]:+.2f} ± {line["half90"]:.2f}'
    return text.replace(' ', NO_BREAK)


def runs_to_agree(line: pd.Series) -> str:
    """How many would decide a cell, if that is open and known."""
    needed = line['runs_to_agree']
    return '' if pd.isna(needed) else f'{needed:.0f}'


def badge(word: str) -> str:
    """A verdict in its colour."""
    return f'{{bdg-{COLORS.get(word, "secondary")}}}`{word}`'


def setup(app: Sphinx) -> dict[str, Any]:
    """Makes the directives known."""
    app.add_directive('networks', Networks)
    app.add_directive('published-cells', PublishedCells)
    app.add_directive('undecided-cells', UndecidedCells)
    app.add_directive('claims', Claims)
    app.add_directive('committed-runs', CommittedRuns)
    return {'parallel_read_safe': True, 'parallel_write_safe': True}
