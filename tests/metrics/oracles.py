"""Each measure as its formula says, dense, in float64, without haste."""

import itertools

import numpy as np
import torch


def dense(edge_index, size, edge_weight=None):
    adj = torch.zeros(size, size, dtype=torch.double)
    ones = torch.ones(edge_index.size(1), dtype=torch.double)
    weight = ones if edge_weight is None else edge_weight.double()
    return adj.index_put_(tuple(edge_index.flip(0)), weight, accumulate=True)


def square_distances(x):
    x = x.double()
    return (x[:, None] - x[None]).square().sum(-1)


def unit(x):
    x = x.double()
    norm = x.norm(dim=1, keepdim=True)
    return torch.where(norm > 0, x / norm, 0.0)


def cosine_distances(x):
    return square_distances(unit(x)) / 2


def dirichlet_energy(x, edge_index, edge_weight=None, normalization=None):
    adj = dense(edge_index, len(x), edge_weight)
    if normalization is None:
        return (adj * square_distances(x)).sum() / len(x)
    degree = adj.sum(1)
    scaled = x.double() / (1 + degree).sqrt().view(-1, 1)
    return (adj * square_distances(scaled)).sum() / 2


def laplacian(edge_index, size, edge_weight=None):
    adj = dense(edge_index, size, edge_weight) + torch.eye(size).double()
    degree = adj.sum(1)
    scale = degree.rsqrt()
    return torch.eye(size).double() - scale.view(-1, 1) * adj * scale


def rayleigh_quotient(x, edge_index, edge_weight=None):
    x = x.double()
    delta = laplacian(edge_index, len(x), edge_weight)
    return torch.trace(x.t() @ delta @ x) / x.square().sum()


def mad(x, edge_index=None):
    distance = cosine_distances(x)
    if edge_index is None:
        adj = 1 - torch.eye(len(x)).double()
    else:
        adj = dense(edge_index, len(x))
    count = adj.sum(1)
    means = (adj * distance).sum(1)[count > 0] / count[count > 0]
    return means.mean()


def mad_rusch(x, edge_index):
    return (dense(edge_index, len(x)) * cosine_distances(x)).sum() / len(x)


def hops(edge_index, size):
    """The distance of each pair of nodes, infinite between components."""
    adj = dense(edge_index, size) > 0
    out = torch.full((size, size), torch.inf)
    seen = torch.eye(size, dtype=torch.bool)
    out[seen] = 0
    for hop in range(1, size):
        more = ((adj.float() @ seen.float()) > 0) & ~seen
        if not more.any():
            break
        out[more] = hop
        seen |= more
    return out


def mad_gap(x, edge_index, near=3, far=8):
    away = hops(edge_index, len(x))
    distance = cosine_distances(x)
    gaps = []
    for i in range(len(x)):
        neighbors = (away[i] >= 1) & (away[i] <= near)
        remote = (away[i] >= far) & away[i].isfinite()
        if neighbors.any() and remote.any():
            gaps.append(
                distance[i, remote].mean() - distance[i, neighbors].mean()
            )
    return torch.stack(gaps).mean()


def pairs(distance):
    size = len(distance)
    return distance.sum() / (size * (size - 1))


def smv(x):
    return pairs(square_distances(unit(x)).sqrt() / 2)


def row_difference(x):
    return pairs(square_distances(x).sqrt())


def column_difference(x):
    columns = x.double().t()
    size = columns.abs().sum(1, keepdim=True)
    return pairs(square_distances(columns / size).sqrt())


def group_distance_ratio_dgn(x, y):
    distance = square_distances(unit(x))
    labels = y.unique().tolist()
    intra = [distance[y == c][:, y == c].mean() for c in labels]
    inter = [
        distance[y == one][:, y == two].mean()
        for one, two in itertools.combinations(labels, 2)
    ]
    return torch.stack(inter).mean() / torch.stack(intra).mean()


def numerical_rank(x):
    values = np.linalg.svd(x.double().numpy(), compute_uv=False)
    return torch.tensor((values**2).sum() / values[0] ** 2)


def effective_rank(x):
    values = np.linalg.svd(x.double().numpy(), compute_uv=False)
    share = values / values.sum()
    share = share[share > 0]
    return torch.tensor(np.exp(-(share * np.log(share)).sum()))


def feature_correlation(x):
    rho = np.abs(np.corrcoef(x.double().numpy().T))
    size = len(rho)
    return torch.tensor((rho.sum() - size) / (size * (size - 1)))


def smooth_distance(x, edge_index, edge_weight=None):
    """To the eigenvectors of the convolution with eigenvalue one."""
    x = x.double()
    delta = laplacian(edge_index, len(x), edge_weight)
    values, vectors = torch.linalg.eigh(delta)
    smooth = vectors[:, values.abs() < 1e-10]
    return (x - smooth @ (smooth.t() @ x)).norm()
