"""Data sets of image files: finding them in a folder, and decoding them on demand."""

import hashlib
import os
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, Self, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from robobench.datasets.decoding import (
    IMAGE_SUFFIXES,
    UNREAD_SUFFIXES,
    check_regular,
    decode,
    header_quality,
    image_size,
)
from robobench.datasets.geometry import check_geometry, fit_geometry
from robobench.errors import RobobenchError
from robobench.types import Geometry

__all__ = ["FileDataset", "image_files", "natural_profile", "open_images", "some", "subfolders"]

T = TypeVar("T")

# At most this many files, and of each at most this many bytes, go into a fingerprint.
_FINGERPRINT_FILES: Final = 2000
_FINGERPRINT_BYTES: Final = 65536
_NAMED: Final = 5


class FileDataset:
    """Image files with labels, decoded on demand by a few threads.

    Attributes:
        name: Name of the data set, as in `Cell.dataset`.
        split: ``test``, ``validation`` or ``train``.
        class_names: Names of the classes, in the order of the labels.
        profile: Severity table meant for these images.
        labels: True classes, int64 N; -1 for an unlabelled image.
        notes: What was left out when it was opened, one line each.
        root: Folder that `files` are relative to.
        files: Relative paths with forward slashes, in data-set order.
    """

    def __init__(
        self,
        name: str,
        split: str,
        *,
        root: Path,
        files: Sequence[str],
        labels: NDArray[np.int64],
        class_names: Sequence[str],
        profile: str,
        workers: int | None = None,
        notes: Iterable[str] = (),
        prepared: bool = False,
    ) -> None:
        """Record the files; none is opened.

        Args:
            name: See above.
            split: See above.
            root: See above.
            files: See above.
            labels: See above.
            class_names: See above.
            profile: See above.
            workers: Threads that decode; None takes one per processor, at most eight.
            notes: See above.
            prepared: Whether the images were resized and cropped before publication (ImageNet-C):
                one that has the size of the crop is left as it is, and never resized again.

        Raises:
            RobobenchError: `workers` is below one.
        """
        if workers is not None and workers < 1:
            raise RobobenchError(f"--workers: expected 1 or more threads, got {workers}")
        self.name = name
        self.split = split
        self.root = root
        self.files = files
        self.labels = labels
        self.class_names = tuple(class_names)
        self.profile = profile
        self.notes = tuple(notes)
        self._workers = workers or min(8, os.cpu_count() or 1)
        self._prepared = prepared
        self._fingerprint = ""

    def __len__(self) -> int:
        return len(self.files)

    def part(self, indices: NDArray[np.int64]) -> Self:
        """A data set of some of the images, in the given order."""
        return type(self)(
            self.name,
            self.split,
            root=self.root,
            files=[self.files[index] for index in indices],
            labels=self.labels[indices],
            class_names=self.class_names,
            profile=self.profile,
            workers=self._workers,
            notes=self.notes,
            prepared=self._prepared,
        )

    def fingerprint(self) -> str:
        """SHA-256 over every file's relative path, label and size, and the contents of some.

        Contents are the first 64 KiB of at most 2,000 evenly spaced files: a large folder costs at
        most 128 MiB of reading, and the same files give the same fingerprint on every machine.

        Raises:
            RobobenchError: A file cannot be read.
        """
        if not self._fingerprint:
            digest = hashlib.sha256()
            for file, label in zip(self.files, self.labels.tolist(), strict=True):
                name = unicodedata.normalize("NFC", file)  # file systems differ in accents
                line = f"{name}\0{label}\0{self._size(file)}\n"
                digest.update(line.encode(errors="surrogateescape"))
            chosen = np.unique(np.linspace(0, len(self) - 1, _FINGERPRINT_FILES).astype(np.int64))
            for head in self._each(_head, chosen):
                digest.update(head)
            self._fingerprint = digest.hexdigest()
        return self._fingerprint

    def read(self, indices: NDArray[np.int64], geometry: Geometry) -> Tensor:
        """Images as uint8 N x 3 x H x W after the geometry's resize and crop.

        Raises:
            RobobenchError: Some are missing, broken, too small for the crop or, without a crop,
                of different sizes; the message names up to five files.
        """
        check_geometry(geometry)
        images = self._each(lambda path: self._fit(decode(path), geometry), indices)
        if not images:
            side = geometry.crop or geometry.resize or 0
            return torch.empty((0, 3, side, side), dtype=torch.uint8)
        for index, image in zip(indices, images, strict=True):
            if image.shape != images[0].shape:
                raise RobobenchError(
                    f"images of {self.name} have different sizes: {self.files[indices[0]]} is "
                    f"{_by(images[0])}, {self.files[index]} is {_by(image)}; a batch needs one size: "
                    "give --resize and --crop"
                )
        return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous()

    def read_native(self, index: int) -> NDArray[np.uint8]:
        """One image at its original size, uint8 H x W x 3.

        Raises:
            RobobenchError: The file is missing or broken; the message names it.
        """
        return np.array(self._each(decode, np.array([index]))[0])

    def header_quality(self, indices: NDArray[np.int64]) -> NDArray[np.int64]:
        """The JPEG quality in each file's header, 1 to 100; 0 if a file is not a JPEG.

        Raises:
            RobobenchError: A file is missing or broken; the message names up to five files.
        """
        return np.array(self._each(header_quality, indices), dtype=np.int64)

    def _fit(self, image: Image.Image, geometry: Geometry) -> NDArray[np.uint8]:
        if self._prepared and geometry.crop is not None:
            if image.size == (geometry.crop, geometry.crop):
                return np.array(image)
            if geometry.resize != geometry.crop:
                raise RobobenchError(
                    f"it was published resized and cropped to {image.width} x {image.height}, the "
                    f"network sees {geometry.crop}: give --resize {geometry.crop} to enlarge it"
                )
        return fit_geometry(image, geometry)

    def _size(self, file: str) -> int:
        try:
            return (self.root / file).stat().st_size
        except OSError as error:
            raise RobobenchError(
                f"image {self.root / file} cannot be read: {error.strerror}"
            ) from None

    def _each(self, function: Callable[[Path], T], indices: NDArray[np.int64]) -> list[T]:
        """Apply a function to files in threads, and collect all failures into one error."""
        files = [self.files[index] for index in indices]

        def attempt(file: str) -> T | RobobenchError:
            try:
                return function(self.root / file)
            except RobobenchError as error:
                return error
            except OSError as error:
                return RobobenchError(error.strerror or type(error).__name__)

        workers = min(self._workers, len(files))
        if workers <= 1:
            outcomes = [attempt(file) for file in files]
        else:
            with ThreadPoolExecutor(workers, thread_name_prefix="robobench-read") as pool:
                outcomes = list(pool.map(attempt, files))
        results = [outcome for outcome in outcomes if not isinstance(outcome, RobobenchError)]
        failed = [f for f, outcome in zip(files, outcomes, strict=True) if _failed(outcome)]
        if failed:
            reason = next(outcome for outcome in outcomes if _failed(outcome))
            others = f"; nor can {some(failed[1:], _NAMED - 1)}" if len(failed) > 1 else ""
            raise RobobenchError(
                f"image {self.root / failed[0]} of {self.name} cannot be used: {reason}{others}"
            )
        return results


