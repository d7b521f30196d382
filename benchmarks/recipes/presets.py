"""Presets: what to set for which dataset and method, with its source."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
import yaml
from pydantic import BaseModel, ConfigDict, ValidationError
from torch_geometric.data import Data

from ..data.datasets import DATASETS, Dataset, find
from ..errors import UsageError, check_name, find_name, reason, unknown
from ..methods.backbones import Backbone
from ..methods.edges import EDGES
from ..methods.network import Network
from ..methods.spec import Method, parse
from ..output import write_text
from ..values import KEYS, Kind, check, read_file, whole
from . import files
from .recipe import (
    BATCHES,
    OBJECTIVE,
    OBJECTIVE_KINDS,
    Recipe,
    check_batch,
    parameter_groups,
)
from .recipe import KINDS as RECIPE

FOLDER = files.PRESETS
NOTHING = Data(edge_index=torch.empty(2, 0).long(), num_nodes=1)
BATCH_KEYS = {key for keys in BATCHES.values() for key in keys}
DEFAULTS = {field.name: field.default for field in dataclasses.fields(Recipe)}
ANY = '*'  # for datasets and methods that have no recipe of their own
# Whose recipes data of a user take; features that are no words of papers have
# no rows to scale, as those of the digits.
LIKE = {
    'graph': ('digits', 'cora'),
    'graphs': ('ogbg-molhiv',),
    'points': ('geometricshapes',),
}
METHOD = 'gcn'  # whose recipe a user's network takes, or one on their graphs
DEPTHS = 'depths'  # in a recipe: keys that go before the others, by depth
BY_DEPTH = {
    DEPTHS: Kind(
        'keys with values for each depth, as in {2: {lr: 0.1}}',
        dict[whole(1).type, dict[str, Any]],
    )
}
USUAL = {
    'graph': ('classic', 'long-range'),
    'graphs': ('ogb', 'tu', 'long-range'),
    'points': ('points',),
}

Recipes = Mapping[str, Mapping[str, Mapping[str, Any]]]


@dataclass(frozen=True, eq=False)
class Preset:
    """A published recipe, or one that somebody brings.

    Args:
        name: What rows and tables call it.
        source: Where it is from.
        recipes: Keys and values for each dataset and method; ``depths`` among
            them has keys for each depth, which go before the others, and then
            the recipe is for no other depth.
        candidates: Keys and values to choose from, for each kind of edges.
        published: The preset whose published numbers stand beside its runs;
            this one by default.

    Raises:
        UsageError: If ``depths`` of a recipe is something else.
    """

    name: str
    source: str
    recipes: Recipes
    candidates: Mapping[str, Sequence[Mapping[str, Any]]] | None = None
    published: str | None = None

    def __post_init__(self) -> None:
        for dataset, recipes in self.recipes.items():
            for method, recipe in recipes.items():
                given = {k: v for k, v in recipe.items() if k == DEPTHS}
                try:
                    check(given, BY_DEPTH)
                except ValueError as error:
                    raise UsageError(
                        f'{self.name}: {dataset}: {method}: {error}'
                    ) from error


REGISTERED: dict[str, Preset] = {}


def names() -> list[str]:
    """The names of all built-in presets."""
    return files.names(FOLDER)


def read(name: str) -> Preset:
    """A preset by its name: built in, or registered in this process.

    Raises:
        UsageError: On an unknown name, or unknown keys in the file.
    """
    if name in REGISTERED:
        return REGISTERED[name]
    if name not in names():
        raise unknown('preset', name, [*names(), *REGISTERED])
    return _built_in(name)


@cache
def _built_in(name: str) -> Preset:
    return _read(FOLDER / f'{name}.yaml')


def usual(dataset: Dataset) -> str:
    """The preset to take where none is named."""
    some = USUAL[dataset.kind]
    return next(
        (n for n in some if dataset.family in read(n).recipes), some[0]
    )


def register(preset: str | Path | Mapping[str, Any]) -> str:
    """Makes a preset known in this process, and returns its name.

    Args:
        preset: The name of one that is known, the path of a YAML file, or
            the keys and values of one recipe, which counts for all data and
            methods. A file holds such keys too, or what the built-in ones
            hold: ``source``, and ``recipes`` for each dataset and method, of
            which ``*`` stands for all others. Keys of a recipe for one depth
            stand in ``depths``, as in ``{2: {'lr': 0.1}, 4: {'lr': 0.01}}``.

    Raises:
        UsageError: If it is none of these, or has the name of a built-in one.
    """
    if isinstance(preset, Mapping):
        found = _of_keys('recipe', 'given as keys and values', dict(preset))
    elif Path(preset).suffix in ('.yaml', '.yml'):
        found = _read(Path(preset))
        if found.name in names():
            raise UsageError(
                f'{preset} has the name of a built-in preset: give the file '
                f'another'
            )
    else:
        return read(find_name('preset', preset, [*names(), *REGISTERED])).name
    REGISTERED[found.name] = found
    return found.name


def write(preset: Preset, path: Path) -> None:
    """Writes a preset that may have a recipe for each depth as a file, as
    :func:`register` reads it. What all depths share stands once.
    """
    recipes = {
        dataset: {m: _shared(recipe) for m, recipe in recipes.items()}
        for dataset, recipes in preset.recipes.items()
    }
    content = {
        'source': preset.source,
        'published': preset.published,
        'recipes': recipes,
    }
    kept = {k: v for k, v in content.items() if v is not None}
    text = yaml.dump(
        kept,
        Dumper=Dumper,
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=None,  # what holds no keys of keys in one line
    )
    write_text(path, text)


class Dumper(yaml.SafeDumper):
    """Writes each value where it stands, also one that stands twice."""

    def ignore_aliases(self, data: Any) -> bool:
        """Always."""
        return True


def _shared(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe in which the keys that all its depths share stand once."""
    usual = {k: v for k, v in recipe.items() if k != DEPTHS}
    depths = recipe.get(DEPTHS, {})
    if not depths:
        return usual
    first, *others = depths.values()
    same = {
        k: v
        for k, v in first.items()
        if all(k in one and one[k] == v for one in others)
    }
    own = {
        depth: {k: v for k, v in keys.items() if k not in same}
        for depth, keys in depths.items()
    }
    return {**usual, **same, DEPTHS: own}


