"""Make a -C copy of a folder of images on disk, in the layout of ImageNet-C or of CIFAR-10-C.

An image's index is its position among the folder's files, in the order of a ``folder:`` data set,
so that a copy contains exactly the pixels that an evaluation in memory sees. Files are written
under a temporary name and renamed; run again, only what is missing is made.
"""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from robobench.copies.processes import spread
from robobench.corruptions.engine import apply
from robobench.datasets.decoding import decode
from robobench.datasets.files import FileDataset
from robobench.datasets.finding import find_files, refuse_unread, some, subfolders
from robobench.datasets.geometry import check_geometry, fit_geometry
from robobench.errors import RobobenchError
from robobench.files import whole_file, write_whole
from robobench.types import Degradation, Geometry

COPY_FORMAT: Final = 1
LAYOUTS: Final = ("imagenet-c", "cifar-c")
_TOGETHER: Final = 16  # images decoded by one task
_SAVED_QUALITY: Final = 85


@dataclass(frozen=True)
class Target:
    """One degraded version of every image.

    Attributes:
        degradation: Degradation applied to the images.
        folder: Sub-folder of the corruption's folder: ``3`` for a severity, or e.g. ``level-25``.
    """

    degradation: Degradation
    folder: str


@dataclass(frozen=True)
class Copy:
    """What to copy, and how.

    Attributes:
        source: Folder of images, at every depth, or a ``.npy`` of uint8 N x H x W x 3.
        out: Folder of the copy.
        geometry: Resize and crop before the corruption; none by default.
        seed: Seed of the corruptions.
        jpeg85: Save as JPEG of quality 85, as ImageNet-C does, instead of PNG.
        layout: ``imagenet-c`` (CORRUPTION/SEVERITY/path.png) or ``cifar-c`` (CORRUPTION.npy, all
            images at severity 1, then at 2, ..., and labels.npy).
        labels: ``.npy`` of class indices, for the layout ``cifar-c``; by default from sub-folders.
        plugins: Files that register corruptions, already loaded in this process.
        left_out: Relative paths of files below `source` that are treated as if they were not there.
    """

    source: Path
    out: Path
    geometry: Geometry = field(default_factory=Geometry)
    seed: int = 0
    jpeg85: bool = False
    layout: str = "imagenet-c"
    labels: Path | None = None
    plugins: tuple[Path, ...] = ()
    left_out: tuple[str, ...] = ()


def copy_degraded(
    copy: Copy,
    targets: Sequence[Target],
    *,
    workers: int = 1,
    begin: Callable[[int], None] = lambda images: None,
    advance: Callable[[int], None] = lambda images: None,
) -> tuple[int, int]:
    """Make whatever is missing from a copy.

    Args:
        copy: What to copy, and how.
        targets: The degraded versions.
        workers: Number of processes; memory is bounded by a few images per process.
        begin: Called with the total number of degraded images.
        advance: Called with the number of degraded images completed since the last call.

    Returns:
        How many degraded images were made, and how many were already present.

    Raises:
        RobobenchError: There is nothing to copy, an image is broken or cannot be corrupted, the
            folder holds a copy with other settings, or the layout does not allow the targets.
    """
    check_geometry(copy.geometry)
    if copy.layout == "cifar-c":
        _check_layout(copy, targets)
    names = _sources(copy)
    _remember(copy, names, targets)
    begin(len(names) * len(targets))
    make = _into_arrays if copy.layout == "cifar-c" else _into_files
    return make(copy, names, list(targets), workers, advance)


def _sources(copy: Copy) -> list[str]:
    """The relative paths of all images, or the indices of those in an array."""
    source, out = copy.source, copy.out
    if source.suffix == ".npy" and source.is_file():
        return [f"{i:08d}" for i in range(len(_array(source)))]
    if not source.is_dir():
        raise RobobenchError(f"{source}: expected a folder of images or a .npy file of them")
    if out.resolve().is_relative_to(source.resolve()):
        raise RobobenchError(f"{out} lies inside {source}: choose another folder for the copy")
    found, left_out = find_files(source), set(copy.left_out)
    refuse_unread(source, [name for name in found.unread if name not in left_out])
    names = [name for name in found.images if name not in left_out]
    if not names:
        raise RobobenchError(f"{source}: no image in it; expected a folder of PNG or JPEG files")
    stems: dict[str, str] = {}
    for name in names:
        other = stems.setdefault(os.path.splitext(name)[0], name)
        if other != name:
            raise RobobenchError(
                f"{other} and {name} would have the same name in the copy: rename one"
            )
    images = FileDataset(
        source.name,
        "test",
        root=source,
        files=names,
        labels=np.full(len(names), -1, dtype=np.int64),
        class_names=(),
        profile="",
    )
    images.check(np.arange(len(names)), copy.geometry, one_size=copy.layout == "cifar-c")
    return names


