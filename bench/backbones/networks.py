"""Sources of backbone networks: built in, torchvision, a factory; what all sources share."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from robobench.backbones.overrides import check_normalisation
from robobench.backbones.own import own_geometry, own_network
from robobench.backbones.resnet import translated
from robobench.backbones.stored import read_state
from robobench.backbones.vision import import_timm, import_torchvision
from robobench.errors import RobobenchError, foreign, unknown_name
from robobench.registry import BACKBONES, backbone
from robobench.registry.versions import source_digest, version_of
from robobench.types import Geometry

_IMAGENET_CLASSES: Final = 1000


@dataclass(frozen=True)
class Network:
    """A network and what is known about it.

    Attributes:
        module: Maps normalised images to logits.
        name: Name of the backbone without folders, as in `Cell.backbone`.
        geometry: How its input images are resized, cropped and normalised.
        class_names: Names of the classes in the order of its outputs, or None if unknown.
        own: Whether it is built in, with weights from ``robobench train``.
        version: Version of its code, where it is known better than by the network's class.
        normalises: Whether it normalises images itself: its geometry has mean 0 and deviation 1.
    """

    module: nn.Module
    name: str
    geometry: Geometry
    class_names: tuple[str, ...] | None
    own: bool = False
    version: str | None = None
    normalises: bool = False


def network_named(
    name: str,
    weights: str | Path | None,
    class_names: Sequence[str] | None,
    download: bool = False,
) -> Network:
    """Create a network by name and load its weights; built-in ones without weights are untrained.

    Args:
        name: Name as for ``--backbone``, see `robobench.weights.classifiers.load_backbone`.
        weights: File of weights, or None.
        class_names: Names of the classes in the order of the outputs.
        download: Whether pretrained weights may be downloaded from the hub.

    Raises:
        RobobenchError: The name is unknown, or weights are missing or do not fit.
    """
    kind, _, argument = name.partition(":")
    if kind in BACKBONES:
        kind = BACKBONES.canonical(kind)
        expected = BACKBONES.entry(kind).options.get("argument")
        if expected and argument:
            loaded: Network = BACKBONES[kind](argument, weights, class_names, download)
            return loaded
        if not expected and name == kind:
            return _own(name, weights, class_names)
    if ".py:" in name:
        return _factory(name, weights, class_names)
    raise unknown_name("backbone", name, BACKBONES, f"Expected {', '.join(forms())}.")


def forms() -> list[str]:
    """How each registered backbone is written: ``vgg-tiny``, ``timm:NAME``."""
    entries = map(BACKBONES.entry, BACKBONES)
    written = [":".join(filter(None, (e.name, e.options.get("argument")))) for e in entries]
    return [*written, "FILE.py:FACTORY"]


def fit_state(module: nn.Module, tensors: Mapping[str, Tensor], source: str, name: str) -> None:
    """Load a state dict strictly: no tensor may be missing or left over.

    Raises:
        RobobenchError: Names or shapes differ; the message lists some.
    """
    own = {k: v.shape for k, v in module.state_dict().items()}
    given = {k: v.shape for k, v in tensors.items()}
    missing = [k for k in own if k not in given and not k.endswith("num_batches_tracked")]
    unexpected = [k for k in given if k not in own]
    shapes = [
        f"{k} {tuple(given[k])} instead of {tuple(own[k])}"
        for k in own
        if k in given and given[k] != own[k]
    ]
    problems = [
        f"{len(keys)} {what} ({', '.join(keys[:3])}{', ...' if len(keys) > 3 else ''})"
        for what, keys in (
            ("missing", missing),
            ("unexpected", unexpected),
            ("of another shape", shapes),
        )
        if keys
    ]
    if problems:
        raise RobobenchError(f"{source} does not fit {name}: {'; '.join(problems)}")
    with torch.no_grad():
        for key, target in module.state_dict().items():
            if key in tensors:
                target.copy_(tensors[key])


def start_from(network: nn.Module, file: Path, name: str) -> None:
    """Load a weights file, except for a last layer with other classes.

    Args:
        network: A built-in network.
        file: A state dict with our names or those of the published CIFAR ResNets.
        name: Name of the network, for messages.

    Raises:
        RobobenchError: The file cannot be read, or more than the last layer does not fit.
    """
    tensors = translated(read_state(file))
    own = network.state_dict()
    head = {k: v for k, v in own.items() if k.startswith("classifier.")}
    if any(k in tensors and tensors[k].shape != v.shape for k, v in head.items()):
        tensors = {**tensors, **head}
    fit_state(network, tensors, str(file), name)


def class_names_for(count: int, class_names: Sequence[str] | None = None) -> tuple[str, ...] | None:
    """The names given, else ImageNet's if there are 1,000 classes, else None."""
    if class_names is not None:
        return tuple(class_names)
    return imagenet_names() if count == _IMAGENET_CLASSES else None


def imagenet_names() -> tuple[str, ...]:
    """ImageNet's classes in order, as described by timm: ``tench, Tinca tinca``."""
    info: Any = import_timm().data.ImageNetInfo()
    return tuple(info.index_to_description(i) for i in range(_IMAGENET_CLASSES))


def _own(name: str, weights: str | Path | None, class_names: Sequence[str] | None) -> Network:
    tensors = None if weights is None else translated(read_state(weights))
    classes = len(class_names) if class_names else 10
    if tensors is not None and not class_names and "classifier.weight" in tensors:
        classes = len(tensors["classifier.weight"])
    module = own_network(name, classes)
    if tensors is not None:
        check_classes(tensors, "classifier", classes, str(weights), name)
        fit_state(module, tensors, str(weights), name)
    names = tuple(class_names) if class_names else None
    return Network(
        *(module, name, own_geometry(name), names),
        own=weights is None,
        version=version_of(BACKBONES.entry(name)),
    )


