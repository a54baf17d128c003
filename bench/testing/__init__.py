"""Tests for what builds on robobench: contracts of plug-ins, and runs that must not get worse.

`contract` turns what a plug-in of one kind promises into tests for pytest, `check_contract` checks it
all at once without pytest, and `assert_no_regression` compares a run with a frozen baseline as
``robobench check`` does. A plug-in of pytest's, installed with robobench, adds the fixture
``no_regression`` (see `robobench.testing.pytest_plugin`). Importing this loads neither torch nor pytest.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from robobench.testing.promises import check_contract, contract
    from robobench.testing.regression import assert_no_regression

_LAZY = {
    "assert_no_regression": "robobench.testing.regression",
    "check_contract": "robobench.testing.promises",
    "contract": "robobench.testing.promises",
}

__all__ = ["assert_no_regression", "check_contract", "contract"]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'robobench.testing' has no attribute {name!r}")
