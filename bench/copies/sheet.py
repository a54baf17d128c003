"""Contact sheets: one image under many corruptions, labelled."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from robobench.corruptions import catalogue
from robobench.corruptions.engine import apply
from robobench.datasets.decoding import decode
from robobench.datasets.geometry import fit_geometry
from robobench.errors import RobobenchError
from robobench.types import Degradation, Geometry

_GAP = 4
_INK = (30, 30, 30)


def example_image(path: Path | None, size: int) -> NDArray[np.uint8]:
    """A square image from a file, or a photograph that ships with scikit-image.

    Args:
        path: Path of the file.
        size: Side in pixels; the centre of the image is used.

    Returns:
        uint8, size x size x 3.

    Raises:
        RobobenchError: The file is not an image.
    """
    if path is None:
        from skimage import data

        photograph = data.astronaut()  # type: ignore[no-untyped-call]
        photo = Image.fromarray(photograph).crop((64, 0, 384, 320))
    else:
        try:
            photo = decode(path)
        except RobobenchError as error:
            raise RobobenchError(f"--image {path}: {error}") from error
    return fit_geometry(photo, Geometry(resize=size, crop=size, interpolation="bicubic"))


def contact_sheet(
    image: NDArray[np.uint8],
    rows: Sequence[Sequence[Degradation]],
    seed: int = 0,
    index: int = 0,
) -> Image.Image:
    """Draw one row per corruption, with its name on the left and the level above each image.

    Args:
        image: uint8, H x W x 3; each row starts with it, undegraded.
        rows: The degradations of each row.
        seed: Seed of the corruptions.
        index: The image's index in its data set, on which randomness depends, too.

    Raises:
        RobobenchError: A corruption cannot be applied to the image.
    """
    height, width = image.shape[:2]
    points = max(9, min(16, width // 12))
    font = ImageFont.load_default(size=points)
    line = int(points * 1.5)
    names = [row[0].corruption for row in rows]
    margin = int(max(font.getlength(name) for name in names)) + 2 * _GAP
    columns = 1 + max(len(row) for row in rows)
    size = margin + columns * (width + _GAP), len(rows) * (height + line + _GAP) + _GAP
    sheet = Image.new("RGB", size, (255, 255, 255))
    draw = ImageDraw.Draw(sheet)
    batch = torch.from_numpy(image.transpose(2, 0, 1).copy())[None]
    for r, row in enumerate(rows):
        top = _GAP + r * (height + line + _GAP)
        draw.text((_GAP, top + line + height // 2), names[r], _INK, font, anchor="lm")
        draw.text((margin + width // 2, top + line // 2), "clean", _INK, font, anchor="mm")
        sheet.paste(Image.fromarray(image), (margin, top + line))
        for c, degradation in enumerate(row, 1):
            left = margin + c * (width + _GAP)
            middle = (left + width // 2, top + line // 2)
            draw.text(middle, _label(degradation), _INK, font, anchor="mm")
            done = apply(batch, degradation, torch.tensor([index]), seed)[0]
            sheet.paste(Image.fromarray(done.permute(1, 2, 0).numpy()), (left, top + line))
    return sheet


def _label(degradation: Degradation) -> str:
    """A severity or level, short enough for a small image."""
    if catalogue.native(degradation.corruption) is None:
        return f"severity {degradation.level:g}"
    if degradation.profile.startswith(catalogue.REFERENCE_PROFILE):
        return f"severity {degradation.level:g}"
    return f"{degradation.level:g}"
