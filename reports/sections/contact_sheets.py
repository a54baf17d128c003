"""Sample images: a few of each corruption and severity, and restored ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure

from robobench import section
from robobench.reports.blocks import Block, Plot, Text, name_in_files
from robobench.reports.style import WIDTH
from robobench.types import CLEAN, Degradation

if TYPE_CHECKING:
    from robobench.results.run import Run

_SHOWN = 3  # images of each strip
_PER_PLOT = 8  # corruptions in one plot: about a page


@section("samples", order=80, title="Sample images")
def samples(run: Run) -> list[Block]:
    """A few images of every corruption and severity."""
    present = [s for s in run.manifest.get("samples", []) if (run.folder / s["file"]).is_file()]
    plain = [entry for entry in present if not entry["method"]]
    names = list(dict.fromkeys(e["corruption"] for e in plain if e["corruption"] != CLEAN))
    clean = [entry for entry in plain if entry["corruption"] == CLEAN]
    blocks: list[Block] = []
    for place in range(0, len(names), _PER_PLOT):
        part = names[place : place + _PER_PLOT]
        lines = [(name, clean + [e for e in plain if e["corruption"] == name]) for name in part]
        number = "" if len(names) <= _PER_PLOT else f"-{place // _PER_PLOT + 1}"
        blocks.append(
            Plot(
                f"samples{number}",
                "The first images of the evaluation as the methods see them, clean and at each "
                "level, shown without smoothing.",
                _contact_sheet(run, lines),
                f"Sample images under {', '.join(part)}.",
            )
        )
    restored = [entry for entry in present if entry["method"]]
    methods = list(dict.fromkeys(entry["method"] for entry in restored))
    for method in methods:
        mine = [e for e in restored if e["method"] == method]
        seen = list(dict.fromkeys(e["corruption"] for e in mine if e["corruption"] != CLEAN))
        first = [entry for entry in mine if entry["corruption"] == CLEAN]
        lines = [
            (name, first + [e for e in mine if e["corruption"] == name])
            for name in seen[:_PER_PLOT]
        ]
        if lines:
            blocks.append(
                Plot(
                    f"samples-{name_in_files(method)}",
                    f"The same images after `{method}` restored them.",
                    _contact_sheet(run, lines),
                    f"Images restored by {method} under {', '.join(seen)}.",
                )
            )
    if blocks:
        blocks.insert(0, Text("If a result looks too good or too bad, check these images first."))
    return blocks


def _contact_sheet(run: Run, lines: list[tuple[str, list[dict[str, Any]]]]) -> Figure:
    import numpy as np
    from PIL import Image

    columns = max(len(entries) for _, entries in lines)
    strips: dict[str, Any] = {}
    for _, entries in lines:
        for entry in entries:
            if entry["file"] not in strips:
                with Image.open(run.folder / entry["file"]) as image:
                    strips[entry["file"]] = np.asarray(image.convert("RGB"))
    side = next(iter(strips.values())).shape[0]
    shown = min(_SHOWN, next(iter(strips.values())).shape[1] // side)
    left, gap, caption = 1.25, 0.05, 0.2
    width = (WIDTH - left) / columns - gap
    height = width / shown
    whole = len(lines) * (height + caption + gap)
    figure = Figure(figsize=(WIDTH, whole))
    for y, (name, entries) in enumerate(lines):
        bottom = whole - (y + 1) * (height + caption + gap) + gap
        middle = (bottom + height / 2) / whole
        figure.text((left - 0.08) / WIDTH, middle, _broken(name), ha="right", va="center")
        for x, entry in enumerate(entries):
            start = left + x * (width + gap)
            axes = figure.add_axes(
                (start / WIDTH, bottom / whole, width / WIDTH, height / whole), frameon=False
            )
            axes.imshow(strips[entry["file"]][:, : shown * side], interpolation="nearest")
            axes.set_axis_off()
            title = CLEAN if entry["corruption"] == CLEAN else _strength(run, entry)
            axes.set_title(title, fontsize=7, pad=2.5, loc="left")
    return figure


def _strength(run: Run, entry: Mapping[str, Any]) -> str:
    """The name of a corruption's strength: its severity if it has one, else its level."""
    from robobench.analysis.long_table import severity_in_table

    level, profile = float(entry["level"]), str(run.manifest.get("profile", ""))
    found = severity_in_table(Degradation(str(entry["corruption"]), level), profile)
    return f"level {level:g}" if found is None else f"severity {found}"


def _broken(name: str) -> str:
    """A corruption's name broken into lines, to fit the margin."""
    return (
        name.replace("_", " ").replace("+", " +\n").replace(" ", "\n", 1)
        if len(name) > 14
        else name
    )
