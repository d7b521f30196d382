from dataclasses import dataclass


@dataclass(frozen=True)
class Protocol:
    """What is measured on which nodes, so that numbers can be compared."""

    name: str
    split: str
    metric: str
    direction: str  # 'max' or 'min'


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
            'animals-official',
            'parts of 5 clouds to train, other parts to validate, and 40 '
            'parts of 5 other clouds to test',
            'accuracy',
            'max',
        ),
        Protocol(
            'digits-5-per-class',
            'one fixed split: 5 labels per class to train, 500 images to '
            'validate, 1,247 to test',
            'accuracy',
            'max',
        ),
    )
}
