"""Figures as parts of an HTML page: colours that follow light and dark, numbers on hover.

Matplotlib writes the SVG, and is not needed to import this. Artists with the name of a `SERIES` can
be isolated, and each `Spot` of a figure becomes a circle with its numbers as a title, which browsers
show without any script.
"""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING
from xml.etree import ElementTree

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SVG, _XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
_POINTS = 72  # Matplotlib's unit in an SVG: points per inch
SERIES = "series:"  # before the name of a method, as the identifier of an artist
_COLOR = re.compile(r"#[0-9a-f]{6}")
_DECIMALS = re.compile(r"(\d+\.\d)\d{3,}")  # a tenth of a point is below what a screen shows
_FONT = "'DejaVu Sans'"
_FONTS = f"{_FONT}, Verdana, sans-serif"  # where the first is not installed, as wide
_INLINE_PNG = "data:image/png;base64,"


@dataclass(frozen=True)
class Spot:
    """A number of a chart, for readers who point at it.

    Attributes:
        axes: Where it is drawn.
        x: Its place, in the units of `axes`.
        y: Likewise.
        series: Label of the method.
        text: What it is, with its numbers.
    """

    axes: Axes
    x: float
    y: float
    series: str
    text: str


def with_own_ids(svg: bytes, name: str) -> bytes:
    """An SVG whose identifiers start with a name, so that several can share a page."""
    root = _parsed(svg)
    known = set()
    for element in root.iter():
        for key, value in list(element.attrib.items()):
            if key == "id" and value.startswith(SERIES):
                del element.attrib[key]
                element.set("data-series", value.removeprefix(SERIES))
            elif key == "id" and value in known:  # which Matplotlib before 3.11 repeats
                del element.attrib[key]
            elif key == "id":
                known.add(value)
                element.set(key, f"{name}-{value}")
            elif key == f"{{{_XLINK}}}href" and value.startswith("#"):
                element.set(key, f"#{name}-{value[1:]}")
            else:  # clip paths and fills, alone or inside a style
                element.set(key, value.replace("url(#", f"url(#{name}-"))
    made: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return made.replace(_FONT.encode(), _FONTS.encode())


def _parsed(svg: bytes) -> ElementTree.Element:
    """The root of an SVG, with the usual namespace prefixes."""
    ElementTree.register_namespace("", _SVG)
    ElementTree.register_namespace("xlink", _XLINK)
    return ElementTree.fromstring(svg)


def inline(svg: bytes, alt: str, width: float, figure: Figure, variables: Mapping[str, str]) -> str:
    """An SVG file as an element of an HTML page: without prologue, with a description.

    Args:
        svg: The file.
        alt: What it shows.
        width: Width as a share of the column.
        figure: What it was made from; a `robobench.reports.chart.Chart` knows its spots.
        variables: CSS variables that take the place of colours.
    """
    root = _parsed(svg)
    for size in ("width", "height"):
        root.attrib.pop(size)
    root.attrib |= {"style": f"--width: {width:g}", "role": "img", "aria-label": alt}
    used = set()
    for element in root.iter():
        style = element.get("style", "")
        if style:
            element.set("style", _styled(style, variables))
        for key in ("d", "x", "y"):
            if key in element.attrib:
                element.set(key, _DECIMALS.sub(r"\1", element.attrib[key]))
        picture = element.get(f"{{{_XLINK}}}href", "")
        if picture.startswith(_INLINE_PNG):
            element.set(f"{{{_XLINK}}}href", as_webp(base64.b64decode(picture[len(_INLINE_PNG) :])))
        used |= set(re.findall(r"#([^)\"]+)", " ".join(element.attrib.values())))
    for element in root.iter():  # most are no link's aim
        if element.tag.endswith("}g") and element.get("id") not in used:
            element.attrib.pop("id", None)
    spots: Sequence[Spot] = getattr(figure, "spots", ())
    if spots:
        root.append(_circles(spots, figure))
    text: str = ElementTree.tostring(root, encoding="unicode")
    return re.sub(r">\s+<", "><", text)


def _styled(style: str, variables: Mapping[str, str]) -> str:
    def variable(match: re.Match[str]) -> str:
        return f"var(--{variables[match[0]]})" if match[0] in variables else match[0]

    return _COLOR.sub(variable, style.replace(_FONTS, "var(--font)"))


def _circles(spots: Sequence[Spot], figure: Figure) -> ElementTree.Element:
    """The numbers of a figure as circles that a page leaves transparent, with titles."""
    group = ElementTree.Element(f"{{{_SVG}}}g", {"class": "spots"})
    height = figure.get_figheight() * _POINTS
    for spot in spots:
        x, y = (
            float(v) * _POINTS / figure.dpi for v in spot.axes.transData.transform((spot.x, spot.y))
        )
        attributes = {"cx": f"{x:.1f}", "cy": f"{height - y:.1f}", "data-series": spot.series}
        circle = ElementTree.SubElement(group, f"{{{_SVG}}}circle", attributes)
        ElementTree.SubElement(circle, f"{{{_SVG}}}title").text = spot.text
    return group


@lru_cache(maxsize=64)  # the clean images are the first of every row
def as_webp(png: bytes) -> str:
    """A picture as an address that holds it: WebP, or as it is where that is smaller."""
    from PIL import Image

    file = io.BytesIO()
    with Image.open(io.BytesIO(png)) as picture:
        picture.convert("RGB").save(file, "WEBP", quality=85)
    kind, data = min(("webp", file.getvalue()), ("png", png), key=lambda pair: len(pair[1]))
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
