"""A run: made by `run`, read again by `load`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robobench.configuration import Configuration
from robobench.errors import CellsFailed, MissingWeights, RobobenchError
from robobench.manifest import command_line, describe, read_manifest, write_manifest
from robobench.store import Store, write_aside
from robobench.types import Cell, Predictions

if TYPE_CHECKING:
    import pandas as pd

    from robobench.plan import Plan
    from robobench.runner import Failure


class Run:
    """The folder of a run: its cells, its manifest, and every table that follows from them.

    Args:
        folder: As ``--out`` names it.

    Raises:
        RobobenchError: It is no folder of a run.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        manifest = read_manifest(self.folder) if self.folder.is_dir() else None
        if manifest is None:
            raise RobobenchError(
                f"{folder}: no run is there (a folder with manifest.json is expected); `robobench "
                "run --out` names where runs lie"
            )
        self.manifest: dict[str, Any] = manifest
        self.store = Store(self.folder)

    @property
    def label(self) -> str:
        """A short name, for tables of several runs."""
        return self.folder.name

    @cached_property
    def items(self) -> list[tuple[Cell, Predictions]]:
        """Every cell of this run with its predictions, checked.

        Cells of weights that were trained anew since are left aside: `robobench verify` names them.
        """
        current = {
            (m["method"], m["trained_on"], m["train_seed"]): set(m["weights"].values())
            for m in self.manifest["methods"]
        }
        return [
            (cell, predictions)
            for cell, predictions in self.store.items()
            if cell.weights in current.get((cell.method, cell.trained_on, cell.train_seed), ())
        ]

    @cached_property
    def frame(self) -> pd.DataFrame:
        """The long table: one row a cell and metric."""
        from robobench.analysis.summary import results

        return results(self.items, profile=self.manifest["profile"])

    def summary(self) -> pd.DataFrame:
        """One row a method and corruption: accuracy, intervals, CE, share recovered."""
        return self._summary

    @cached_property
    def _summary(self) -> pd.DataFrame:
        from robobench.analysis.summary import summarise

        return summarise(self.items, profile=self.manifest["profile"])

    def compare(self, a: str, b: str) -> pd.DataFrame:
        """Method `b` against method `a` on the same images, one row a corruption."""
        from robobench.analysis.summary import compare

        return compare(self.items, a, b)

    def predictions(self, cell: Cell) -> Predictions:
        """What was predicted in one cell."""
        return self.store.get(cell)


def load(folder: str | Path) -> Run:
    """The run that lies in a folder.

    Raises:
        RobobenchError: None does.
    """
    return Run(folder)


def run(
    methods: str | tuple[str, ...] | list[str] = "org",
    corruptions: str | tuple[str, ...] | list[str] = "common",
    dataset: Any = "shapes10",
    backbone: Any = None,
    **settings: Any,
) -> Run:
    """Evaluate methods on corruptions: the command ``robobench run``, from Python.

    Args:
        methods: ``NAME`` or ``NAME@TRAINED_ON``, joined by commas or a list.
        corruptions: Selectors, joined by commas or a list.
        dataset: A registered name, or a pair (images, labels): uint8, N x H x W x 3 (numpy) or
            N x 3 x H x W (torch), and N integers.
        backbone: A name, or an ``nn.Module`` that takes normalised floats and returns logits
            (say how with ``mean`` and ``std``).
        settings: Any other field of `robobench.configuration.Configuration`.

    Returns:
        The run, complete.

    Raises:
        RobobenchError: Anything a user can mend.
        CellsFailed: Some cells raised; the others are stored.
    """
    data = module = None
    if not isinstance(dataset, str):
        from robobench.datasets import from_arrays

        data, dataset = from_arrays(*_pair(dataset)), "memory"
    if backbone is not None and not isinstance(backbone, str):
        module, backbone = backbone, type(backbone).__name__
    configuration = Configuration.from_settings(
        {
            "methods": methods if isinstance(methods, str) else tuple(methods),
            "corruptions": corruptions if isinstance(corruptions, str) else tuple(corruptions),
            "dataset": dataset,
            "backbone": backbone,
            **settings,
        }
    )
    return execute(prepare(configuration, data, module))


def _pair(data: Any) -> tuple[Any, Any]:
    """Images and labels.

    Raises:
        RobobenchError: It is no pair.
    """
    if isinstance(data, tuple | list) and len(data) == 2:
        return data[0], data[1]
    raise RobobenchError(
        f"dataset: a registered name or a pair (images, labels) is expected, got "
        f"{type(data).__name__}"
    )


