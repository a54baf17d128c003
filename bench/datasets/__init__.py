"""Data sets: where images and their true classes come from, and how they reach a network's size.

What is here is loaded when it is first touched: listing data sets costs neither torch nor time.
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
