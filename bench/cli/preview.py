"""``robobench preview``: a contact sheet of corruptions."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import click

_PATH = click.Path(path_type=Path)
_FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".pdf": "PDF"}


@click.command()
@click.option(
    "--corruptions",
    default="all",
    show_default=True,
    help="Names, groups, sweeps (jpeg:10-90/20), mixtures (gaussian_noise+jpeg).",
)
@click.option("--severities", default="1-5", show_default=True, help="E.g. 1-5 or 1,3,5.")
@click.option(
    "--image", type=_PATH, help="Image to corrupt. [default: a photograph from scikit-image]"
)
@click.option("--size", type=click.IntRange(8, 2048), default=224, show_default=True)
@click.option("--profile", help="Severity table. [default: the nearest to --size]")
@click.option("--engine", default="native", show_default=True, help="native or imagecorruptions.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the corruptions.")
@click.option("--plugin", multiple=True, type=_PATH, help="Python file that registers additions.")
@click.option("--out", type=_PATH, default=Path("preview.png"), show_default=True)
def preview(
    corruptions: str,
    severities: str,
    image: Path | None,
    size: int,
    profile: str | None,
    engine: str,
    seed: int,
    plugin: tuple[Path, ...],
    out: Path,
) -> None:
    """Draw a contact sheet: corruptions by severities, labelled."""
    from robobench.copies.sheet import contact_sheet, example_image
    from robobench.corruptions.catalogue import nearest_profile
    from robobench.errors import RobobenchError, unknown_name
    from robobench.evaluation.grid import parse_corruptions, parse_whole_numbers, split_list
    from robobench.files import write_aside
    from robobench.registry import load_plugin_file
    from robobench.types import Degradation

    for file in plugin:
        load_plugin_file(file)
    if engine not in ("native", "imagecorruptions"):
        raise unknown_name("engine", engine, ("native", "imagecorruptions"))
    if out.suffix.lower() not in _FORMATS:
        raise RobobenchError(f"--out {out}: expected a name ending in .png, .jpg, .webp or .pdf")
    table = "imagecorruptions" if engine == "imagecorruptions" else profile or nearest_profile(size)
    numbers = parse_whole_numbers(severities, "--severities", 1, 5)
    rows: dict[tuple[str, str], list[Degradation]] = {}
    for selector in split_list(corruptions):
        for degradation in parse_corruptions(selector, numbers, table):
            rows.setdefault((selector, degradation.corruption), []).append(degradation)
    if not rows:
        parse_corruptions(corruptions, numbers, table)  # says what is expected
    sheet = contact_sheet(example_image(image, size), list(rows.values()), seed)
    content = BytesIO()
    sheet.save(content, _FORMATS[out.suffix.lower()])
    write_aside(out, content.getvalue())
    count = "1 row" if len(rows) == 1 else f"{len(rows)} rows"
    click.echo(f"{out}: {count}, {sheet.width} x {sheet.height} pixels, profile {table}")
