"""``robobench classes``: accuracy of each class, and which class is taken for which."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from robobench.cli import _names

if TYPE_CHECKING:
    from robobench.results.run import Run
    from robobench.types import Cell

_ROWS = 10  # of each table on the screen; files hold all


@click.command(short_help="Show the accuracy of each class, and which is taken for which.")
@click.argument("run", required=False, metavar="[RUN]")
@click.option(
    "--method", default="org", show_default=True, shell_complete=_names.of_methods, help="A method."
)
@click.option("--backbone", help="One of several classifiers.")
@click.option(
    "--corruption",
    default="clean",
    show_default=True,
    shell_complete=_names.of_corruptions,
    help="A corruption of the run.",
)
@click.option(
    "--level", type=float, help="One of its levels. [default: the images of all together]"
)
@click.option("--csv", "table", type=click.Path(), help="File for the accuracy of each class.")
@click.option("--confusion", type=click.Path(), help="CSV file for the confusion matrix.")
def classes(
    run: str | None,
    method: str,
    backbone: str | None,
    corruption: str,
    level: float | None,
    table: str | None,
    confusion: str | None,
) -> None:
    """Accuracy of each class under one corruption, the worst first, and the most frequent errors.

    Without RUN, the newest one under runs/ is used.
    """
    from robobench.analysis.by_class import class_accuracies, confusions, name_of
    from robobench.cli._folders import open_runs
    from robobench.files import write_aside

    (opened,) = open_runs([run] if run else [])
    cells = _chosen(opened, method, backbone, corruption, level)
    counts, names = opened.confusion(cells), opened.class_names
    accuracies = class_accuracies(counts, names)
    click.echo(
        f"{method} on {corruption}, {len(cells)} cell{'s' if len(cells) > 1 else ''}: "
        f"{int(counts.to_numpy().sum()):,} predictions for {len(accuracies)} classes"
    )
    worst = accuracies.sort_values("accuracy", kind="stable").head(_ROWS)
    width = max(map(len, worst["name"]))
    click.echo(f"\n{'lowest accuracy':<{width}}   images  accuracy [95 %]")
    for name, images, share, low, high in zip(
        *(worst[c] for c in ("name", "images", "accuracy", "ci_low", "ci_high")), strict=True
    ):
        interval = f"[{100 * low:.1f}, {100 * high:.1f}]"
        click.echo(f"{name:<{max(width, 15)}}  {images:>7,}  {100 * share:5.1f} {interval}")
    errors = confusions(counts, names).head(_ROWS)
    if len(errors):
        click.echo("\nmost frequent errors")
        for true, predicted, images, share in errors.itertuples(index=False):
            click.echo(f"{true} taken for {predicted}: {images:,} ({100 * share:.1f} % of {true})")
    if table is not None:
        text = accuracies.to_csv(index=False, float_format="%.6g")
        write_aside(Path(table), text.encode(), "--csv")
        click.echo(f"accuracy of each class: {table}")
    if confusion is not None:
        named = counts.rename(
            index=lambda c: name_of(c, names), columns=lambda c: name_of(c, names)
        )
        write_aside(Path(confusion), named.to_csv().encode(), "--confusion")
        click.echo(f"confusion matrix: {confusion}")


def _chosen(
    run: Run, method: str, backbone: str | None, corruption: str, level: float | None
) -> Sequence[Cell]:
    """The cells that the options select.

    Raises:
        RobobenchError: A name is not in the run, or several methods or classifiers are meant.
    """
    from robobench.errors import RobobenchError
    from robobench.registry import CORRUPTIONS

    if corruption in CORRUPTIONS:
        corruption = CORRUPTIONS.canonical(corruption)
    cells = _named("classifier", backbone, run.cells, lambda c: (c.backbone,))
    cells = _named("method", method, cells, lambda c: (c.label, c.method))
    cells = _named("corruption", corruption, cells, lambda c: (c.corruption,))
    if level is not None:
        levels = sorted({c.level for c in cells})
        cells = [c for c in cells if c.level == level]
        if not cells:
            told = ", ".join(f"{one:g}" for one in levels)
            raise RobobenchError(f"--level: expected one of {told}, got {level:g}")
    for what, option, values in (
        ("classifiers", "--backbone", {c.backbone for c in cells}),
        ("methods", "--method", {c.label for c in cells}),
    ):
        if len(values) > 1:
            raise RobobenchError(f"{what} {', '.join(sorted(values))}: name one with {option}")
    return cells


def _named(
    what: str, name: str | None, cells: Sequence[Cell], names: Callable[[Cell], tuple[str, ...]]
) -> Sequence[Cell]:
    """The cells of this name; all without one."""
    from robobench.errors import unknown_name

    if name is None:
        return cells
    found = [cell for cell in cells if name in names(cell)]
    if not found:
        raise unknown_name(f"{what} of this run", name, {names(cell)[0] for cell in cells})
    return found