class Content(BaseModel):
    """What a file of a preset holds."""

    model_config = ConfigDict(extra='forbid', strict=True)

    source: str
    recipes: dict[str, dict[str, dict[str, Any]]]
    candidates: dict[str, list[dict[str, Any]]] | None = None
    published: str | None = None


def _read(path: Path) -> Preset:
    content = read_file(path)
    if 'recipes' not in content:
        return _of_keys(path.stem, f'the file {path.name}', content)
    try:
        found = Content.model_validate(content)
    except ValidationError as error:
        wrong = _wrong(error, content)
        raise UsageError(f'{path.name}{wrong}') from error
    for dataset, recipes in found.recipes.items():
        if path.parent == FOLDER:
            check_name(f'dataset in {path.name}', dataset, DATASETS)
        for method in recipes:
            if method != ANY:
                parse(method)
    return Preset(path.stem, **dict(found))


def _wrong(error: ValidationError, content: dict[str, Any]) -> str:
    """What is wrong with a file, and where."""
    first = error.errors()[0]
    if first['type'] in ('missing', 'extra_forbidden'):
        return (
            f' must hold source and recipes (got '
            f'{", ".join(map(str, content))})'
        )
    meant = 'a text' if first['type'] == 'string_type' else KEYS.meant
    place = ': '.join(map(str, first['loc']))
    return f': {place} must be {meant} (got {first["input"]!r})'


def _of_keys(name: str, source: str, keys: dict[str, Any]) -> Preset:
    return Preset(name, source, {ANY: {ANY: keys}})


def configure(
    preset: str,
    dataset: str,
    method: Method,
    overrides: dict[str, Any],
    depth: int = 2,
) -> dict[str, Any]:
    """The full configuration of a method: defaults, preset, command line.

    Of the preset's recipes, the one counts whose method has the most words
    and none that is not in the given one: what the preset does not mention
    takes the recipe of what is left without it. What a remedy of the method
    says goes before what the recipe says. A ``batch`` of the command line,
    which may be ``full``, puts that of the recipe out of force.

    Raises:
        UsageError: If the preset has no recipe for the method on the
            dataset, if a key is unknown, or if a value cannot be, or not at
            this depth.
    """
    config = _merged(preset, dataset, method, overrides, depth)
    if method.unsupervised:
        _check_objective(config, method, depth)
    found = find(dataset)
    of_graphs = found.kind == 'graphs' and not found.of_nodes
    if 'pool' in method.keywords and not of_graphs:
        raise UsageError(
            f'{method.name} is for whole graphs, and {dataset} has labels of '
            f'{"points" if found.kind == "points" else "nodes"}'
        )
    if method.backbone.transductive and config.get('inductive'):
        raise UsageError(
            f'{method.name} learns a vector for each node of training: a new '
            f'node has none, so that it cannot be inductive'
        )
    if found.many:
        _check_many(config, method, found)
    _check_batch(config, method, found)
    try:
        network, recipe = split(config, method, depth)
        seen = found.many or config.get('edge_features')
        model = network.sketch(2 if seen else None)
        parameter_groups(model, recipe.weight_decay)
        network.prepare(NOTHING, 0)
        redraw = network.redraw(model, NOTHING)
        if redraw is not None:
            redraw()
    except Exception as error:  # of whatever library reads an option
        raise UsageError(f'{method.name}: {reason(error)}') from error
    return config


