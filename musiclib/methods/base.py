"""What the training loop knows of a method: two views in, one loss out, and hooks for whatever outlives a step."""

from __future__ import annotations

from dataclasses import dataclass, is_dataclass
from functools import partial
from typing import Any, NamedTuple

from torch import Tensor, nn

from musiclib import plugins
from musiclib.distributed import both_views
from musiclib.encoders import mlp


@dataclass(frozen=True)
class Output:
    """What one step of a method returns.

    loss: scalar of the global batch, differentiable. terms: its named parts as detached scalars, for the log.
    z1, z2: detached embeddings of the two views (N, D), for the monitors; the projector's output before any
    normalisation.
    """

    loss: Tensor
    terms: dict[str, Tensor]
    z1: Tensor
    z2: Tensor


def detached(terms: NamedTuple) -> dict[str, Tensor]:
    """The named terms of a loss as `Output` takes them for the log."""
    return {name: value.detach() for name, value in terms._asdict().items()}


class Method(nn.Module):
    """One way of learning from two views of a batch.

    Everything that outlives a step (momentum copies, prototypes, queues, memories, counters) is a parameter or a
    buffer of the module, so that `state_dict()` is all that an exact resume needs. `encoder` is what the evaluation
    keeps; the rest is thrown away after pre-training.
    """

    encoder: nn.Module
    projector: nn.Module

    def __init__(self, encoder: nn.Module, options, *, samples: int, steps: int):
        """encoder: maps (N, C, H, W) to (N, encoder.features). options: the method's own frozen dataclass.
        samples: size of the training set. steps: optimisation steps of the whole run (for momentum schedules)."""
        super().__init__()
        self.encoder, self.options, self.samples, self.steps = encoder, options, samples, steps
        self.projector = self.build_projector()

    def build_projector(self) -> nn.Module:
        """The network from features to embeddings: an MLP of the widths in `options.projector`, the last one the
        embedding's; without such an option the features are the embedding."""
        widths = getattr(self.options, "projector", None)
        return nn.Identity() if widths is None else mlp([self.encoder.features, *widths])

    def embed(self, x1: Tensor, x2: Tensor) -> tuple[Tensor, Tensor]:
        """projector(encoder(x)) of both views (N, C, H, W), (N, D) each, with batch statistics of each view alone."""
        return both_views(x1, x2, self.encoder, self.projector)

    def forward(self, x1: Tensor, x2: Tensor, index: Tensor) -> Output:
        """Views (N, C, H, W) of the samples at positions `index` (N,) of the training set -> their loss."""
        raise TypeError(f"{type(self).__name__} does not define forward")

    def after_step(self, step: int) -> None:
        """Called after every optimiser step, `step` counting from 1: momentum updates, queues."""

    def before_epoch(self, epoch: int) -> None:
        """Called before every epoch, counting from 0: clustering of a memory, say."""


def outside_method(path: str) -> tuple[type[Method], type]:
    """(class, options class) of a method from outside, `package.module:Class`.

    The class inherits from `Method`, defines `forward`, and has an attribute `Options`: a dataclass, best a frozen one,
    whose fields all have defaults. Raises PluginError, in one line, for anything else.
    """
    cls, title = plugins.find(path, "method"), f"method {path!r}"
    if not (isinstance(cls, type) and issubclass(cls, Method)):
        raise plugins.PluginError(f"{title} has to be a class that inherits from musiclib.methods.base.Method")
    if cls.forward is Method.forward:
        raise plugins.PluginError(f"{title} does not define forward(self, x1, x2, index) -> Output")
    options = getattr(cls, "Options", None)
    if not (isinstance(options, type) and is_dataclass(options)):
        raise plugins.PluginError(f"{title} needs an attribute Options, a dataclass of what can be chosen")
    plugins.call(f"Options() of {title}", options)
    return cls, options


def build_outside(path: str, cls: type[Method], encoder: nn.Module, options: Any, **known: Any) -> Method:
    """A method from outside on an encoder; what it returns is held against `Output` at every step. known: samples,
    steps, and labels and classes where its constructor asks for them."""
    method = plugins.call(f"method {path!r}", cls, encoder, options, **known)
    if getattr(method, "encoder", None) is not encoder:
        raise plugins.PluginError(f"method {path!r} has to keep the encoder that it is given as self.encoder")
    method.register_forward_hook(partial(_check_output, path))
    return method


def _check_output(path: str, method: nn.Module, views: tuple, output: Any) -> None:
    if not isinstance(output, Output):
        raise plugins.PluginError(f"method {path!r} returned a {type(output).__name__}; it has to be an Output")
    loss, pair = output.loss, (output.z1, output.z2)
    if not isinstance(loss, Tensor) or loss.dim() or not loss.is_floating_point():
        raise plugins.PluginError(f"method {path!r}: loss has to be one number, a float tensor without dimensions")
    if method.training and not loss.requires_grad:
        raise plugins.PluginError(f"method {path!r}: loss has no gradient; it was detached on the way")
    if any(not isinstance(z, Tensor) or z.dim() != 2 or len(z) != len(views[0]) for z in pair):
        raise plugins.PluginError(f"method {path!r}: z1 and z2 have to be the embeddings (N, D) of the two views")
