"""CIFAR-10 and CIFAR-100, in torchvision's folder layout."""

import hashlib
import io
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from robobench.datasets.arrays import ArrayDataset
from robobench.datasets.order import hold_out
from robobench.datasets.places import check_split, data_root, fetch, locate
from robobench.errors import RobobenchError
from robobench.registry import dataset

__all__ = ["PUBLISHED", "cifar10", "cifar100", "open_cifar"]

_SPLITS: Final = ("test", "validation", "train")
_VALIDATION: Final = 5000


@dataclass(frozen=True)
class Published:
    """One data set as published; the MD5 sums are those that torchvision checks.

    Attributes:
        folder: Folder that the archive unpacks to.
        url: URL of the archive.
        md5: MD5 sum of the archive.
        train: Files of training images, with their MD5 sums.
        test: Files of test images, with their MD5 sums.
        labels: Key of the labels within a file.
        class_names: Names of the classes, in the order of the labels.
    """

    folder: str
    url: str
    md5: str
    train: Mapping[str, str]
    test: Mapping[str, str]
    labels: bytes
    class_names: tuple[str, ...]


# fmt: off
_CIFAR100_NAMES: Final = (
    "apple", "aquarium_fish", "baby", "bear", "beaver", "bed", "bee", "beetle",
    "bicycle", "bottle", "bowl", "boy", "bridge", "bus", "butterfly", "camel", "can",
    "castle", "caterpillar", "cattle", "chair", "chimpanzee", "clock", "cloud",
    "cockroach", "couch", "crab", "crocodile", "cup", "dinosaur", "dolphin",
    "elephant", "flatfish", "forest", "fox", "girl", "hamster", "house", "kangaroo",
    "keyboard", "lamp", "lawn_mower", "leopard", "lion", "lizard", "lobster", "man",
    "maple_tree", "motorcycle", "mountain", "mouse", "mushroom", "oak_tree",
    "orange", "orchid", "otter", "palm_tree", "pear", "pickup_truck", "pine_tree",
    "plain", "plate", "poppy", "porcupine", "possum", "rabbit", "raccoon", "ray",
    "road", "rocket", "rose", "sea", "seal", "shark", "shrew", "skunk", "skyscraper",
    "snail", "snake", "spider", "squirrel", "streetcar", "sunflower", "sweet_pepper",
    "table", "tank", "telephone", "television", "tiger", "tractor", "train", "trout",
    "tulip", "turtle", "wardrobe", "whale", "willow_tree", "wolf", "woman", "worm",
)
# fmt: on
_HOME: Final = "https://www.cs.toronto.edu/~kriz"

PUBLISHED: Final = {
    "cifar10": Published(
        folder="cifar-10-batches-py",
        url=f"{_HOME}/cifar-10-python.tar.gz",
        md5="c58f30108f718f92721af3b95e74349a",
        train={
            "data_batch_1": "c99cafc152244af753f735de768cd75f",
            "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
            "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
            "data_batch_4": "634d18415352ddfa80567beed471001a",
            "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
        },
        test={"test_batch": "40351d587109b95175f43aff81a1287e"},
        labels=b"labels",
        class_names=(
            *("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship"),
            "truck",
        ),
    ),
    "cifar100": Published(
        folder="cifar-100-python",
        url=f"{_HOME}/cifar-100-python.tar.gz",
        md5="eb9058c3a382ffc7106e4002c42a8d85",
        train={"train": "16019d7e3df5f24257cddd939b257f8d"},
        test={"test": "f0ef6b0ae62326f3e7ffdfab6717acfc"},
        labels=b"fine_labels",
        class_names=_CIFAR100_NAMES,
    ),
}


@dataset("cifar10", backbone="resnet-56", training_images=True)
def cifar10(*, split: str, root: str | Path | None, download: bool) -> ArrayDataset:
    """CIFAR-10: 32 x 32, ten classes, 10,000 test images."""
    return open_cifar("cifar10", split, root, download)


@dataset("cifar100", backbone="resnet-56", training_images=True)
def cifar100(*, split: str, root: str | Path | None, download: bool) -> ArrayDataset:
    """CIFAR-100: 32 x 32, a hundred classes, 10,000 test images."""
    return open_cifar("cifar100", split, root, download)


def open_cifar(
    name: str, split: str, root: str | Path | None, download: bool = False
) -> ArrayDataset:
    """Open CIFAR-10 or CIFAR-100.

    The published training images have one fixed partition: 5,000, equally many of each class, are
    ``validation`` (see `hold_out`), the others ``train``; both in the order of the files.

    Args:
        name: ``cifar10`` or ``cifar100``.
        split: ``test``, ``validation`` or ``train``.
        root: Folder of the data sets, see `data_root`.
        download: Whether missing files may be downloaded.

    Raises:
        RobobenchError: Files are missing or are not the published ones.
    """
    check_split(name, split, _SPLITS)
    published = PUBLISHED[name]
    place = data_root(root, create=download)
    files = published.test if split == "test" else published.train
    if download and not all((place / published.folder / file).is_file() for file in files):
        fetch(published.url, published.md5, place)
    folder = locate(name, place, [published.folder], "--download fetches it")
    batches = [_load(folder / file, md5) for file, md5 in files.items()]
    pixels = np.concatenate([batch[b"data"] for batch in batches]).reshape(-1, 3, 32, 32)
    labels = np.concatenate([batch[published.labels] for batch in batches]).astype(np.int64)
    identity = f"{name} {split} {sorted(files.items())}"
    if split != "test":
        train, validation = hold_out(labels, _VALIDATION)
        rows = train if split == "train" else validation
        pixels, labels = pixels[rows], labels[rows]
        identity += f" {rows.tolist()}"
    return ArrayDataset(
        name,
        split,
        images=pixels.transpose(0, 2, 3, 1),
        labels=labels,
        class_names=published.class_names,
        profile="cifar-c",
        identify=lambda: hashlib.sha256(identity.encode()).hexdigest(),
    )


def _load(path: Path, md5: str) -> dict[bytes, Any]:
    """Read one published file.

    The files are pickles. What is read is exactly what was published (the sum is checked first),
    and even so it can build nothing but numpy arrays.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise RobobenchError(
            f"{path} cannot be read: {error.strerror}; --download fetches it"
        ) from None
    found = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if found != md5:
        raise RobobenchError(
            f"{path} is damaged or another file: its MD5 is {found}, expected {md5}; "
            "remove it and run again with --download"
        )
    loaded: dict[bytes, Any] = _ArraysOnly(io.BytesIO(content), encoding="bytes").load()
    return loaded


class _ArraysOnly(pickle.Unpickler):
    """Builds numpy arrays and plain values, nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("numpy.core.multiarray", "_reconstruct"):
            return np.empty(0).__reduce__()[0]  # its module was renamed in NumPy 2
        if (module, name) in {("numpy", "ndarray"), ("numpy", "dtype")}:
            return getattr(np, name)
        raise pickle.UnpicklingError(f"{module}.{name} is not expected in a file of images")
