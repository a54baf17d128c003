"""The corruptions of ImageNet-C and more, as batched code: uint8 in, uint8 out, any size.

`corrupt` is the function for users; `apply` and `apply_each` are what the runner and trainings
call; `Corrupt` is a transform for a data loader. What there is to know without running anything is
in `robobench.corruptions.catalogue`, which costs nothing to import. One file holds one family.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from robobench.corruptions.engine import apply, apply_each, corrupt
    from robobench.corruptions.transforms import Corrupt

_LAZY = {
    "Corrupt": "robobench.corruptions.transforms",
    "apply": "robobench.corruptions.engine",
    "apply_each": "robobench.corruptions.engine",
    "corrupt": "robobench.corruptions.engine",
}

__all__ = ["Corrupt", "apply", "apply_each", "corrupt"]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'robobench.corruptions' has no attribute {name!r}")
