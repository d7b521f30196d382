"""What must not change unseen, beside what it was when it was last agreed on:
verdicts, splits, recipes, published numbers and committed runs.

After a change that is meant, from the root of the repository:

    PYG_EXT_DATA=FOLDER python -m tests.benchmarks.test_golden

writes all of golden/ anew; the difference belongs into the same commit.
"""

import dataclasses
import hashlib
import json
import os
import sys
from pathlib import Path

import pandas as pd
import pytest

from benchmarks.data import datasets
from benchmarks.recipes import presets
from benchmarks.recipes.recipe import BATCHES, Recipe
from benchmarks.reports import verdict
from benchmarks.runs import tuning
from benchmarks.runs.identity import config_hash

GOLDEN = Path(__file__).with_name('golden')
BENCHMARKS = Path(__file__).parents[2] / 'benchmarks'
RESULTS = sorted((BENCHMARKS / 'results').glob('*.jsonl'))
REFERENCE = sorted((BENCHMARKS / 'reference').glob('*.[cy]*'))

FOLDERS = {  # of the datasets that are read in a few seconds
    'cora': 'Planetoid/Cora',
    'citeseer': 'Planetoid/CiteSeer',
    'pubmed': 'Planetoid/PubMed',
    'coauthor-cs': 'Coauthor/CS',
    'coauthor-physics': 'Coauthor/Physics',
    'amazon-computers': 'Amazon/Computers',
    'amazon-photo': 'Amazon/Photo',
    'digits': '.',
    'geometricshapes': 'GeometricShapes',
    'pointclouds': 'PointClouds',
    'ogbg-molbace': 'OGB/ogbg_molbace',
    'ogbg-molesol': 'OGB/ogbg_molesol',
}
DRAWN = 'gdc-lcc', 'shchur-20-per-class'  # from the seed


def golden(name):
    return json.loads((GOLDEN / f'{name}.json').read_text('utf-8'))


def differences(found, wanted):
    """By name, what differs: what it is, and what it was."""
    both = {
        name: (found.get(name), wanted.get(name))
        for name in sorted({*found, *wanted})
    }
    return {name: pair for name, pair in both.items() if pair[0] != pair[1]}


def digest(content):
    return hashlib.sha256(content).hexdigest()[:16]


def splits(dataset, root):
    """By protocol and seed, a digest of the indices of each split."""
    out = {}
    for protocol in datasets.DATASETS[dataset].protocols:
        for seed in (0, 1) if protocol in DRAWN else (0,):
            data = datasets.load(dataset, root, protocol, seed)
            parts = [
                (
                    data.split[part]
                    if datasets.DATASETS[dataset].many
                    else data[f'{part}_mask'].nonzero().view(-1)
                ).tolist()
                for part in ('train', 'val', 'test')
            ]
            out[f'{protocol} {seed}'] = digest(json.dumps(parts).encode())
    return out


def recipes(preset):
    """By dataset and method, the name of the configuration."""
    return {
        f'{dataset} {method}': config_hash(
            presets.unchanged(preset, dataset, method, 2)
        )
        for dataset, methods in presets.read(preset).recipes.items()
        for method in methods
    }


def candidates():
    """By model and kind of edges, the names of the configurations."""
    content = presets.read('augment')
    return {
        f'{model} {kind}': [
            config_hash(cells[0].config)
            for cells in tuning.candidates('cora', model, kind)
        ]
        for model in content.recipes['cora']
        for kind in content.candidates
    }


def references():
    return {file.name: digest(file.read_bytes()) for file in REFERENCE}


def results():
    """Of each file, how many rows it has, how many runs in it follow their
    preset, and a digest; and how many of all files follow it.
    """
    out = {
        file.name: [
            len(file.read_bytes().splitlines()),
            len(verdict.read([file])),
            digest(file.read_bytes()),
        ]
        for file in RESULTS
    }
    return {**out, 'runs that follow their preset': len(verdict.read(RESULTS))}


def test_verdicts(tmp_path):
    verdict.write(verdict.read(RESULTS), tmp_path)
    for name in ('verdict.csv', 'claims.csv'):
        found, wanted = (
            pd.read_csv(folder / name) for folder in (tmp_path, GOLDEN)
        )
        assert [*found] == [*wanted]
        pd.testing.assert_frame_equal(found, wanted, rtol=0, atol=2e-4)


@pytest.mark.parametrize('dataset', FOLDERS)
def test_splits(root, dataset):
    if not os.path.isdir(os.path.join(root, FOLDERS[dataset])):
        pytest.skip(f'PYG_EXT_DATA holds no {FOLDERS[dataset]}')
    wrong = differences(splits(dataset, root), golden('splits')[dataset])
    assert not wrong, f'nodes of other splits than published ones: {wrong}'


@pytest.mark.parametrize('preset', presets.names())
def test_recipes(preset):
    kinds = {
        recipe.get('batch')
        for methods in presets.read(preset).recipes.values()
        for recipe in methods.values()
    }
    if kinds & {'neighbor', 'saint'}:
        pytest.importorskip('torch_sparse')
    wrong = differences(recipes(preset), golden('recipes').get(preset, {}))
    assert not wrong, f'preset {preset} has other values for {wrong}'


def test_candidates():
    wrong = differences(candidates(), golden('candidates'))
    assert not wrong, f'preset augment has other candidates for {wrong}'


def test_no_preset_is_gone():
    assert {*golden('recipes')} <= {*presets.names()}


def test_references():
    wrong = differences(references(), golden('references'))
    assert not wrong, (
        f'published numbers, claims or margins changed: {wrong}; update the '
        f'golden files with the source in hand'
    )


@pytest.mark.parametrize('file', RESULTS, ids=lambda file: file.name)
def test_committed_runs_can_be_repeated(file):
    """None is of files that stand in no commit."""
    rows = map(json.loads, file.read_text('utf-8').splitlines())
    assert not [row for row in rows if 'dirty' in row['commit']]


def test_results():
    wrong = differences(results(), golden('results'))
    assert not wrong, f'committed runs changed: {wrong}'


def test_a_new_field_of_a_recipe_stays_out_of_configurations():
    """Else all of them change, and no committed run follows its preset."""
    first, later = (
        {field.name: field.default for field in some}
        for some in (
            dataclasses.fields(Recipe)[:6],
            dataclasses.fields(Recipe)[6:],
        )
    )
    assert first == {
        'lr': 0.01,
        'weight_decay': 0.0,
        'epochs': 200,
        'patience': 0,
        'select': 'loss',
        'row_normalize': False,
    }
    assert {*later.values()} == {None}
    config = presets.unchanged('classic', 'cora', 'gcn', 2)
    assert {*config} == {*first, 'hidden_channels', 'dropout'}
    assert {key for keys in BATCHES.values() for key in keys} <= {*later}


def make(root):
    """Writes all of golden/ anew."""
    verdict.write(verdict.read(RESULTS), GOLDEN)
    (GOLDEN / 'verdict.md').unlink()
    content = {
        'splits': {name: splits(name, root) for name in FOLDERS},
        'recipes': {name: recipes(name) for name in presets.names()},
        'candidates': candidates(),
        'references': references(),
        'results': results(),
    }
    for name, values in content.items():
        text = json.dumps(values, indent=1) + '\n'
        (GOLDEN / f'{name}.json').write_text(text, 'utf-8')


if __name__ == '__main__':
    if 'PYG_EXT_DATA' not in os.environ:
        sys.exit('PYG_EXT_DATA must name the folder of the real graphs')
    make(os.environ['PYG_EXT_DATA'])
