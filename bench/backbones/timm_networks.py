"""Classifiers of timm: its own names, repositories of the Hugging Face hub, local folders."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from torch import nn

from robobench.backbones.hub import hub_folder
from robobench.backbones.networks import (
    Network,
    check_classes,
    class_names_for,
    classes_in,
    fit_state,
    head_of,
    no_download,
    no_weights,
)
from robobench.backbones.stored import read_state
from robobench.backbones.vision import import_timm
from robobench.errors import RobobenchError, unknown_name
from robobench.registry import backbone
from robobench.types import Geometry

_HUB: Final = "hf-hub:"
_LOCAL: Final = "local-dir:"
_FILES: Final = ("config.json", "*.safetensors", "pytorch_model.bin")


@backbone("timm", argument="NAME")
def load_timm(
    argument: str,
    weights: str | Path | None,
    class_names: Sequence[str] | None,
    download: bool,
) -> Network:
    """Any classifier from timm, with --weights FILE or its own (--download).

    ``timm:hf-hub:OWNER/NAME`` is a repository of the hub in timm's layout, ``timm:local-dir:FOLDER``
    such a folder: their own config.json says what they are, weights included.
    """
    if is_repository(argument):
        return _load_repository(argument, weights, class_names, download)
    timm = import_timm()
    name = f"timm:{argument}"
    check_timm_name(argument)
    if weights is None and not download:
        raise no_weights(name, "timm")
    module: Any
    if weights is None:
        try:
            module = timm.create_model(argument, pretrained=True)
        except Exception as error:  # from the hub or the connection, or a wrong tag
            raise no_download(name, error) from error
    else:
        tensors = read_state(weights)
        module = timm.create_model(argument, pretrained=False)
        classes = classes_in(tensors, module, module.num_classes)
        if class_names is not None:
            check_classes(tensors, head_of(module), len(class_names), str(weights), name)
        if classes != module.num_classes:
            module = timm.create_model(argument, pretrained=False, num_classes=classes)
        fit_state(module, tensors, str(weights), name)
    names = class_names_for(module.num_classes, class_names)
    return Network(module, name, timm_geometry(module), names)


def is_repository(argument: str) -> bool:
    """Whether what follows ``timm:`` is a repository or a folder, not a name of timm's own."""
    return argument.startswith((_HUB, _LOCAL))


def _load_repository(
    argument: str,
    weights: str | Path | None,
    class_names: Sequence[str] | None,
    download: bool,
) -> Network:
    called = f"--backbone timm:{argument}"
    source, _, place = argument.partition(":")
    if f"{source}:" == _HUB:
        folder = hub_folder(place, kind="model", patterns=_FILES, download=download, called=called)
        name = f"timm:{argument}"
    else:
        folder = Path(place).expanduser()
        if not folder.is_dir():
            raise RobobenchError(f"{called}: no such folder")
        name = f"timm:{_LOCAL}{folder.resolve().name}"
    _check_config(folder, called)
    timm = import_timm()
    if not hasattr(timm.models._hub, "load_model_config_from_path"):
        raise RobobenchError(
            f"{called}: timm {timm.__version__} cannot read folders: pip install -U timm"
        )
    try:
        module: Any = timm.create_model(f"{_LOCAL}{folder}", pretrained=weights is None)
    except Exception as error:  # weights that are missing, damaged or do not fit
        reason = " ".join(str(error).split())[:160]
        raise RobobenchError(
            f"{called} cannot be loaded by timm ({type(error).__name__}: {reason})"
        ) from error
    if weights is not None:
        fit_state(module, read_state(weights), str(weights), name)
    told = (getattr(module, "pretrained_cfg", None) or {}).get("label_names") or ()
    if class_names is None and len(told) == module.num_classes:
        class_names = [str(one) for one in told]
    names = class_names_for(module.num_classes, class_names)
    return Network(module, name, timm_geometry(module), names)


def _check_config(folder: Path, called: str) -> None:
    """Refuse a folder that timm did not make."""
    try:
        told = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except OSError:
        raise RobobenchError(
            f"{called}: expected a config.json as timm saves it, there is none"
        ) from None
    except ValueError:
        raise RobobenchError(f"{called}: its config.json is not JSON") from None
    if not isinstance(told, dict) or "architecture" not in told:
        raise RobobenchError(
            f"{called}: its config.json names no timm architecture; hf:NAME loads networks of "
            "transformers"
        )
    check_timm_name(str(told["architecture"]))


def check_timm_name(argument: str) -> None:
    """Raise `RobobenchError` for a network that timm does not have."""
    timm, architecture = import_timm(), argument.partition(".")[0]
    if not timm.is_model(architecture):
        raise unknown_name("timm network", architecture, timm.list_models())


def timm_geometry(module: nn.Module) -> Geometry:
    """The geometry that a network of timm was trained with."""
    config: Any = import_timm().data.resolve_data_config(model=module)
    crop = int(config["input_size"][-1])
    return Geometry(
        resize=math.floor(crop / config["crop_pct"]),
        crop=crop,
        interpolation=config["interpolation"],
        mean=tuple(config["mean"]),
        std=tuple(config["std"]),
    )