def _merged(
    preset: str,
    dataset: str,
    method: Method,
    overrides: dict[str, Any],
    depth: int,
) -> dict[str, Any]:
    """A configuration whose keys are known and whose values are of the right
    kind; what goes together is not looked at.
    """
    recipe, borrowed = _recipe(preset, dataset, method)
    recipe = _at(recipe, depth, preset, method)
    full = overrides.get('batch') == 'full'
    if full:
        overrides = {k: v for k, v in overrides.items() if k != 'batch'}
    recipe = {k: v for k, v in recipe.items() if k not in method.keywords}
    if borrowed is not None:
        kept = {*DEFAULTS, *method.options(), 'augment'}
        recipe = {k: v for k, v in recipe.items() if k in kept}
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
    if method.unsupervised:
        given = {
            **recipe.get('objective', {}),
            **overrides.get('objective', {}),
        }
        known = objective_of(method)
        config['objective'] = {**{k: OBJECTIVE[k] for k in known}, **given}
    return config


def _at(
    recipe: Mapping[str, Any], depth: int, preset: str, method: Method
) -> Mapping[str, Any]:
    """A recipe at a depth."""
    if DEPTHS not in recipe:
        return recipe
    if depth not in recipe[DEPTHS]:
        raise UsageError(
            f'preset {preset!r} has no recipe for {method.name!r} at depth '
            f'{depth}: it has depths {", ".join(map(str, recipe[DEPTHS]))}'
        )
    usual = {k: v for k, v in recipe.items() if k != DEPTHS}
    return {**usual, **recipe[DEPTHS][depth]}


def by_depth(preset: str, dataset: str, method: Method) -> bool:
    """Whether the recipe is another at each depth.

    Raises:
        UsageError: As :func:`configure`.
    """
    return DEPTHS in _recipe(preset, dataset, method)[0]


def borrowed(preset: str, dataset: str, method: Method) -> str | None:
    """Whose recipe it is, in words, where a preset has none for a dataset or
    a method that a user brings; none else.

    Raises:
        UsageError: As :func:`configure`.
    """
    return _recipe(preset, dataset, method)[1]


def _recipe(
    preset: str, dataset: str, method: Method
) -> tuple[Mapping[str, Any], str | None]:
    """What a preset says of a method on a dataset; of what a user brings and
    it does not name, what it says of the usual ones, and of which.
    """
    recipes, found = read(preset).recipes, find(dataset)
    places, wordings = [dataset, found.family, ANY], [method.words]
    if found.digest is not None:
        places += LIKE[found.kind]
    if method.backbone.code is not None or (found.digest and found.many):
        wordings.append({METHOD, *method.words})
    for place in places:
        here = recipes.get(place, {})
        for some in wordings:
            fits = [name for name in here if _words(name) <= some]
            if not fits:
                continue
            name = max(fits, key=lambda name: len(_words(name)))
            own = place in places[:3] and some is method.words
            return here[name], None if own else f'{name} on {place}'
    here = recipes.get(found.family, {})
    others = [name for name in names() if found.family in read(name).recipes]
    raise UsageError(
        f'preset {preset!r} has no recipe for {method.name!r} on {dataset}: '
        + (
            f'it has {", ".join(here)} there'
            if here
            else f'it is for {", ".join(recipes)}; for {dataset} there is '
            f'{", ".join(others) or "none"}'
        )
    )


def _words(name: str) -> frozenset[str]:
    return frozenset() if name == ANY else parse(name).words


def kinds_of(method: Method) -> dict[str, Kind]:
    """The keys that a recipe of a method may set."""
    kinds = {**RECIPE, **method.kinds()}
    if method.edges is not None:
        kinds['augment'] = KEYS
    if not method.unsupervised:
        del kinds['objective']
    return kinds