def open_images(folder: str | Path, *, workers: int | None = None) -> FileDataset:
    """All image files below a folder, without labels: for training on images alone.

    Args:
        folder: Folder to search, at every depth.
        workers: Threads that decode; None takes one per processor, at most eight.

    Returns:
        A data set whose labels are all -1 and whose split is ``train``.

    Raises:
        RobobenchError: The folder does not exist, or holds no image.
    """
    root = Path(folder).expanduser()
    if not root.is_dir():
        raise RobobenchError(f"--images {folder}: no such folder")
    files, notes = image_files(root)
    if not files:
        raise RobobenchError(
            f"--images {folder}: no image in it; expected files {' '.join(sorted(IMAGE_SUFFIXES))}"
        )
    return FileDataset(
        f"images:{root.resolve().name}",
        "train",
        root=root,
        files=files,
        labels=np.full(len(files), -1, dtype=np.int64),
        class_names=(),
        profile=natural_profile([root / file for file in files]),
        workers=workers,
        notes=notes,
    )


def image_files(folder: Path) -> tuple[list[str], list[str]]:
    """The image files below a folder, at every depth, in the same order on every file system.

    Hidden files (leading dot) and files without an image suffix are left out.

    Returns:
        Relative paths with forward slashes; and a note, if files that are not images were found.

    Raises:
        RobobenchError: An image has a format that cannot be decoded, or a folder is not readable.
    """

    def stop(error: OSError) -> None:
        raise RobobenchError(f"folder {error.filename} cannot be read: {error.strerror}")

    files: list[str] = []
    others: list[str] = []
    entered = set()
    for at, folders, names in os.walk(folder, onerror=stop, followlinks=True):
        place = os.stat(at)
        if (place.st_dev, place.st_ino) in entered:  # a symlink to a folder already visited
            folders.clear()
            continue
        entered.add((place.st_dev, place.st_ino))
        folders[:] = [name for name in folders if not name.startswith(".")]
        inside = Path(at).relative_to(folder).as_posix()
        prefix = "" if inside == "." else f"{inside}/"
        for name in names:
            if name.startswith("."):
                continue
            suffix = os.path.splitext(name)[1].lower()
            if suffix in UNREAD_SUFFIXES:
                raise RobobenchError(
                    f"{Path(at) / name} is an image in a format that cannot be read ({suffix}): "
                    "convert it to PNG or JPEG, or remove it"
                )
            (files if suffix in IMAGE_SUFFIXES else others).append(prefix + name)
    notes = []
    if others:
        notes.append(f"{folder}: left out {some(sorted(others), 3)}: not named like images")
    return sorted(files, key=_place), notes


