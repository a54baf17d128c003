"""Options shared by several commands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

PATH = click.Path(dir_okay=True)


class _Three(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.4
    """Three comma-separated numbers."""

    name = "R,G,B"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[float, ...]:
        try:
            numbers = tuple(
                float(v) for v in (value.split(",") if isinstance(value, str) else value)
            )
        except ValueError:
            numbers = ()
        if len(numbers) != 3:
            self.fail(f"expected three numbers like 0.485,0.456,0.406, got {value!r}")
        return numbers


class _BatchSize(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.4
    """A whole number, or the word auto."""

    name = "INTEGER|auto"

    def convert(self, value: Any, param: Any, ctx: Any) -> int | str:
        if value == "auto":
            return "auto"
        return int(click.INT.convert(value, param, ctx))


data_root = click.option(
    "--data-root", type=PATH, help="Folder of the data sets. [default: ROBOBENCH_DATA]"
)
limit = click.option("--limit", type=int, help="Use only this many images, class-balanced.")
download = click.option(
    "--download", is_flag=True, default=None, help="Allow downloads (checksums verified)."
)
device = click.option("--device", help="auto, cpu, cuda, cuda:N, mps. [default: auto]")
precision = click.option(
    "--precision", help="fp32, bf16, or auto, the faster one on this machine. [default: fp32]"
)
batch_size = click.option(
    "--batch-size",
    type=_BatchSize(),
    help="Images degraded at once; does not affect results. auto: fewer where memory is short.",
)
plugin = click.option(
    "--plugin", multiple=True, type=PATH, help="Python file that registers additions."
)
draws = click.option(
    "--draws", type=int, help="Bootstrap samples behind the intervals. [default: 2000]"
)
seed_sd = click.option(
    "--seed-sd",
    type=float,
    help="Known standard deviation of accuracies between trainings, in points.",
)


def train_seeds(default: str) -> Callable[[Any], Any]:
    """``--train-seeds``, whose default differs between commands."""
    return click.option(
        "--train-seeds", help=f"Trainings to evaluate, e.g. 0-2. [default: {default}]"
    )


def geometry(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that override a classifier's geometry."""
    for option in (
        click.option(
            "--std", type=_Three(), help="Standard deviation that it normalises by, on 0..1."
        ),
        click.option(
            "--mean", type=_Three(), help="Mean that the classifier normalises by, on 0..1."
        ),
        click.option("--interpolation", help="bilinear, bicubic, lanczos, nearest, box."),
        click.option("--crop", type=int, help="Side of the central square cut out."),
        click.option("--resize", type=int, help="Shorter side to resize to."),
    ):
        command = option(command)
    return command
