"""Networks that users bring."""

import inspect
import re
from collections.abc import Callable

import torch

from pyg_ext.nn import ConvStack

from .. import plugins
from ..errors import UsageError
from . import source
from .backbones import BACKBONES, CONVS, Backbone, plain_edges

UNIT = 'what its third argument counts'
SIZES = ('in_channels', 'hidden_channels', 'num_layers', 'out_channels')
HIDDEN = 64  # channels, where a recipe does not say
NAME = re.compile(r'[A-Za-z_][\w.*-]*')

REGISTERED: dict[str, Backbone] = {}


def known() -> dict[str, Backbone]:
    """All backbones: built in, and registered in this process."""
    return {**BACKBONES, **REGISTERED}


def register(name: str, model: Callable[..., torch.nn.Module]) -> None:
    """Makes a network known by a name, in this process and in those that do
    its runs.

    Args:
        name: What rows and tables call it, and specification strings, as in
            ``name+res``.
        model: A class or a function whose first four arguments are the size
            of the input, the size of hidden layers, the depth, and the size
            of the output, as PyG's models have them; the others have
            defaults, and are options that a recipe may set. What it gives
            takes features, ``[N, in]``, and ``edge_index``, ``[2, E]``, and
            returns ``[N, out]``.

    Raises:
        UsageError: If the name cannot be one, or belongs to a built-in
            method, or if the model is something else.
    """
    if not NAME.fullmatch(name):
        raise UsageError(
            f'the name of a method must be of letters, digits and _ . * - '
            f'(got {name!r})'
        )
    taken = {*map(str.lower, BACKBONES), 'none'}
    if name.lower() in taken:
        raise UsageError(
            f'{name!r} is a built-in method: give yours another name, as in '
            f'my{name}=FILE.py:NAME'
        )
    REGISTERED[name] = _backbone(model)


def resolve(text: str) -> str:
    """The name of a backbone that is meant: itself, or ``FILE.py:NAME`` or
    ``MODULE:NAME``, perhaps with another name ahead, as in
    ``mine=FILE.py:NAME``, which is registered.

    Raises:
        UsageError: If there is no such network.
    """
    name, _, place = text.rpartition('=')
    if ':' in place:
        name = name or place.rpartition(':')[2]
        register(name, source.find(place))
    elif text not in known() and text in plugins.names('methods'):
        name = text
        register(text, plugins.load('methods', text))
    return name or text


def _backbone(model: Callable[..., torch.nn.Module]) -> Backbone:
    for backbone in BACKBONES.values():
        if backbone.model is model:
            return backbone
    if not callable(model) or isinstance(model, torch.nn.Module):
        raise UsageError(
            f'a method must be a class, or a function that gives a network '
            f'(got {type(model).__name__})'
        )
    source.by_value(model)
    stack = inspect.isclass(model) and issubclass(model, ConvStack)
    return Backbone(
        model if stack else Sized(model),
        'num_layers',
        CONVS if stack else UNIT,
        adjacency=plain_edges,
        sparse_features=False,
        code=source.digest(model),
    )


class Sized:
    """A user's network under the argument names of all models here."""

    def __init__(self, model: Callable[..., torch.nn.Module]):
        self.model = model
        signature = inspect.signature(model)
        parameters = [*signature.parameters.values()]
        keyword = inspect.Parameter.POSITIONAL_OR_KEYWORD
        sizes, rest = parameters[:4], parameters[4:]
        if (
            len(sizes) < 4
            or any(parameter.kind > keyword for parameter in sizes)
            or any(map(_is_needed, rest))
        ):
            name = getattr(model, '__name__', repr(model))
            raise UsageError(
                f'{name} must take the size of the input, of hidden layers, '
                f'the depth and the size of the output, and else only what '
                f'has a default (got {signature})'
            )
        self.__signature__ = signature.replace(
            parameters=[
                *(
                    inspect.Parameter(n, keyword, annotation=int)
                    for n in SIZES
                ),
                *rest,
            ],
            return_annotation=inspect.Signature.empty,
        )

    def __call__(
        self, hidden_channels: int = HIDDEN, **given: object
    ) -> torch.nn.Module:
        """A new network."""
        given['hidden_channels'] = hidden_channels
        sizes = [given.pop(name) for name in SIZES]
        return self.model(*sizes, **given)


def _is_needed(parameter: inspect.Parameter) -> bool:
    various = parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD
    return parameter.default is parameter.empty and (
        parameter.kind not in various
    )
