"""Classifiers: loaded from anywhere, frozen, and split into stem and rest.

A backbone is named ``vgg-tiny``, ``vgg-small``, ``resnet-20``, ``resnet-56`` or ``vgg-tanaka``
(built in, for small images), ``timm:NAME``, ``torchvision:NAME``, ``hf:NAME``, ``onnx:FILE``,
``pt2:FILE``, ``ts:FILE`` or ``FILE.py:FACTORY``; in Python any ``nn.Module`` in memory works as well (`Backbone` itself). It is
never run with random weights.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from robobench.backbones.deployed import DeployedClassifier, PluggedClassifier
from robobench.backbones.layers import Layer, default_place, layers_of
from robobench.backbones.networks import class_names_for, fit_state
from robobench.backbones.outputs import count_classes
from robobench.backbones.splitting import Split, split, surveyed
from robobench.backbones.stages import Stage, find_stages, run_stages
from robobench.backbones.stored import read_state
from robobench.errors import RobobenchError
from robobench.precision import in_precision
from robobench.registry.versions import source_digest
from robobench.types import Cost, Geometry

__all__ = ["Backbone"]

_EXAMPLE_SIDE = 224  # if the geometry does not give a size


class Backbone:
    """A frozen classifier with its geometry: maps uint8 images to class probabilities.

    Args:
        module: Maps normalised images N x 3 x H x W to logits N x classes, or to an object with
            ``.logits`` or a tuple that they come first in; it is put into evaluation mode and its
            parameters are frozen.
        name: Name of the backbone. Its `label` is the same unless there are several of one name.
        geometry: How its input images are resized, cropped and normalised.
        class_names: Names of the classes in the order of its outputs; ``class 0`` etc. by default.
        layer: Name of the module after which it is split; None chooses by network family.
        version: Version of the network's code (`Cell.backbone_version`); by default the digest of its
            source, or empty for a library's.
        device: Device to run on.
        precision: ``fp32``, or ``bf16`` for autocast.
        command: The command-line options that load it, for messages.
        live: Whether its weights will change (it is being trained); if not, batch normalisation is
            folded into the preceding convolutions, which makes it 1.5 times as fast on a CPU.

    Raises:
        RobobenchError: The output is not N x classes, or has not as many classes as names.

    >>> network = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 2))
    >>> classifier = Backbone(network, geometry=Geometry(crop=8), class_names=["cat", "dog"])
    >>> classifier(classifier.example).shape
    torch.Size([1, 2])
    """

    def __init__(
        self,
        module: nn.Module,
        *,
        name: str | None = None,
        geometry: Geometry | None = None,
        class_names: Sequence[str] | None = None,
        layer: str | None = None,
        version: str | None = None,
        device: str = "cpu",
        precision: str = "fp32",
        command: str = "",
        live: bool = False,
    ) -> None:
        self.name = self.label = name or type(module).__name__
        self.geometry = geometry or Geometry()
        self.device = torch.device(device)
        self.precision = precision
        self.side = _EXAMPLE_SIDE  # a run sets that of its images
        self.command = command or f"--backbone {self.name}"
        self._layer = layer
        self.version = _source(module) if version is None else version
        self.module = placed(module, self.device).eval().requires_grad_(False)
        shape = self.geometry.mean, self.geometry.std
        self._mean, self._std = (
            torch.tensor(v, device=self.device).view(1, 3, 1, 1) * 255 for v in shape
        )
        self.num_classes = count_classes(self.module, self.normalise(self.example), self.name)
        self._running = self.module if live else folded(self.module)
        self.class_names = tuple(class_names or [f"class {i}" for i in range(self.num_classes)])
        if len(self.class_names) != self.num_classes:
            raise RobobenchError(
                f"backbone {self.name} has {self.num_classes} outputs, but there are "
                f"{len(self.class_names)} classes: use weights that were trained on these classes"
            )

    def normalise(self, images: Tensor) -> Tensor:
        """Convert uint8 (or float on 0..255) images to the network's float input, channels last."""
        floats = images.to(self.device, torch.float32).contiguous(memory_format=torch.channels_last)
        return (floats - self._mean) / self._std

    def __call__(self, images: Tensor) -> Tensor:
        """Class probabilities.

        Args:
            images: uint8, N x 3 x H x W.

        Returns:
            float32, N x classes; rows sum to one.
        """
        with torch.inference_mode():
            return self.logits(images).softmax(dim=1)

    def logits(self, images: Tensor) -> Tensor:
        """Logits, float32 N x classes, for images of uint8 (or float on 0..255)."""
        with self.autocast():
            logits: Tensor = self._running(self.normalise(images))
        return logits.float()

    def stem(self, images: Tensor) -> Tensor:
        """Features at the split point, float32, for uint8 images N x 3 x H x W.

        Raises:
            RobobenchError: The network cannot be split.
        """
        with self.autocast():
            features: Tensor = self.split.stem(self.normalise(images))
        return features.float()

    def rest(self, features: Tensor) -> Tensor:
        """Logits, float32 N x classes, for features at the split point.

        Raises:
            RobobenchError: The network cannot be split.
        """
        with self.autocast():
            logits: Tensor = self.split.rest(features)
        return logits.float()

    def stages(self, features: Tensor) -> tuple[list[Tensor], Tensor]:
        """Feature maps at the ends of up to four stages behind the stem, and logits, from one pass.

        The stages of a convolutional network end where the resolution changes, the coarsest four
        count; those of a network of one resolution (a vision transformer) are evenly spaced blocks,
        with patches as maps. Gradients reach the features.

        Args:
            features: Features at the split point, as from `stem`.

        Returns:
            One float32 N x C x h x w per stage, from the stem to the classifier, the stem's own
            output not among them; and the logits, as from `rest`.

        Raises:
            RobobenchError: The network cannot be split.
        """
        with self.autocast():
            maps, logits = run_stages(self.split, self._stages, features)
        return [one.float() for one in maps], logits.float()

    def maps(self, features: Tensor) -> list[Tensor]:
        """Features at the split point, followed by those at the ends of the `stages`."""
        return [features, *self.stages(features)[0]]

    @property
    def stage_names(self) -> tuple[str, ...]:
        """Names of the layers whose outputs `stages` returns.

        Raises:
            RobobenchError: The network cannot be split.
        """
        return tuple(stage.name for stage in self._stages)

    @cached_property
    def _stages(self) -> tuple[Stage, ...]:
        return find_stages(self.split)

    def as_module(self, plugged: nn.Module | None = None) -> nn.Module:
        """One network that maps float images on 0..255 to logits and can be traced.

        Args:
            plugged: A module at the split point; maps features and images on 0..1 to features.

        Raises:
            RobobenchError: The network is an exported file, or cannot be split.
        """
        if opaque := getattr(self.module, "opaque", ""):
            raise RobobenchError(f"backbone {self.name} is {opaque}, which is exported already")
        if plugged is None:
            return DeployedClassifier(self._running, self._mean, self._std).eval()
        return PluggedClassifier(self.split, plugged, self._mean, self._std).eval()

    def autocast(self) -> AbstractContextManager[Any]:
        """The context that applies the backbone's precision."""
        return in_precision(self.device, self.precision)

    @cached_property
    def split(self) -> Split:
        """Stem and rest.

        Raises:
            RobobenchError: The network cannot be split; the message says why.
        """
        self._check_not_opaque()
        return split(self._running, self._noise(), self._layer)

    @cached_property
    def splittable(self) -> bool:
        """Whether modules can be plugged in."""
        try:
            return self.split.channels > 0
        except RobobenchError:
            return False

    @property
    def stem_channels(self) -> int:
        """Number of feature channels at the split point.

        Raises:
            RobobenchError: The network cannot be split.
        """
        return self.split.channels

    @property
    def stem_is_rectified(self) -> bool:
        """Whether the stem's features are non-negative by construction: it ends in a ReLU or alike.

        Only then may a plug-in module end in a ReLU itself.

        Raises:
            RobobenchError: The network cannot be split.
        """
        return self.split.rectified

    @property
    def layer(self) -> str:
        """Name of the layer after which it is split; empty if it cannot be."""
        return self.split.place if self.splittable else ""

    def layers(self) -> list[Layer]:
        """The layers after which it can be split, from the image to the logits.

        Raises:
            RobobenchError: The network cannot be followed.
        """
        self._check_not_opaque()
        found = surveyed(self._running, self._noise(), count=True)
        return layers_of(found, default_place(self._running, found))

    def _check_not_opaque(self) -> None:
        if opaque := getattr(self.module, "opaque", ""):
            raise RobobenchError(
                f"backbone {self.name} is {opaque}, which cannot be split: ddp, afd and "
                "other plug-in modules need the network as PyTorch code"
            )

    def _noise(self) -> Tensor:
        """A normalised image of noise, of the size given by the geometry."""
        generator = torch.Generator().manual_seed(0)
        noise = torch.rand(self.example.shape, generator=generator) * 255
        with torch.inference_mode(False):
            return self.normalise(noise).clone()

    @cached_property
    def digest(self) -> str:
        """SHA-256 over all tensors of the state dict, sorted by name, in hexadecimal."""
        return digest_of(self.module.state_dict())

    @property
    def example(self) -> Tensor:
        """A grey uint8 image of the size given by the geometry."""
        side = self.geometry.crop or self.geometry.resize or self.side
        side = getattr(self.module, "side", side)
        return torch.full((1, 3, side, side), 127, dtype=torch.uint8, device=self.device)

    def cost(self) -> Cost:
        """Number of parameters, and of multiply-adds per image."""
        return self._cost

    @cached_property
    def _cost(self) -> Cost:
        known = getattr(self.module, "cost", None)
        if isinstance(known, Cost):
            return known
        return cost_of(self.module, self.normalise(self.example))

    @property
    def own_parameters(self) -> set[int]:
        """Identities (`id`) of its network's parameters, as trained and as run."""
        networks = (self.module, self._running)
        opaque = {id(self.module)} if hasattr(self.module, "opaque") else set()
        return {id(p) for network in networks for p in network.parameters()} | opaque

    def twin(self) -> nn.Module:
        """A copy of the network, to be trained or given other weights."""
        if opaque := getattr(self.module, "opaque", ""):
            raise RobobenchError(f"backbone {self.name} is {opaque}, which cannot be trained")
        return copy.deepcopy(self.module).requires_grad_(True)

    def with_state(self, tensors: Mapping[str, Tensor], source: str) -> Backbone:
        """The same architecture with other weights.

        Args:
            tensors: A state dict.
            source: Where it comes from, for messages.

        Raises:
            RobobenchError: The tensors do not fit the network.
        """
        module = self.twin()
        fit_state(module, tensors, source, self.name)
        return self.with_module(module)

    def with_module(self, module: nn.Module, *, live: bool = False) -> Backbone:
        """The same backbone with another network: same classes, geometry and device."""
        return Backbone(
            module,
            name=self.name,
            geometry=self.geometry,
            class_names=self.class_names,
            layer=self._layer,
            version=self.version,
            device=str(self.device),
            precision=self.precision,
            command=self.command,
            live=live,
        )