def check_classes(
    tensors: Mapping[str, Tensor], head: str, classes: int, source: str, name: str
) -> None:
    """Raise `RobobenchError` if weights have another number of classes than the data set."""
    given = tensors.get(f"{head}.weight")
    if given is not None and len(given) != classes:
        raise RobobenchError(
            f"{source} has {len(given)} classes, the data set has {classes}: {name} needs weights "
            "that were trained on the data set's classes"
        )


def head_of(module: nn.Module) -> str:
    """Name of the layer that computes the logits: the last one with weights per class."""
    names = [n for n, m in module.named_modules() if isinstance(m, nn.Linear | nn.Conv2d)]
    return names[-1] if names else ""


def classes_in(tensors: Mapping[str, Tensor], module: nn.Module, default: int) -> int:
    """Number of classes that weights were trained on; the default where they do not tell."""
    given = tensors.get(f"{head_of(module)}.weight")
    return default if given is None else len(given)


def no_weights(name: str, what: str) -> RobobenchError:
    """The error for a network without weights that may not be downloaded."""
    return RobobenchError(
        f"backbone {name} has no weights here: give --weights FILE, or --download to let "
        f"{what} download its pretrained ones"
    )


@backbone("torchvision", argument="NAME")
def load_torchvision(
    argument: str,
    weights: str | Path | None,
    class_names: Sequence[str] | None,
    download: bool,
) -> Network:
    """Any classifier from torchvision, with --weights FILE or --download."""
    import_torchvision()
    from torchvision import models

    name = f"torchvision:{argument}"
    check_torchvision_name(argument)
    if weights is None and not download:
        raise no_weights(name, "torchvision")
    pretrained = models.get_model_weights(argument).DEFAULT
    # Auxiliary heads are for training only; these two networks initialise them by default.
    options = {"init_weights": False} if argument in ("googlenet", "inception_v3") else {}
    if weights is None:
        try:
            module = models.get_model(argument, weights=pretrained)
        except Exception as error:  # from the hub or the connection
            raise no_download(name, error) from error
        classes = _IMAGENET_CLASSES
    else:
        # Most third-party weights go with the preprocessing of a network's first published ones.
        pretrained = next(iter(models.get_model_weights(argument)))
        tensors = read_state(weights)
        module = models.get_model(argument, weights=None, **options)
        classes = classes_in(tensors, module, _IMAGENET_CLASSES)
        if class_names is not None:
            check_classes(tensors, head_of(module), len(class_names), str(weights), name)
        if classes != _IMAGENET_CLASSES:
            module = models.get_model(argument, weights=None, num_classes=classes, **options)
        fit_state(module, tensors, str(weights), name)
    names = class_names_for(classes, class_names)
    return Network(module, name, torchvision_geometry(pretrained), names)


def check_torchvision_name(argument: str) -> None:
    """Raise `RobobenchError` for a network that torchvision does not have."""
    import_torchvision()
    from torchvision import models

    known = models.list_models(module=models)
    if argument not in known:
        raise unknown_name("torchvision network", argument, known)


def torchvision_geometry(pretrained: Any) -> Geometry:
    """The geometry that goes with weights that torchvision publishes."""
    preset = pretrained.transforms()
    return Geometry(
        resize=int(preset.resize_size[0]),
        crop=int(preset.crop_size[0]),
        interpolation=str(preset.interpolation.value),
        mean=tuple(preset.mean),
        std=tuple(preset.std),
    )


def no_download(name: str, error: Exception) -> RobobenchError:
    """The error for pretrained weights that could not be downloaded."""
    reason = f"{type(error).__name__}: {str(error).partition(chr(10))[0][:120]}"
    return RobobenchError(
        f"backbone {name}: its pretrained weights cannot be downloaded ({reason}); --weights FILE "
        "loads them from a file"
    )


def _factory(name: str, weights: str | Path | None, class_names: Sequence[str] | None) -> Network:
    path, _, function = name.rpartition(":")
    file = Path(path)
    if not file.is_file():
        raise RobobenchError(f"--backbone {name}: no such file {path}")
    module_name = "robobench_backbone_" + "".join(c if c.isalnum() else "_" for c in path)
    spec = importlib.util.spec_from_file_location(module_name, file)
    if spec is None or spec.loader is None:
        raise RobobenchError(f"--backbone {name}: expected a Python file (.py)")
    source = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = source
    with foreign(f"--backbone {name}: running it"):
        spec.loader.exec_module(source)
        make = getattr(source, function, None)
        module = make() if callable(make) else None
    if not isinstance(module, nn.Module):
        raise RobobenchError(
            f"--backbone {name}: expected a function {function}() that returns an nn.Module with "
            "its weights, to be called without arguments"
        )
    if weights is not None:
        fit_state(module, read_state(weights), str(weights), name)
    geometry = getattr(module, "geometry", None)
    if isinstance(geometry, Geometry):
        check_normalisation(geometry.mean, geometry.std, f"--backbone {name}: its geometry's {{}}")
    return Network(
        module,
        f"{file.name}:{function}",
        geometry if isinstance(geometry, Geometry) else Geometry(),
        tuple(class_names) if class_names is not None else None,
        version=source_digest(make),
    )