def prepare(
    configuration: Configuration,
    dataset: Any = None,
    module: Any = None,
    tell: Callable[[str], None] = lambda line: None,
) -> Plan:
    """Load plugins and make the plan, training what is missing if the configuration says so.

    Args:
        configuration: What is asked for.
        dataset: Images in memory, or None.
        module: A classifier in memory, or None.
        tell: Told what is being trained.

    Raises:
        RobobenchError: See `robobench.plan.make_plan`.
    """
    from robobench.registry import load_plugin_file

    for file in configuration.plugin:
        load_plugin_file(file)
    from robobench.plan import make_plan

    while True:
        try:
            return make_plan(configuration, dataset, module)
        except MissingWeights as missing:
            if not configuration.train_missing or dataset is not None or module is not None:
                raise
            _train(configuration, missing, tell)


def _train(
    configuration: Configuration, missing: MissingWeights, tell: Callable[[str], None]
) -> None:
    """Make the weights that a plan lacks."""
    from robobench.training.trainer import Order, train_one

    order = Order(
        dataset=configuration.dataset,
        backbone=configuration.backbone,
        weights=configuration.weights,
        seed=missing.train_seed,
        data_root=configuration.data_root,
        download=configuration.download,
        device=configuration.device,
    )
    for training in missing.trainings:
        tell(f"training {missing.method} on {training}")
        try:
            train_one(order, missing.method, training)
        except MissingWeights as before:  # of what it stands behind
            _train(configuration, before, tell)
            train_one(order, missing.method, training)


def execute(
    plan: Plan,
    advance: Callable[[int], None] = lambda images: None,
    finished: Callable[[Cell], None] = lambda cell: None,
) -> Run:
    """Compute what is missing, write the tables, return the run.

    Raises:
        RobobenchError: Another run writes there, or the folder holds another data set's cells.
        CellsFailed: Some cells raised; the others are stored.
    """
    from robobench.executors import evaluate_with
    from robobench.samples import save_samples

    folder = plan.configuration.folder
    with _alone_in(folder):
        began, started = time.monotonic(), datetime.now(UTC).isoformat(timespec="seconds")
        manifest = describe(plan, read_manifest(folder))
        write_manifest(folder, manifest)
        for stray in folder.glob("**/.*.tmp"):  # of a run that was killed while writing
            stray.unlink(missing_ok=True)
        done: list[Cell] = []

        def count(cell: Cell) -> None:
            done.append(cell)
            finished(cell)

        try:
            failures = evaluate_with(plan, Store(folder), advance=advance, finished=count)
        finally:
            manifest["sessions"].append(
                {
                    "started": started,
                    "seconds": round(time.monotonic() - began, 1),
                    "cells": len(done),
                    "command": command_line(),
                }
            )
            write_manifest(folder, manifest)
        manifest["samples"] = save_samples(plan, folder)
        write_manifest(folder, manifest)
        finished_run = Run(folder)
        write_tables(finished_run)
    if failures:
        raise CellsFailed(_name_failures(failures))
    return finished_run


def _name_failures(failures: list[Failure]) -> str:
    named = ", ".join(f"{f.cell.method} on {f.cell.degradation.label}" for f in failures[:5])
    more = f" and {len(failures) - 5} more" if len(failures) > 5 else ""
    cells = "1 cell" if len(failures) == 1 else f"{len(failures)} cells"
    return (
        f"{cells} failed ({named}{more}), the rest is stored; the first said: {failures[0].reason}"
    )


def write_tables(run_: Run) -> None:
    """Write ``results.parquet`` and ``results.csv`` of a run."""
    import io

    buffer = io.BytesIO()
    run_.frame.to_parquet(buffer, index=False)
    write_aside(run_.folder / "results.parquet", buffer.getvalue())
    text = run_.frame.to_csv(index=False, float_format="%.6g")
    write_aside(run_.folder / "results.csv", text.encode())


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Hold a run's folder: two runs that write the same cells would waste each other's work."""
    from filelock import FileLock, Timeout

    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".lock", timeout=0)
        lock.acquire()
    except Timeout:
        raise RobobenchError(
            f"another run is writing into {folder}: wait for it, or name another folder with --out"
        ) from None
    except OSError as error:
        raise RobobenchError(
            f"cannot write into {folder}: {error.strerror or error}; name another folder with --out"
        ) from error
    try:
        yield
    finally:
        lock.release()
