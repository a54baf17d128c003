"""Image classifiers of Hugging Face `transformers`: from the hub or a local folder."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from robobench.backbones.hub import local_or_hub
from robobench.backbones.networks import Network, class_names_for, fit_state
from robobench.backbones.stored import read_state
from robobench.backbones.vision import import_torchvision
from robobench.errors import RobobenchError
from robobench.registry import backbone
from robobench.types import Geometry

_FILES: Final = (
    "config.json",
    "preprocessor_config.json",
    "*.safetensors",
    "*.safetensors.index.json",
)
_PLACEHOLDER: Final = "LABEL_"
_FILTERS: Final = {
    0: "nearest",
    1: "lanczos",
    2: "bilinear",
    3: "bicubic",
    4: "box",
}  # Pillow's numbers
_WARPED_FROM: Final = 384  # ConvNeXT's processor crops smaller images only
_LEVIT: Final = 256 / 224


@backbone("hf", argument="NAME")
def load_transformers(
    argument: str,
    weights: str | Path | None,
    class_names: Sequence[str] | None,
    download: bool,
) -> Network:
    """Any image classifier of transformers (extra: transformers), from the hub or a local folder.

    The geometry is that of its image processor. One that distorts images to a square becomes a resize
    of the shorter side and a central crop of that size, which keep the aspect ratio: for square images
    both are the same.
    """
    called = f"--backbone hf:{argument}"
    try:
        import_torchvision()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            transformers: Any = import_module("transformers")
    except ImportError as error:
        raise RobobenchError(
            f"{called} needs the extra `transformers`: pip install 'robobench[transformers]'"
        ) from error
    folder, name = local_or_hub(
        argument, kind="model", patterns=_FILES, download=download, called=called
    )
    _check_config(folder, called)
    with _quiet(transformers):
        try:
            processor = transformers.AutoImageProcessor.from_pretrained(
                folder, local_files_only=True
            )
            module, missing = _network(transformers, folder, weights is None)
        except Exception as error:  # whatever the library says of a folder it cannot read
            reason = " ".join(str(error).split())[:160]
            raise RobobenchError(
                f"{called} cannot be loaded by transformers ({type(error).__name__}: {reason})"
            ) from error
    if missing:
        raise RobobenchError(
            f"{called} has no weights for {', '.join(missing[:3])}"
            f"{f' and {len(missing) - 3} more' if len(missing) > 3 else ''}: it is no trained image "
            "classifier"
        )
    if weights is not None:
        fit_state(module, read_state(weights), str(weights), name)
    told = module.config.id2label
    names = [str(told[index]) for index in sorted(told)]
    if class_names is None and not all(one.startswith(_PLACEHOLDER) for one in names):
        class_names = names
    return Network(
        *(module, name, processor_geometry(processor, called)),
        class_names_for(len(names), class_names),
    )


def _check_config(folder: Path, called: str) -> None:
    """Refuse a folder that transformers did not make, or without its image processor."""
    for file, what in (
        ("config.json", "save_pretrained of the model"),
        ("preprocessor_config.json", "save_pretrained of its image processor"),
    ):
        if not (folder / file).is_file():
            raise RobobenchError(f"{called}: expected a {file} in it, as {what} writes it")
    try:
        told = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except ValueError:
        raise RobobenchError(f"{called}: its config.json is not JSON") from None
    if not isinstance(told, dict) or "model_type" not in told:
        other = isinstance(told, dict) and "architecture" in told
        advice = "; timm:hf-hub:NAME and timm:local-dir:FOLDER load networks of timm"
        raise RobobenchError(
            f"{called}: its config.json names no model_type of transformers{advice * other}"
        )


def _network(transformers: Any, folder: Path, pretrained: bool) -> tuple[Any, list[str]]:
    """The network, and the names of weights that its folder lacks."""
    automatic = transformers.AutoModelForImageClassification
    if not pretrained:
        config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True)
        return automatic.from_config(config), []
    module, told = automatic.from_pretrained(
        folder, local_files_only=True, use_safetensors=True, output_loading_info=True
    )
    missing = [*told["missing_keys"], *(key for key, *_ in told["mismatched_keys"])]
    return module, sorted(missing)


def processor_geometry(processor: Any, called: str) -> Geometry:
    """The geometry that an image processor of transformers means.

    Args:
        processor: Has the attributes size, crop_size, resample, image_mean, image_std and so on.
        called: How the user referred to it, for messages.

    Raises:
        RobobenchError: It does what no geometry says: another filter, or images that are not square.
    """
    resize = crop = None
    if getattr(processor, "do_resize", False):
        resize, crop = _resized(processor, called)
    if getattr(processor, "do_center_crop", False):
        crop = _side(_sizes(processor.crop_size), called)
        resize = None if resize is None else max(resize, crop)
    number = getattr(processor, "resample", None)
    interpolation = _FILTERS.get(int(number)) if number is not None else "bilinear"
    if interpolation is None:
        raise RobobenchError(
            f"{called}: its image processor resizes with Pillow's filter {int(number or 0)}; expected "
            f"{', '.join(_FILTERS.values())}"
        )
    mean, std = _normalisation(processor)
    return Geometry(resize, crop, interpolation, mean=mean, std=std)


def _resized(processor: Any, called: str) -> tuple[int, int | None]:
    """Shorter side after resizing, and the side of a crop that belongs to it."""
    sizes = _sizes(processor.size)
    kind = type(processor).__name__
    share: float = getattr(processor, "crop_pct", None) or 1.0
    shortest = sizes.get("shortest_edge")
    if shortest is None:
        side = _side(sizes, called)
        return int(side / share), side
    if kind.startswith("Levit"):
        return int(_LEVIT * shortest), None
    if kind.startswith("ConvNext"):
        return (int(shortest / share) if shortest < _WARPED_FROM else shortest), shortest
    return int(shortest / share), None


def _sizes(size: Any) -> dict[str, int]:
    """A processor's size as a dictionary: older ones write one number."""
    if isinstance(size, int):
        return {"shortest_edge": size}
    pairs = dict(size) if isinstance(size, Mapping) else vars(size)
    return {key: int(value) for key, value in pairs.items() if value is not None}


