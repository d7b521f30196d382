"""Networks that users bring."""

import inspect
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from pyg_ext.nn import ConvStack

from .. import code, plugins
from ..errors import UsageError
from . import source
from .backbones import BACKBONES, CONVS, PLAIN, Backbone, aliases

UNIT = 'what its third argument counts'
SIZES = ('in_channels', 'hidden_channels', 'num_layers', 'out_channels')
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
    if not (isinstance(name, str) and NAME.fullmatch(name)):
        raise UsageError(
            f'the name of a method must be of letters, digits and _ . * - '
            f'(got {name!r})'
        )
    if name.lower() in {*BACKBONES, *aliases(), 'none'}:
        raise UsageError(
            f'{name!r} is a built-in method: give yours another name, as in '
            f'my{name}=FILE.py:NAME'
        )
    backbone = _backbone(model)
    for other in [*REGISTERED]:  # specification strings have no upper case
        if other.lower() == name.lower():
            del REGISTERED[other]
    REGISTERED[name] = backbone


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
        register(name, code.find(place))
    elif text not in known() and text in plugins.names('methods'):
        name = text
        register(text, plugins.load('methods', text))
    return name or text


def _backbone(model: Callable[..., torch.nn.Module]) -> Backbone:
    if not callable(model) or isinstance(model, torch.nn.Module):
        raise UsageError(
            f'a method must be a class, or a function that gives a network '
            f'(got {type(model).__name__})'
        )
    made_of = source.Source(model)
    source.by_value(made_of.modules)
    code = made_of.digest()
    for backbone in BACKBONES.values():
        if backbone.model is model:
            return replace(backbone, code=code)
    stack = inspect.isclass(model) and issubclass(model, ConvStack)
    return Backbone(
        model if stack else Sized(model),
        'num_layers',
        CONVS if stack else UNIT,
        edges=PLAIN,
        sparse_features=False,
        code=code,
    )


class Sized:
    """A user's network under the argument names of all models here."""

    def __init__(self, model: Callable[..., torch.nn.Module]):
        self.model = model
        self.name = getattr(model, '__name__', repr(model))
        try:
            signature = inspect.signature(model)
        except ValueError as error:  # of some that are written in C
            raise UsageError(f'{self.name} is no network: {error}') from error
        parameters = [*signature.parameters.values()]
        keyword = inspect.Parameter.POSITIONAL_OR_KEYWORD
        self.sees_edges = _sees_edges(model)
        sizes, rest = parameters[:4], parameters[4:]
        if (
            len(sizes) < 4
            or any(parameter.kind > keyword for parameter in sizes)
            or any(map(_is_needed, rest))
        ):
            raise UsageError(
                f'{self.name} must take the size of the input, of hidden '
                f'layers, the depth and the size of the output, and else '
                f'only what has a default (got {signature})'
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

    def __call__(self, **given: Any) -> torch.nn.Module:
        """A new network."""
        sizes = [given.pop(name) for name in SIZES]
        made = self.model(*sizes, **given)
        if not isinstance(made, torch.nn.Module):
            raise TypeError(
                f'{self.name} must give a network (got {type(made).__name__})'
            )
        return made


def _sees_edges(model: Callable[..., torch.nn.Module]) -> bool:
    """Whether a class of networks asks for features of edges; those of PyG
    name them, and take them if they are told of what size they are.
    """
    known = hasattr(model, 'supports_edge_attr')
    forward = getattr(model, 'forward', None)
    if known or forward is None:
        return False
    return 'edge_attr' in inspect.signature(forward).parameters


def _is_needed(parameter: inspect.Parameter) -> bool:
    various = parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD
    return parameter.default is parameter.empty and (
        parameter.kind not in various
    )