def subfolders(folder: Path) -> list[str]:
    """Names of the folders (or links to folders) in a folder, sorted, without hidden ones.

    Raises:
        RobobenchError: The folder cannot be read.
    """
    try:
        with os.scandir(folder) as entries:
            names = [e.name for e in entries if not e.name.startswith(".") and e.is_dir()]
    except OSError as error:
        raise RobobenchError(f"folder {folder} cannot be read: {error.strerror}") from None
    return sorted(names, key=_place)


def natural_profile(paths: Sequence[Path]) -> str:
    """The severity table with the image size nearest to the files' median shorter side.

    Raises:
        RobobenchError: The header of one of the sampled files (up to 15) is broken.
    """
    from robobench.corruptions.catalogue import nearest_profile

    sides = []
    for index in np.unique(np.linspace(0, len(paths) - 1, 15).astype(np.int64)):
        try:
            sides.append(min(image_size(paths[index])))
        except RobobenchError as error:
            raise RobobenchError(f"image {paths[index]} cannot be used: {error}") from None
    return nearest_profile(int(np.median(sides)))


def some(names: Sequence[str], count: int) -> str:
    """The first few of a list of names: ``a, b and 3 more``."""
    more = len(names) - count
    return ", ".join(names[:count]) + (f" and {more} more" if more > 0 else "")


def _failed(outcome: object) -> bool:
    return isinstance(outcome, RobobenchError)


def _place(path: str) -> bytes:
    """Sort key of paths, equal on file systems that normalise accents differently."""
    if path.isascii():
        return path.encode()
    return unicodedata.normalize("NFC", path).encode(errors="surrogateescape")


def _head(path: Path) -> bytes:
    check_regular(path)
    with path.open("rb") as file:
        return hashlib.sha256(file.read(_FINGERPRINT_BYTES)).digest()


def _by(image: NDArray[np.uint8]) -> str:
    return f"{image.shape[1]} x {image.shape[0]}"
