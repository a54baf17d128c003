"""The manifest of a new or resumed run."""

from __future__ import annotations

import hashlib
import re
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from robobench.backbones.own import own_names
from robobench.corruptions import catalogue
from robobench.environment import command_line, machine, versions
from robobench.errors import RobobenchError
from robobench.results.manifest import IDENTITY, compilation_of, row_of
from robobench.types import CLEAN, ORACLE_NEEDS, Geometry

if TYPE_CHECKING:
    from robobench.contracts import Method
    from robobench.evaluation.plan import Plan


def describe(plan: Plan, before: dict[str, Any] | None) -> dict[str, Any]:
    """The manifest of a run that starts now, or resumes the one in its folder.

    Raises:
        RobobenchError: The folder holds another run.
    """
    data, source = plan.dataset, plan.source
    earlier = before or {}
    fingerprint = data.fingerprint()
    _refuse_other_run(plan, fingerprint, before)
    backbones = {m.backbone.label: m.backbone for m in plan.grid.methods}
    methods = _describe_methods(plan, earlier.get("methods", []))
    return {
        "robobench": versions()["robobench"],
        "command": _without_shard(command_line()),
        "configuration": {
            **plan.configuration.as_dict(),
            "shard": None,
        },  # each session has its own
        "versions": versions(),
        "machine": machine(plan.device, plan.configuration.precision),
        "dataset": {
            "name": data.name,
            "argument": plan.configuration.dataset,
            "split": data.split,
            "fingerprint": fingerprint,
            "count": len(source),
            "total": len(data),
            "skipped": list(getattr(data, "skipped", ())),
            "profile": data.profile,
            "version": plan.grid.dataset_version,
            "class_names": list(data.class_names),
            "indices_digest": hashlib.sha256(source.order.tobytes()).hexdigest(),
            "indices": sorted(source.order.tolist()) if len(source) < len(data) else "all",
        },
        "profile": plan.profile,
        "corrupt_at": plan.configuration.corrupt_at,
        "save_jpeg85": plan.configuration.save_jpeg85,
        "levels_per_image": plan.configuration.levels_per_image,
        "sweeps": {
            **earlier.get("sweeps", {}),
            **{name: design.sweep for name, design in plan.grid.designs.items()},
        },
        "seeds": list(dict.fromkeys([*earlier.get("seeds", []), *plan.grid.seeds])),
        "backbones": {
            **earlier.get("backbones", {}),
            **{
                label: {
                    "name": b.name,
                    "digest": b.digest,
                    "outputs": b.num_classes,
                    "splittable": b.splittable,
                    "geometry": asdict(b.geometry),
                    "geometry_key": plan.source.geometry.key,
                }
                for label, b in backbones.items()
            },
        },
        "methods": methods,
        "corruption_versions": {
            **earlier.get("corruption_versions", {}),
            **{d.corruption: catalogue.version_of(d) for d, _ in plan.grid.conditions()},
        },
        "not_applicable": _not_applicable(plan, earlier.get("not_applicable", [])),
        "notes": list(dict.fromkeys([*plan.notes, *(n for m in methods for n in m["notes"])])),
        "cells": len(plan.grid.cells()),
        "samples": earlier.get("samples", []),
        "thumbnails": earlier.get("thumbnails", {}),
        "environments": earlier.get("environments", []),
        "sessions": earlier.get("sessions", []),
        "outdated": earlier.get("outdated", []),
        "tables": {},  # until they are written
    }


def _without_shard(command: str) -> str:
    """The command of the whole run."""
    return re.sub(r" --shard[ =]\S+", "", command)


def _not_applicable(plan: Plan, before: list[dict[str, Any]]) -> list[dict[str, Any]]:
    now = [
        {"method": m.name, "corruption": corruption, "why": "the method says so"}
        for m in plan.grid.methods
        for corruption in sorted({d.corruption for d in plan.grid.degradations})
        if m.refuses(corruption)
    ]
    return [entry for entry in before if entry not in now] + now


def _refuse_other_run(plan: Plan, fingerprint: str, before: dict[str, Any] | None) -> None:
    """Refuse a folder that holds another run: one folder, one data set, one way of preparing it.

    Raises:
        RobobenchError: The folder holds another run.
    """
    if before is None:
        return
    folder, known = plan.configuration.folder, before["dataset"]
    now = {
        "data set": (known["name"], plan.dataset.name),
        "split": (known["split"], plan.dataset.split),
        "severity table": (before["profile"], plan.profile),
        **_classifiers(plan, before),
        "place of corruption": (before["corrupt_at"], plan.configuration.corrupt_at),
        "precision": (before["machine"]["precision"], plan.configuration.precision),
        "word for --compile": (compilation_of(before), plan.configuration.compile),
        "saving as JPEG 85": (before["save_jpeg85"], plan.configuration.save_jpeg85),
    }
    for what, (then, asked) in now.items():
        if then != asked:
            raise RobobenchError(
                f"{folder} holds a run with the {what} {then}, this one has {asked}: choose "
                "another folder with --out"
            )
    _refuse_other_design(plan, before)
    if known["fingerprint"] != fingerprint:
        raise RobobenchError(
            f"{folder} holds results on other images called {plan.dataset.name} (their "
            "fingerprints differ): choose another folder with --out"
        )


