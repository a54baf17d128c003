"""`restore:FILE`: any restoration network that spandrel loads, then the classifier."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, ClassVar, Final

import torch
from torch import Tensor

import robobench
from robobench.backbones.backbone import Backbone, cost_of
from robobench.backbones.stored import stored_tensors
from robobench.backbones.vision import import_torchvision
from robobench.baselines.restoration import RestoreThenClassify, in_pieces, to_bytes, to_floats
from robobench.contracts import Method
from robobench.errors import RobobenchError
from robobench.types import Cost, Weights
from robobench.weights.storage import digest_of_file

_LUMA: Final = (0.299, 0.587, 0.114)  # JPEG's (ITU-R BT.601, full range)


@robobench.method("restore", argument="FILE")
class RestoreWithFile(RestoreThenClassify):
    """A restoration network of your own (any file that spandrel loads), then the classifier.

    A three-channel network restores RGB; a single-channel one restores the luma of YCbCr and leaves
    chroma unchanged, as is usual for networks trained on greyscale images. Images that are too
    small for a network, or not a multiple of the size it requires, are padded by reflection.

    Attributes:
        file: Path of the network's file.
    """

    file: ClassVar[Path]

    def __init__(self, backbone: Backbone, weights: Weights | None = None) -> None:
        super().__init__(backbone, weights)
        self.network = _load(self.file, self.argument_digest).to(backbone.device)
        self.channels = int(self.network.input_channels)

    @classmethod
    def with_argument(cls, argument: str) -> tuple[str, type[Method]]:
        """The method for a file; its label is the file name without folder and suffix."""
        file = Path(argument)
        if not file.is_file():
            what = "a folder" if file.is_dir() else "no such file"
            raise RobobenchError(
                f"restore:{argument}: {what}; expected a restoration network's file "
                "(.pth, .pt, .ckpt or .safetensors)"
            )
        try:
            digest = digest_of_file(file)
        except OSError as error:
            raise RobobenchError(
                f"restore:{argument} cannot be read: {error.strerror or error}"
            ) from error
        name = "".join(c if c.isalnum() or c in "-_.+" else "-" for c in file.stem)
        members = {"file": file, "argument_digest": digest, "__doc__": cls.__doc__}
        return name, type(cls.__name__, (cls,), members)

    @property
    def notes(self) -> tuple[str, ...]:
        """One line that identifies the network."""
        kind = self.network.architecture.name
        part = "luma alone" if self.channels == 1 else "RGB"
        note = f"The network of {self.file.name} ({kind}, restores {part}) has the SHA-256 "
        return (f"{note}{self.argument_digest}.",)

    def restore(self, images: Tensor) -> Tensor:
        """Run the network on images scaled to 0..1 and round to bytes."""
        return in_pieces(self._restored, images)

    def cost(self) -> Cost:
        """Cost of the network plus the classifier behind it."""
        behind = self.backbone.cost()
        return Cost(
            self._own_cost.parameters + behind.parameters, self._own_cost.macs + behind.macs
        )

    @cached_property
    def _own_cost(self) -> Cost:
        # Some networks take more inputs than the image: a noise level, a mask.
        inputs: list[Tensor] = []
        hook = self.network.model.register_forward_pre_hook(lambda _, given: inputs.extend(given))
        try:
            self.restore(self.backbone.example)
        finally:
            hook.remove()
        return cost_of(self.network.model, *(i.clone() for i in inputs))

    def _restored(self, images: Tensor) -> Tensor:
        floats = to_floats(images)
        if self.channels != 1:
            return to_bytes(self._run(floats))
        weights = torch.tensor(_LUMA, device=images.device).view(1, 3, 1, 1)
        luma = (floats * weights).sum(1, keepdim=True)
        # An equal change of red, green and blue changes only luma, not chroma.
        return to_bytes(floats + (self._run(luma) - luma))

    def _run(self, floats: Tensor) -> Tensor:
        height, width = floats.shape[2:]
        more_width, more_height = self.network.size_requirements.get_padding(width, height)
        padded = floats[:, :, _reflected(height, more_height)][..., _reflected(width, more_width)]
        with self.backbone.autocast():
            restored: Tensor = self.network(padded)
        return restored.float()[..., :height, :width]


def _reflected(side: int, more: int) -> Tensor:
    """Indices of `side` pixels and `more` beyond them, reflected as often as necessary."""
    period = max(1, 2 * (side - 1))
    places = torch.arange(side + more) % period
    return torch.where(places < side, places, period - places)


@lru_cache(maxsize=4)
def _load(file: Path, digest: str) -> Any:
    """Load the network in a file with spandrel.

    Args:
        file: Path of the file.
        digest: Digest of its content, so that a replaced file is read again.

    Raises:
        RobobenchError: spandrel is not installed, or does not know the network, or the network does
            not restore an image at its own size.
    """
    name = f"restore:{file}"
    import_torchvision()  # spandrel imports it
    try:
        import spandrel
    except ImportError:
        raise RobobenchError(
            f"{name} needs spandrel: pip install 'robobench[restoration]'"
        ) from None
    state = _read(file)
    try:
        network: Any = spandrel.ModelLoader(device="cpu").load_from_state_dict(state)
    except spandrel.UnsupportedModelError:
        raise RobobenchError(
            f"{name}: spandrel knows no network with these weights; expected a restoration network "
            "that it supports, such as DnCNN, FBCNN, SwinIR or NAFNet"
        ) from None
    except Exception as error:  # whatever a network's own code raises on unexpected shapes
        raise RobobenchError(
            f"{name} cannot be loaded: {type(error).__name__}: {str(error).splitlines()[0][:120]}"
        ) from error
    kind = network.architecture.name
    if not isinstance(network, spandrel.ImageModelDescriptor):
        raise RobobenchError(
            f"{name}: {kind} does inpainting; expected a network that restores whole images"
        )
    if network.scale != 1:
        raise RobobenchError(
            f"{name}: {kind} enlarges images {network.scale} times; expected a network that "
            "keeps their size (restoration, not super-resolution)"
        )
    if (network.input_channels, network.output_channels) not in ((1, 1), (3, 3)):
        raise RobobenchError(
            f"{name}: {kind} turns {network.input_channels} channels into "
            f"{network.output_channels}; expected 3 into 3 (RGB) or 1 into 1 (luma)"
        )
    network.model.eval().requires_grad_(False)
    return network


def _read(file: Path) -> Mapping[str, Any]:
    state = stored_tensors(file, f"restore:{file}")
    if not isinstance(state, Mapping) or not state:
        raise RobobenchError(
            f"restore:{file}: expected a state dict (tensor names to tensors), "
            f"got {type(state).__name__}"
        )
    return state
