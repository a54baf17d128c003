"""CIFAR-10-C and CIFAR-100-C, read from the npy files as published."""

import hashlib
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from robobench.datasets.arrays import ArrayDataset
from robobench.datasets.cifar import PUBLISHED, open_cifar
from robobench.datasets.degraded import Degraded
from robobench.datasets.places import check_split, data_root, fetch, locate
from robobench.errors import RobobenchError
from robobench.registry import dataset

__all__ = ["cifar10_c", "cifar100_c"]

_SEVERITIES: Final = 5
_HEAD: Final = 65536
# Folder that the archive unpacks to, its URL, and its MD5 sum.
_ARCHIVES: Final = {
    "cifar10-c": (
        "CIFAR-10-C",
        "https://zenodo.org/records/2535967/files/CIFAR-10-C.tar",
        "56bf5dcef84df0e2308c6dcbcbbd8499",
    ),
    "cifar100-c": (
        "CIFAR-100-C",
        "https://zenodo.org/records/3555552/files/CIFAR-100-C.tar",
        "11f0ed0f1191edbf9fa23466ae6021d3",
    ),
}


@dataset("cifar10-c", backbone="resnet-56", networks_of="cifar10")
def cifar10_c(*, split: str, root: str | Path | None, download: bool) -> Degraded:
    """CIFAR-10-C as published (npy files, 2.9 GB); its clean images are cifar10's."""
    return _open("cifar10-c", split, root, download)


@dataset("cifar100-c", backbone="resnet-56", networks_of="cifar100")
def cifar100_c(*, split: str, root: str | Path | None, download: bool) -> Degraded:
    """CIFAR-100-C as published (npy files, 2.9 GB); its clean images are cifar100's."""
    return _open("cifar100-c", split, root, download)


def _open(name: str, split: str, root: str | Path | None, download: bool) -> Degraded:
    """Open a folder of labels.npy and ``<corruption>.npy``, each five severities in sequence."""
    check_split(name, split, ["test"])
    unpacked, url, md5 = _ARCHIVES[name]
    original = name.removesuffix("-c")
    place = data_root(root, create=download)
    if download and not (place / unpacked).is_dir():
        fetch(url, md5, place)
    folder = locate(name, place, [unpacked, unpacked.lower(), name], "--download fetches it")
    labels = _labels(folder / "labels.npy")
    corruptions = sorted(path.stem for path in folder.glob("*.npy") if path.stem != "labels")
    if not corruptions:
        raise RobobenchError(f"dataset {name}: no <corruption>.npy in {folder}")

    def open_copy(corruption: str, severity: int) -> ArrayDataset:
        path = folder / f"{corruption}.npy"
        images = _load(path)
        shape = (_SEVERITIES * len(labels), 32, 32, 3)
        if images.shape != shape or images.dtype != np.uint8:
            raise RobobenchError(
                f"{path}: expected uint8 of shape {shape}, got {images.dtype} of {images.shape}"
            )
        return ArrayDataset(
            name,
            split,
            images=images[(severity - 1) * len(labels) : severity * len(labels)],
            labels=labels,
            class_names=PUBLISHED[original].class_names,
            profile="cifar-c",
            identify=lambda: _fingerprint(labels, [path], severity),
        )

    def open_clean() -> ArrayDataset | None:
        if not (place / PUBLISHED[original].folder).is_dir():
            return None
        clean = open_cifar(original, "test", place)
        if not np.array_equal(clean.labels, labels):
            raise RobobenchError(
                f"{folder / 'labels.npy'} does not hold the labels of {original}'s test images"
            )
        return clean

    paths = [folder / f"{corruption}.npy" for corruption in corruptions]
    return Degraded(
        name,
        labels=labels,
        class_names=PUBLISHED[original].class_names,
        profile="cifar-c",
        copies=[(c, severity) for c in corruptions for severity in range(1, _SEVERITIES + 1)],
        open_copy=open_copy,
        open_clean=open_clean,
        identify=lambda: _fingerprint(labels, paths, 0),
    )


def _labels(path: Path) -> NDArray[np.int64]:
    """The labels of one severity, from a file that repeats them five times."""
    repeated = np.asarray(_load(path))
    count = len(repeated) // _SEVERITIES if repeated.ndim == 1 else 0
    if not count or not np.array_equal(repeated, np.tile(repeated[:count], _SEVERITIES)):
        raise RobobenchError(f"{path}: expected the labels of one severity, repeated five times")
    return repeated[:count].astype(np.int64)


def _load(path: Path) -> NDArray[np.uint8]:
    """Memory-map an npy file; nothing is read yet."""
    try:
        array: NDArray[np.uint8] = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise RobobenchError(f"{path}: no such file; unpack the archive again") from None
    except (OSError, ValueError, EOFError) as error:
        reason = " ".join(str(error).split())
        raise RobobenchError(
            f"{path} is not a complete npy file ({reason}): unpack it again"
        ) from None
    return array


def _fingerprint(labels: NDArray[np.int64], paths: list[Path], severity: int) -> str:
    """SHA-256 over labels and the files' names, sizes and first 64 KiB (each file has 150 MB)."""
    digest = hashlib.sha256(labels.astype("<i8").tobytes())
    for path in paths:
        digest.update(f"{path.name} {path.stat().st_size} {severity} ".encode())
        with path.open("rb") as file:
            digest.update(file.read(_HEAD))
    return digest.hexdigest()