def _refuse_other_design(plan: Plan, before: dict[str, Any]) -> None:
    """Refuse a folder in which the levels of sweeps are divided otherwise, or more finely.

    Raises:
        RobobenchError: It has another design, or more levels per image.
    """
    folder, asked = plan.configuration.folder, plan.configuration.levels_per_image
    then = before.get("levels_per_image")
    if (then is None) != (asked is None) and before.get("sessions"):
        least = "all levels" if then is None else f"{then} levels per image"
        advice = (
            "leave --levels-per-image out"
            if then is None
            else f"use --levels-per-image {then} or more (the number of levels gives all)"
        )
        raise RobobenchError(
            f"{folder} holds a run with {least}: {advice}, or choose another folder with --out"
        )
    if then is not None and asked is not None and asked < then:
        raise RobobenchError(
            f"{folder} holds a run with {then} levels per image, this one has {asked}: use "
            f"--levels-per-image {then} or more, or choose another folder with --out"
        )
    for name, design in plan.grid.designs.items():
        known = before.get("sweeps", {}).get(name, design.sweep)
        if known != design.sweep:
            raise RobobenchError(
                f"{folder} divides the levels {known} of {name} among the images, this run "
                f"{design.sweep}: sweep the same levels, or choose another folder with --out"
            )


def _classifiers(plan: Plan, before: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """What each classifier that the folder knows was, and what its images were; and both now."""
    now = plan.source.geometry.key
    found = {}
    for backbone in {m.backbone.label: m.backbone for m in plan.grid.methods}.values():
        then = before["backbones"].get(backbone.label)
        if then is None:
            continue
        of = f"of {backbone.label}"
        found[f"geometry {of}"] = (then.get("geometry_key", now), now)
        known, used = Geometry(**then["geometry"]), backbone.geometry
        found[f"mean and deviation {of}"] = (known.normalisation, used.normalisation)
        given = plan.configuration.weights or before["configuration"].get("weights")
        if given or backbone.name not in own_names():
            found[f"weights {of}"] = (then["digest"][:12], backbone.digest[:12])
    return found


def _describe_methods(plan: Plan, before: list[dict[str, Any]]) -> list[dict[str, Any]]:
    from robobench.weights.storage import read_card

    rows = {row_of(entry): entry for entry in before}
    corruptions = list(dict.fromkeys(d.corruption for d in plan.grid.degradations))
    for selected in plan.grid.methods:
        cost, needs = selected.cost, sorted(selected.method.needs)
        name, trained_on = selected.name, selected.trained_on
        entry: dict[str, Any] = {
            "label": f"{name}@{trained_on}" if selected.is_bank else name,
            "method": name,
            "trained_on": trained_on,
            "train_seed": selected.train_seed,
            "backbone": selected.backbone.label,
            "normalisation": selected.backbone.geometry.normalisation,
            "layer": selected.layer,
            "method_version": selected.version,
            "backbone_version": selected.backbone.version,
            "compiled": selected.compiled,
            "needs": needs,
            "adapts": selected.method.adapts,
            **_stream(selected.method, plan.source.side),
            "oracle": bool(ORACLE_NEEDS.intersection(needs)),
            "weights": {c: selected.digest(c) for c in ("", CLEAN, *corruptions)},
            "cards": [asdict(read_card(path)) for path in sorted(set(selected.cards.values()))],
            "parameters": cost.parameters,
            "macs": cost.macs,
            "notes": list(selected.notes),
        }
        known = rows.get(row_of(entry))
        if known and all(known.get(key, "") == entry[key] for key in IDENTITY):
            entry["weights"] = {**known["weights"], **entry["weights"]}
            used = set(entry["weights"].values())
            entry["cards"] = [
                card
                for card in known["cards"]
                if card not in entry["cards"]
                and selected.digest_with(card["digest"], card["belongs_to"]) in used
            ] + entry["cards"]
        rows[row_of(entry)] = entry
    return list(rows.values())


def _stream(method: Method, side: int) -> dict[str, Any]:
    """In which order and how many at a time images came to a method that adapts."""
    if not method.adapts:
        return {}
    return {"stream": method.stream, "batch_size": method.batch_size(side)}
