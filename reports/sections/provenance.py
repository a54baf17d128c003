"""How the numbers were made: enough to reproduce them, or to see why they differ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from robobench import section
from robobench.reports.blocks import Block, Table, Text, counted

if TYPE_CHECKING:
    from robobench.results.run import Run

_SHORT = 12  # characters of a digest: enough to distinguish files, short enough to read

_HOW = (
    "Accuracy of one cell: share of images classified correctly, with its Wilson interval.",
    (
        "Means over cells, drops, CE and shares recovered: Bayesian bootstrap over images with "
        "pseudo-images, the same draws for every cell and method. With one training they are of "
        "these trained networks; with several, Student's t of the trainings is added."
    ),
    "Drop: a method's clean accuracy minus its mean accuracy over the degraded cells.",
    (
        "CE[reference]: the sum of a method's errors over the levels, divided by the same sum for "
        "the reference; 100 equals the reference, lower is better. It is not the published mCE, "
        "which divides by AlexNet's errors."
    ),
    (
        "Share recovered: (method - reference) / (clean reference - reference), in mean "
        "accuracies; blank unless the reference's loss is known to within half of it."
    ),
    "Paired difference: between two methods on the same images, image by image.",
)


@section("provenance", order=90, title="How the numbers were made")
def provenance(run: Run) -> list[Block]:
    """Definitions, command, data, weights, versions and machine behind the numbers."""
    blocks: list[Block] = [Text("What the numbers mean:", items=_HOW)]
    parts = getattr(run, "runs", (run,))
    for place, part in enumerate(parts, 1):
        suffix = "" if len(parts) == 1 else f"-{place}"
        if len(parts) > 1:
            blocks.append(Text(f"Run `{part.label}`", "heading"))
        blocks.append(_settings(part, suffix))
        if part.manifest.get("methods"):
            blocks.append(_methods(part, suffix))
        blocks.append(_versions(part, suffix))
    return blocks


def _settings(run: Run, suffix: str) -> Table:
    manifest = run.manifest
    data, machine = manifest.get("dataset", {}), manifest.get("machine", {})
    pieces = manifest.get("sessions", [])  # one for each time the command was started
    seconds = sum(float(piece.get("seconds", 0)) for piece in pieces)
    told = {
        "command": manifest.get("command"),
        "data set": _data(data),
        "fingerprint of its images": _short(data.get("fingerprint")),
        "severity profile": manifest.get("profile"),
        "geometry": _geometries(manifest.get("backbones", {})),
        "corrupted at": manifest.get("corrupt_at"),
        "corruption seeds": ", ".join(map(str, manifest.get("seeds", []))),
        "backbones": "; ".join(
            f"{name} ({_short(about.get('digest'))})"
            for name, about in manifest.get("backbones", {}).items()
        ),
        "machine": _pairs(machine),
        "time": f"{seconds:,.0f} seconds in {counted(len(pieces), 'session')}" if pieces else "",
        "settings": _pairs(_set(manifest.get("configuration", {}))),
    }
    return _told(f"settings{suffix}", "The run: command, data, settings and machine.", told)


def _geometries(backbones: Mapping[str, Mapping[str, Any]]) -> str:
    """How images become the classifiers' inputs: once if all agree, else of each."""
    found = {name: _pairs(about.get("geometry", {})) for name, about in backbones.items()}
    if len(set(found.values())) == 1:
        return next(iter(found.values()))
    return "; ".join(f"{name}: ({pairs.replace('; ', ', ')})" for name, pairs in found.items())


def _data(data: Mapping[str, Any]) -> str:
    if not data:
        return ""
    count, total = data.get("count"), data.get("total")
    whole = f"all {total:,}" if count == total else f"{count:,} of {total:,}"
    return f"{data.get('name')} ({data.get('split')}), {whole} images"


def _set(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that are neither empty nor off."""
    return {k: v for k, v in configuration.items() if v not in (None, "", False, [], ())}


def _pairs(values: Mapping[str, Any]) -> str:
    def shown(value: Any) -> str:
        return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)

    return "; ".join(
        f"{k.replace('_', ' ')}: {shown(v)}" for k, v in values.items() if v is not None
    )


def _short(digest: Any) -> str:
    return str(digest)[:_SHORT] if digest else ""


def _told(name: str, caption: str, told: Mapping[str, Any]) -> Table:
    known = {key: str(value) for key, value in told.items() if value}
    frame = pd.DataFrame({"": list(known.values())}, index=list(known), dtype=object)
    frame.columns.name = ""
    return Table(name, caption, frame, wraps=True)


def _methods(run: Run, suffix: str) -> Table:
    lines = []
    for entry in run.manifest["methods"]:
        digests = [_short(digest) for digest in entry.get("weights", {}).values() if digest]
        needs = f"needs {', '.join(entry['needs'])}" if entry.get("needs") else ""
        adapts = "adapts to the batch" if entry.get("adapts") else ""
        if "stream" in entry:
            adapts += f" ({entry['batch_size']} images, {entry['stream']})"
        lines.append(
            {
                "method": entry["label"],
                "trained on": entry.get("trained_on") or "nothing",
                "seed": str(entry.get("train_seed", 0)),
                "weights and remarks": "; ".join(
                    part
                    for part in (
                        ", ".join(dict.fromkeys(digests)) or "no weights of its own",
                        needs,
                        adapts,
                    )
                    if part
                ),
            }
        )
    frame = pd.DataFrame(lines, dtype=object).set_index("method")
    frame.index.name, frame.columns.name = None, "method"
    return Table(
        f"methods{suffix}",
        "The methods, their training data and the first digits of the SHA-256 of their weights.",
        frame,
        wraps=True,
    )


def _versions(run: Run, suffix: str) -> Table:
    told = {k.replace("_", "-"): v for k, v in run.manifest.get("versions", {}).items()}
    one_line = ", ".join(f"{name} {number}" for name, number in told.items())
    return _told(
        f"versions{suffix}", "Versions that the numbers may depend on.", {"versions": one_line}
    )
