"""Sample images: a few of each corruption and severity, and restored ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure

from robobench import section
from robobench.reports.blocks import Block, Gallery, Picture, Text, name_in_files
from robobench.reports.by_severity import strength
from robobench.reports.style import width
from robobench.types import CLEAN, Degradation

if TYPE_CHECKING:
    from robobench.results.run import Run

_SHOWN = 3  # images of each strip
_PER_PLOT = 8  # corruptions in one plot: about a page

_Entry = Mapping[str, Any]


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
        pictures = [(name, [_picture(run, entry) for entry in line]) for name, line in lines]
        number = "" if len(names) <= _PER_PLOT else f"-{place // _PER_PLOT + 1}"
        of = f"Images restored by {label}" if label else "Sample images"
        found.append(
            Gallery(
                f"samples{f'-{name_in_files(label)}' if label else ''}{number}",
                caption,
                pictures,
                partial(_contact_sheet, pictures),
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


def _contact_sheet(pictures: Sequence[tuple[str, Sequence[Picture]]]) -> Figure:
    """All in one axes, whose unit is an inch: axes of their own for hundreds of images take long."""
    columns = max(len(row) for _, row in pictures)
    left, gap, caption = 1.25, 0.05, 0.2
    whole_width = width()
    side = (whole_width - left) / columns - gap
    height = side / pictures[0][1][0].count
    whole = len(pictures) * (height + caption + gap)
    figure = Figure(figsize=(whole_width, whole))
    axes = figure.add_axes((0, 0, 1, 1), frameon=False)
    axes.set_axis_off()
    for y, (name, row) in enumerate(pictures):
        bottom = whole - (y + 1) * (height + caption + gap) + gap
        axes.text(left - 0.08, bottom + height / 2, _broken(name), ha="right", va="center")
        for x, picture in enumerate(row):
            start = left + x * (side + gap)
            extent = (start, start + side, bottom, bottom + height)
            axes.imshow(_pixels(picture.png), interpolation="nearest", extent=extent)
            axes.text(start, bottom + height + 0.035, picture.title, fontsize=7)
    axes.set_aspect("auto")
    axes.set(xlim=(0, whole_width), ylim=(0, whole))
    return figure


def _pixels(png: bytes) -> Any:
    import io

    import numpy as np
    from PIL import Image

    with Image.open(io.BytesIO(png)) as picture:
        return np.asarray(picture.convert("RGB"))


def _strength(run: Run, entry: Mapping[str, Any]) -> str:
    """The name of a corruption's strength: its severity if it has one, else its level."""
    degradation = Degradation(str(entry["corruption"]), float(entry["level"]))
    return strength(degradation, str(run.manifest.get("profile", "")))


def _broken(name: str) -> str:
    """A corruption's name broken into lines, to fit the margin."""
    return (
        name.replace("_", " ").replace("+", " +\n").replace(" ", "\n", 1)
        if len(name) > 14
        else name
    )
