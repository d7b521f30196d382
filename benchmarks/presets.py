import dataclasses
import re
from functools import cache
from pathlib import Path
from typing import Any

import torch
import yaml
from torch_geometric.data import Data

from benchmarks import batches
from benchmarks.datasets import DATASETS
from benchmarks.errors import UsageError, check_name
from benchmarks.methods import EDGES, Method, Network, parse
from benchmarks.recipe import BATCHES, Recipe, parameter_groups

FOLDER = Path(__file__).with_name('presets')
NOTHING = Data(edge_index=torch.empty(2, 0).long(), num_nodes=1)
BATCH_KEYS = {key for keys in BATCHES.values() for key in keys}
DEFAULTS = {field.name: field.default for field in dataclasses.fields(Recipe)}


class _Loader(yaml.SafeLoader):
    """Reads ``5e-4`` as a number, as YAML 1.2 does, and no key twice."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict:
        keys = [k.value for k, _ in node.value if k.value != '<<']
        twice = {key for key in keys if keys.count(key) > 1}
        if twice:
            raise UsageError(
                f'{node.start_mark}: {twice.pop()!r} stands twice'
            )
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    'tag:yaml.org,2002:float',
    re.compile(r'^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$'),
    list('-+.0123456789'),
)


def names() -> list[str]:
    """The names of all presets."""
    return sorted(path.stem for path in FOLDER.glob('*.yaml'))


@cache
def read(preset: str) -> dict[str, Any]:
    """Reads ``presets/NAME.yaml``: its source, a recipe for each dataset and
    method, and perhaps candidates to choose from for each kind of edges.

    Raises:
        UsageError: On an unknown preset, or unknown keys in the file.
    """
    check_name('preset', preset, names())
    path = FOLDER / f'{preset}.yaml'
    content = yaml.load(path.read_text(), _Loader)
    if {*content, 'candidates'} != {'source', 'recipes', 'candidates'}:
        raise UsageError(
            f'{path.name} must hold source and recipes (got '
            f'{", ".join(content)})'
        )
    for dataset, recipes in content['recipes'].items():
        check_name('dataset', dataset, DATASETS)
        for method in recipes:
            parse(method)
    return content


def read_value(text: str) -> tuple[str, Any]:
    """Reads ``key=value`` of the command line; the value is YAML."""
    key, equals, value = text.partition('=')
    if not (key and equals):
        raise UsageError(f'--set needs key=value (got {text!r})')
    try:
        return key.strip(), yaml.load(value, _Loader)
    except yaml.YAMLError as error:
        raise UsageError(f'--set {text!r} is no valid YAML') from error


def configure(
    preset: str, dataset: str, method: Method, overrides: dict[str, Any]
) -> dict[str, Any]:
    """The full configuration of a method: defaults, preset, command line.

    Of the preset's recipes, the one counts whose method has the most parts
    and none that is not in the given one: what the preset does not mention
    takes the recipe of what is left without it. What a remedy of the method
    says goes before what the recipe says. A ``batch`` of the command line,
    which may be ``full``, puts that of the recipe out of force.

    Raises:
        UsageError: If the preset has no recipe for the method on the
            dataset, or if a key is unknown.
    """
    recipes = read(preset)['recipes'].get(dataset, {})
    fits = [name for name in recipes if parse(name).parts <= method.parts]
    if not fits:
        have = ', '.join(recipes) or 'none'
        raise UsageError(
            f'preset {preset!r} has no recipe for {method.name!r} on '
            f'{dataset} (it has: {have})'
        )
    if DATASETS[dataset].many:
        _check_many(method, dataset)
    recipe = recipes[max(fits, key=lambda name: len(parse(name).parts))]
    recipe = {k: v for k, v in recipe.items() if k not in method.keywords}
    if 'batch' in overrides:
        gone = {'batch', *BATCH_KEYS}
        recipe = {k: v for k, v in recipe.items() if k not in gone}
        if overrides['batch'] == 'full':
            overrides = {k: v for k, v in overrides.items() if k != 'batch'}
        else:
            overrides = {**BATCHES.get(overrides['batch'], {}), **overrides}
    config = {
        **{k: v for k, v in DEFAULTS.items() if v is not None},
        **method.defaults,
        **recipe,
        **overrides,
    }
    known = {*DEFAULTS, *method.options()}
    if method.edges is not None:
        config['augment'] = {
            **EDGES[method.edges],
            **recipe.get('augment', {}),
            **overrides.get('augment', {}),
        }
        known.add('augment')
    for key in config:
        check_name(f'key of {method.name}', key, known)
    _check_batch(config, method, dataset)
    try:
        network, recipe = split(config, method, 2)
        with torch.device('meta'):
            seen = DATASETS[dataset].many or config.get('edge_features')
            model = network.build(2, 2, 2 if seen else None)
        parameter_groups(model, recipe.weight_decay)
        network.prepare(NOTHING, 0)
        redraw = network.redraw(NOTHING)
        if redraw is not None:
            redraw()
    except (TypeError, ValueError) as error:
        raise UsageError(f'{method.name}: {error}') from error
    return config


def _check_many(method: Method, dataset: str) -> None:
    if method.backbone.joins_points and not DATASETS[dataset].points:
        raise UsageError(f'{method.name} is for points, not for given graphs')
    if method.edges is not None:
        raise UsageError(
            f'{method.name} changes the edges of one graph, not of many'
        )


def _check_batch(config: dict[str, Any], method: Method, dataset: str) -> None:
    """Whether what makes a step fits together."""
    if config.get('edge_features') and not method.sees_edges:
        raise UsageError(f'{method.name} takes no features of edges')
    kind = config.get('batch')
    needed = (*BATCHES.get(kind, ()),)
    if DATASETS[dataset].many:
        kind, needed = 'the many graphs of ' + dataset, ('batch_size',)
    given = BATCH_KEYS & {*config}
    if given != {*needed}:
        raise UsageError(
            f'batch={kind} needs {", ".join(needed) or "nothing"} (got '
            f'{", ".join(sorted(given)) or "nothing"})'
        )
    if 'batch' not in config:
        return
    batches.check(kind)
    if method.edges or method.backbone.joins_points or 'label_rate' in config:
        raise UsageError(
            f'{method.name} makes edges or inputs of the whole graph, and '
            f'cannot train on parts of it (got batch={kind})'
        )


@cache
def unchanged(preset: str, dataset: str, method: str) -> dict[str, Any]:
    """The configuration of a method as the preset has it; not to be changed.

    Raises:
        UsageError: As :func:`configure`.
    """
    return configure(preset, dataset, parse(method), {})


def split(
    config: dict[str, Any], method: Method, depth: int
) -> tuple[Network, Recipe]:
    """What to train, and how."""
    recipe = {k: v for k, v in config.items() if k in DEFAULTS}
    options = {k: v for k, v in config.items() if k not in DEFAULTS}
    augment = options.pop('augment', {})
    return Network(method, depth, options, augment), Recipe(**recipe)
