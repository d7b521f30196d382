"""Training without labels, and a classifier of what it gives.

Nodes that a random walk sees soon after each other are to have similar
vectors, and random nodes are not, as in the "Inductive Representation
Learning on Large Graphs" paper (arXiv 1706.02216). What gives the vectors may
be any network, or a table of them (node2vec). Then a linear classifier learns
from the vectors of the training nodes, which it leaves as they are.
"""

import time
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.typing import Adj
from torch_geometric.utils import degree

from pyg_ext.utils import random_walk, walk_pairs

from ..data.metrics import Metric
from ..data.protocols import Protocol
from ..environment import peak_mb
from ..methods.network import Network
from ..recipes.recipe import Recipe
from .checkpoint import Journal
from .fit import Diverged, fit
from .nodes import set_up

SAMPLE = 512  # random nodes of a step, which all its pairs share
SMOOTHING = 0.75  # the power of a degree that they are drawn by
ITERATIONS = 1000  # of the classifier, at most
UNSEEN = -30.0  # log-probability of a class that no training node has


def draw_pairs(data: Data, objective: dict[str, Any]) -> Tensor:
    """The pairs of nodes of an epoch, ``[2, P]``, in random order.

    Raises:
        ValueError: If no walk leaves its node.
    """
    nodes, _ = random_walk(
        data.edge_index,
        torch.arange(data.num_nodes).repeat(objective['num_walks']),
        objective['walk_length'],
        edge_weight=data.get('edge_weight'),
        num_nodes=data.num_nodes,
        p=objective['p'],
        q=objective['q'],
    )
    pairs = walk_pairs(nodes, objective['window'])
    pairs = pairs[:, pairs[0] != pairs[1]]
    if pairs.size(1) == 0:
        raise ValueError('no walk leaves its node: there are no edges')
    return pairs[:, torch.randperm(pairs.size(1), device=pairs.device)]


def walk_loss(
    z: Tensor, pairs: Tensor, others: Tensor, negatives: float
) -> Tensor:
    r"""The mean over pairs :math:`(u, v)` of

    .. math::
        - \log \sigma(\mathbf{z}_u^{\top} \mathbf{z}_v) - Q \cdot
        \mathbb{E}_n \log \sigma(- \mathbf{z}_u^{\top} \mathbf{z}_n)

    Args:
        z: A vector of each node, ``[N, D]``.
        pairs: Nodes near each other, ``[2, P]``.
        others: Random nodes :math:`n`, ``[S]``.
        negatives: Their weight :math:`Q`.
    """
    near = (z[pairs[0]] * z[pairs[1]]).sum(dim=-1)  # [P]
    share = pairs[0].bincount(minlength=len(z)) / pairs.size(1)  # [N]
    far = F.softplus(z @ z[others].t()).mean(dim=1)  # [N]
    return F.softplus(-near).mean() + negatives * (share * far).sum()


def classify(
    z: Tensor, y: Tensor, index: dict[str, Tensor], metric: Metric
) -> tuple[float, dict[str, float]]:
    """The validation loss, and the metric on each split, of a logistic
    regression on the vectors of the training nodes.

    Raises:
        Diverged: If the vectors are no numbers.
    """
    from sklearn.linear_model import LogisticRegression  # slow to load
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if not z.isfinite().all():
        raise Diverged('the embedding is infinite or no number')
    z, y = z.detach().double().cpu().numpy(), y.cpu()
    index = {split: nodes.cpu() for split, nodes in index.items()}
    model = make_pipeline(
        StandardScaler(), LogisticRegression(max_iter=ITERATIONS)
    )
    model.fit(z[index['train']], y[index['train']])
    out = torch.full((len(z), int(y.max()) + 1), UNSEEN, dtype=torch.double)
    out[:, model.classes_] = torch.from_numpy(model.predict_log_proba(z))
    loss = metric.loss(out[index['val']], y[index['val']]).item()
    return loss, {s: metric.score(out[i], y[i]) for s, i in index.items()}


def run(
    network: Network,
    data: Data,
    recipe: Recipe,
    protocol: Protocol,
    seed: int,
    device: str = 'cpu',
    journal: Journal | None = None,
) -> dict[str, Any]:
    """One training from a seed, as :func:`benchmarks.training.nodes.run`.
    Each epoch draws new walks; the classifier begins anew after each.
    """
    start = time.perf_counter()
    ready = set_up(network, data, recipe, seed, device)
    depth = network.method.backbone.depth
    objective = {depth: network.depth, **recipe.objective}
    size = ready.data.num_nodes
    often = degree(ready.data.edge_index.flatten(), size).pow(SMOOTHING)

    judged, whole_x, whole_adj, *labels = ready.seen

    def embed(
        model: torch.nn.Module, x: Tensor, adj: Adj | None, **inputs: Tensor
    ) -> Tensor:
        z = model(x, adj, **inputs)
        return F.normalize(z, dim=-1) if objective['unit'] else z

    def once(optimizer: torch.optim.Optimizer) -> tuple:
        ready.model.train()
        losses = []
        pairs = draw_pairs(ready.data, objective)
        for part in pairs.chunk(objective['steps'], dim=1):
            optimizer.zero_grad()
            others = often.multinomial(SAMPLE, replacement=True)
            adj, inputs = ready.adj, {}
            if ready.redraw is not None:
                adj, inputs = ready.redraw()
            z = embed(ready.model, ready.x, adj, **inputs)
            loss = walk_loss(z, part, others, objective['negatives'])
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        judged.eval()
        with torch.no_grad():
            z = embed(judged, whole_x, whole_adj)
        scores = classify(z, *labels, protocol.metric)
        return torch.stack(losses).mean().item(), *scores

    scores = fit(ready.plain, once, recipe, protocol.metric, journal)
    earlier = 0.0 if journal is None else journal.earlier
    return {
        **scores,
        'seconds': time.perf_counter() - start + earlier,
        'peak_mb': peak_mb(device),
    }
