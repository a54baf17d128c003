"""``robobench corrupt``: a -C copy of a folder of images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from robobench.errors import RobobenchError, unknown_name
from robobench.training.progress import progress

if TYPE_CHECKING:
    from robobench.copies.copying import Target

_PATH = click.Path(path_type=Path)


@click.command()
@click.argument("source", metavar="IN", type=_PATH)
@click.argument("out", type=_PATH)
@click.option(
    "--corruptions",
    default="common",
    show_default=True,
    help="Names, groups, sweeps (jpeg:10-90/10), mixtures (gaussian_noise+jpeg).",
)
@click.option("--severities", default="1-5", show_default=True, help="E.g. 1-5 or 1,3,5.")
@click.option("--profile", help="Severity table. [default: the nearest in image size]")
@click.option(
    "--layout",
    default="imagenet-c",
    show_default=True,
    help="imagenet-c: CORRUPTION/SEVERITY/path; cifar-c: CORRUPTION.npy and labels.npy.",
)
@click.option(
    "--save-jpeg85", is_flag=True, help="Save as JPEG 85, as ImageNet-C does, instead of PNG."
)
@click.option(
    "--labels",
    type=_PATH,
    help="With cifar-c: a .npy of class indices. [default: from the folders]",
)
@click.option(
    "--resize", type=click.IntRange(1), help="Shorter side to resize to, before cropping."
)
@click.option(
    "--crop", type=click.IntRange(1), help="Side of the central square, cut out after resizing."
)
@click.option("--interpolation", default="bilinear", show_default=True, help="Filter of --resize.")
@click.option("--engine", default="native", show_default=True, help="native or imagecorruptions.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the corruptions.")
@click.option("--workers", type=click.IntRange(1, 256), help="Processes. [default: one per core]")
@click.option("--skip-broken", is_flag=True, help="Leave out images that cannot be read.")
@click.option("--plugin", multiple=True, type=_PATH, help="Python file that registers additions.")
def corrupt(
    source: Path,
    out: Path,
    corruptions: str,
    severities: str,
    profile: str | None,
    layout: str,
    engine: str,
    resize: int | None,
    crop: int | None,
    interpolation: str,
    workers: int | None,
    skip_broken: bool,
    plugin: tuple[Path, ...],
    **options: Any,
) -> None:
    """Make a -C copy of a folder of images (or of a .npy array of them).

    Writes every image at every corruption and severity. Run again, it makes only what is missing.
    """
    from robobench.copies.copying import LAYOUTS, Copy, copy_degraded
    from robobench.corruptions.catalogue import base_profile, nearest_profile
    from robobench.datasets.files import natural_profile
    from robobench.datasets.finding import find_files
    from robobench.datasets.finding import skip_broken as without_broken
    from robobench.environment import usable_processors
    from robobench.registry import load_plugin_file
    from robobench.types import Geometry

    for file in plugin:
        load_plugin_file(file)
    if layout not in LAYOUTS:
        raise unknown_name("layout", layout, LAYOUTS)
    if engine not in ("native", "imagecorruptions"):
        raise unknown_name("engine", engine, ("native", "imagecorruptions"))
    options["jpeg85"] = options.pop("save_jpeg85")
    geometry = Geometry(resize, crop, interpolation)
    names: list[str] = []
    left_out: list[str] = []
    notes: list[str] = []
    if source.is_dir():
        found = find_files(source)
        names = found.images
        if skip_broken:
            names, left_out, notes = without_broken(source, found, workers)
    for note in notes:
        click.echo(f"note: {note}")
    copy = Copy(
        *(source, out, geometry),
        layout=layout,
        plugins=plugin,
        left_out=tuple(left_out),
        **options,
    )
    if engine == "imagecorruptions":
        profile = engine
    elif profile is None:
        side = crop or resize
        if side is None and source.suffix == ".npy" and source.is_file():
            import numpy as np

            side = min(np.load(source, mmap_mode="r").shape[1:3], default=1)
        if side is not None:
            profile = nearest_profile(side)
        else:
            profile = natural_profile([source / n for n in names]) if names else "imagenet-c"
        click.echo(f"profile: {profile}, the nearest in image size")
    base_profile(profile)
    targets = _targets(corruptions, severities, profile)
    with progress("degraded images") as update:
        made, there = copy_degraded(
            copy,
            targets,
            workers=workers or usable_processors(),
            begin=lambda images: update(total=images),
            advance=lambda images: update(advance=images),
        )
    click.echo(f"{out}: {made} degraded images made, {there} already present")


def _targets(corruptions: str, severities: str, profile: str) -> list[Target]:
    """The degraded versions that the selectors expand to, with the names of their folders."""
    from robobench.copies.copying import Target
    from robobench.evaluation.grid import parse_corruptions, parse_whole_numbers, split_list

    numbers = parse_whole_numbers(severities, "--severities", 1, 5)
    if profile.endswith("+jpeg85"):
        raise RobobenchError("--profile: use --save-jpeg85 to save files as JPEG 85")
    targets: dict[Target, None] = {}
    for selector in split_list(corruptions):
        found = parse_corruptions(selector, numbers, profile)
        for place, degradation in enumerate(found):
            swept = ":" in selector
            folder = f"level-{degradation.level:g}" if swept else str(numbers[place % len(numbers)])
            targets[Target(degradation, folder)] = None
    if not targets:
        parse_corruptions(corruptions, numbers, profile)  # says what is expected
    return list(targets)
