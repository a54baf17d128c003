"""Write the table of names in docs/corruptions.md, and its pictures, from what is registered.

    python docs/make_corruptions.py

The other two tables of that page come from ``tests/benchmarks/fidelity.py`` and
``tests/benchmarks/bench_corruptions.py``, each with ``--into docs/corruptions.md``.
"""

from pathlib import Path

from robobench.copies.sheet import contact_sheet, example_image
from robobench.corruptions import catalogue
from robobench.evaluation.grid import parse_corruptions
from robobench.registry import CORRUPTIONS
from robobench.types import Degradation

PAGE = Path(__file__).with_name("corruptions.md")
PICTURES = PAGE.with_name("pictures")
# Selectors by the name of their picture; small, as they are part of the repository.
SHEETS = {
    **{
        group: group
        for group in ("noise", "blur", "weather", "digital", "extra", "c-bar", "geometry")
    },
    "codecs": "codecs:10-90/40",
}
SIDE, QUALITY = 88, 60
BEGIN, END = "<!-- begin names -->", "<!-- end names -->"


def names_table() -> str:
    """Name, what it does, unit and sweep, severity 1 and 5 of two profiles, in Markdown."""
    lines = [
        "| name | what it does | native level | imagenet-c, 1 to 5 | cifar-c, 1 to 5 | random |",
        "|---|---|---|---|---|---|",
    ]
    groups = [*sorted(catalogue.expand("c-bar")), *sorted(catalogue.expand("geometry"))]
    for name in [*catalogue.GROUPS["all"], "multi_jpeg", "webp", "avif", *groups]:
        unit = catalogue.native(name)
        level = f"{unit.unit}, {unit.low:g} to {unit.high:g}" if unit else "none"
        levels = []
        for profile in ("imagenet-c", "cifar-c"):
            told = catalogue.option(name, "severities", ())
            row = told.get(profile, ()) if isinstance(told, dict) else told
            levels.append(", ".join(f"{v:g}" for v in row) if unit and row else "as published")
            if not row:
                levels[-1] = "by level only"
        random = "yes" if catalogue.is_random(name) else "no"
        cells = f"`{name}`", CORRUPTIONS.entry(name).summary, level, *levels, random
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def page(text: str) -> str:
    """The page with an updated table of names."""
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n{names_table()}\n{END}{rest.split(END)[1]}"


def draw(selector: str, file: Path) -> None:
    """A contact sheet: each corruption at severities 1, 3 and 5, or at the levels of the selector."""
    rows: dict[str, list[Degradation]] = {}
    for degradation in parse_corruptions(selector, (1, 3, 5), catalogue.nearest_profile(SIDE)):
        rows.setdefault(degradation.corruption, []).append(degradation)
    contact_sheet(example_image(None, SIDE), list(rows.values())).save(file, quality=QUALITY)


if __name__ == "__main__":
    PICTURES.mkdir(exist_ok=True)
    for name, selector in SHEETS.items():
        draw(selector, PICTURES / f"{name}.webp")
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
