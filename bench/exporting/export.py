"""Export: a method with its weights becomes a file, which is checked before it is written."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from robobench.backbones.export_card import ExportCard
from robobench.environment import versions
from robobench.errors import RobobenchError
from robobench.exporting.checking import Agreement, check, compared
from robobench.exporting.formats import Format, format_of, opened, written
from robobench.exporting.images import CheckImages
from robobench.exporting.network import Input, Output, exported_network
from robobench.files import is_stream, write_whole
from robobench.weights.selection import SelectedMethod

_VERSIONS = ("robobench", "python", "torch")


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        card: What the file says about itself.
        format: Its format.
        size: Its size in bytes.
        agreement: How far it agrees with the method.
    """

    card: ExportCard
    format: Format
    size: int
    agreement: Agreement


def check_target(path: Path, *, force: bool) -> Format:
    """Refuse a file that could not be written, before any work.

    Returns:
        The format that its suffix stands for.

    Raises:
        RobobenchError: The suffix is unknown, there is a file already, or the folder is
            missing or not writable.
    """
    found = format_of(path)
    if path.is_dir() or is_stream(path):
        raise RobobenchError(f"--out {path}: expected a file, it is a folder or a device")
    if path.exists() and not force:
        raise RobobenchError(f"--out {path}: the file exists; --force replaces it")
    if not path.parent.is_dir():
        raise RobobenchError(f"--out {path}: no folder {path.parent}; make it first")
    if not os.access(path.parent, os.W_OK):
        raise RobobenchError(f"--out {path}: the folder {path.parent} is not writable")
    return found


def export(
    selected: SelectedMethod,
    path: Path,
    *,
    format: Format,
    takes: Input,
    returns: Output,
    images: CheckImages,
) -> Exported:
    """Write a method as a file, once what it computes has been compared with the method.

    Args:
        selected: The method with its weights, on the CPU.
        path: The file; replaced if it exists.
        format: Its format.
        takes: ``uint8`` for pixels on 0..255, ``float`` for pixels on 0..1.
        returns: ``probabilities`` or ``logits``.
        images: Images to compare on; their size is the one that the file takes.

    Raises:
        RobobenchError: The format cannot express the method, the file says something else than the
            method, or it cannot be written; nothing is left behind.
    """
    network = exported_network(selected, takes, returns)
    height, width = images.images.shape[2:]
    example = images.images[:1].expand(network.batch or 2, -1, -1, -1).contiguous()
    if takes == "float":
        example = example.float() / 255
    card = _card(selected, takes, returns, height, width, network.batch)
    content = written(format, network, example, card)
    run = opened(format, content, network.batch)
    agreement = compared(run, selected.method, images.images, takes=takes, returns=returns)
    check(agreement, format.name)
    try:
        write_whole(path, content)
    except OSError as error:
        raise RobobenchError(f"cannot write {path}: {error.strerror or error}") from error
    return Exported(card, format, len(content), agreement)


def _card(
    selected: SelectedMethod,
    takes: Input,
    returns: Output,
    height: int,
    width: int,
    batch: int | None = None,
) -> ExportCard:
    backbone = selected.backbone
    geometry = backbone.geometry
    here = versions()
    return ExportCard(
        method=selected.name,
        backbone=backbone.name,
        layer=selected.layer,
        trained_on=selected.trained_on,
        train_seed=selected.train_seed,
        weights=selected.digest(""),
        input=takes,
        output=returns,
        height=height,
        width=width,
        resize=geometry.resize,
        crop=geometry.crop,
        interpolation=geometry.interpolation,
        mean=geometry.mean,
        std=geometry.std,
        class_names=backbone.class_names,
        versions={name: here[name] for name in _VERSIONS},
        batch=batch,
    )
