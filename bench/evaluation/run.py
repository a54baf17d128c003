"""Run an evaluation and return its run, which `load` reads back later."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robobench.environment import command_line
from robobench.errors import CellsFailed, RobobenchError
from robobench.evaluation.configuration import Configuration
from robobench.evaluation.description import describe
from robobench.evaluation.plan import prepare
from robobench.results.manifest import ListedCells, read_manifest, write_manifest
from robobench.results.run import Run, write_tables
from robobench.results.store import Store
from robobench.types import Cell

if TYPE_CHECKING:
    from robobench.datasets.arrays import ArrayDataset
    from robobench.evaluation.plan import Plan
    from robobench.evaluation.runner import Failure


def run(
    methods: str | tuple[str, ...] | list[str] = "org",
    corruptions: str | tuple[str, ...] | list[str] = "common",
    dataset: Any = "shapes10",
    backbone: Any = None,
    **settings: Any,
) -> Run:
    """Evaluate methods on corruptions: the command ``robobench run``, from Python.

    Args:
        methods: ``NAME`` or ``NAME@TRAINED_ON``, separated by commas, or a list.
        corruptions: Selectors separated by commas, or a list.
        dataset: A registered name; a pair (images, labels): uint8, N x H x W x 3 (numpy) or
            N x 3 x H x W (torch), and N integers; or a torch ``Dataset`` or ``DataLoader`` of
            (image, label), see `robobench.datasets.torch_data.from_torch`.
        backbone: A name, or an ``nn.Module`` that takes normalised floats and returns logits
            (normalised with ``mean`` and ``std``).
        settings: Any other field of `robobench.evaluation.configuration.Configuration`.

    Returns:
        The complete run.

    Raises:
        RobobenchError: Any mistake that the user can fix.
        CellsFailed: Some cells raised; the others are stored.
    """
    data = module = None
    if not isinstance(dataset, str):
        data, dataset = _in_memory(dataset), "memory"
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


def check_folder(folder: Path) -> None:
    """Refuse a folder that holds something else than a run.

    Raises:
        RobobenchError: It has files, and no ``manifest.json`` among them.
    """
    try:
        held = [p for p in folder.iterdir() if not p.name.startswith(".")]
    except OSError:  # missing is fine, unreadable is reported when it is written to
        return
    if held and folder / "manifest.json" not in held:
        raise RobobenchError(
            f"{folder} is neither empty nor a run ({held[0].name} is in it): choose another folder "
            "with --out"
        )


def _in_memory(data: Any) -> ArrayDataset:
    """The data set that a caller holds.

    Raises:
        RobobenchError: The data are no pair, and no torch data set or loader.
    """
    from robobench.datasets import from_arrays
    from robobench.datasets.torch_data import from_torch, is_torch_data

    if is_torch_data(data):
        return from_torch(data)
    if isinstance(data, tuple | list) and len(data) == 2:
        return from_arrays(data[0], data[1])
    raise RobobenchError(
        f"dataset: a registered name, a pair (images, labels) or a torch Dataset or DataLoader of "
        f"(image, label) is expected, got {type(data).__name__}"
    )


def execute(
    plan: Plan,
    advance: Callable[[int], None] = lambda images: None,
    finished: Callable[[Cell], None] = lambda cell: None,
) -> Run:
    """Compute what is missing, write the tables and return the run.

    Raises:
        RobobenchError: Another process is writing there, or the folder holds another run, or
            something else.
        CellsFailed: Some cells raised; the others are stored.
    """
    from robobench.evaluation.samples import save_samples

    folder = plan.configuration.folder
    check_folder(folder)
    plan.source.check()
    with _alone_in(folder):
        began, started = time.monotonic(), datetime.now(UTC).isoformat(timespec="seconds")
        manifest = describe(plan, read_manifest(folder))
        manifest["cells"] = _cells_expected(plan, manifest)
        environment = {key: manifest[key] for key in ("versions", "machine")}
        if environment not in manifest["environments"]:
            manifest["environments"].append(environment)
        write_manifest(folder, manifest)
        for stray in folder.glob("**/.*.tmp"):  # from a run that was killed while writing
            stray.unlink(missing_ok=True)
        done: list[Cell] = []

        def count(cell: Cell) -> None:
            done.append(cell)
            finished(cell)

        try:
            failures = _evaluate(plan, Store(folder), advance, count)
        finally:
            manifest["sessions"].append(
                {
                    "started": started,
                    "seconds": round(time.monotonic() - began, 1),
                    "cells": len(done),
                    "command": command_line(),
                    "environment": manifest["environments"].index(environment),
                    "made": [cell.digest[:16] for cell in done],
                }
            )
            write_manifest(folder, manifest)
        shown = [*manifest["samples"], *save_samples(plan, folder)]
        manifest["samples"] = list({sample["file"]: sample for sample in shown}.values())
        write_manifest(folder, manifest)
        finished_run = Run(folder)
        write_tables(finished_run)
        if told := _invalid(finished_run):
            manifest["notes"] = finished_run.manifest["notes"] = [
                *(n for n in manifest["notes"] if n not in told),
                *told,
            ]
            write_manifest(folder, manifest)
    if failures:
        raise CellsFailed(_name_failures(failures))
    return finished_run


def _cells_expected(plan: Plan, manifest: dict[str, Any]) -> int:
    """Planned cells, and those of earlier sessions that still count."""
    listed = ListedCells(manifest)
    stored = {cell for cell in Store(plan.configuration.folder).cells() if cell in listed}
    return len(stored.union(plan.grid.cells()))


def _evaluate(
    plan: Plan, store: Store, advance: Callable[[int], None], finished: Callable[[Cell], None]
) -> list[Failure]:
    """Fill the store, locally or on a cluster, as configured."""
    if plan.configuration.executor == "ray":
        from robobench.evaluation.ray import evaluate_on_ray

        return evaluate_on_ray(plan, store, advance=advance, finished=finished)
    from robobench.evaluation.runner import evaluate

    return evaluate(
        plan.grid,
        plan.source,
        store,
        batch_size=plan.configuration.batch_size,
        advance=advance,
        finished=finished,
    )


def _invalid(done: Run) -> list[str]:
    """A note for each method that gave no valid probabilities for some images."""
    shares = done.frame[done.frame["metric"] == "invalid"].groupby("method", sort=False)["value"]
    return [
        f"{method} gave no valid probabilities (NaN) for {values.mean():.2%} of the images on "
        f"average over its conditions, at most {values.max():.2%}; they count as wrong."
        for method, values in shares
        if values.max() > 0
    ]


def _name_failures(failures: list[Failure]) -> str:
    named = ", ".join(f"{f.cell.method} on {f.cell.degradation.label}" for f in failures[:5])
    more = f" and {len(failures) - 5} more" if len(failures) > 5 else ""
    cells = "1 cell" if len(failures) == 1 else f"{len(failures)} cells"
    return f"{cells} failed ({named}{more}), the rest are stored; first error: {failures[0].reason}"


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Lock a run's folder: two processes computing the same cells would duplicate work."""
    from filelock import FileLock, Timeout

    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".lock", timeout=0)
        lock.acquire()
    except Timeout:
        raise RobobenchError(
            f"another run is writing to {folder}: wait for it, or choose another folder with --out"
        ) from None
    except OSError as error:
        raise RobobenchError(
            f"cannot write to {folder}: {error.strerror or error}; choose another folder with --out"
        ) from error
    try:
        yield
    finally:
        lock.release()
