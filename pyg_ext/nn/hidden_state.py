import torch


class HiddenState(torch.nn.Identity):
    r"""Returns its input, and marks it as a hidden state of the network: what
    a layer hands to the next, after norm, activation and skip connection. An
    :class:`~pyg_ext.metrics.OverSmoothingProbe` looks at what passes here.

    One module may serve all layers of a network.

    Shapes:
        - **input:** node features :math:`(|\mathcal{V}|, F)`
        - **output:** the same
    """
