"""The arguments of :class:`torch_geometric.transforms.GDC`, translated."""

from collections.abc import Sequence
from typing import Any

from torch_geometric.data import Data

Known = Sequence[tuple[str, ...]]  # methods and their options

DIFFUSIONS = (('ppr', 'alpha'), ('heat', 't'))
APPROXIMATIONS = (('ppr', 'alpha', 'eps'), ('heat', 't', 'eps'))
SPARSIFICATIONS = (
    ('threshold', 'eps'),
    ('threshold', 'avg_degree'),
    ('topk', 'k', 'dim'),
)


def gdc_options(
    diffusion_kwargs: dict[str, Any] | None,
    sparsification_kwargs: dict[str, Any] | None,
    exact: bool,
) -> dict[str, Any]:
    """The options of :func:`~pyg_ext.utils.similarity_graph` for those of GDC.

    Raises:
        ValueError: On options that have none.
    """
    diffusion = diffusion_kwargs or {'method': 'ppr', 'alpha': 0.15}
    sparse = sparsification_kwargs or {'method': 'threshold', 'avg_degree': 64}
    if diffusion.get('method') == 'coeff':
        raise ValueError(
            "diffusion_kwargs must have method='ppr' or 'heat': for 'coeff', "
            'take diffusion_topk or diffusion_matrix of pyg_ext.utils'
        )
    known = DIFFUSIONS if exact else DIFFUSIONS + APPROXIMATIONS
    _check('diffusion_kwargs', diffusion, known)
    _check('sparsification_kwargs', sparse, SPARSIFICATIONS)
    if sparse.get('dim', 0) != 0:
        raise ValueError(
            f'sparsification_kwargs must have dim=0, the k sources of a '
            f'target (got dim={sparse["dim"]!r}): for the k targets of a '
            f'source, take ppr_topk or heat_kernel_topk of pyg_ext.utils'
        )
    return {
        **diffusion,
        'k': sparse.get('k'),
        'threshold': sparse.get('eps'),
        'avg_degree': sparse.get('avg_degree'),
    }


def check_gdc_data(data: Data) -> None:
    """Raises a ValueError if weights are not where GDC reads them."""
    if data.get('edge_weight') is not None:
        raise ValueError(
            'GDC reads weights from edge_attr and not from edge_weight, which '
            'the data has: rename it, or use AddRandomWalkEdges(...)'
        )
    weight, number = data.edge_attr, data.edge_index.size(1)
    if weight is not None and list(weight.size()) != [number]:
        raise ValueError(
            f'edge_attr must be of shape [{number}], a weight for each edge '
            f'(got {list(weight.size())})'
        )


def _check(name: str, given: dict[str, Any], known: Known) -> None:
    """Raises a ValueError unless a method has its options, and no others."""
    for method, *options in known:
        if given.get('method') == method and {*given} == {'method', *options}:
            return
    each = (
        f'method={method!r} with {" and ".join(options)}'
        for method, *options in known
    )
    raise ValueError(f'{name} must hold {", or ".join(each)} (got {given})')
