from dataclasses import dataclass


@dataclass(frozen=True)
class Protocol:
    """What is measured on which nodes, so that numbers can be compared."""

    name: str
    split: str
    metric: str
    direction: str  # 'max' or 'min'

    @property
    def scale(self) -> float:
        """What tables multiply a score with: shares are in percent there."""
        return 1.0 if self.metric == 'rmse' else 100.0

    @property
    def measure(self) -> str:
        """The metric as tables have it, in words."""
        unit = ' in percent' if self.scale == 100 else ''
        better = ' (lower is better)' if self.direction == 'min' else ''
        return f'{self.metric}{unit}{better}'


def _of_molecules(metric: str, direction: str) -> Protocol:
    return Protocol(
        f'ogb-scaffold-{metric}',
        "ogb's split of molecules by their scaffolds: 80 % to train, 10 % to "
        'validate, and 10 % to test, which resemble them little',
        metric,
        direction,
    )


PROTOCOLS = {
    p.name: p
    for p in (
        Protocol(
            'planetoid-public',
            'the fixed split of Yang et al. 2016: 20 labels per class to '
            'train, 500 nodes to validate, 1,000 to test',
            'accuracy',
            'max',
        ),
        Protocol(
            'gdc-lcc',
            'the largest component, with 1,500 fixed nodes to develop on, of '
            'which each seed draws 20 per class to train and takes the rest '
            'to validate; all other nodes to test (Gasteiger et al. 2019)',
            'accuracy',
            'max',
        ),
        Protocol(
            'tunedgnn-random',
            'one random split: 20 labels per class to train, 500 nodes to '
            'validate, 1,000 to test (Luo et al. 2024)',
            'accuracy',
            'max',
        ),
        Protocol(
            'shapes-official',
            'points on 40 meshes to train, other points on them to validate, '
            'and 40 other meshes to test, one for each class',
            'accuracy',
            'max',
        ),
        Protocol(
            'shchur-20-per-class',
            'each seed draws 20 nodes per class to train and 30 to validate; '
            'all other nodes to test (Shchur et al. 2018)',
            'accuracy',
            'max',
        ),
        Protocol(
            'animals-official',
            'parts of 5 clouds to train, other parts to validate, and 40 '
            'parts of 5 other clouds to test',
            'accuracy',
            'max',
        ),
        Protocol(
            's3dis-area-5',
            'area 5 to test; of the rooms of the other areas, every tenth to '
            'validate and the rest to train',
            'miou',
            'max',
        ),
        Protocol(
            'ogb-time',
            "ogb's split by year: papers up to 2017 to train, of 2018 to "
            'validate, from 2019 to test',
            'accuracy',
            'max',
        ),
        Protocol(
            'arxiv-sim-time',
            "ogb's split of ogbn-arxiv by year, on SIMULATED citations and "
            'features',
            'accuracy',
            'max',
        ),
        Protocol(
            'ogb-sales-ranking',
            "ogb's split by sales: the top 8 % to train, the next 2 % to "
            'validate, the rest to test',
            'accuracy',
            'max',
        ),
        Protocol(
            'ogb-species',
            "ogb's split by species: proteins of some to train, of another "
            'to validate, of another to test; 112 functions each',
            'rocauc',
            'max',
        ),
        _of_molecules('rocauc', 'max'),
        _of_molecules('ap', 'max'),
        _of_molecules('rmse', 'min'),
        Protocol(
            'digits-5-per-class',
            'one fixed split: 5 labels per class to train, 500 images to '
            'validate, 1,247 to test',
            'accuracy',
            'max',
        ),
    )
}
