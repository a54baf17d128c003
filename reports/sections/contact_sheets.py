"""Sample images: a few of each corruption and severity, and restored ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure

from robobench import section
from robobench.reports.blocks import Block, Gallery, Picture, Text, name_in_files
from robobench.reports.style import WIDTH
from robobench.types import CLEAN, Degradation

if TYPE_CHECKING:
    from robobench.results.run import Run

_SHOWN = 3  # images of each strip
_PER_PLOT = 8  # corruptions in one plot: about a page

_Entry = Mapping[str, Any]
_Line = tuple[str, list[_Entry]]


@section("samples", order=80, title="Sample images")
def samples(run: Run) -> list[Block]:
    """A few images of every corruption and severity, and as each restorer leaves them."""
    present = [s for s in run.manifest.get("samples", []) if (run.folder / s["file"]).is_file()]
    by_restorer: dict[tuple[str, str], list[_Entry]] = {}
    for entry in present:
        by_restorer.setdefault((entry["method"], entry.get("trained_on", "")), []).append(entry)
    names = [method for method, _ in by_restorer]
    blocks: list[Block] = []
    for (method, trained_on), entries in sorted(
        by_restorer.items(), key=lambda item: item[0][0] != ""
    ):
        label = f"{method}@{trained_on}" if trained_on and names.count(method) > 1 else method
        caption = (
            f"The same images after `{label}` restored them."
            if method
            else "The first images of the evaluation as the methods see them, clean and at each "
            "level, shown without smoothing."
        )
        blocks += _sheets(run, label, entries, caption)
    if blocks:
        blocks.insert(0, Text("If a result looks too good or too bad, check these images first."))
    return blocks


def _sheets(run: Run, label: str, entries: Sequence[_Entry], caption: str) -> list[Gallery]:
    """The images of all corruptions in as many parts as pages need."""
    names = list(dict.fromkeys(e["corruption"] for e in entries if e["corruption"] != CLEAN))
    clean = [entry for entry in entries if entry["corruption"] == CLEAN]
    found = []
    for place in range(0, len(names), _PER_PLOT):
        part = names[place : place + _PER_PLOT]
        lines = [(name, clean + [e for e in entries if e["corruption"] == name]) for name in part]
        number = "" if len(names) <= _PER_PLOT else f"-{place // _PER_PLOT + 1}"
        of = f"Images restored by {label}" if label else "Sample images"
        found.append(
            Gallery(
                f"samples{f'-{name_in_files(label)}' if label else ''}{number}",
                caption,
                [(name, [_picture(run, entry) for entry in line]) for name, line in lines],
                partial(_contact_sheet, run, lines),
                f"{of} under {', '.join(part)}.",
            )
        )
    return found


def _picture(run: Run, entry: _Entry) -> Picture:
    """The first images of a strip, with the strength as their title."""
    import io

    from PIL import Image

    title = CLEAN if entry["corruption"] == CLEAN else _strength(run, entry)
    with Image.open(run.folder / entry["file"]) as strip:
        side = strip.height
        count = min(_SHOWN, strip.width // side)
        file = io.BytesIO()
        strip.convert("RGB").crop((0, 0, count * side, side)).save(file, "PNG", compress_level=1)
    return Picture(title, file.getvalue(), count)


def _contact_sheet(run: Run, lines: Sequence[_Line]) -> Figure:
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
