"""A graph of the size of ogbn-arxiv whose citations and features are made up.

Labels and years are those of ogbn-arxiv where its files are there. What is
measured on it is how large, how fast, how deep; accuracy on it says nothing
about papers.
"""

import contextlib
import io
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock
from ogb.io import DatasetSaver
from torch_geometric.data import Data

from . import ogb
from .download import reading
from .folders import cache_folder

NODES, EDGES, CLASSES = 169_343, 1_166_243, 40  # of ogbn-arxiv
YEARS = {2017: 90_941, 2018: 29_799, 2019: 48_603}  # up to, in, from
FEATURES = 128
HOMOPHILY = 0.65  # share of citations inside a class
SIGNAL = 0.3  # of class means against noise of size 1
FAME = 1.5  # exponent of the Pareto law of how citable a paper is
SEED = 0


@dataclass(frozen=True)
class Papers:
    """Papers, their classes and years, who cites whom, and features."""

    label: np.ndarray  # [N]
    year: np.ndarray  # [N]
    edge_index: np.ndarray  # [2, E], citing to cited
    x: np.ndarray  # [N, F]

    @property
    def split(self) -> dict[str, np.ndarray]:
        """As ogb has it: by year."""
        year = self.year
        parts = (year <= 2017, year == 2018, year >= 2019)
        names = ('train', 'valid', 'test')
        return {n: p.nonzero()[0] for n, p in zip(names, parts, strict=True)}


