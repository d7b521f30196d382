import dataclasses
from functools import cache
from pathlib import Path
from typing import Any

import torch
import yaml
from torch_geometric.data import Data

from ..data.datasets import DATASETS
from ..errors import UsageError, check_name, reason
from ..methods.edges import EDGES
from ..methods.network import Network
from ..methods.spec import Method, parse
from ..values import KEYS, Loader, check, read_file
from .recipe import BATCHES, Recipe, check_batch, parameter_groups
from .recipe import KINDS as RECIPE

FOLDER = Path(__file__).with_name('presets')
NOTHING = Data(edge_index=torch.empty(2, 0).long(), num_nodes=1)
BATCH_KEYS = {key for keys in BATCHES.values() for key in keys}
DEFAULTS = {field.name: field.default for field in dataclasses.fields(Recipe)}


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
    content = read_file(path)
    if {*content, 'candidates'} != {'source', 'recipes', 'candidates'}:
        raise UsageError(
            f'{path.name} must hold source and recipes (got '
            f'{", ".join(map(str, content))})'
        )
    if not isinstance(content['source'], str):
        raise UsageError(f'{path.name}: source must be a text')
    for dataset, recipes in _keys(path, content, 'recipes').items():
        check_name(f'dataset in {path.name}', dataset, DATASETS)
        for method in _keys(path, content['recipes'], dataset):
            parse(method)
            _keys(path, recipes, method)
    return content


def _keys(path: Path, content: dict[str, Any], name: str) -> dict[str, Any]:
    if not KEYS.fits(content[name]):
        raise UsageError(
            f'{path.name}: {name} must be {KEYS.meant} (got {content[name]!r})'
        )
    return content[name]


def read_value(text: str) -> tuple[str, Any]:
    """Reads ``key=value`` of the command line; the value is YAML."""
    key, equals, value = text.partition('=')
    key = key.strip()
    if not (key and equals):
        raise UsageError(f'--set needs key=value (got {text!r})')
    try:
        return key, yaml.load(value, Loader)
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        raise UsageError(f'--set {text!r} is no valid YAML') from error


def configure(
    preset: str,
    dataset: str,
    method: Method,
    overrides: dict[str, Any],
    depth: int = 2,
) -> dict[str, Any]:
    """The full configuration of a method: defaults, preset, command line.

    Of the preset's recipes, the one counts whose method has the most parts
    and none that is not in the given one: what the preset does not mention
    takes the recipe of what is left without it. What a remedy of the method
    says goes before what the recipe says. A ``batch`` of the command line,
    which may be ``full``, puts that of the recipe out of force.

    Raises:
        UsageError: If the preset has no recipe for the method on the
            dataset, if a key is unknown, or if a value cannot be, or not at
            this depth.
    """
    recipe = _recipe(preset, dataset, method)
    full = overrides.get('batch') == 'full'
    if full:
        overrides = {k: v for k, v in overrides.items() if k != 'batch'}
    recipe = {k: v for k, v in recipe.items() if k not in method.keywords}
    _check_values(recipe, method)
    _check_values(overrides, method)
    if full or 'batch' in overrides:
        gone = {'batch', *BATCH_KEYS}
        recipe = {k: v for k, v in recipe.items() if k not in gone}
        overrides = {**BATCHES.get(overrides.get('batch'), {}), **overrides}
    config = {
        **{k: v for k, v in DEFAULTS.items() if v is not None},
        **method.defaults,
        **recipe,
        **overrides,
    }
    if method.edges is not None:
        config['augment'] = {
            **EDGES[method.edges],
            **recipe.get('augment', {}),
            **overrides.get('augment', {}),
        }
    if DATASETS[dataset].many:
        _check_many(config, method, dataset)
    _check_batch(config, method, dataset)
    try:
        network, recipe = split(config, method, depth)
        with torch.device('meta'):
            seen = DATASETS[dataset].many or config.get('edge_features')
            model = network.build(2, 2, 2 if seen else None)
        parameter_groups(model, recipe.weight_decay)
        network.prepare(NOTHING, 0)
        redraw = network.redraw(NOTHING)
        if redraw is not None:
            redraw()
    except Exception as error:  # of whatever library reads an option
        raise UsageError(f'{method.name}: {reason(error)}') from error
    return config


def _recipe(preset: str, dataset: str, method: Method) -> dict[str, Any]:
    """What a preset says of a method on a dataset."""
    recipes = read(preset)['recipes']
    here = recipes.get(dataset, {})
    fits = [name for name in here if parse(name).parts <= method.parts]
    if fits:
        return here[max(fits, key=lambda name: len(parse(name).parts))]
    others = [name for name in names() if dataset in read(name)['recipes']]
    raise UsageError(
        f'preset {preset!r} has no recipe for {method.name!r} on {dataset}: '
        + (
            f'it has {", ".join(here)} there'
            if here
            else f'it is for {", ".join(recipes)}; for {dataset} there is '
            f'{", ".join(others) or "none"}'
        )
    )


def _check_values(given: dict[str, Any], method: Method) -> None:
    """Whether keys are known, and values what they may be."""
    kinds = {**RECIPE, **method.kinds()}
    if method.edges is not None:
        kinds['augment'] = KEYS
    for key in given:
        check_name(f'key of {method.name}', key, kinds)
    edges, known = given.get('augment', {}), method.edge_kinds()
    try:
        check(given, kinds)
        for key in edges:
            check_name('key of augment', key, known)
        check(edges, known)
    except (UsageError, ValueError) as error:
        raise UsageError(f'{method.name}: {error}') from error


def _check_many(config: dict[str, Any], method: Method, dataset: str) -> None:
    if method.backbone.joins_points and not DATASETS[dataset].points:
        raise UsageError(f'{method.name} is for points, not for given graphs')
    if method.edges is not None:
        raise UsageError(
            f'{method.name} changes the edges of one graph, not of many'
        )
    for key in ('row_normalize', 'loss', 'label_rate'):
        if config.get(key):
            raise UsageError(
                f'{key} is for one graph, and {dataset} has many (got '
                f'{config[key]!r})'
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
    check_batch(kind)
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
