"""Letters that the font of a figure lacks, Chinese ones for example: another font may have them."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterable, Iterator
from functools import cache
from typing import TYPE_CHECKING

from robobench.reports.blocks import Text, counted

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_FIRST = "DejaVu Sans"  # comes with matplotlib
# Others cannot be embedded in a PDF as publishers want it; the placeholders of the last are boxes.
_SUFFIX, _PLACEHOLDERS = ".ttf", "Last Resort"
_MOST_SHOWN = 12


def complete(figure: Figure) -> set[str]:
    """Let each text of a figure take letters that its font lacks from one that is installed.

    Returns:
        The letters that no font has, which are drawn as boxes.
    """
    from matplotlib import text as texts

    missing = set()
    for text in figure.findobj(texts.Text):
        assert isinstance(text, texts.Text)
        letters = {letter for letter in text.get_text() if letter.isprintable()}
        families = tuple(text.get_fontfamily())
        lacking = {one for one in letters if not one.isascii() and not _has(families, one)}
        found = {letter: _font_with(letter) for letter in lacking}
        missing |= {letter for letter, font in found.items() if not font}
        if more := sorted(set(filter(None, found.values()))):
            text.set_fontfamily([*families, *more])
    return missing


def missing_letters(figures: Iterable[Figure]) -> list[Text]:
    """A note of the letters of figures that no font has; none where there are none."""
    found = sorted(set().union(*map(complete, figures)))
    if not found:
        return []
    shown = "".join(found[:_MOST_SHOWN]) + ("…" if len(found) > _MOST_SHOWN else "")
    return [
        Text(
            f"Figures in PDF and PNG have boxes in place of {counted(len(found), 'letter')} ({shown}), "
            "which no TrueType font of the machine that drew them has: install one, such as Droid Sans "
            "Fallback, and repeat `robobench report`.",
            "note",
        )
    ]


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Context without matplotlib's warning for each letter, each time that it is drawn."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from", UserWarning)
        yield


@cache
def _has(families: tuple[str, ...], letter: str) -> bool:
    from matplotlib.font_manager import FontProperties, findfont, get_font

    paths = [findfont(FontProperties(family=[family])) for family in families]
    return any(get_font(path).get_char_index(ord(letter)) for path in paths)


@cache
def _font_with(letter: str) -> str:
    """The family of an installed font that has a letter; empty if there is none."""
    from matplotlib.font_manager import fontManager, get_font

    known = [
        font
        for font in fontManager.ttflist
        if font.fname.endswith(_SUFFIX) and not font.name.startswith(_PLACEHOLDERS)
    ]
    for font in sorted(
        known, key=lambda one: (one.name != _FIRST, "Sans" not in one.name, one.name)
    ):
        with contextlib.suppress(RuntimeError, OSError):  # a font that cannot be read
            if get_font(font.fname).get_char_index(ord(letter)):
                return str(font.name)
    return ""