def _side(sizes: Mapping[str, int], called: str) -> int:
    sides = {sizes.get("height", 0), sizes.get("width", 0)} - {0} or {sizes.get("shortest_edge", 0)}
    if len(sides) != 1 or sides == {0}:
        raise RobobenchError(
            f"{called}: its image processor makes images of {dict(sizes)}; expected square ones"
        )
    return sides.pop()


def _normalisation(
    processor: Any,
) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Mean and deviation on 0..1 of what a processor does to pixels on 0..255."""
    factor = processor.rescale_factor if getattr(processor, "do_rescale", True) else 1.0
    offset = float(bool(getattr(processor, "rescale_offset", False)))
    scale = 255 * factor
    means: Sequence[float] = (0.0, 0.0, 0.0)
    deviations: Sequence[float] = (1.0, 1.0, 1.0)
    if getattr(processor, "do_normalize", False):
        means, deviations = (
            [float(v)] * 3 if isinstance(v, int | float) else v
            for v in (processor.image_mean, processor.image_std)
        )
    if scale == 1 and not offset:  # as it is written, without a rounding error
        return _three(means), _three(deviations)
    return _three([(m + offset) / scale for m in means]), _three([d / scale for d in deviations])


def _three(numbers: Sequence[float]) -> tuple[float, float, float]:
    first, second, third = numbers
    return float(first), float(second), float(third)


@contextmanager
def _quiet(transformers: Any) -> Iterator[None]:
    """Without the library's progress bars and reports of loading."""
    logging = transformers.utils.logging
    before, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(before)
        if bars:
            logging.enable_progress_bar()