def _check_values(given: dict[str, Any], method: Method) -> None:
    """Whether keys are known, and values what they may be."""
    kinds = kinds_of(method)
    for key in given:
        check_name(f'key of {method.name}', key, kinds)
    edges, known = given.get('augment', {}), method.edge_kinds()
    try:
        check(given, kinds)
        for key in edges:
            check_name('key of augment', key, known)
        check(edges, known)
        pairs, known = given.get('objective', {}), objective_of(method)
        for key in pairs:
            check_name('key of objective', key, known)
        check(pairs, known)
    except (UsageError, ValueError) as error:
        raise UsageError(f'{method.name}: {error}') from error


def objective_of(method: Method) -> dict[str, Kind]:
    """What a recipe may say of the pairs of an unsupervised method."""
    depth = method.backbone.depth  # which may be the window
    return {k: v for k, v in OBJECTIVE_KINDS.items() if k != depth}


def _check_objective(
    config: dict[str, Any], method: Method, depth: int
) -> None:
    """Whether pairs can be drawn so, and what they go with."""
    for key in ('batch', 'label_rate', 'loss'):
        if key in config:
            raise UsageError(
                f'{method.name} learns from pairs of nodes, and knows no '
                f'{key} (got {config[key]!r})'
            )
    pairs = {method.backbone.depth: depth, **config['objective']}
    if pairs['window'] > pairs['walk_length']:
        raise UsageError(
            f'{method.name}: no two nodes of a walk of '
            f'{pairs["walk_length"]} steps are {pairs["window"]} apart: set '
            f'a walk_length of at least that'
        )


def _check_many(
    config: dict[str, Any], method: Method, dataset: Dataset
) -> None:
    if method.backbone.joins_points and dataset.kind != 'points':
        raise UsageError(f'{method.name} is for points, not for given graphs')
    if method.unsupervised:
        raise UsageError(
            f'{method.name} is for one graph, and {dataset.name} has many'
        )
    if method.edges is not None:
        raise UsageError(
            f'{method.name} changes the edges of one graph, not of many'
        )
    for key in ('row_normalize', 'loss', 'label_rate', 'inductive'):
        if config.get(key):
            raise UsageError(
                f'{key} is for one graph, and {dataset.name} has many (got '
                f'{config[key]!r})'
            )


def _check_batch(
    config: dict[str, Any], method: Method, dataset: Dataset
) -> None:
    """Whether what makes a step fits together."""
    if config.get('edge_features') and not method.sees_edges:
        raise UsageError(f'{method.name} takes no features of edges')
    kind = config.get('batch')
    needed = (*BATCHES.get(kind, ()),)
    if dataset.many:
        needed = ('batch_size',)
    given = BATCH_KEYS & {*config}
    if given != {*needed}:
        got = ', '.join(sorted(given)) or 'nothing'
        if dataset.many:
            meant = f'{dataset.name} has many graphs, and needs'
        elif kind is None:
            meant = f'without one of batch={", ".join(BATCHES)} there must be'
        else:
            meant = f'batch={kind} needs'
        raise UsageError(
            f'{meant} {", ".join(needed) or "nothing of a batch"} (got {got})'
        )
    if 'batch' not in config:
        return
    check_batch(kind)
    if method.edges or method.backbone.joins_points or 'label_rate' in config:
        raise UsageError(
            f'{method.name} makes edges or inputs of the whole graph, and '
            f'cannot train on parts of it (got batch={kind})'
        )


def unchanged(
    preset: str, dataset: str, method: str, depth: int
) -> dict[str, Any]:
    """The configuration of a method as the preset has it; not to be changed.

    Raises:
        UsageError: If there is none.
    """
    parsed = parse(method)
    return _unchanged(
        read(preset), find(dataset), parsed.backbone, method, depth
    )


@cache
def _unchanged(
    preset: Preset,
    dataset: Dataset,
    backbone: Backbone,
    method: str,
    depth: int,
) -> dict[str, Any]:
    return _merged(preset.name, dataset.name, parse(method), {}, depth)


def split(
    config: dict[str, Any], method: Method, depth: int
) -> tuple[Network, Recipe]:
    """What to train, and how."""
    recipe = {k: v for k, v in config.items() if k in DEFAULTS}
    options = {k: v for k, v in config.items() if k not in DEFAULTS}
    augment = options.pop('augment', {})
    return Network(method, depth, options, augment), Recipe(**recipe)
