"""``--precision auto``: the one of the folder, or else the faster one on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from robobench.backbones.backbone import Backbone
from robobench.backbones.speed import faster_precision_of
from robobench.evaluation.configuration import Configuration
from robobench.results.manifest import COPY, MANIFEST, DamagedManifest, parse_manifest


def settle_precision(
    configuration: Configuration, backbones: Sequence[Backbone]
) -> tuple[Configuration, list[str]]:
    """A precision instead of ``auto``, which the classifiers get, and a sentence on where it comes from.

    Args:
        configuration: The requested configuration: a run goes on in the precision in which it began.
        backbones: Its classifiers, of which the first is timed for a second or two.

    Raises:
        RobobenchError: The manifest in the folder is of another format, or cannot be read.
    """
    if configuration.precision != "auto":
        return configuration, []
    before = manifest_before(configuration.folder)
    if before is not None:
        found = str(before["machine"]["precision"])
        told = f"Networks ran in {found}, in which this run began (--precision auto)."
    else:
        found = faster_precision_of(backbones[0])
        told = (
            f"Networks ran in {found}, the faster of fp32 and bf16 here for {backbones[0].label} "
            "(measured)."
        )
    for backbone in backbones:
        backbone.precision = found
    return replace(configuration, precision=found), [told]


def manifest_before(folder: Path) -> dict[str, Any] | None:
    """The manifest in a run's folder, or its copy if it is damaged; None if the run is new.

    Raises:
        RobobenchError: It is of another format, or cannot be read.
    """
    for name in (MANIFEST, COPY):
        try:
            before = parse_manifest(folder / name)
        except DamagedManifest:  # the run restores it
            continue
        if before is not None:
            return before
    return None
