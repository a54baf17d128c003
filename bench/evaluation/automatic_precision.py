"""``--precision auto``: the one of the folder, or else the faster one on this machine."""

from __future__ import annotations

from pathlib import Path

from robobench.backbones.backbone import Backbone
from robobench.backbones.speed import faster_precision_of
from robobench.results.manifest import COPY, MANIFEST, DamagedManifest, parse_manifest


def precision_for(folder: Path, backbone: Backbone) -> tuple[str, str]:
    """The precision of a run, and a sentence that says where it comes from.

    Args:
        folder: The run's folder: a run goes on in the precision in which it began.
        backbone: Its classifier, which is timed for a second or two.

    Raises:
        RobobenchError: The manifest in the folder is of another format, or cannot be read.
    """
    for name in (MANIFEST, COPY):
        try:
            before = parse_manifest(folder / name)
        except DamagedManifest:  # the run restores it
            continue
        if before is not None:
            known = str(before["machine"]["precision"])
            return known, f"Networks ran in {known}, in which this run began (--precision auto)."
    found = faster_precision_of(backbone)
    told = f"Networks ran in {found}, the faster of fp32 and bf16 here for {backbone.label} (measured)."
    return found, told
