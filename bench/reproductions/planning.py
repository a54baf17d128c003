"""Which networks a reproduction has, what it lacks, and the runs that fill its cells."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from robobench.environment import choose_device
from robobench.errors import MissingWeights, RobobenchError
from robobench.evaluation.configuration import Configuration
from robobench.evaluation.grid import parse_whole_numbers
from robobench.evaluation.plan import REFERENCE
from robobench.registry import METHODS
from robobench.reproductions.published import Reproduction, named
from robobench.types import CLEAN
from robobench.weights import storage

if TYPE_CHECKING:
    from robobench.backbones.backbone import Backbone
    from robobench.evaluation.plan import Plan


@dataclass(frozen=True)
class Settings:
    """How to measure; the options of ``robobench reproduce``.

    Attributes:
        limit: Take this many images, class-balanced; None for all.
        data_root: Where data lies.
        download: Whether downloads are allowed.
        device: ``auto`` or a torch device.
        precision: ``fp32``, ``bf16``, or ``auto``: that of the runs that are there already, else
            what is faster here.
        batch_size: Images degraded together.
        train_seeds: Trainings, as ``0-2``; None for all whose weights are complete, and with
            `all_rows` what others can control.
        runs: Folder that takes the folders of runs.
        published_only: Leave out rows that the paper does not have.
        all_rows: Evaluate the further rows that are left out by default, too.
    """

    limit: int | None = None
    data_root: str | None = None
    download: bool = False
    device: str = "auto"
    precision: str = "auto"
    batch_size: int | None = None
    train_seeds: str | None = None
    runs: str = "runs"
    published_only: bool = False
    all_rows: bool = False


@dataclass
class Prepared:
    """A reproduction, ready to be measured.

    Attributes:
        name: As it is registered.
        reproduction: What it is.
        plans: Runs into one folder; trainings with the same methods share one.
        train_seeds: The trainings that the table's rows are over. What a plan has beyond them is a
            control: the network that the claim is measured against, trained once more.
        notes: What was left out and why, a sentence each.
    """

    name: str
    reproduction: Reproduction
    plans: list[Plan]
    train_seeds: tuple[int, ...]
    notes: list[str]

    @property
    def folder(self) -> Path:
        """The folder of the runs."""
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
    """What there is of one training."""

    seed: int
    lacking: dict[str, str] = field(default_factory=dict)  # method -> the line that makes it
    ready: list[str] = field(default_factory=list)


def prepare(name: str, settings: Settings) -> Prepared:
    """Find the networks and make the plans; nothing is computed or written.

    Args:
        name: A registered reproduction.
        settings: How to measure.

    Raises:
        RobobenchError: Weights of the paper's rows are missing (a line each, with the command that
            makes them), or anything that `robobench.evaluation.plan.make_plan` refuses.
    """
    if settings.published_only and settings.all_rows:
        raise RobobenchError("--published-only and --all-rows: give one of both")
    reproduction = named(name)
    if settings.published_only:
        reproduction = reproduction.without_further()
    if settings.all_rows:
        reproduction = reproduction.with_all_rows()
    settings = replace(settings, precision=_precision(reproduction, settings))
    found = [_networks(reproduction, settings, seed) for seed in _seeds(reproduction, settings)]
    whole = [n for n in found if not set(n.lacking) & set(reproduction.needed)]
    asked = settings.train_seeds is not None
    if not whole or (asked and len(whole) < len(found)):
        chosen = found if asked else found[:1]
        lines = [n.lacking[m] for n in chosen for m in reproduction.needed if m in n.lacking]
        raise RobobenchError(f"{name} lacks trained networks:\n" + "\n".join(lines))
    over = reproduction.gain.over if reproduction.gain else None
    parts = [n for n in found if n not in whole]
    controls = [replace(n, ready=[over]) for n in parts if over in n.ready] if over else []
    notes = [_of_a_part(reproduction, n, over, settings.all_rows) for n in parts]
    if settings.precision != "fp32":
        notes.append(f"Networks ran in {settings.precision} (`--precision fp32` for the other).")
    notes += _left_out(reproduction, whole)
    if waiting := [row.label for row in reproduction.on_demand]:
        notes.append(f"`--all-rows` evaluates {_listed(waiting)} as well.")
    plans = _plans(reproduction, settings, whole + (controls if settings.all_rows else []))
    notes += _other_recipes(reproduction, plans)
    return Prepared(name, reproduction, plans, tuple(n.seed for n in whole), notes)


def _of_a_part(
    reproduction: Reproduction, part: _Networks, over: str | None, all_rows: bool
) -> str:
    """What a training is good for that lacks networks: a control if it has what is compared with."""
    if over in part.ready and all_rows:
        return f"Training {part.seed} has {over} only: a control, in no row of the table."
    lacking = _listed([m for m in reproduction.needed if m in part.lacking])
    text = f"Training {part.seed} is left out: {lacking} lacks weights."
    return f"{text} `--all-rows` takes its {over} as a control." if over in part.ready else text


def _precision(reproduction: Reproduction, settings: Settings) -> str:
    """The precision to run in; which one ``auto`` is depends on the folder and the machine."""
    if settings.precision != "auto":
        return settings.precision
    from robobench.results.manifest import read_manifest

    before = read_manifest(Path(settings.runs) / reproduction.run)
    if before is not None:
        return str(before["machine"]["precision"])
    name, device = _backbone_name(reproduction), choose_device(settings.device)
    return _faster_precision(name, storage.base_dataset(reproduction.dataset), device)


@cache  # reproductions that share a folder must not measure differently
def _faster_precision(name: str, dataset: str, device: str) -> str:
    from robobench.backbones.speed import faster_precision_of
    from robobench.weights.classifiers import load_backbone

    try:
        return faster_precision_of(load_backbone(name, dataset=dataset, device=device))
    except MissingWeights:
        return "fp32"


def _seeds(reproduction: Reproduction, settings: Settings) -> list[int]:
    """The trainings to look at: those asked for, else all that left a card."""
    if settings.train_seeds is not None:
        return parse_whole_numbers(settings.train_seeds, "--train-seeds", 0, 999)
    bare = {m.partition("@")[0] for m in reproduction.needed}
    dataset = storage.base_dataset(reproduction.dataset)
    seeds = {c.train_seed for _, c in storage.cards() if c.method in bare and c.dataset == dataset}
    return sorted(seeds) or [0]


def _networks(reproduction: Reproduction, settings: Settings, seed: int) -> _Networks:
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
            known.lacking[spec] = _line(reproduction, settings, spec, seed, backbone)
        else:
            if selected.train_seed == seed:  # what is not trained is the same in every training
                known.ready.append(spec)
    return known


def _without_backbone(reproduction: Reproduction, settings: Settings, seed: int) -> _Networks:
    """What a training lacks that has not even the clean-trained classifier."""
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
            known.lacking[spec] = _line(reproduction, settings, spec, seed, None)
    if REFERENCE not in reproduction.needed:  # every other row stands on it
        known.lacking[reproduction.needed[0]] = known.lacking[REFERENCE]
    return known


def _profile(reproduction: Reproduction) -> str:
    """The severity table of selectors without levels; which one does not change the names."""
    from robobench.corruptions.catalogue import PROFILES

    return PROFILES[0]


def _backbone_name(reproduction: Reproduction) -> str:
    from robobench.weights.classifiers import default_backbone

    return reproduction.backbone or default_backbone(reproduction.dataset)


def _line(
    reproduction: Reproduction, settings: Settings, spec: str, seed: int, backbone: Backbone | None
) -> str:
    """What is missing, and the command that makes it."""
    dataset = storage.base_dataset(reproduction.dataset)
    method, at, on = spec.partition("@")
    owner = METHODS[method].trained_as or method
    line = ["robobench train", f"--dataset {dataset}", f"--method {owner}{at}{on}"]
    if reproduction.recipe:
        line.insert(1, f"--recipe {reproduction.recipe}")
    if reproduction.backbone:
        line.append(f"--backbone {reproduction.backbone}")
    if seed:
        line.append(f"--seed {seed}")
    if settings.data_root:
        line.append(f"--data-root {shlex.quote(settings.data_root)}")
    if settings.download:
        line.append("--download")
    recipes = METHODS[owner].recipes(backbone)
    recipe = recipes.get(reproduction.recipe or next(iter(recipes), ""))
    lasts = f" (about {max(1, round(recipe.minutes))} minutes on two cores)" if recipe else ""
    training = f", training {seed}" if seed else ""
    return f"  {spec}{training}: `{' '.join(line)}` makes it{lasts}"


def _left_out(reproduction: Reproduction, whole: Sequence[_Networks]) -> list[str]:
    """Further rows that have no weights in any training, or not in all."""
    notes = []
    for spec in reproduction.optional:
        lacking = [n for n in whole if spec in n.lacking]
        if not lacking:
            continue
        command = lacking[0].lacking[spec].strip()
        if len(lacking) == len(whole):
            notes.append(f"Left out for want of weights: {command}.")
        else:
            seeds = _listed([str(n.seed) for n in lacking])
            notes.append(f"{spec} lacks training {seeds}: its row is over the others.")
    return notes


def _plans(
    reproduction: Reproduction, settings: Settings, whole: Sequence[_Networks]
) -> list[Plan]:
    from robobench.evaluation.plan import prepare as prepare_run

    groups: dict[tuple[str, ...], list[int]] = {}
    for networks in whole:
        groups.setdefault(tuple(networks.ready), []).append(networks.seed)
    selectors = [c.corruptions for c in reproduction.columns if c.corruptions != CLEAN]
    configuration = Configuration(
        corruptions=tuple(selectors),
        dataset=reproduction.dataset,
        backbone=reproduction.backbone,
        limit=settings.limit,
        data_root=settings.data_root,
        download=settings.download,
        device=settings.device,
        precision=settings.precision,
        batch_size=settings.batch_size,
        out=str(Path(settings.runs) / reproduction.run),
    )
    return [
        prepare_run(
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
    """Networks that were trained with other settings than those that follow the paper."""
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
        f"Not trained by the recipe `{reproduction.recipe}`: "
        + "; ".join(f"{method} (`{command}`)" for method, command in others.items())
        + "."
    ]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)
