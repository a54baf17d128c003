"""``robobench export``: write a method as a file that other software runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from robobench.cli import _names, _options

if TYPE_CHECKING:
    from robobench.exporting.export import Exported

_PATH = _options.PATH


@click.command(short_help="Write a method with its weights as ONNX, torch.export or TorchScript.")
@click.argument("method", shell_complete=_names.of_methods)
@click.option("--out", required=True, type=_PATH, help="File: .onnx, .pt2, .ts or .torchscript.")
@click.option("--backbone", help="Classifier. [default: that of the data set]")
@click.option("--weights", type=_PATH, help="The classifier's weights (safetensors, PyTorch).")
@click.option("--layer", help="Layer at which a module is plugged in.")
@click.option("--dataset", help="Data set that the weights belong to. [default: shapes10]")
@_options.data_root
@_options.download
@click.option("--classes", type=_PATH, help="File that maps folder names to classes.")
@click.option(
    "--train-seed",
    default=0,
    show_default=True,
    type=click.IntRange(min=0),
    help="Training seed of the weights.",
)
@_options.geometry
@click.option(
    "--input",
    "takes",
    type=click.Choice(["uint8", "float"]),
    default="uint8",
    show_default=True,
    help="Pixels on 0..255, or on 0..1; the file normalises them either way.",
)
@click.option(
    "--output",
    "returns",
    type=click.Choice(["probabilities", "logits"]),
    default="probabilities",
    show_default=True,
    help="What the file returns.",
)
@click.option(
    "--check", help="Data set or folder of images to check the file on. [default: --dataset]"
)
@click.option(
    "--limit",
    default=64,
    show_default=True,
    type=click.IntRange(min=1),
    help="Number of images to check on.",
)
@click.option("--force", is_flag=True, help="Replace a file that exists.")
@_options.plugin
def export(
    method: str,
    out: str,
    takes: Any,
    returns: Any,
    force: bool,
    plugin: tuple[str, ...],
    **options: Any,
) -> None:
    """Write METHOD (as `run --methods` takes it) with its weights and its classifier as one file.

    The file takes a batch of images of any length, N x 3 x H x W, and is compared with the method
    before it is kept. `run --backbone onnx:FILE` evaluates it.
    """
    from robobench.exporting.export import check_target
    from robobench.exporting.export import export as write
    from robobench.exporting.images import half_degraded
    from robobench.exporting.network import exported_method
    from robobench.exporting.opening import ExportRequest, images_for_check, open_for_export
    from robobench.registry import load_plugin_file

    path = Path(out).expanduser()
    target = check_target(path, force=force)
    for file in plugin:
        load_plugin_file(file)
    request = ExportRequest(**options)
    request.refuse_mistakes(method)
    backbone = request.load_backbone()
    opened = open_for_export(request, backbone)
    selected = exported_method(
        method,
        dataset=opened.name,
        backbone=backbone,
        train_seed=request.train_seed,
        command=request.dataset_options,
    )
    click.echo(selected.line)
    images = half_degraded(images_for_check(request, opened, backbone), selected.trained_on)
    done = write(selected, path, format=target, takes=takes, returns=returns, images=images)
    _tell(done, path, images.description)


def _tell(done: Exported, path: Path, images: str) -> None:
    card, agreement = done.card, done.agreement
    size = f"{card.batch or 'N'} x 3 x {card.height} x {card.width}"
    pixels = "uint8 on 0..255" if card.input == "uint8" else "float32 on 0..1"
    click.echo(
        f"{path}: {done.format.name}, {done.size / 1e6:.1f} MB; {size}, "
        f"RGB, {pixels}, to {card.output} of {len(card.class_names)} classes; normalisation inside"
    )
    click.echo(
        f"checked in {done.format.runs_in} on {images}: largest difference of a probability "
        f"{agreement.largest:.1e}, top-1 equal on {agreement.same} of {agreement.images}; "
        f"{agreement.milliseconds:.1f} ms per image, one at a time on {agreement.threads} thread(s)"
    )
