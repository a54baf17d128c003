"""A classifier as it is deployed: one network from pixels to logits, which can be traced."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from robobench.backbones.maps import tensor_in
from robobench.backbones.splitting import Split


class DeployedClassifier(nn.Module):
    """Normalisation and network in one, with or without a module plugged in.

    Unlike stem and rest of a `Split`, which are run one after the other, it is a single pass, whose
    operations a tracer can write down.

    Args:
        network: Maps normalised images to logits.
        mean: Mean per channel on 0..255, 1 x 3 x 1 x 1.
        std: Standard deviation per channel on 0..255, likewise.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, mean: Tensor, std: Tensor) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)

    def forward(self, images: Tensor) -> Tensor:
        """Logits N x classes for float images N x 3 x H x W on 0..255."""
        logits: Tensor = self.network((images - self.mean) / self.std)
        return logits


class PluggedClassifier(DeployedClassifier):
    """The same with a module plugged in after the layer at which the network is split.

    Args:
        halves: The network, split.
        module: Maps features N x C x h x w and images on 0..1 to repaired features.
        mean: See `DeployedClassifier`.
        std: See `DeployedClassifier`.
    """

    def __init__(self, halves: Split, module: nn.Module, mean: Tensor, std: Tensor) -> None:
        plug = _Plug(halves, module)
        super().__init__(halves.with_layer(plug), mean, std)
        self.module = module  # so that its parameters belong to this network
        self._plug = plug

    def forward(self, images: Tensor) -> Tensor:
        """Logits N x classes for float images N x 3 x H x W on 0..255."""
        self._plug.images = images / 255
        try:
            return super().forward(images)
        finally:
            self._plug.images = None


class _Plug:
    """Stands for a layer's `forward`: runs the layer, then the module on its output.

    Attributes:
        images: What the network sees now, on 0..1; the layers ahead do not pass it on.
    """

    def __init__(self, halves: Split, module: nn.Module) -> None:
        self._layer, self._layout = halves.layer, halves.layout
        self._module = module
        self.images: Tensor | None = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        returned = self._layer(*args, **kwargs)
        output = tensor_in(returned)
        images = self.images
        assert images is not None
        aspect = int(images.shape[2]) / int(images.shape[3])
        changed = self._layout.changed(output, lambda maps: self._module(maps, images), aspect)
        return changed if output is returned else type(returned)([changed])
