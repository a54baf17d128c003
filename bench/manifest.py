"""What a run's numbers were made from: ``manifest.json``."""

from __future__ import annotations

import hashlib
import json
import platform
import shlex
import sys
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robobench.errors import RobobenchError
from robobench.store import write_aside
from robobench.types import ORACLE_NEEDS

if TYPE_CHECKING:
    from robobench.plan import Plan

MANIFEST_FORMAT = 1
_DISTRIBUTIONS = (
    "robobench",
    "torch",
    "torchvision",
    "timm",
    "numpy",
    "numba",
    "scipy",
    "pandas",
    "pillow",
    "opencv-python",
    "scikit-image",
)


def versions() -> dict[str, str]:
    """Versions of everything that numbers may depend on."""
    from PIL import features

    found = {"python": platform.python_version()}
    for name in _DISTRIBUTIONS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    found["libjpeg_turbo"] = str(features.version("libjpeg_turbo") or "another libjpeg")
    found["jpeg"] = str(features.version("jpg") or "none")
    return found


def machine(device: str, precision: str) -> dict[str, Any]:
    """What ties results to a machine beside versions."""
    import torch

    name = torch.cuda.get_device_name(device) if device.startswith("cuda") else platform.processor()
    return {
        "device": device,
        "device_name": name or platform.machine(),
        "threads": torch.get_num_threads(),
        "precision": precision,
        "platform": platform.platform(),
    }


def command_line() -> str:
    """The command that is running, as a user would type it again."""
    return shlex.join(["robobench", *sys.argv[1:]]) if "robobench" in sys.argv[0] else "python"


def write_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Write ``manifest.json`` of a run, whole or not at all."""
    text = json.dumps({"format": MANIFEST_FORMAT, **manifest}, indent=1, sort_keys=False)
    write_aside(folder / "manifest.json", text.encode() + b"\n")


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """The manifest of a run's folder, or None where there is none.

    Raises:
        RobobenchError: It is no manifest, or of another format.
    """
    path = folder / "manifest.json"
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        found = manifest["format"]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RobobenchError(f"{path} is no manifest of robobench: {error}") from error
    if found != MANIFEST_FORMAT:
        raise RobobenchError(
            f"{path} has format {found}, this robobench reads {MANIFEST_FORMAT}: read it with the "
            f"version that wrote it ({manifest.get('versions', {}).get('robobench', 'unknown')})"
        )
    return dict(manifest)


def describe(plan: Plan, before: dict[str, Any] | None) -> dict[str, Any]:
    """The manifest of a run that begins now, continuing the one that lies in its folder.

    Raises:
        RobobenchError: The folder holds cells of other images under the same name.
    """
    data, source = plan.dataset, plan.source
    fingerprint = data.fingerprint()
    _refuse_other_run(plan, fingerprint, before)
    backbones = {e.method.backbone.name: e.method.backbone for e in plan.entrants}
    return {
        "robobench": versions()["robobench"],
        "command": command_line(),
        "configuration": plan.configuration.as_dict(),
        "versions": versions(),
        "machine": machine(plan.device, plan.configuration.precision),
        "dataset": {
            "name": data.name,
            "argument": plan.configuration.dataset,
            "split": data.split,
            "fingerprint": fingerprint,
            "count": len(source),
            "total": len(data),
            "profile": data.profile,
            "class_names": list(data.class_names),
            "indices_digest": hashlib.sha256(source.order.tobytes()).hexdigest(),
            "indices": sorted(source.order.tolist()) if len(source) < len(data) else "all",
        },
        "profile": plan.profile,
        "geometry": asdict(source.geometry),
        "geometry_key": source.geometry.key,
        "corrupt_at": plan.configuration.corrupt_at,
        "save_jpeg85": plan.configuration.save_jpeg85,
        "seeds": list(plan.grid.seeds),
        "backbones": {
            n: {"digest": b.digest, "splittable": b.splittable} for n, b in backbones.items()
        },
        "methods": _describe_methods(plan, (before or {}).get("methods", [])),
        "not_applicable": [
            {"method": c.method, "corruption": corruption, "why": "the method says so"}
            for c in plan.grid.contestants
            for corruption in sorted(c.refuses)
        ],
        "notes": plan.notes,
        "cells": len(plan.grid.cells()),
        "samples": (before or {}).get("samples", []),
        "sessions": (before or {}).get("sessions", []),
    }


def _refuse_other_run(plan: Plan, fingerprint: str, before: dict[str, Any] | None) -> None:
    """One folder holds one data set, seen in one way.

    Raises:
        RobobenchError: The folder holds something else.
    """
    if before is None:
        return
    folder, known = plan.configuration.folder, before["dataset"]
    now = {
        "data set": (known["name"], plan.dataset.name),
        "split": (known["split"], plan.dataset.split),
        "severity table": (before["profile"], plan.profile),
        "geometry": (before["geometry_key"], plan.source.geometry.key),
        "place of corruption": (before["corrupt_at"], plan.configuration.corrupt_at),
        "precision": (before["machine"]["precision"], plan.configuration.precision),
        "saving as JPEG 85": (before["save_jpeg85"], plan.configuration.save_jpeg85),
    }
    for what, (then, asked) in now.items():
        if then != asked:
            raise RobobenchError(
                f"{folder} holds a run with the {what} {then}, this one has {asked}: name another "
                "folder with --out"
            )
    if known["fingerprint"] != fingerprint:
        raise RobobenchError(
            f"{folder} holds results on other images called {plan.dataset.name} (their "
            "fingerprints differ): name another folder with --out"
        )


def _describe_methods(plan: Plan, before: list[dict[str, Any]]) -> list[dict[str, Any]]:
    from robobench.weights import read_card

    described = {}
    for entrant, choice in zip(plan.entrants, plan.choices, strict=True):
        cost = entrant.method.cost()
        needs = sorted(entrant.method.needs)
        described[choice.name, choice.trained_on, choice.train_seed] = {
            "label": f"{choice.name}@{choice.trained_on}" if choice.is_bank else choice.name,
            "method": entrant.contestant.method,
            "trained_on": choice.trained_on,
            "train_seed": choice.train_seed,
            "backbone": entrant.contestant.backbone,
            "needs": needs,
            "adapts": entrant.method.adapts,
            "oracle": bool(ORACLE_NEEDS.intersection(needs)),
            "weights": dict(entrant.contestant.digests),
            "cards": [asdict(read_card(path)) for path in sorted(set(choice.cards.values()))],
            "parameters": cost.parameters,
            "macs": cost.macs,
        }
    kept = [m for m in before if (m["method"], m["trained_on"], m["train_seed"]) not in described]
    return kept + list(described.values())
