"""Images published in degraded form, together with the clean ones they were made from."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from robobench.datasets.arrays import ArrayDataset
from robobench.datasets.files import FileDataset
from robobench.datasets.readout import Readout
from robobench.errors import RobobenchError, unknown_name
from robobench.types import Geometry

__all__ = ["Degraded"]


class Degraded:
    """Images in several degraded copies, each a data set with the same labels.

    Read as a data set itself, it yields the clean images, if they are in the same data root.

    Attributes:
        name: Name of the data set, as in `Cell.dataset`.
        split: ``test``.
        class_names: Names of the classes, in the order of the labels.
        profile: Severity table that the copies were made with.
        labels: True classes, int64 N, the same for every copy.
        notes: What was left out when it was opened, one line each.
        readout: What becomes of a classifier's probabilities; None leaves them as they are.
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
        """Record what is available; nothing is opened.

        Args:
            name: See above.
            labels: See above.
            class_names: See above.
            profile: See above.
            copies: Corruption and severity of each copy.
            open_copy: Opens one copy.
            open_clean: Opens the clean images; returns None if there are none.
            identify: Returns the fingerprint.
        """
        self.name = name
        self.labels = labels
        self.class_names = tuple(class_names)
        self.profile = profile
        self.notes: tuple[str, ...] = ()
        self.readout: Readout | None = None
        self._copies = sorted(copies)
        self._open_copy = open_copy
        self._open_clean = open_clean
        self._identify = identify
        self._clean: ArrayDataset | FileDataset | None = None
        self._opened: dict[tuple[str, int], ArrayDataset | FileDataset] = {}

    def __len__(self) -> int:
        return len(self.labels)

    def available(self) -> list[tuple[str, int]]:
        """Corruption and severity of each available copy, sorted."""
        return list(self._copies)

    def at(self, corruption: str, severity: int) -> ArrayDataset | FileDataset:
        """Open one degraded copy, and keep it open.

        Args:
            corruption: Its published name.
            severity: 1 to 5.

        Raises:
            RobobenchError: The copy is not available, or not as published.
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
        """The clean images in the same order; None if they are not available.

        Raises:
            RobobenchError: They do not match the degraded ones.
        """
        if self._clean is None:
            self._clean = self._open_clean()
        return self._clean

    def fingerprint(self) -> str:
        """SHA-256 over labels, and over names and sizes of the copies, in hexadecimal."""
        return self._identify()

    def read(self, indices: NDArray[np.int64], geometry: Geometry) -> Tensor:
        """Clean images; see `at` for degraded ones.

        Raises:
            RobobenchError: The clean images are not available, or one of them is broken.
        """
        return self._need_clean().read(indices, geometry)

    def read_native(self, index: int) -> NDArray[np.uint8]:
        """One clean image at its original size, uint8 H x W x 3.

        Raises:
            RobobenchError: As `read`.
        """
        return self._need_clean().read_native(index)

    def header_quality(self, indices: NDArray[np.int64]) -> NDArray[np.int64]:
        """JPEG quality in the headers of the clean images; 0 for images without one.

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