def simulate(
    label: np.ndarray | None = None,
    year: np.ndarray | None = None,
    num_nodes: int = NODES,
    num_edges: int = EDGES,
    seed: int = SEED,
) -> Papers:
    """Makes up citations and features, and labels and years if not given.

    A paper cites papers that are not newer, each at most once; with
    probability ``HOMOPHILY`` one of its class, else one of another, and the
    well known ones more often (a degree-corrected block model).

    Args:
        label: Class of each paper, ``[N]``.
        year: Year of each paper, ``[N]``.
        num_nodes: How many papers, if no labels are given.
        num_edges: How many citations.
        seed: Seed of all that is drawn.

    Raises:
        ValueError: On more than ten citations a paper, or one in ten of all
            that could be.
    """
    draw = np.random.default_rng(seed)
    if label is None:
        popular = draw.dirichlet(np.full(CLASSES, 0.5))
        label = draw.choice(CLASSES, num_nodes, p=popular)
        share = np.fromiter(YEARS.values(), float) / sum(YEARS.values())
        bounds = np.rint(num_nodes * share.cumsum()).astype(int)
        place = draw.permutation(num_nodes)
        year = np.array(list(YEARS))[np.searchsorted(bounds, place, 'right')]
    size = len(label)
    most = min(10 * size, size**2 // 20)  # few draws are in vain
    if num_edges > most:
        raise ValueError(
            f'num_edges must be at most {most} for {size} papers (got '
            f'{num_edges})'
        )
    # From old to new, by chance within a year; all that follows counts places
    # in this order.
    order = np.lexsort((draw.random(size), year))
    classes = label[order]
    fame = draw.pareto(FAME, size) + 1
    writes = draw.lognormal(sigma=1.0, size=size)  # how much a paper cites
    writes[0] = 0  # there is none before
    near = round(HOMOPHILY * num_edges)
    keys = np.concatenate(
        [
            _cite(_in_class, near, classes, fame, writes, draw),
            _cite(_elsewhere, num_edges - near, classes, fame, writes, draw),
        ]
    )
    means = draw.standard_normal((label.max() + 1, FEATURES))
    x = SIGNAL * means[label] + draw.standard_normal((size, FEATURES))
    edge_index = np.stack([order[keys // size], order[keys % size]])
    return Papers(label, year, edge_index, x.astype(np.float32))


def _cite(
    choose: Callable[..., np.ndarray],
    count: int,
    classes: np.ndarray,
    fame: np.ndarray,
    writes: np.ndarray,
    draw: np.random.Generator,
) -> np.ndarray:
    """So many citations, no two alike, as ``citing * N + cited``."""
    size = len(classes)
    share = writes / writes.sum()
    keys = np.empty(0, dtype=np.int64)
    while len(keys) < count:
        wanted = int(1.2 * (count - len(keys))) + 100
        citing = draw.choice(size, wanted, p=share)
        cited = choose(citing, classes, fame, draw)
        good = cited >= 0
        new = citing[good] * size + cited[good]
        keys = np.unique(np.concatenate([keys, new]))
    return draw.permutation(keys)[:count]


def _elsewhere(
    citing: np.ndarray,
    classes: np.ndarray,
    fame: np.ndarray,
    draw: np.random.Generator,
) -> np.ndarray:
    """An older paper of another class for each; -1 where the draw failed."""
    before = np.concatenate([[0.0], fame.cumsum()])  # [N + 1]
    place = np.searchsorted(before, draw.random(len(citing)) * before[citing])
    cited = np.clip(place - 1, 0, citing - 1)
    return np.where(classes[cited] == classes[citing], -1, cited)


def _in_class(
    citing: np.ndarray,
    classes: np.ndarray,
    fame: np.ndarray,
    draw: np.random.Generator,
) -> np.ndarray:
    """An older paper of the same class for each; -1 where there is none."""
    cited = np.full(len(citing), -1)
    for number in range(classes.max() + 1):
        members = (classes == number).nonzero()[0]
        some = (classes[citing] == number).nonzero()[0]
        rank = np.searchsorted(members, citing[some])  # older in the class
        some, rank = some[rank > 0], rank[rank > 0]
        before = np.concatenate([[0.0], fame[members].cumsum()])
        place = np.searchsorted(before, draw.random(len(some)) * before[rank])
        cited[some] = members[np.clip(place - 1, 0, rank - 1)]
    return cited


def save(papers: Papers, folder: Path) -> dict[str, str]:
    """Writes a graph as ogb's dataset saver does, and returns what its
    classes need to know to read it.
    """
    with contextlib.redirect_stdout(io.StringIO()):
        saver = DatasetSaver('ogbn-arxiv-sim', False, 1, str(folder / 'ogb'))
        saver.save_graph_list(
            [
                {
                    'edge_index': papers.edge_index,
                    'num_nodes': len(papers.label),
                    'node_feat': papers.x,
                    'node_year': papers.year.reshape(-1, 1),
                }
            ]
        )
        saver.save_target_labels(papers.label.reshape(-1, 1))
        saver.save_split(papers.split, 'time')
        about = folder / 'about'
        about.mkdir()
        (about / 'README.md').write_text(f'{__doc__}\n', 'utf-8')
        saver.copy_mapping_dir(str(about))
        saver.save_task_info(
            'multiclass classification', 'acc', int(papers.label.max()) + 1
        )
        return saver.get_meta_dict()


def read(root: Path | None) -> Data:
    """The simulated graph, through ogb's own class; made if it is missing."""
    label, year = _partial(root)
    kind = 'made-up-labels' if label is None else 'true-labels'
    base = cache_folder() / 'arxiv-sim'
    base.mkdir(parents=True, exist_ok=True)
    with FileLock(base / 'lock'):
        done = base / kind
        if not done.is_dir():  # appears whole, at once
            with tempfile.TemporaryDirectory(dir=base) as folder:
                work = Path(folder) / 'work'
                work.mkdir()
                meta = save(simulate(label, year), work)
                place = Path(meta['dir_path']).relative_to(work)
                meta['dir_path'] = str(done / place)
                torch.save(meta, work / 'meta.pt')
                work.rename(done)
        meta = torch.load(done / 'meta.pt')
        return ogb.with_masks(ogb.open_saved(meta), 'arxiv-sim')


def _partial(root: Path | None) -> tuple[np.ndarray | None, ...]:
    """The labels and years of ogbn-arxiv, where its files are there."""
    limits = {'node-label': (0, CLASSES - 1), 'node_year': (1900, 2100)}
    for folder in ('ogbn_arxiv', 'ogbn_arxiv_partial'):
        raw = (root or cache_folder()) / 'OGB' / folder / 'raw'
        files = [raw / f'{name}.csv.gz' for name in limits]
        if all(file.is_file() for file in files):
            return tuple(
                _column(file, *limit)
                for file, limit in zip(files, limits.values(), strict=True)
            )
    return None, None


def _column(file: Path, first: int, last: int) -> np.ndarray:
    with reading(file):
        found = ogb.read_table(file).to_numpy()
        if found.shape != (NODES, 1) or found.dtype.kind != 'i':
            raise ValueError(
                f'it must hold {NODES} whole numbers (got {len(found)})'
            )
        if not first <= found.min() <= found.max() <= last:
            raise ValueError(
                f'it must hold numbers from {first} to {last} (got '
                f'{found.min()} to {found.max()})'
            )
    return found[:, 0]
