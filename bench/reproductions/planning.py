"""Planning a reproduction: the networks it has and lacks, and the runs that compute its cells."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from robobench.analysis.draws import DRAWS
from robobench.environment import choose_device
from robobench.errors import MissingWeights, RobobenchError
from robobench.evaluation.configuration import Configuration
from robobench.evaluation.grid import parse_whole_numbers
from robobench.evaluation.specs import REFERENCE
from robobench.registry import DATASETS, METHODS
from robobench.reproductions.published import Reproduction, find_reproduction
from robobench.types import CLEAN
from robobench.weights import storage

if TYPE_CHECKING:
    from robobench.backbones.backbone import Backbone
    from robobench.evaluation.plan import Plan


@dataclass(frozen=True)
class MeasurementSettings:
    """How a reproduction is measured; the options of ``robobench reproduce``.

    Attributes:
        limit: Number of images, class-balanced; None for all.
        data_root: Folder of the data sets.
        download: Whether downloads are allowed.
        device: ``auto`` or a torch device.
        precision: ``fp32``, ``bf16`` or ``auto``: that of the existing run, or else the faster one
            on this machine.
        batch_size: Number of images degraded together.
        train_seeds: Training seeds, as in ``0-2``. None for all trainings that have all networks,
            and with `all_rows` also those that can serve as a control.
        runs: Folder of the runs.
        published_only: Omit rows that the paper does not have.
        all_rows: Also evaluate the rows that are omitted by default.
        dataset: Data set, for tables that may be measured on any; that of the paper by default.
        backbone: Classifier, likewise.
        weights: File of its weights.
        classes: File that maps folder names to classes, or ``sorted``.
        draws: Number of bootstrap samples behind the intervals.
    """

    limit: int | None = None
    data_root: str | None = None
    download: bool = False
    device: str = "auto"
    precision: str = "auto"
    batch_size: int | str | None = None
    train_seeds: str | None = None
    runs: str = "runs"
    published_only: bool = False
    all_rows: bool = False
    dataset: str | None = None
    backbone: str | None = None
    weights: str | None = None
    classes: str | None = None
    draws: int = DRAWS


@dataclass
class PlannedReproduction:
    """A reproduction that is ready to be measured.

    Attributes:
        name: Registered name.
        reproduction: The table or figure to measure.
        plans: Plans of runs, all in one folder; trainings with the same methods share a plan.
        train_seeds: Trainings that the rows of the table are means over. Further trainings in the
            plans are a control: the network that the gain is measured against, trained again.
        notes: What was left out and why, one sentence each.
    """

    name: str
    reproduction: Reproduction
    plans: list[Plan]
    train_seeds: tuple[int, ...]
    notes: list[str]

    @property
    def folder(self) -> Path:
        """Folder of the run."""
        return self.plans[0].configuration.folder

    def execute(self, advance: Callable[[int], None] = lambda images: None) -> None:
        """Compute the cells that are missing.

        Raises:
            RobobenchError: See `robobench.evaluation.run.execute`.
        """
        from robobench.evaluation.run import execute

        for plan in self.plans:
            execute(plan, advance=advance)


@dataclass
class _Networks:
    """The networks of one training that exist, and those that are missing."""

    seed: int
    lacking: dict[str, str] = field(default_factory=dict)  # method -> the line about it
    ready: list[str] = field(default_factory=list)


def plan_reproduction(name: str, settings: MeasurementSettings) -> PlannedReproduction:
    """Find the networks and plan the runs; nothing is computed or written.

    Args:
        name: Registered name.
        settings: How to measure it.

    Raises:
        RobobenchError: Weights for rows of the paper are missing (one line each, with the command
            that trains them), or `robobench.evaluation.plan.make_plan` refuses the configuration.
    """
    if settings.published_only and settings.all_rows:
        raise RobobenchError("--published-only and --all-rows: give only one of the two")
    reproduction = find_reproduction(name).measured_on(
        settings.dataset, settings.backbone, settings.weights, settings.classes
    )
    if settings.published_only:
        reproduction = reproduction.without_further()
    if settings.all_rows:
        reproduction = reproduction.with_all_rows()
    settings = replace(settings, precision=_precision(reproduction, settings))
    found = [_networks(reproduction, settings, seed) for seed in _seeds(reproduction, settings)]
    complete = [n for n in found if not set(n.lacking) & set(reproduction.needed)]
    asked = settings.train_seeds is not None
    if not complete or (asked and len(complete) < len(found)):
        chosen = found if asked else found[:1]
        lines = [n.lacking[m] for n in chosen for m in reproduction.needed if m in n.lacking]
        raise RobobenchError(f"{name} lacks trained networks:\n" + "\n".join(lines))
    over = reproduction.gain.over if reproduction.gain else None
    partial = [n for n in found if n not in complete]
    controls = [replace(n, ready=[over]) for n in partial if over in n.ready] if over else []
    notes = [_about_partial(reproduction, n, over, settings.all_rows) for n in partial]
    if settings.precision != "fp32":
        notes.append(
            f"Networks ran in {settings.precision} (`--precision fp32` for single precision)."
        )
    notes += _left_out(reproduction, complete)
    if waiting := [row.label for row in reproduction.on_demand]:
        notes.append(f"`--all-rows` evaluates {_joined(waiting)} as well.")
    plans = _plans(reproduction, settings, complete + (controls if settings.all_rows else []))
    notes += _other_recipes(reproduction, plans)
    return PlannedReproduction(name, reproduction, plans, tuple(n.seed for n in complete), notes)


def _about_partial(
    reproduction: Reproduction, part: _Networks, over: str | None, all_rows: bool
) -> str:
    """The use of a training that lacks networks: a control, if it has the one compared with."""
    if over in part.ready and all_rows:
        return f"Training {part.seed} has only {over}: it is a control, and in no row of the table."
    lacking = _joined([m for m in reproduction.needed if m in part.lacking])
    text = f"Training {part.seed} is left out: {lacking} lacks weights."
    return f"{text} `--all-rows` takes its {over} as a control." if over in part.ready else text


def _precision(reproduction: Reproduction, settings: MeasurementSettings) -> str:
    """The precision to run in; ``auto`` depends on the folder and the machine."""
    if settings.precision != "auto":
        return settings.precision
    from robobench.results.manifest import read_manifest

    before = read_manifest(Path(settings.runs) / reproduction.run_folder)
    if before is not None:
        return str(before["machine"]["precision"])
    name, device = _backbone_name(reproduction), choose_device(settings.device)
    dataset = storage.base_dataset(reproduction.dataset)
    return _faster_precision(name, dataset, device, reproduction.weights)


@cache  # reproductions that share a folder must not measure differently
def _faster_precision(name: str, dataset: str, device: str, weights: str | None) -> str:
    from robobench.backbones.speed import faster_precision_of
    from robobench.weights.classifiers import load_backbone

    try:
        backbone = load_backbone(name, dataset=dataset, device=device, weights=weights)
        return faster_precision_of(backbone)
    except MissingWeights:
        return "fp32"


def _seeds(reproduction: Reproduction, settings: MeasurementSettings) -> list[int]:
    """The seeds that were asked for, or else those of all weights of the required methods."""
    if settings.train_seeds is not None:
        return parse_whole_numbers(settings.train_seeds, "--train-seeds", 0, 999)
    bare = {m.partition("@")[0] for m in reproduction.needed}
    dataset = storage.base_dataset(reproduction.dataset)
    seeds = {
        card.train_seed
        for _, card in storage.cards(*bare)
        if card.method in bare and (card.dataset == dataset or card.belongs_to == "plugin")
    }
    return sorted(seeds) or [0]


def _networks(reproduction: Reproduction, settings: MeasurementSettings, seed: int) -> _Networks:
    from robobench.weights.classifiers import load_backbone
    from robobench.weights.selection import select

    known = _Networks(seed)
    corruptions = {
        d.corruption for c in reproduction.columns for d in c.degradations(_profile(reproduction))
    }
    try:
        backbone = load_backbone(
            _backbone_name(reproduction),
            dataset=reproduction.dataset,
            weights=reproduction.weights,
            device=choose_device(settings.device),
            precision=settings.precision,
            download=settings.download,
            train_seed=seed,
        )
    except MissingWeights:
        return _without_backbone(reproduction, settings, seed)
    for spec in (*reproduction.needed, *reproduction.optional):
        method = spec.partition("@")[0]
        if spec in reproduction.optional and method not in METHODS:
            continue
        try:
            selected = select(
                spec,
                dataset=reproduction.dataset,
                backbone=backbone,
                corruptions=sorted(corruptions),
                train_seed=seed,
            )
        except MissingWeights:
            known.lacking[spec] = _training_line(reproduction, settings, spec, seed, backbone)
        else:
            if selected.train_seed == seed:  # untrained methods are the same in every training
                known.ready.append(spec)
    return known


def _without_backbone(
    reproduction: Reproduction, settings: MeasurementSettings, seed: int
) -> _Networks:
    """The missing networks of a training that does not even have the clean-trained classifier."""
    known = _Networks(seed)
    for spec in (REFERENCE, *reproduction.needed):
        method = spec.partition("@")[0]
        there = storage.find(
            METHODS[method].trained_as or method,
            dataset=reproduction.dataset,
            backbone_name=_backbone_name(reproduction),
            train_seed=seed,
        )
        if not there:
            known.lacking[spec] = _training_line(reproduction, settings, spec, seed, None)
    if REFERENCE not in reproduction.needed:  # every other row is built on it
        known.lacking[reproduction.needed[0]] = known.lacking[REFERENCE]
    return known


def _profile(reproduction: Reproduction) -> str:
    """A severity table for selectors without levels; the names do not depend on it."""
    from robobench.corruptions.catalogue import PROFILES

    return PROFILES[0]


def _backbone_name(reproduction: Reproduction) -> str:
    from robobench.weights.classifiers import default_backbone

    return reproduction.backbone or default_backbone(reproduction.dataset)


def _training_line(
    reproduction: Reproduction,
    settings: MeasurementSettings,
    spec: str,
    seed: int,
    backbone: Backbone | None,
) -> str:
    """A line with what is missing and the command that trains it."""
    dataset = storage.base_dataset(reproduction.dataset)
    method, at, on = spec.partition("@")
    owner = METHODS[method].trained_as or method
    command = ["robobench train", f"--dataset {shlex.quote(dataset)}", f"--method {owner}{at}{on}"]
    if reproduction.recipe:
        command.insert(1, f"--recipe {reproduction.recipe}")
    if reproduction.backbone:
        command.append(f"--backbone {shlex.quote(reproduction.backbone)}")
    if reproduction.weights:
        command.append(f"--weights {shlex.quote(reproduction.weights)}")
    if not DATASETS.declared(dataset.partition(":")[0], "training_images"):
        command.append("--images DIR")
    if seed:
        command.append(f"--seed {seed}")
    if settings.data_root:
        command.append(f"--data-root {shlex.quote(settings.data_root)}")
    if settings.download:
        command.append("--download")
    recipes = METHODS[owner].recipes(backbone)
    recipe = recipes.get(reproduction.recipe or next(iter(recipes), ""))
    duration = f" (about {max(1, round(recipe.minutes))} minutes on two cores)" if recipe else ""
    training = f", training {seed}" if seed else ""
    return f"  {spec}{training}: `{' '.join(command)}` trains it{duration}"


def _left_out(reproduction: Reproduction, complete: Sequence[_Networks]) -> list[str]:
    """Notes on further rows that lack weights in some or all trainings."""
    notes = []
    for spec in reproduction.optional:
        lacking = [n for n in complete if spec in n.lacking]
        if not lacking:
            continue
        command = lacking[0].lacking[spec].strip()
        if len(lacking) == len(complete):
            notes.append(f"Left out, as weights are missing: {command}.")
        else:
            seeds = _joined([str(n.seed) for n in lacking])
            notes.append(
                f"{spec} has no weights in training {seeds}: its row is a mean over the others."
            )
    return notes


def _plans(
    reproduction: Reproduction, settings: MeasurementSettings, complete: Sequence[_Networks]
) -> list[Plan]:
    from robobench.evaluation.plan import prepare

    groups: dict[tuple[str, ...], list[int]] = {}
    for networks in complete:
        groups.setdefault(tuple(networks.ready), []).append(networks.seed)
    selectors = [c.corruptions for c in reproduction.columns if c.corruptions != CLEAN]
    configuration = Configuration(
        corruptions=tuple(selectors),
        dataset=reproduction.dataset,
        backbone=reproduction.backbone,
        weights=reproduction.weights,
        classes=reproduction.classes,
        limit=settings.limit,
        data_root=settings.data_root,
        download=settings.download,
        device=settings.device,
        precision=settings.precision,
        batch_size=settings.batch_size,
        draws=settings.draws,
        out=str(Path(settings.runs) / reproduction.run_folder),
    )
    return [
        prepare(
            replace(
                configuration,
                methods=methods,
                train_seeds=",".join(map(str, seeds)),
                no_reference=not any(m.partition("@")[0] == REFERENCE for m in methods),
            )
        )
        for methods, seeds in groups.items()
    ]


def _other_recipes(reproduction: Reproduction, plans: Sequence[Plan]) -> list[str]:
    """A note on networks that were not trained with the recipe that follows the paper."""
    if reproduction.recipe is None:
        return []
    others: dict[str, str] = {}
    for plan in plans:
        for method in plan.grid.methods:
            for path in method.cards.values():
                command = storage.read_card(path).command
                if f"--recipe {reproduction.recipe}" not in command:
                    others.setdefault(method.name, command)
    if not others:
        return []
    return [
        f"Not trained with the recipe `{reproduction.recipe}`: "
        + "; ".join(f"{method} (`{command}`)" for method, command in others.items())
        + "."
    ]


def _joined(names: Sequence[str]) -> str:
    return ", ".join(names)
