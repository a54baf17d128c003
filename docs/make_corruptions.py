"""Write the table of names in docs/corruptions.md from what is registered.

    python docs/make_corruptions.py

The other two tables of that page come from ``tests/benchmarks/fidelity.py`` and
``tests/benchmarks/bench_corruptions.py``, each with ``--into docs/corruptions.md``.
"""

from pathlib import Path

from robobench.corruptions import catalogue
from robobench.registry import CORRUPTIONS

PAGE = Path(__file__).with_name("corruptions.md")
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


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
