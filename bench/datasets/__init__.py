"""Data sets: where images and their labels come from, and how they are brought to input size.

Submodules are loaded on first access, so that listing data sets does not import torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from robobench.datasets.arrays import from_arrays
    from robobench.datasets.files import open_images
    from robobench.datasets.opening import open_dataset
    from robobench.datasets.order import nested_order

_LAZY = {
    "from_arrays": "robobench.datasets.arrays",
    "nested_order": "robobench.datasets.order",
    "open_dataset": "robobench.datasets.opening",
    "open_images": "robobench.datasets.files",
}

__all__ = ["from_arrays", "nested_order", "open_dataset", "open_images"]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'robobench.datasets' has no attribute {name!r}")