def _source(module: nn.Module) -> str:
    kind = type(module)
    library = kind.__module__.partition(".")[0] in ("robobench", "torch", "timm", "torchvision")
    return "" if library else source_digest(kind)


def placed(module: nn.Module, device: str | torch.device) -> nn.Module:
    """Move a network to a device, in the memory layout that makes convolutions fastest."""
    moved: nn.Module = module.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return moved


def digest_of(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over names, types, shapes and bytes of tensors, sorted by name, in hexadecimal.

    Batch normalisation's counters are left out: predictions do not depend on them.
    """
    whole = hashlib.sha256()
    for name in sorted(tensors):
        if name.endswith("num_batches_tracked"):
            continue
        tensor = tensors[name].detach().cpu().contiguous()
        whole.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        whole.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return whole.hexdigest()


def folded(network: nn.Module) -> nn.Module:
    """An equivalent network with batch normalisation folded into the preceding convolution.

    Only within ``nn.Sequential``, where the order of execution is certain; a network without such a
    pair is returned unchanged.
    """
    from torch.nn.utils import fuse_conv_bn_eval

    def pairs(module: nn.Module) -> list[int]:
        if not isinstance(module, nn.Sequential):
            return []
        kinds = [type(child) for child in module]
        return [i for i in range(len(kinds) - 1) if kinds[i : i + 2] == [nn.Conv2d, nn.BatchNorm2d]]

    if not any(pairs(module) for module in network.modules()):
        return network
    twin = copy.deepcopy(network)
    for module in twin.modules():
        for i in pairs(module):
            assert isinstance(module, nn.Sequential)
            convolution, normalisation = module[i], module[i + 1]
            assert isinstance(convolution, nn.Conv2d)
            assert isinstance(normalisation, nn.BatchNorm2d)
            module[i] = fuse_conv_bn_eval(convolution, normalisation)
            module[i + 1] = nn.Identity()
    return twin.eval().requires_grad_(False)


def cost_of(module: nn.Module, *inputs: Tensor) -> Cost:
    """Number of parameters, and of multiply-adds of one pass as counted by torch."""
    from torch.utils.flop_counter import FlopCounterMode

    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:  # inference mode would hide convolutions from the counter
        module(*inputs)
    return Cost(sum(p.numel() for p in module.parameters()), counter.get_total_flops() // 2)


__all__ += ["class_names_for", "cost_of", "digest_of", "folded", "placed", "read_state"]
