"""What methods that adapt a network at test time share: settings, the network's copy, its layers.

They get unlabelled images of one condition, batch by batch, and answer before they learn from a
batch. All but `bn-adapt` take gradient steps on the scales and shifts of the normalisation layers:
batch normalisation, with the statistics of the batch at hand, layer or group normalisation. Batch
sizes, optimisers and learning rates are those of the comparison in Marsden et al. (WACV 2024):
Adam, 1e-3 and batches of 200 for small images, SGD with momentum 0.9, 2.5e-4 and batches of 64
for large ones. Dropout stays off, so that answers do not depend on chance.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Final

import torch
from torch import Tensor, nn

import robobench
from robobench.backbones.backbone import Backbone
from robobench.contracts import Method
from robobench.errors import RobobenchError, unknown_name
from robobench.methods.repair_recipes import SMALL_SIDE
from robobench.types import Context, Cost, Weights

_BATCH_OF_SMALL, _BATCH_OF_LARGE = 200, 64
_MOST: Final = 10_000
# Word after the colon -> class attribute and value.
_WORDS: Final[dict[str, tuple[str, Any]]] = {
    "iid": ("stream", "iid"),
    "by-class": ("stream", "by-class"),
    "continual": ("episodic", False),
    "episodic": ("episodic", True),
}
BATCH_NORM: Final = (nn.BatchNorm1d, nn.BatchNorm2d)
_NORMALISATIONS: Final = (*BATCH_NORM, nn.LayerNorm, nn.GroupNorm)


class OnlineAdaptation(robobench.Method):
    """A copy of the classifier that learns from the images it classifies; subclasses implement `adapt`.

    ``NAME:SETTINGS`` joins settings by ``+``: ``iid`` or ``by-class`` (in which order images come),
    ``continual`` or ``episodic`` (whether it carries on from batch to batch of a condition or starts
    anew with each), ``batch=N``.

    Attributes:
        episodic: Whether it starts anew with every batch.
        batch: Images per batch; None for what is usual at their size.
        numbers: Settings ``NAME=NUMBER``: name -> smallest value.
        passes: Multiply-adds per image in forward passes; a backward pass counts as two.
        network: The copy, as a backbone; the caller's network is left alone.
    """

    adapts = True
    episodic: ClassVar[bool] = False
    batch: ClassVar[int | None] = None
    numbers: ClassVar[dict[str, int]] = {"batch": 1}
    passes: ClassVar[int] = 1

    def __init__(self, backbone: Backbone, weights: Weights | None = None) -> None:
        super().__init__(backbone, weights)
        self.check_backbone(backbone)
        with torch.inference_mode(False):  # else its tensors could not be trained
            self.network = backbone.with_module(backbone.twin(), live=True)
        for layer in self.network.module.modules():
            if isinstance(layer, nn.GroupNorm):
                layer.register_forward_pre_hook(_contiguous)

    @classmethod
    def batch_size(cls, side: int) -> int:
        """As in Marsden et al.: 200 small images, or 64 large ones."""
        return cls.batch or (_BATCH_OF_SMALL if side <= SMALL_SIDE else _BATCH_OF_LARGE)

    @classmethod
    def with_argument(cls, argument: str) -> tuple[str, type[Method]]:
        """The method with settings; only those that change it are in its label."""
        chosen: dict[str, Any] = {}
        for word in argument.split("+"):
            attribute, value = cls._setting(word)
            if attribute in chosen:
                raise RobobenchError(
                    f"{argument!r} has two settings of one kind, the second is {word!r}: leave one out"
                )
            chosen[attribute] = value
        label = [w for w, (a, v) in _WORDS.items() if chosen.get(a) == v != getattr(cls, a)]
        label += [
            f"{name}={chosen[name]}"
            for name in cls.numbers
            if name in chosen and chosen[name] != getattr(cls, name)
        ]
        return "+".join(label), type(cls.__name__, (cls,), {**chosen, "__doc__": cls.__doc__})

    @classmethod
    def _setting(cls, word: str) -> tuple[str, Any]:
        if word in _WORDS:
            return _WORDS[word]
        name, equals, text = word.partition("=")
        if not equals or name not in cls.numbers:
            raise unknown_name("setting", word, [*_WORDS, *(f"{n}=N" for n in cls.numbers)])
        least = cls.numbers[name]
        if not (text.isascii() and text.isdigit() and least <= int(text[:9]) <= _MOST):
            raise RobobenchError(
                f"{name}: expected a whole number from {least} to {_MOST}, got {text!r}"
            )
        return name, int(text)

    @classmethod
    def check_backbone(cls, backbone: Backbone) -> None:
        """Refuse a network without normalisation layers, or with folded ones."""
        check_statistics(backbone)
        if not affine_parameters(network_of(backbone)):
            raise RobobenchError(
                f"backbone {backbone.name} has no normalisation layer with scale and shift to adapt "
                "(batch normalisation may have been folded into its convolutions): use its unfolded "
                "weights, or another classifier"
            )

    def begin(self, clean: Callable[[int], Tensor]) -> None:
        """Go back to the classifier as it was given."""
        with torch.inference_mode(False):
            self.forget()

    def forget(self) -> None:
        """Undo whatever was learned."""
        raise NotImplementedError

    def adapt(self, images: Tensor, context: Context) -> Tensor:
        """Probabilities for a batch, which is then learned from; gradients are enabled.

        Args:
            images: uint8, N x 3 x H x W.
            context: As in `predict`.

        Returns:
            float32, N x classes.
        """
        raise NotImplementedError

    def predict(self, images: Tensor, context: Context) -> Tensor:
        """Probabilities given by the network as adapted to the batches before (or to none)."""
        with torch.inference_mode(False), torch.enable_grad():
            if self.episodic:
                self.forget()
            return self.adapt(images, context).detach()

    def cost(self) -> Cost:
        """Parameters of the network, and multiply-adds with those of learning."""
        once = self.backbone.cost()
        return Cost(once.parameters, once.macs * self.passes)

    @property
    def notes(self) -> tuple[str, ...]:
        """How it was adapted, where that is not the default."""
        if not self.episodic:
            return ()
        return ("An episodic method starts anew with every batch, and answers before it learns.",)


class GradientAdaptation(OnlineAdaptation):
    """Learns scales and shifts of normalisation layers; batch normalisation uses the batch's statistics.

    Attributes:
        adapted: The parameters that are learned.
        optimizer: Takes the steps.
        side: Side of the images seen, in pixels; 0 before the first.
    """

    passes = 3

    def __init__(self, backbone: Backbone, weights: Weights | None = None) -> None:
        super().__init__(backbone, weights)
        with torch.inference_mode(False):
            module = self.network.module
            for layer in module.modules():
                if isinstance(layer, BATCH_NORM):
                    # with momentum 0 the statistics of the training images stay as they are
                    layer.training, layer.momentum = True, 0.0
            self.adapted = affine_parameters(module, self.skips(module))
            if not self.adapted:
                raise RobobenchError(
                    f"backbone {backbone.name}: all its normalisation layers are among the last "
                    "ones, which this method leaves alone: use tent or eata"
                )
            self.given = [p.detach().clone() for p in self.adapted]
            for parameter in self.adapted:
                parameter.requires_grad_(True)
            self.side = 0
            self.forget()

    @property
    def is_small(self) -> bool:
        """Whether the images are small: optimiser and thresholds are chosen by it."""
        return self.side <= SMALL_SIDE

    def predict(self, images: Tensor, context: Context) -> Tensor:
        """See `OnlineAdaptation`."""
        if self.side != images.shape[-1]:
            self.side = images.shape[-1]
            with torch.inference_mode(False):
                self.forget()
        return super().predict(images, context)

    def skips(self, module: nn.Module) -> Callable[[str], bool]:
        """Whether a layer, by name, is left as it is; none is by default."""
        return lambda name: False

    def forget(self) -> None:
        """Put back the parameters, and start the optimiser anew."""
        with torch.no_grad():
            for parameter, given in zip(self.adapted, self.given, strict=True):
                parameter.copy_(given)
        self.optimizer: torch.optim.Optimizer
        if self.is_small:
            self.optimizer = torch.optim.Adam(self.adapted, lr=1e-3)
        else:
            self.optimizer = torch.optim.SGD(self.adapted, lr=2.5e-4, momentum=0.9)

    def step(self, loss: Tensor) -> None:
        """Take one step down the gradient of a loss."""
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()


def _contiguous(_: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
    """Inputs in the plain memory layout.

    In torch 2.4 the backward pass of `GroupNorm` crashes on a CPU where inputs are channels-last and
    need no gradient.
    """
    (features,) = inputs
    return (features.contiguous(),)


def network_of(backbone: Backbone) -> nn.Module:
    """The network that can be adapted.

    Raises:
        RobobenchError: It is an exported file.
    """
    if opaque := getattr(backbone.module, "opaque", ""):
        raise RobobenchError(
            f"backbone {backbone.name} is {opaque}, whose layers cannot be adapted: give the "
            "network as PyTorch code"
        )
    return backbone.module


def batch_norms(module: nn.Module) -> list[nn.BatchNorm1d | nn.BatchNorm2d]:
    """The batch normalisations that hold statistics of training images."""
    return [m for m in module.modules() if isinstance(m, BATCH_NORM) and m.running_mean is not None]


def check_statistics(backbone: Backbone) -> None:
    """Refuse batch normalisations that hold no statistics: normalised by a batch's, all answers are wrong.

    Where statistics were folded into the convolutions and the layers were kept, their means are 0 and
    their variances 1. So they are in networks that were never trained.

    Raises:
        RobobenchError: All of its batch normalisations are like that.
    """
    if batch_norms(network_of(backbone)) and not has_statistics(backbone):
        raise RobobenchError(
            f"backbone {backbone.name} has batch normalisation without statistics, means 0 and variances "
            "1 throughout (folded into the convolutions, or never trained): use its unfolded weights, or "
            "another classifier"
        )


def has_statistics(backbone: Backbone) -> bool:
    """Whether any batch normalisation of a network holds statistics of training images."""
    return not all(_is_blank(layer) for layer in batch_norms(backbone.module))


def _is_blank(layer: nn.BatchNorm1d | nn.BatchNorm2d) -> bool:
    mean, variance = layer.running_mean, layer.running_var
    return (
        mean is not None and variance is not None and not mean.any() and bool((variance == 1).all())
    )


def affine_parameters(
    module: nn.Module, skipped: Callable[[str], bool] = lambda name: False
) -> list[nn.Parameter]:
    """Scales and shifts of all normalisation layers whose names are not skipped."""
    found: Iterable[nn.Parameter | None] = (
        parameter
        for name, layer in module.named_modules()
        if isinstance(layer, _NORMALISATIONS) and not skipped(name)
        for parameter in (layer.weight, layer.bias)
    )
    return [p for p in found if p is not None]


def entropy(logits: Tensor) -> Tensor:
    """Shannon entropy of the softmax, in nats: N, from logits N x classes."""
    return -(logits.softmax(1) * logits.log_softmax(1)).sum(1)
