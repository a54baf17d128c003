"""Promises of a kind of plug-in as tests: one per promise for pytest, or all of them at once."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import SkipTest

from robobench.errors import RobobenchError, unknown_name
from robobench.registry import load_plugin_file

if TYPE_CHECKING:
    import pytest

KINDS = ("method", "trained_method", "corruption", "dataset", "backbone", "metric", "section")


def contract(
    kind: str, *names: str, plugin: str | Path | None = None, **settings: Any
) -> pytest.MarkDecorator:
    """Parametrize a test over what plug-ins of one kind promise.

    The test has one argument, ``promise``, and calls it: see ``docs/examples/test_plugins.py``. A
    promise that is not kept raises an `AssertionError` that says what was expected and what came.

    Args:
        kind: One of `KINDS`.
        names: Registered names.
        plugin: A Python file that registers them; not needed for installed packages.
        settings: Passed to ``subject`` of the module ``robobench.testing.KIND``: for a method, for
            example, ``dataset`` and ``backbone``.

    Raises:
        RobobenchError: There is no such kind, no name is given, or the file cannot be run.

    >>> import robobench.testing
    >>> mark = robobench.testing.contract("method", "org")
    >>> mark.args[0], [test.id for test in mark.args[1]][:2]
    ('promise', ['org-gives_probabilities', 'org-leaves_its_input_alone'])
    """
    import pytest

    promises = _promises(kind, names, plugin)
    params = []
    for name in names:
        subject = cache(partial(_subject, kind, name, **settings))
        params += [
            pytest.param(partial(_keep, promise, kind, name, subject), id=f"{name}-{said}")
            for said, promise in promises.items()
        ]
    return pytest.mark.parametrize("promise", params)


def check_contract(
    kind: str, *names: str, plugin: str | Path | None = None, **settings: Any
) -> None:
    """Check everything that plug-ins of one kind promise; the arguments are those of `contract`.

    Raises:
        AssertionError: A promise is not kept.
        RobobenchError: There is no such kind, no name is given, or the file cannot be run.

    >>> import robobench.testing
    >>> robobench.testing.check_contract("metric", "ece", "accuracy")
    """
    promises = _promises(kind, names, plugin)
    for name in names:
        subject = cache(partial(_subject, kind, name, **settings))
        for promise in promises.values():
            try:
                _keep(promise, kind, name, subject)
            except SkipTest:
                continue


def _promises(
    kind: str, names: tuple[str, ...], plugin: str | Path | None
) -> dict[str, Callable[[Any], None]]:
    if kind not in KINDS:
        raise unknown_name("kind of plug-in", kind, KINDS)
    if not names:
        raise RobobenchError(f"the contract of a {kind}: one or more registered names are expected")
    if plugin is not None:
        load_plugin_file(plugin)
    module = import_module(f"robobench.testing.{kind}")
    return {promise.__name__: promise for promise in module.PROMISES}


def _subject(kind: str, name: str, **settings: Any) -> Any:
    return import_module(f"robobench.testing.{kind}").subject(name, **settings)


def _keep(promise: Callable[[Any], None], kind: str, name: str, subject: Callable[[], Any]) -> None:
    """Call a promise; what it finds begins with whose promise it is."""
    __tracebackhide__ = True
    try:
        promise(subject())
    except AssertionError as error:
        said = " ".join(str(error).split())
        raise AssertionError(f"{kind} {name} {promise.__name__}: {said}") from error