def _array(path: Path) -> NDArray[np.uint8]:
    try:
        images: NDArray[np.uint8] = np.load(path, mmap_mode="r")
    except (OSError, ValueError) as error:
        raise RobobenchError(f"{path} cannot be read as a .npy of images: {error}") from error
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3:
        shape = " x ".join(map(str, images.shape))
        raise RobobenchError(f"{path}: expected uint8 N x H x W x 3, got {images.dtype} {shape}")
    return images


def _remember(copy: Copy, names: Sequence[str], targets: Sequence[Target]) -> None:
    """Record what the copy is made from, or refuse to mix it with another."""
    from robobench.environment import versions

    settings = {
        "format": COPY_FORMAT,
        "layout": copy.layout,
        "files": sha256("\n".join(names).encode()).hexdigest(),
        "images": len(names),
        "geometry": copy.geometry.key,
        "seed": copy.seed,
        "saved_as": "jpeg85" if copy.jpeg85 else "npy" if copy.layout == "cifar-c" else "png",
    }
    path = copy.out / "manifest.json"
    made: dict[str, Any] = {}
    if path.exists():
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
            held, made = told["settings"], told["made"]
        except (ValueError, KeyError, TypeError) as error:
            raise RobobenchError(
                f"{path} is not the manifest of a copy: choose another folder"
            ) from error
        unlike = [key for key in settings if held.get(key) != settings[key]]
        if unlike:
            raise RobobenchError(
                f"{copy.out} holds a copy with other settings ({unlike[0]}: {held.get(unlike[0])}, "
                f"now {settings[unlike[0]]}): choose another folder"
            )
    elif copy.out.is_dir() and any(copy.out.iterdir()):
        raise RobobenchError(f"{copy.out} is neither empty nor a copy: choose another folder")
    for target in targets:
        place = f"{target.degradation.corruption}/{target.folder}"
        now = asdict(target.degradation)
        if made.setdefault(place, now) != now:
            raise RobobenchError(
                f"{copy.out} holds {place} made at {made[place]['level']:g} "
                f"{made[place]['profile']}, now {now['level']:g} {now['profile']}: choose another "
                "folder"
            )
    told = {"settings": settings, "made": made, "left_out": copy.left_out, "versions": versions()}
    text = json.dumps(told, indent=1)
    write_whole(path, f"{text}\n".encode())


def _write(path: Path, save: Callable[[Path], Any]) -> None:
    """Write a file under a temporary name, then rename it."""
    with whole_file(path) as aside:
        save(aside)


# The layout of ImageNet-C: one file per image.


def _into_files(
    copy: Copy,
    names: Sequence[str],
    targets: list[Target],
    workers: int,
    advance: Callable[[int], None],
) -> tuple[int, int]:
    tasks = (
        (_copy_files, [copy, start, list(names[start : start + _TOGETHER]), targets])
        for start in range(0, len(names), _TOGETHER)
    )
    made = sum(spread(tasks, workers, advance, copy.plugins))
    return made, len(names) * len(targets) - made


def _copy_files(copy: Copy, start: int, names: list[str], targets: list[Target]) -> tuple[int, int]:
    """One task: a few images at every degradation; how many were made, and completed in all."""
    ending = ".JPEG" if copy.jpeg85 else ".png"
    missing: dict[int, list[tuple[Target, Path]]] = {}
    for place, name in enumerate(names):
        for target in targets:
            below = copy.out / target.degradation.corruption / target.folder
            path = below / (os.path.splitext(name)[0] + ending)
            if not path.exists():
                missing.setdefault(place, []).append((target, path))
    made = 0
    for place, wanted in missing.items():
        image = _read(copy, names[place], start + place)
        batch = torch.from_numpy(image.transpose(2, 0, 1).copy())[None]
        for target, path in wanted:
            done = apply(batch, target.degradation, torch.tensor([start + place]), copy.seed)
            _write(path, _saver(done[0].permute(1, 2, 0).numpy(), copy.jpeg85))
            made += 1
    return made, len(names) * len(targets)


def _saver(image: NDArray[np.uint8], jpeg85: bool) -> Callable[[Path], None]:
    from PIL import Image

    def save(path: Path) -> None:
        if jpeg85:
            Image.fromarray(image).save(path, "JPEG", quality=_SAVED_QUALITY, optimize=True)
        else:
            Image.fromarray(image).save(path, "PNG", compress_level=1)

    return save


