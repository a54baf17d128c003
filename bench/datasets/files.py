"""Data sets of image files: finding them in a folder, and decoding them on demand."""

import hashlib
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final, Self, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from robobench.datasets.decoding import (
    IMAGE_SUFFIXES,
    check_regular,
    decode,
    header_quality,
    image_size,
)
from robobench.datasets.examining import (
    attempt_each,
    glance,
    reading_threads,
)
from robobench.datasets.finding import image_files, some
from robobench.datasets.geometry import check_geometry, fit_geometry, fitted_size
from robobench.datasets.readout import Readout
from robobench.errors import RobobenchError
from robobench.types import Geometry

__all__ = ["FileDataset", "image_files", "natural_profile", "open_images"]

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
        skipped: Relative paths of images that were left out because they cannot be read.
        readout: What becomes of a classifier's probabilities; None leaves them as they are.
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
        skipped: Iterable[str] = (),
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
            skipped: See above.
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
        self.skipped = tuple(skipped)
        self.readout: Readout | None = None
        self._workers = reading_threads(workers)
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
            skipped=self.skipped,
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
        self._check_sizes(indices, [image.shape[:2] for image in images])
        return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous()

    def check(
        self, indices: NDArray[np.int64], geometry: Geometry, *, one_size: bool = True
    ) -> None:
        """Find images that would end a run in its middle, by their headers and ends.

        Only what these leave open is decoded: files that may have been cut short, and images that
        seem not to fit. An image that is damaged inside is still found only when it is read.

        Args:
            indices: The images to look at.
            geometry: As for `read`.
            one_size: Whether images of different sizes are refused, as `read` does.

        Raises:
            RobobenchError: As `read`.
        """
        check_geometry(geometry)
        advice = "; --skip-broken goes on without images that cannot be read"
        seen = self._each(glance, indices, advice)
        sizes = [fitted_size(*look.size, geometry) for look in seen]
        open_questions = [
            index
            for index, look, size in zip(indices, seen, sizes, strict=True)
            if not look.whole or size is None or (one_size and size != sizes[0])
        ]
        if not open_questions:
            return
        decoded = np.array([indices[0], *open_questions])
        try_out = self._each(
            lambda path: self._fit(decode(path), geometry).shape[:2], decoded, advice
        )
        if one_size:
            self._check_sizes(decoded, try_out)

    def _check_sizes(self, indices: NDArray[np.int64], shapes: Sequence[tuple[int, ...]]) -> None:
        for index, shape in zip(indices, shapes, strict=True):
            if shape != shapes[0]:
                raise RobobenchError(
                    f"images of {self.name} have different sizes: {self.files[indices[0]]} is "
                    f"{_by(shapes[0])}, {self.files[index]} is {_by(shape)}; a batch needs one size: "
                    "give --resize and --crop"
                )

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

    def _each(
        self, function: Callable[[Path], T], indices: NDArray[np.int64], advice: str = ""
    ) -> list[T]:
        """Apply a function to files in threads, and collect all failures into one error."""
        files = [self.files[index] for index in indices]
        outcomes = attempt_each(function, [self.root / file for file in files], self._workers)
        failed = {
            file: outcome
            for file, outcome in zip(files, outcomes, strict=True)
            if isinstance(outcome, RobobenchError)
        }
        if failed:
            first, *more = failed
            others = f"; nor can {some(more, _NAMED - 1)}" if more else ""
            raise RobobenchError(
                f"image {self.root / first} of {self.name} cannot be used: {failed[first]}{others}"
                f"{advice}"
            )
        return [outcome for outcome in outcomes if not isinstance(outcome, RobobenchError)]


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


def _head(path: Path) -> bytes:
    check_regular(path)
    with path.open("rb") as file:
        return hashlib.sha256(file.read(_FINGERPRINT_BYTES)).digest()


def _by(shape: Sequence[int]) -> str:
    return f"{shape[1]} x {shape[0]}"
