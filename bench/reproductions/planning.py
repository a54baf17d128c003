"""Planning a reproduction: the networks it has and lacks, and the runs that compute its cells."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robobench.backbones.overrides import overrides
from robobench.datasets.geometry import check_changes
from robobench.environment import choose_device
from robobench.errors import MissingWeights, RobobenchError, SeveralTrainings
from robobench.evaluation.configuration import Configuration
from robobench.evaluation.grid import parse_whole_numbers
from robobench.evaluation.specs import REFERENCE
from robobench.registry import METHODS
from robobench.reproductions.published import Reproduction, find_reproduction
from robobench.reproductions.settings import MeasurementSettings
from robobench.reproductions.trainings import training_line, with_trainings
from robobench.types import CLEAN
from robobench.weights import storage
from robobench.weights.classifiers import dataset_options
from robobench.weights.selection import bare_name

if TYPE_CHECKING:
    from robobench.evaluation.plan import Plan


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
    check_changes(overrides(settings))
    reproduction = find_reproduction(name).measured_on(
        settings.dataset,
        settings.backbone,
        settings.weights,
        settings.classes,
        settings.preparation,
    )
    if settings.trained is not None:
        reproduction = with_trainings(reproduction, settings.trained)
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
    changes = tuple(overrides(settings).items())
    return _faster_precision(name, dataset, device, reproduction.weights, changes)


@cache  # reproductions that share a folder must not measure differently
def _faster_precision(
    name: str, dataset: str, device: str, weights: str | None, changes: tuple[tuple[str, Any], ...]
) -> str:
    from robobench.backbones.speed import faster_precision_of
    from robobench.weights.classifiers import load_backbone

    try:
        backbone = load_backbone(
            name, dataset=dataset, device=device, weights=weights, **dict(changes)
        )
        return faster_precision_of(backbone)
    except MissingWeights:
        return "fp32"


def _seeds(reproduction: Reproduction, settings: MeasurementSettings) -> list[int]:
    """The seeds that were asked for, or else those of all weights of the required methods."""
    if settings.train_seeds is not None:
        return parse_whole_numbers(settings.train_seeds, "--train-seeds", 0, 999)
    bare = {bare_name(m) for m in reproduction.needed}
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
            layer=settings.layer,
            **overrides(settings),
        )
    except MissingWeights:
        return _without_backbone(reproduction, settings, seed)
    for spec in (*reproduction.needed, *reproduction.optional):
        method = bare_name(spec)
        if spec in reproduction.optional and method not in METHODS:
            continue
        try:
            selected = select(
                spec,
                dataset=reproduction.dataset,
                backbone=backbone,
                corruptions=sorted(corruptions),
                train_seed=seed,
                command=dataset_options(settings, reproduction.dataset),
            )
        except SeveralTrainings as error:
            raise RobobenchError(error.advising("--trained")) from error
        except MissingWeights as error:
            if "#" in spec:  # its line has the nearest name, and trains on what the tag says
                known.lacking[spec] = f"  {error}"
                continue
            known.lacking[spec] = training_line(reproduction, settings, spec, seed, backbone)
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
        method = bare_name(spec)
        there = storage.find(
            METHODS[method].trained_as or method,
            dataset=reproduction.dataset,
            backbone_name=_backbone_name(reproduction),
            train_seed=seed,
        )
        if not there:
            known.lacking[spec] = training_line(reproduction, settings, spec, seed, None)
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
        layer=settings.layer,
        **overrides(settings),
        out=str(Path(settings.runs) / reproduction.run_folder),
    )
    return [
        prepare(
            replace(
                configuration,
                methods=methods,
                train_seeds=",".join(map(str, seeds)),
                no_reference=not any(bare_name(m) == REFERENCE for m in methods),
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
