from dataclasses import dataclass
from math import isfinite, isinf, isnan, nan
from typing import Any

from torch import Tensor
from torch_geometric.nn import MessagePassing
from torch_geometric.typing import OptTensor

from pyg_ext.metrics.probe import OverSmoothingProbe
from pyg_ext.nn.models import SGC, DecoupledNet
from pyg_ext.utils.checks import check_count, check_real

FALL = 0.2  # of what the first state has is left where nodes got alike

DEEPER = (
    'residual, initial or dense connections, jumping knowledge, a norm ahead '
    'of each layer, or no weight decay before it learns'
)


@dataclass(frozen=True)
class Finding:
    """A failure that numbers show, and what to try."""

    name: str
    evidence: str
    advice: str

    def __str__(self) -> str:
        return f'{self.name}: {self.evidence} Try {self.advice}.'


@dataclass(frozen=True)
class Diagnosis:
    """What :func:`diagnose` found; if nothing, of a network that has not
    learned, its score on what it was trained on.
    """

    findings: tuple[Finding, ...]
    unlearned: float | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the findings."""
        return tuple(finding.name for finding in self.findings)

    def __str__(self) -> str:
        if not self.findings and self.unlearned is not None:
            return (
                f'Nothing found, and yet {self.unlearned:.1%} on what it was '
                f'trained on. By what was measured, gradients and states are '
                f'neither lost nor too large, and nodes not alike: look at '
                f'learning rate, epochs, width and dropout, and whether '
                f'features tell of the labels.'
            )
        if not self.findings:
            return 'Nothing found.'
        return '\n'.join(map(str, self.findings))


def diagnose(
    probe: OverSmoothingProbe,
    train_score: float | None = None,
    val_score: float | None = None,
    step: int = -1,
    smooth_below: float = 1e-3,
    rank_below: float = 1.02,
    gradient_below: float = 1e-3,
    activation_below: float = 1e-4,
    gap_above: float = 0.3,
    fits_above: float = 0.9,
    uses_graph: bool | None = None,
    jacobian: OptTensor = None,
    distance: int | None = None,
    squashed_below: float = 1e-2,
) -> Diagnosis:
    r"""Says in words what the numbers of a probe show: over-smoothing, a lost
    or exploding gradient, features that collapse in size, or overfitting;
    with :obj:`jacobian`, over-squashing and under-reaching as well.
    Nothing is found in a healthy network; several may be found at once, and
    the first to stop learning need not be the first in the list.

    * **not finite**: a state has entries that are infinite or NaN. The
      first such layer is named; it counts before all else, and states from
      there on have no measures.
    * **vanishing gradient**: what reaches the first state is less than
      :obj:`gradient_below` of what reaches the last one. Then the first
      layers do not learn, whatever they output. **Exploding gradient**: it is
      as many times more, or infinite.
    * **norm collapse**: a state is smaller than :obj:`activation_below`.
      Energies are small then, too, which is no smoothing.
    * **over-smoothing**: in a network with message passing, the Rayleigh
      quotient or the mean average distance of the last state is below
      :obj:`smooth_below`, or the numerical rank of any state below
      :obj:`rank_below`, and what it is above its least value is no more than
      a fifth of that of the first state. The three are free of size.
      Networks that learn well may go down to a hundredth in the first two,
      which is why the threshold is low.
    * **over-squashing**: with :obj:`jacobian`, what
      :func:`jacobian_by_distance` measures, the output depends on features
      at the :obj:`distance` that a task needs less than
      :obj:`squashed_below` times as much as on the node's own or those one
      edge away, whichever is more. A gradient that is lost with depth makes
      all of these small, and nodes that got alike depend on near and far
      ones much the same, so that neither shows here. **Under-reaching**: it
      does not depend on them at all. (If it depends on none of these, that
      is a vanishing gradient; if they are infinite, nothing is said.)
    * **overfitting**: :obj:`train_score` is more than :obj:`gap_above` better
      than :obj:`val_score`.

    Gradient, size, smoothing and squashing keep a network from learning:
    with a :obj:`train_score` of :obj:`fits_above` or more it has learned, and
    they are not looked for. (A trained GCNII is smoother than many a network
    that fails.)

    The thresholds are rules of thumb; read the table beside the words. That
    of squashing lies between small networks that learned to read a node of a
    ring or a leaf of a tree, 2 to 6 edges away, and most that did not. At
    random weights they may be below it and learn all the same, and where
    thousands of nodes are at a distance, of which one counts, the mean over
    them says little of that one.

    Args:
        probe (OverSmoothingProbe): What has seen a forward pass, and a
            backward pass for gradients.
        train_score (float, optional): Score on what was trained on, in
            [0, 1]. (default: :obj:`None`)
        val_score (float, optional): Score on what was not.
            (default: :obj:`None`)
        step (int, optional): Which step of the probe, the last one by
            default. (default: :obj:`-1`)
        smooth_below (float, optional): See above. (default: :obj:`1e-3`)
        rank_below (float, optional): See above. (default: :obj:`1.02`)
        gradient_below (float, optional): See above. (default: :obj:`1e-3`)
        activation_below (float, optional): See above. (default: :obj:`1e-4`)
        gap_above (float, optional): See above. (default: :obj:`0.3`)
        fits_above (float, optional): See above. (default: :obj:`0.9`)
        uses_graph (bool, optional): Whether the network passes messages; by
            default whether it has a
            :class:`torch_geometric.nn.MessagePassing`, or is a network of
            this package that multiplies with the adjacency itself.
            (default: :obj:`None`)
        jacobian (torch.Tensor, optional): What :func:`jacobian_by_distance`
            returns for the trained network, with the nodes that have labels
            as targets. (default: :obj:`None`)
        distance (int, optional): How many edges away is what the task needs,
            at least two; by default the largest distance in
            :obj:`jacobian`. (default: :obj:`None`)
        squashed_below (float, optional): See above. (default: :obj:`1e-2`)

    Raises:
        IndexError: If the probe has seen no such step.
        ValueError: If :obj:`probe` is none, a threshold no number, a score
            not in :math:`[0, 1]`, if :obj:`jacobian` is no vector of norms or
            has no number at the :obj:`distance`, or on a distance without it.
    """
    if not isinstance(probe, OverSmoothingProbe):
        raise ValueError(
            f'probe must be an OverSmoothingProbe that saw a step (got '
            f'{type(probe).__name__})'
        )
    for name, value in (
        ('smooth_below', smooth_below),
        ('rank_below', rank_below),
        ('gradient_below', gradient_below),
        ('activation_below', activation_below),
        ('gap_above', gap_above),
        ('fits_above', fits_above),
        ('squashed_below', squashed_below),
    ):
        if isnan(check_real(name, value)):
            raise ValueError(f'{name} must be a number (got {value})')
    for name, score in (
        ('train_score', train_score),
        ('val_score', val_score),
    ):
        if score is not None and not 0.0 <= check_real(name, score) <= 1.0:
            raise ValueError(f'{name} must be in [0, 1] (got {score})')
    if jacobian is not None:
        jacobian, distance = _check_jacobian(jacobian, distance)
    elif distance is not None:
        raise ValueError(
            f'distance has no effect without jacobian, what '
            f'jacobian_by_distance returns (got {distance})'
        )
    rows = probe.step(step)
    first, last = rows[0], rows[-1]
    if uses_graph is None:
        kinds = (MessagePassing, DecoupledNet, SGC)
        uses_graph = any(isinstance(m, kinds) for m in probe.model.modules())
    checks = [
        _not_finite(rows),
        _overfitting(train_score, val_score, gap_above),
    ]
    unlearned = train_score is not None and train_score < fits_above
    if train_score is None or unlearned:
        checks += [
            _gradient(first, last, gradient_below),
            _size(rows, activation_below),
            _smoothing(rows, smooth_below, rank_below) if uses_graph else None,
        ]
        if jacobian is not None:
            checks.append(_squashing(jacobian, distance, squashed_below))
    found = {check.name: check for check in checks if check is not None}
    return Diagnosis(tuple(found.values()), train_score if unlearned else None)


def _not_finite(rows: list[dict[str, Any]]) -> Finding | None:
    for row in rows:
        if not isfinite(row['activation']):
            return Finding(
                'not finite',
                f'state {row["layer"]} of {len(rows)} ({row["module"]}) has '
                f'entries that are infinite or NaN.',
                'a smaller learning rate, clipping, a norm in each layer, or '
                'float32 in place of a half type; and look for such entries '
                'in the features',
            )
    return None


def _gradient(
    first: dict[str, Any], last: dict[str, Any], below: float
) -> Finding | None:
    start, end = first['gradient'], last['gradient']
    if isnan(start) or isnan(end):
        return None
    evidence = (
        f'a gradient of {end:.1e} at the last state comes to {start:.1e} at '
        f'the first one.'
    )
    infinite = isinf(start) or isinf(end)
    if not infinite and (end == 0.0 or start < below * end):
        return Finding(
            'vanishing gradient',
            evidence,
            DEEPER,
        )
    if infinite or start * below > end:
        return Finding(
            'exploding gradient',
            evidence,
            'a norm in each layer, mixing in place of adding connections, '
            'smaller initial weights, or clipping',
        )
    return None


def _size(rows: list[dict[str, Any]], below: float) -> Finding | None:
    finite = [row for row in rows if isfinite(row['activation'])]
    smallest = min(finite, key=lambda row: row['activation'], default=None)
    if smallest is None or smallest['activation'] >= below:
        return None
    return Finding(
        'norm collapse',
        f'state {smallest["layer"]} of {len(rows)} has a size of '
        f'{smallest["activation"]:.1e}.',
        'less weight decay, a norm in each layer, or residual connections',
    )


def _smoothing(
    rows: list[dict[str, Any]], below: float, rank_below: float
) -> Finding | None:
    found = []
    for name, least, threshold, among in (
        ('rayleigh_quotient', 0.0, below, rows[-1:]),
        ('mad', 0.0, below, rows[-1:]),
        ('numerical_rank', 1.0, rank_below, rows),
    ):
        values = [row.get(name, nan) for row in among]
        low = min(filter(isfinite, values), default=nan)
        start = rows[0].get(name, nan)
        if low < threshold and not low - least > FALL * (start - least):
            words = name.replace('_', ' ')
            found.append(f'{words} from {start:.3g} to {low:.3g}')
    if not found:
        return None
    return Finding(
        'over-smoothing',
        f'nodes become alike: {", ".join(found)}.',
        'fewer layers, initial or residual connections, jumping knowledge, '
        'PairNorm, or dropping edges',
    )


def _check_jacobian(
    jacobian: Any, distance: int | None
) -> tuple[list[float], int]:
    if (
        not isinstance(jacobian, Tensor)
        or not jacobian.is_floating_point()
        or jacobian.dim() != 1
    ):
        kind = getattr(jacobian, 'dtype', type(jacobian).__name__)
        raise ValueError(
            f'jacobian must be what jacobian_by_distance returns, a vector '
            f'of floating point numbers (got {kind} of shape '
            f'{[*getattr(jacobian, "shape", [])]})'
        )
    values = jacobian.tolist()
    wrong = [value for value in values if value < 0.0]
    if wrong:
        raise ValueError(
            f'jacobian must hold norms, at least zero (got {min(wrong)})'
        )
    known = [k for k, value in enumerate(values) if not isnan(value)]
    if distance is None:
        distance = max(known, default=0)
        if distance < 2:
            raise ValueError(
                f'jacobian must have a number at a distance of 2 or more '
                f'(got {values})'
            )
    check_count('distance', distance, 2)
    if distance not in known:
        raise ValueError(
            f'jacobian must have a number at the distance of {distance} (got '
            f'{values})'
        )
    return values, distance


def _squashing(
    jacobian: list[float], distance: int, below: float
) -> Finding | None:
    near = max((v for v in jacobian[:2] if not isnan(v)), default=nan)
    far = jacobian[distance]
    if not isfinite(near) or isinf(far):
        return None  # nothing to compare, or too large to
    if near == 0.0 and far == 0.0:
        return Finding(
            'vanishing gradient',
            f'the output changes neither with features of the node and next '
            f'to it nor with those {distance} edges away.',
            DEEPER,
        )
    evidence = (
        f'the output changes by {far:.1e} with features {distance} edges '
        f'away, and by {near:.1e} with those of the node or next to it.'
    )
    if far == 0.0:
        return Finding(
            'under-reaching',
            evidence,
            f'at least {distance} layers of message passing, or edges that '
            f'lead there in fewer steps',
        )
    if far < below * near:
        return Finding(
            'over-squashing',
            evidence,
            'more channels, a linear or gated way through the layers, '
            'rewiring (SDRF, FoSR), a virtual node, or longer edges',
        )
    return None


def _overfitting(
    train: float | None, val: float | None, above: float
) -> Finding | None:
    if train is None or val is None or not train - val > above:
        return None
    return Finding(
        'overfitting',
        f'{train:.1%} on what it was trained on, {val:.1%} on the rest.',
        'more labels, more dropout or weight decay, dropping edges, fewer '
        'channels, or features of unlabeled nodes',
    )
