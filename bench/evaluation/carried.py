"""What workers on other machines get from this one, so that no disk need be shared.

Files that the configuration names, trained weights of the user's folder and images that fit in memory
are carried. Larger data sets, those of plug-ins, images that are degraded at native size or come
degraded, and weights of hubs are opened by every worker where it is.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from robobench.environment import versions
from robobench.evaluation.configuration import Configuration
from robobench.evaluation.grid import split_list
from robobench.registry import BACKBONES, METHODS, load_plugin_file
from robobench.weights.storage import cards, read_card, user_folder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from robobench.evaluation.images import ImageSource
    from robobench.evaluation.plan import Plan

WEIGHTS: Final = "weights"
"""Where carried weights are in a worker's folder."""
_PLUGIN: Final = "robobench_plugin_"


@dataclass(frozen=True)
class Job:
    """A run as workers get it: its configuration, and what of this machine they need.

    Attributes:
        configurations: One for each classifier of the plan.
        several: Whether methods that do not apply to a classifier are left out.
        folder: The working folder here, which relative paths start from.
        versions: Of all that results may depend on; those of a worker have to be the same.
        files: Path here -> path in the worker's folder, and content.
        source: The images without their pixels, where these are carried.
        images: Their pixels, uint8 N x 3 x H x W in the order of evaluation.
        batch_size: What ``--batch-size auto`` begins with, where that is known.
    """

    configurations: tuple[Configuration, ...]
    several: bool
    folder: str
    versions: Mapping[str, str]
    files: Mapping[str, tuple[str, bytes]] = field(default_factory=dict)
    source: ImageSource | None = None
    images: NDArray[np.uint8] | None = None
    batch_size: int | None = None

    def unpack(self, folder: Path) -> tuple[tuple[Configuration, ...], ImageSource | None]:
        """Write the carried files into a worker's folder.

        Returns:
            The configurations with paths in this folder, and the images, if they are carried.
        """
        import torch

        for place, content in self.files.values():
            path = folder / place
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

        def moved(path: str) -> str:
            return str(folder / self.files[path][0]) if path in self.files else path

        for one in self.configurations:
            for file in one.plugin:  # whose names the rest may have
                load_plugin_file(moved(file))
        if self.source is not None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # they are Ray's, shared, and only read
                self.source.keep(torch.from_numpy(self.images), self.configurations[0].device)
        return tuple(with_paths(one, moved) for one in self.configurations), self.source


def job_of(plan: Plan, device: str, batch_size: int | None, *, carry: bool) -> Job:
    """A run as workers get it.

    Args:
        plan: The run.
        device: Where networks run on each worker.
        batch_size: What ``--batch-size auto`` begins with, where that is known.
        carry: Whether workers may be on other machines: then files and images are carried.
    """
    root = plan.configuration.root
    plugins = [
        str(Path(module.__file__ or ""))
        for name, module in list(sys.modules.items())
        if name.startswith(_PLUGIN)
    ]
    configurations = tuple(
        replace(
            one,
            device=device,
            executor="local",
            ray_address=None,
            shard=None,
            train_missing=False,  # it has been trained
            images=None,
            data_root=None if root is None else str(root.expanduser().resolve()),
            plugin=tuple(plugins),
        )
        for one in plan.classifiers or (plan.configuration,)
    )
    source, images = _images(plan.source) if carry else (None, None)
    files: dict[str, tuple[str, bytes]] = {}
    if carry:
        for one in configurations:
            with_paths(one, lambda path: _note(path, files))
        _note_weights(plan, files)
    return Job(
        configurations,
        plan.several,
        os.getcwd(),
        versions(),
        files,
        source,
        images,
        batch_size,
    )


def with_paths(configuration: Configuration, new: Callable[[str], str]) -> Configuration:
    """A configuration whose files are elsewhere.

    Args:
        configuration: Of one classifier.
        new: Where a file is, given where it was; called with names that are no files, too.
    """
    changes: dict[str, Any] = {
        "plugin": tuple(map(new, configuration.plugin)),
        "methods": tuple(_argument(spec, new) for spec in split_list(configuration.methods)),
    }
    for name in ("weights", "classes"):
        if path := getattr(configuration, name):
            changes[name] = new(path)
    if backbone := configuration.backbone:
        path, _, function = backbone.rpartition(":")
        changes["backbone"] = (
            f"{new(path)}:{function}" if path.endswith(".py") else _argument(backbone, new)
        )
    return replace(configuration, **changes)


def _argument(spec: str, new: Callable[[str], str]) -> str:
    """A specification whose argument is a file, with the new one."""
    name, colon, argument = spec.partition(":")
    for door in (METHODS, BACKBONES):
        if name in door and door.entry(name).options.get("argument") == "FILE":
            return f"{name}{colon}{new(argument)}"
    return spec


def _note(path: str, files: dict[str, tuple[str, bytes]]) -> str:
    """Enter a file, with what it may import if it is Python; files of one folder stay together."""
    file = Path(path)
    if path not in files and file.is_file():
        folder = sha256(str(file.resolve().parent).encode()).hexdigest()[:12]
        files[path] = f"{folder}/{file.name}", file.read_bytes()
        if file.suffix == ".py":
            for other in sorted(file.parent.glob("*.py")):
                files.setdefault(str(other), (f"{folder}/{other.name}", other.read_bytes()))
    return path


def _note_weights(plan: Plan, files: dict[str, tuple[str, bytes]]) -> None:
    """Enter what the run uses of the user's folder of weights."""
    folder = user_folder()
    used = {path for method in plan.grid.methods for path in method.cards.values()}
    names = {method.backbone.name for method in plan.grid.methods}
    used |= {path for path, card in cards("org") if card.backbone in names}
    for path in sorted(used):
        if path.parent == folder:
            for file in (path, path.with_name(read_card(path).file)):
                if file.is_file():  # what the run does not use may be lost
                    files[str(file)] = f"{WEIGHTS}/{file.name}", file.read_bytes()


def _images(source: ImageSource) -> tuple[ImageSource | None, NDArray[np.uint8] | None]:
    """The images of a run, apart from their pixels; None for those that workers open themselves."""
    dataset = source.dataset
    builtin = type(dataset).__module__.startswith("robobench.")
    comes_degraded = getattr(dataset, "at", None) is not None
    if not (builtin and source.is_small) or comes_degraded or source.corrupt_at == "native":
        return None, None
    images: NDArray[np.uint8] = source.clean(0, len(source)).cpu().numpy()
    return source.without_pixels(), images
