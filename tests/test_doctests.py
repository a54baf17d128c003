"""Run the examples in the docstrings, under the packages' real names."""

import doctest
import importlib
import pkgutil
import tomllib
from pathlib import Path

import pytest

import robobench

PROJECT = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())
PACKAGES = PROJECT["tool"]["setuptools"]["packages"]


def modules():
    for name in PACKAGES:
        package = importlib.import_module(name)
        yield name
        for found in pkgutil.iter_modules(package.__path__):
            full = f"{name}.{found.name}"
            if not found.ispkg and found.name != "__main__":
                yield full


def test_every_public_name_has_an_example():
    told = doctest.DocTestFinder().find(robobench)[0].docstring
    for name in robobench.__all__:
        own = getattr(robobench, name).__doc__ or ""
        assert ">>>" in own or f">>> robobench.{name}(" in told or f"= robobench.{name}(" in told


@pytest.mark.usefixtures("registered")  # examples register things
@pytest.mark.parametrize("name", sorted(set(modules())))
def test_examples(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0
