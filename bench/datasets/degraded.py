"""Images that were published degraded, next to the clean ones that they were made from."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from robobench.datasets.arrays import ArrayDataset
from robobench.datasets.files import FileDataset
from robobench.errors import RobobenchError, unknown_name
from robobench.types import Geometry

__all__ = ["Degraded"]


class Degraded:
    """Images that come in several degraded copies, each a data set of the same labels.

    As a data set of its own it is the clean images, where they lie beside it.

    Attributes:
        name: As `Cell.dataset` has it.
        split: ``test``.
        class_names: In the order of the labels.
        profile: The severity table that the copies were made by.
        labels: int64 N, of each copy.
        notes: One line each, what was left out at opening.
    """

    split = "test"

    def __init__(
        self,
        name: str,
        *,
        labels: NDArray[np.int64],
        class_names: Sequence[str],
        profile: str,
        copies: Sequence[tuple[str, int]],
        open_copy: Callable[[str, int], ArrayDataset | FileDataset],
        open_clean: Callable[[], ArrayDataset | FileDataset | None],
        identify: Callable[[], str],
    ) -> None:
        """Take note of what there is.

        Args:
            name: See above.
            labels: See above.
            class_names: See above.
            profile: See above.
            copies: Corruption and severity of each copy.
            open_copy: Opens one.
            open_clean: Opens the clean images; None where they are not there.
            identify: Gives the fingerprint.
        """
        self.name = name
        self.labels = labels
        self.class_names = tuple(class_names)
        self.profile = profile
        self.notes: tuple[str, ...] = ()
        self._copies = sorted(copies)
        self._open_copy = open_copy
        self._open_clean = open_clean
        self._identify = identify
        self._clean: ArrayDataset | FileDataset | None = None
        self._opened: dict[tuple[str, int], ArrayDataset | FileDataset] = {}

    def __len__(self) -> int:
        return len(self.labels)

    def available(self) -> list[tuple[str, int]]:
        """Corruption and severity of each copy that is there, sorted."""
        return list(self._copies)

    def at(self, corruption: str, severity: int) -> ArrayDataset | FileDataset:
        """One degraded copy; it stays open.

        Args:
            corruption: Its published name.
            severity: 1 to 5.

        Raises:
            RobobenchError: It is not there, or is not what it should be.
        """
        names = dict.fromkeys(name for name, _ in self._copies)
        if corruption not in names:
            raise unknown_name(f"corruption of {self.name}", corruption, names)
        if (corruption, severity) not in self._copies:
            there = ", ".join(str(s) for name, s in self._copies if name == corruption)
            raise RobobenchError(
                f"dataset {self.name} has {corruption} at severity {there}, not at {severity}"
            )
        if (corruption, severity) not in self._opened:
            self._opened[corruption, severity] = self._open_copy(corruption, severity)
        return self._opened[corruption, severity]

    def clean(self) -> ArrayDataset | FileDataset | None:
        """The images as they were before, in the same order; None where they are not there.

        Raises:
            RobobenchError: They are there and do not belong to the degraded ones.
        """
        if self._clean is None:
            self._clean = self._open_clean()
        return self._clean

    def fingerprint(self) -> str:
        """SHA-256 over labels, and over names and sizes of what there is, hexadecimal."""
        return self._identify()

    def read(self, indices: NDArray[np.int64], geometry: Geometry) -> Tensor:
        """Clean images; see `at` for others.

        Raises:
            RobobenchError: The clean images are not there, or one of them is broken.
        """
        return self._need_clean().read(indices, geometry)

    def read_native(self, index: int) -> NDArray[np.uint8]:
        """One clean image in its own size, uint8 H x W x 3.

        Raises:
            RobobenchError: As `read`.
        """
        return self._need_clean().read_native(index)

    def header_quality(self, indices: NDArray[np.int64]) -> NDArray[np.int64]:
        """JPEG quality in the headers of the clean images; 0 where there is none.

        Raises:
            RobobenchError: As `read`.
        """
        return self._need_clean().header_quality(indices)

    def _need_clean(self) -> ArrayDataset | FileDataset:
        clean = self.clean()
        if clean is None:
            raise RobobenchError(
                f"dataset {self.name} holds degraded images only, and the clean ones are not in "
                f"--data-root: put {self.name.removesuffix('-c')} there too, or leave clean out"
            )
        return clean
