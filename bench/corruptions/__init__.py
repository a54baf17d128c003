"""The corruptions of ImageNet-C and more, as batched code: uint8 in, uint8 out, any size.

`corrupt` is the function for users; `apply` and `apply_each` are what the runner and trainings
call; `Corrupt` is a transform for a data loader. The other way round, `search_quality` tells from
pixels which JPEG quality they went through, `quality_of_file` from a file's header. What there is
to know without running anything is in `robobench.corruptions.catalogue`, which costs nothing to
import. One file holds one family.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from robobench.corruptions.engine import apply, apply_each, corrupt
    from robobench.corruptions.jpeg_quality import (
        quality_of_file,
        quality_of_tables,
        search_quality,
    )
    from robobench.corruptions.transforms import Corrupt

_LAZY = {
    "Corrupt": "robobench.corruptions.transforms",
    "apply": "robobench.corruptions.engine",
    "apply_each": "robobench.corruptions.engine",
    "corrupt": "robobench.corruptions.engine",
    "quality_of_file": "robobench.corruptions.jpeg_quality",
    "quality_of_tables": "robobench.corruptions.jpeg_quality",
    "search_quality": "robobench.corruptions.jpeg_quality",
}

__all__ = [
    "Corrupt",
    "apply",
    "apply_each",
    "corrupt",
    "quality_of_file",
    "quality_of_tables",
    "search_quality",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'robobench.corruptions' has no attribute {name!r}")
