"""Run an evaluation and return its run, which `load` reads back later."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robobench.errors import CellsFailed, RobobenchError
from robobench.evaluation.classifiers import prepare_all
from robobench.evaluation.compilation import ALWAYS, compile_ahead
from robobench.evaluation.configuration import Configuration
from robobench.evaluation.locking import changing_manifest, writing_to
from robobench.evaluation.plan import prepare
from robobench.evaluation.progress import run_progress
from robobench.evaluation.session import Session, begin
from robobench.results.manifest import COPY, MANIFEST, write_manifest
from robobench.results.run import Run, write_tables
from robobench.results.store import Store
from robobench.types import Cell

if TYPE_CHECKING:
    from robobench.datasets.arrays import ArrayDataset
    from robobench.evaluation.groups import Outcome
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
        backbone: A name, several separated by commas or in a list, or an ``nn.Module`` that takes
            normalised floats and returns logits
            (normalised with ``mean`` and ``std``).
        settings: Any other field of `robobench.evaluation.configuration.Configuration`.

    Returns:
        The complete run.

    Raises:
        RobobenchError: Any mistake that the user can fix.
        CellsFailed: Some cells raised; the others are stored.

    >>> import tempfile
    >>> done = run("org,median", "jpeg:10", limit=20, out=tempfile.mkdtemp())
    >>> done.is_complete, len(done.cells)
    (True, 4)
    """
    data = module = None
    if not isinstance(dataset, str):
        data, dataset = _in_memory(dataset), "memory"
    if isinstance(backbone, list | tuple):
        backbone = ",".join(backbone)
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
    if module is not None or data is not None:
        plans = [prepare(configuration, data, module)]
    else:
        plans = prepare_all(configuration)
    with run_progress(plans) as advance:
        return execute_all(plans, advance)


def check_folder(folder: Path) -> None:
    """Refuse a folder that holds something else than a run.

    Raises:
        RobobenchError: It has files, and neither ``manifest.json`` nor its copy among them.
    """
    try:
        held = [p for p in folder.iterdir() if not p.name.startswith(".")]
    except OSError:  # missing is fine, unreadable is reported when it is written to
        return
    if held and not {MANIFEST, COPY}.intersection(p.name for p in held):
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


def execute_all(
    plans: Sequence[Plan],
    advance: Callable[[int], None] = lambda images: None,
    finished: Callable[[Cell], None] = lambda cell: None,
    tell: Callable[[str], None] = lambda line: None,
) -> Run:
    """Execute the plans of one folder, one after the other, and return the run.

    Raises:
        RobobenchError: See `execute`.
        CellsFailed: Some cells raised; the others are stored.
    """
    failed: list[CellsFailed] = []
    done: Run | None = None
    for plan in plans:
        try:
            done = execute(plan, advance, finished, tell)
        except CellsFailed as error:
            failed.append(error)
    if failed:
        raise CellsFailed("; ".join(map(str, failed)))
    assert done is not None  # there is at least one plan
    return done


def execute(
    plan: Plan,
    advance: Callable[[int], None] = lambda images: None,
    finished: Callable[[Cell], None] = lambda cell: None,
    tell: Callable[[str], None] = lambda line: None,
) -> Run:
    """Compute what is missing, write the tables and return the run.

    Damaged files are kept aside and made anew. A shard writes no tables unless it completes the run.

    Args:
        plan: The run, or a shard of it.
        advance: Called with the number of predictions just made.
        finished: Called with each cell stored.
        tell: Called with a line for each damaged file.

    Raises:
        RobobenchError: Another process is writing there, or the folder holds another run, or
            something else.
        CellsFailed: Some cells raised; the others are stored.
    """
    folder = plan.configuration.folder
    check_folder(folder)
    plan.source.check()
    if plan.configuration.compile == ALWAYS and plan.configuration.executor == "local":
        compile_ahead(plan.part, plan.source, Store(folder))
    with writing_to(folder, plan.shard):
        session = begin(plan, tell)

        def count(cell: Cell) -> None:
            session.count(cell)
            finished(cell)

        try:
            failures = _evaluate(plan, session, advance, count)
        finally:
            session.end()
        with changing_manifest(folder):
            done = _finish(plan)
    if failures:
        raise CellsFailed(_name_failures(failures))
    return done


def _finish(plan: Plan) -> Run:
    """Write samples, tables and notes, once every shard has stored its cells."""
    from robobench.evaluation.samples import save_samples, save_thumbnails

    folder = plan.configuration.folder
    done = Run(folder)
    if plan.configuration.shard is not None and not done.is_complete:
        return done
    manifest = done.manifest
    shown = [*manifest["samples"], *save_samples(plan, folder)]
    manifest["samples"] = list({sample["file"]: sample for sample in shown}.values())
    manifest["thumbnails"] = save_thumbnails(plan, folder, manifest["thumbnails"])
    manifest["tables"] = write_tables(done)
    if told := [*_invalid(done), *_without_ranks(done)]:
        manifest["notes"] = [*(n for n in manifest["notes"] if n not in told), *told]
    write_manifest(folder, manifest)
    return done


def _evaluate(
    plan: Plan, session: Session, advance: Callable[[int], None], finished: Callable[[Cell], None]
) -> list[Failure]:
    """Fill the store, here, on several GPUs or on a cluster, as configured."""
    from robobench.evaluation.devices import devices_of, evaluate_on_devices

    store = Store(session.folder)
    expected = set(plan.part.cells())
    failures: list[Failure] = []

    def take(outcome: Outcome) -> None:
        for cell, content in outcome.cells:
            if cell not in expected:
                raise RobobenchError(
                    f"a worker computed {cell.title} with other code or weights than are here: install "
                    "the same everywhere"
                )
            store.put_file(cell, content)
            finished(cell)
        failures.extend(outcome.failures)
        advance(outcome.predictions)
        if outcome.batch_size is not None:
            session.remember(outcome.batch_size)

    if plan.configuration.executor == "ray":
        from robobench.evaluation.ray import evaluate_on_ray

        return evaluate_on_ray(plan, store, session.batch_size, take) + failures
    devices = devices_of(plan)
    if len(devices) > 1:
        return evaluate_on_devices(plan, store, devices, session.batch_size, take) + failures
    from robobench.evaluation.runner import evaluate
    from robobench.evaluation.timing import time_methods

    session.times = time_methods(plan.part, plan.source, store)
    return evaluate(
        plan.part,
        plan.source,
        store,
        batch_size=plan.configuration.batch_size,
        at_most=session.batch_size,
        halved=session.remember,
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


def _without_ranks(done: Run) -> list[str]:
    """A note on cells that an earlier version stored."""
    found = done.frame.loc[done.frame["metric"] == "top5", "value"]
    lacking = int(found.isna().sum())
    if not lacking:
        return []
    note = (
        f"{lacking} of {len(found)} cells were stored by an earlier version, without the rank of the "
        "true class: their top5 is blank; a run into another folder (--out) has it."
    )
    return [note]


def _name_failures(failures: list[Failure]) -> str:
    named = ", ".join(f.cell.title for f in failures[:5])
    more = f" and {len(failures) - 5} more" if len(failures) > 5 else ""
    cells = "1 cell" if len(failures) == 1 else f"{len(failures)} cells"
    return f"{cells} failed ({named}{more}), the rest are stored; first error: {failures[0].reason}"