def _read(copy: Copy, name: str, index: int) -> NDArray[np.uint8]:
    """One image after resize and crop: uint8 H x W x 3."""
    stored = copy.source.suffix == ".npy"
    image = np.array(_array(copy.source)[index]) if stored else decode(copy.source / name)
    try:
        return fit_geometry(image, copy.geometry)
    except RobobenchError as error:
        raise RobobenchError(f"{copy.source / name}: {error}") from error


# The layout of CIFAR-10-C: one array per corruption.


def _into_arrays(
    copy: Copy,
    names: Sequence[str],
    targets: list[Target],
    workers: int,
    advance: Callable[[int], None],
) -> tuple[int, int]:
    shape = _read(copy, names[0], 0).shape
    labels = _labels(copy, names)
    made = 0
    for name, group in _by_corruption(targets).items():
        path = copy.out / f"{name}.npy"
        if path.exists():
            advance(5 * len(names))
            continue

        def fill(aside: Path, group: list[Target] = group) -> None:
            rows = np.lib.format.open_memmap(
                aside, mode="w+", dtype=np.uint8, shape=(5 * len(names), *shape)
            )
            del rows  # the file now exists; each task opens its own rows
            starts = range(0, len(names), _TOGETHER * 16)
            tasks = (
                (
                    _fill_rows,
                    [copy, s, list(names[s : s + _TOGETHER * 16]), group, aside, len(names)],
                )
                for s in starts
            )
            sum(spread(tasks, workers, advance, copy.plugins))

        _write(path, fill)
        made += 5 * len(names)
    if labels is not None:
        repeated = np.tile(labels, 5)
        _write(copy.out / "labels.npy", lambda path: _save_array(path, repeated))
    return made, len(names) * len(targets) - made


def _by_corruption(targets: Sequence[Target]) -> dict[str, list[Target]]:
    groups: dict[str, list[Target]] = {}
    for target in targets:
        groups.setdefault(target.degradation.corruption, []).append(target)
    return groups


def _check_layout(copy: Copy, targets: Sequence[Target]) -> None:
    """Refuse what the layout of CIFAR-10-C cannot represent."""
    if copy.jpeg85:
        raise RobobenchError(
            "the layout cifar-c stores arrays, not JPEG files: leave out cifar-c or --save-jpeg85"
        )
    for name, group in _by_corruption(targets).items():
        if [t.folder for t in group] != ["1", "2", "3", "4", "5"]:
            raise RobobenchError(
                f"{name}: the layout cifar-c needs severities 1 to 5, "
                f"got {', '.join(t.folder for t in group)}; --layout imagenet-c takes any"
            )


def _save_array(path: Path, array: NDArray[Any]) -> None:
    with path.open("wb") as file:  # given a name, numpy would add a suffix
        np.save(file, array)


def _fill_rows(
    copy: Copy, start: int, names: list[str], targets: list[Target], path: Path, count: int
) -> tuple[int, int]:
    """One task: some images at all severities of one corruption, written to their rows."""
    rows = np.lib.format.open_memmap(path, mode="r+")
    images = []
    for place, name in enumerate(names):
        images.append(_read(copy, name, start + place))
        if images[-1].shape != rows.shape[1:]:
            tall, wide = rows.shape[1:3]
            raise RobobenchError(
                f"{name} has {images[-1].shape[0]} x {images[-1].shape[1]} pixels, the first has "
                f"{tall} x {wide}: the layout cifar-c needs one size, give --resize and --crop"
            )
    batch = torch.from_numpy(np.stack(images).transpose(0, 3, 1, 2).copy())
    places = torch.arange(start, start + len(names))
    for block, target in enumerate(targets):
        done = apply(batch, target.degradation, places, copy.seed).permute(0, 2, 3, 1).numpy()
        rows[block * count + start : block * count + start + len(names)] = done
    rows.flush()
    return len(names) * len(targets), len(names) * len(targets)


def _labels(copy: Copy, names: Sequence[str]) -> NDArray[np.int64] | None:
    """Classes from a file, or from the sorted names of sub-folders; None without either."""
    if copy.labels is not None:
        try:
            labels = np.asarray(np.load(copy.labels), np.int64)
        except (OSError, ValueError) as error:
            raise RobobenchError(f"--labels {copy.labels} cannot be read: {error}") from error
        if labels.shape != (len(names),):
            raise RobobenchError(
                f"--labels {copy.labels}: expected {len(names)} numbers, got shape {labels.shape}"
            )
        return labels
    if copy.source.suffix == ".npy":
        return None
    classes = {folder: i for i, folder in enumerate(subfolders(copy.source))}
    found = [classes.get(name.split("/")[0], -1) for name in names]
    loose = [name for name, label in zip(names, found, strict=True) if label < 0]
    if loose and len(loose) < len(names):
        raise RobobenchError(f"{some(loose, 3)}: not in a class's sub-folder; move them into one")
    return None if loose else np.array(found, np.int64)
