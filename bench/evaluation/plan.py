"""From a configuration to everything a run needs, checked before any work starts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from robobench.backbones.backbone import Backbone
from robobench.contracts import Dataset
from robobench.corruptions.catalogue import PROFILES, nearest_profile, severity_of
from robobench.datasets import nested_order, open_dataset
from robobench.datasets.opening import check_dataset_name
from robobench.environment import choose_device, is_missing_gpu
from robobench.errors import MissingWeights, NotApplicable, RobobenchError, unknown_name
from robobench.evaluation.automatic_precision import settle_precision
from robobench.evaluation.compilation import NEVER, compiled_where_possible, settle_compilation
from robobench.evaluation.configuration import Configuration
from robobench.evaluation.grid import (
    Grid,
    parse_corruptions,
    parse_shard,
    parse_whole_numbers,
    saved_as_jpeg85,
    split_list,
)
from robobench.evaluation.images import ImageSource
from robobench.evaluation.level_design import design_levels
from robobench.evaluation.loading import dataset_selection, load_all
from robobench.evaluation.specs import method_specs
from robobench.evaluation.train_missing import train_missing
from robobench.registry import DATASETS, load_plugin_file, replacements
from robobench.registry.versions import version_of
from robobench.types import CLEAN, Degradation
from robobench.weights.selection import SelectedMethod, select


@dataclass
class Plan:
    """A run, ready to be executed.

    Attributes:
        configuration: The requested configuration.
        dataset: The opened data set.
        source: Its images in the order of evaluation.
        grid: All cells, and the methods with their weights.
        device: The chosen device.
        profile: Severity table in use.
        in_memory: Whether images or classifier were passed from Python, not by name.
        classifiers: The configuration of each classifier, where there are several.
        several: Whether methods that do not apply to a classifier were left out.
        notes: What a reader of the results should know, one sentence each.
    """

    configuration: Configuration
    dataset: Dataset
    source: ImageSource
    grid: Grid
    device: str
    profile: str
    in_memory: bool = False
    classifiers: tuple[Configuration, ...] = ()
    several: bool = False
    notes: list[str] = field(default_factory=list)

    @property
    def part(self) -> Grid:
        """The cells of this session: all, or those of its shard."""
        return self.grid.part(self.configuration.shard)

    @property
    def shard(self) -> tuple[int, int] | None:
        """Which part of the run this session computes, and of how many."""
        shard = self.configuration.shard
        return None if shard is None else parse_shard(shard)


def make_plan(
    configuration: Configuration,
    dataset: Dataset | None = None,
    module: Any = None,
    *,
    several: bool = False,
    source: ImageSource | None = None,
) -> Plan:
    """Open, load, resolve and check everything.

    Args:
        configuration: The requested configuration.
        dataset: Images in memory instead of the configuration's data set.
        module: An ``nn.Module`` in memory instead of the configuration's backbone.
        several: Whether it is one of several classifiers: then methods that do not apply to it are
            left out, with a note.
        source: Images that were opened elsewhere, of the configuration's data set.

    Raises:
        RobobenchError: Anything that would fail later: a wrong name or file, missing weights.
    """
    specs = method_specs(configuration)
    if dataset is None and source is None:  # before looking for a backbone
        check_dataset_name(configuration.dataset)
    train_seeds = parse_whole_numbers(configuration.train_seeds, "--train-seeds", 0, 999)
    device, here = _devices(configuration)
    backbones = load_all(configuration, module, dataset, here, train_seeds)
    for backbone in backbones:
        backbone.label = configuration.label or backbone.label
    configuration, chosen = settle_precision(configuration, backbones)
    if configuration.layer is not None:
        _ = backbones[0].split  # a layer that is not there is a mistake, whatever the methods
    opened = dataset if source is None else source.dataset
    data = _open(configuration, backbones[0]) if opened is None else opened
    _check_classes(data, backbones[0])
    profile = _profile(configuration, data, backbones[0])
    degradations = _degradations(configuration, data, profile)
    if source is None:
        source = ImageSource(
            data,
            backbones[0].geometry,
            nested_order(data.labels),
            limit=configuration.limit,
            corrupt_at=configuration.corrupt_at,
            device=here,
        )
    per_image = configuration.levels_per_image
    designs = {} if per_image is None else design_levels(degradations, per_image, len(source))
    for backbone in backbones:
        backbone.side = source.side
    passes = len(source) * (1 + len(degradations))
    configuration, told = settle_compilation(configuration, backbones, passes)
    corruptions = list(dict.fromkeys(d.corruption for d in degradations))
    methods: list[SelectedMethod] = []
    left_out: list[str] = []
    for seed, backbone in zip(train_seeds, backbones, strict=True):
        for spec in specs:
            try:
                selected = select(
                    spec,
                    dataset=data.name,
                    backbone=backbone,
                    corruptions=corruptions,
                    train_seed=seed,
                    command=dataset_selection(configuration),
                )
            except NotApplicable as error:
                if not several:
                    raise
                left_out.append(f"Left out on {backbone.label}: {error}.")
                continue
            if designs and selected.method.adapts:
                raise RobobenchError(
                    f"--levels-per-image: {selected.name} adapts to the images that it sees, and would "
                    "adapt to fewer: evaluate it in a run of its own, with all levels"
                )
            for corruption in corruptions:
                selected.refuses(corruption)  # a plug-in's mistake is found now, not in the run
            if not _is_known(selected, methods, corruptions):
                _ = selected.cost  # so is a damaged file
                methods.append(selected)
    if configuration.compile != NEVER:
        methods, left = compiled_where_possible(methods, source.side)
        told += left
    grid = Grid(
        dataset=data.name,
        split=configuration.split,
        geometry=backbones[0].geometry.key,
        corrupt_at=configuration.corrupt_at,
        degradations=tuple(degradations),
        methods=tuple(methods),
        dataset_version=_dataset_version(data.name),
        seeds=tuple(parse_whole_numbers(configuration.seed, "--seed", 0, 2**31 - 1)),
        keep_logits=configuration.keep == "logits",
        designs=designs,
    )
    plan = Plan(configuration, data, source, grid, device, profile, several=several)
    plan.in_memory = dataset is not None or module is not None
    plan.notes += [*chosen, *told, *dict.fromkeys(left_out), *_notes(plan)]
    return plan


def _devices(configuration: Configuration) -> tuple[str, str]:
    """The device of a run, and of this process: the GPUs of a cluster may be on other machines."""
    asked = configuration.device
    if configuration.executor == "ray" and is_missing_gpu(asked):
        return asked, "cpu"
    return (choose_device(asked),) * 2


def _open(configuration: Configuration, backbone: Backbone) -> Dataset:
    return open_dataset(
        configuration.dataset,
        split=configuration.split,
        root=configuration.root,
        download=configuration.download,
        classes=configuration.classes,
        class_names=backbone.class_names,
        workers=configuration.workers,
        skip_broken=configuration.skip_broken,
    )


def _check_classes(dataset: Dataset, backbone: Backbone) -> None:
    if len(dataset) == 0:
        raise RobobenchError(f"{dataset.name} has no images in its split {dataset.split!r}")
    readout = getattr(dataset, "readout", None)
    if readout is not None and backbone.num_classes != readout.outputs:
        raise RobobenchError(
            f"{dataset.name} is for classifiers with ImageNet's {readout.outputs} classes, "
            f"{backbone.name} has {backbone.num_classes}"
        )
    top = int(np.max(dataset.labels))
    if top >= backbone.num_classes or int(np.min(dataset.labels)) < 0:
        raise RobobenchError(
            f"{backbone.name} knows {backbone.num_classes} classes, {dataset.name} has labels up to "
            f"{top}: choose a classifier for these classes, or map the folders with --classes FILE"
        )
    theirs, ours = (tuple(n.lower() for n in x.class_names) for x in (backbone, dataset))
    if theirs != ours and sorted(theirs) == sorted(ours):
        place = next(i for i, (a, b) in enumerate(zip(theirs, ours, strict=True)) if a != b)
        raise RobobenchError(
            f"{backbone.name} has the classes of {dataset.name} in another order: output {place} is "
            f"{theirs[place]!r}, label {place} is {ours[place]!r}; reorder the outputs"
        )


def _profile(configuration: Configuration, dataset: Dataset, backbone: Backbone) -> str:
    if configuration.engine == "imagecorruptions":
        if configuration.profile not in (None, "imagecorruptions"):
            raise RobobenchError(
                f"--engine imagecorruptions has its own severities and takes no --profile "
                f"{configuration.profile}: leave out one of the two"
            )
        return "imagecorruptions"
    profile = configuration.profile or dataset.profile
    seen = backbone.geometry.crop
    if not configuration.profile and configuration.dataset.startswith("folder:") and seen:
        # the files' native size matters only where they are degraded at native size
        profile = dataset.profile if configuration.corrupt_at == "native" else nearest_profile(seen)
    if profile not in PROFILES:
        raise unknown_name("profile", profile, PROFILES)
    return profile


def _degradations(
    configuration: Configuration, dataset: Dataset, profile: str
) -> list[Degradation]:
    severities = parse_whole_numbers(configuration.severities, "--severities", 1, 5)
    degradations = parse_corruptions(configuration.corruptions, severities, profile)
    if getattr(dataset, "at", None) is not None:
        available = set(dataset.available())  # type: ignore[attr-defined]
        asked = {(d.corruption, severity_of(d, profile)) for d in degradations}
        if missing := sorted(asked - available, key=str):
            raise RobobenchError(
                f"{dataset.name} has no files for {missing[0][0]} at severity {missing[0][1]}"
                f"{f' and {len(missing) - 1} more' if len(missing) > 1 else ''}; available: "
                f"{', '.join(sorted({c for c, _ in available})) or 'none'}"
            )
    return saved_as_jpeg85(degradations) if configuration.save_jpeg85 else degradations


def _dataset_version(name: str) -> str:
    """The version of a registered data set; of images in memory there is none."""
    kind = name.partition(":")[0]
    return version_of(DATASETS.entry(kind)) if kind in DATASETS else ""


def _is_known(
    selected: SelectedMethod, others: Sequence[SelectedMethod], corruptions: Sequence[str]
) -> bool:
    """Whether a method is already in the grid: requested twice, or the same for every training.

    Raises:
        RobobenchError: Two files have the same name, so their rows could not be distinguished.
    """

    def digests(method: SelectedMethod) -> list[str]:
        return [method.digest(corruption) for corruption in ("", CLEAN, *corruptions)]

    for other in others:
        if (other.name, other.trained_on) != (selected.name, selected.trained_on):
            continue
        if other.train_seed != selected.train_seed:
            continue
        if digests(other) == digests(selected):
            return True
        raise RobobenchError(
            f"--methods: two different files would both be called {selected.name}: rename one"
        )
    return False


def _notes(plan: Plan) -> list[str]:
    notes = [*getattr(plan.dataset, "notes", ()), *replacements()]
    configuration, dataset = plan.configuration, plan.dataset
    selectors = split_list(configuration.corruptions)
    asked = any(":" not in selector and selector != CLEAN for selector in selectors)
    if asked and configuration.profile is None and configuration.dataset.startswith("folder:"):
        notes.append(
            f"Severities are those of the profile {plan.profile}, the closest to the size of the "
            "images; --profile selects another."
        )
    if getattr(dataset, "at", None) is not None and dataset.clean() is None:  # type: ignore[attr-defined]
        notes.append(
            f"The clean images of {dataset.name} are not in the data folder, so there are no clean "
            "accuracies and no drops."
        )
    if configuration.limit is not None and configuration.limit < len(dataset):
        notes.append(f"A class-balanced subset of {len(plan.source)} of {len(dataset)} images.")
    designs = plan.grid.designs.values()
    notes += [note for design in designs if (note := design.note(len(plan.source)))]
    for selected in plan.grid.methods:
        notes += [note for note in selected.notes if note not in notes]
        if (method := selected.method).adapts:
            order = "shuffled (iid)" if method.stream == "iid" else "sorted by class"
            notes.append(
                f"{selected.name} adapts to images under a single corruption, "
                f"{method.batch_size(plan.source.side)} at a time, which came {order}; it begins anew "
                "with each condition."
            )
    return notes


def prepare(
    configuration: Configuration,
    dataset: Any = None,
    module: Any = None,
    tell: Callable[[str], None] = lambda line: None,
    several: bool = False,
    source: ImageSource | None = None,
) -> Plan:
    """Load plug-ins and make the plan, training what is missing if the configuration says so.

    Args:
        configuration: The requested configuration.
        dataset: Images in memory, or None.
        module: A classifier in memory, or None.
        tell: Called with a line for each training.
        several: See `make_plan`.
        source: See `make_plan`.

    Raises:
        RobobenchError: See `make_plan`; or Ray is asked for and is not installed, or cannot be used.
    """
    if configuration.images is not None and not configuration.train_missing:
        raise RobobenchError("--images are trained on: add --train-missing, or leave them out")
    if configuration.executor == "ray":
        from robobench.evaluation.ray_address import check_ray

        check_ray(configuration, in_memory=dataset is not None or module is not None)
    for file in configuration.plugin:
        load_plugin_file(file)
    while True:
        try:
            return make_plan(configuration, dataset, module, several=several, source=source)
        except MissingWeights as missing:
            if not configuration.train_missing or dataset is not None or module is not None:
                raise
            train_missing(configuration, missing, tell)
