"""Find the JPEG quality an image was saved at, from its pixels, its tables or its file's header.

`search_quality` needs only pixels, and no training. It works if JPEG was the last operation on the
image: after a shift of the 8 x 8 grid, a resize or added noise it finds nothing. The other two read
what the file records.

The idea of trying all tables on the decoded image is from Fan and de Queiroz (IEEE TIP 2003) and
from Farid's JPEG ghosts (2009); `robobench.corruptions.jpeg_evidence` explains how they are tried.
"""

from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from robobench.corruptions.compiled import run
from robobench.corruptions.dct import tables as all_tables
from robobench.corruptions.jpeg_evidence import search, search_tables
from robobench.errors import RobobenchError

__all__ = ["TablesQuality", "quality_of_file", "quality_of_tables", "search_quality"]

_FORMATS: Final = frozenset({"JPEG", "MPO"})


class TablesQuality(NamedTuple):
    """The quality nearest to a file's quantisation tables, and how close it is.

    Attributes:
        quality: 1 to 100, on the scale of the Independent JPEG Group.
        residual: Mean absolute difference of the tables' entries; 0 if they are exactly that
            quality's, as in files written by libjpeg, Pillow or OpenCV.
    """

    quality: int
    residual: float


def search_quality(images: Tensor) -> Tensor:
    """Find the quality of the JPEG compression that images last went through.

    Libjpeg's tables of all 100 qualities are tried on the 8 x 8 blocks, which must start at the
    upper left corner; chroma is assumed to be halved both ways (4:2:0) and carries little weight if
    it is not. Each image is judged on its own, whatever the batch.

    Drawings with repetitive blocks, in particular linear ramps, can be mistaken for compressed
    images. Qualities 1 and 2 differ in one entry of each table and are often confused.

    Args:
        images: uint8, N x 3 x H x W, RGB; those on another device are copied to the CPU, and the
            results back.

    Returns:
        float32 N, whole numbers 1 to 100, on the images' device; NaN if no quality is likely: the
        image was never compressed, was changed afterwards, or is too small or flat to tell.

    Raises:
        RobobenchError: The images have the wrong type or shape.

    >>> from robobench.corruptions import apply, catalogue
    >>> from robobench.datasets.shapes10 import render
    >>> clean = torch.from_numpy(render("test", range(2), 32)[0]).permute(0, 3, 1, 2)
    >>> saved = apply(clean, catalogue.at_level("jpeg", 40), torch.arange(2))
    >>> search_quality(torch.cat([saved, clean])).tolist()
    [40.0, 40.0, nan, nan]
    """
    if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] != 3:
        raise RobobenchError(
            f"images: expected torch uint8 N x 3 x H x W, "
            f"got {images.dtype} {' x '.join(map(str, images.shape))}"
        )
    found = torch.full((len(images),), torch.nan)
    if len(images) and min(images.shape[2:]) >= 8:
        run(search, images.cpu(), found, *search_tables())
    return found.to(images.device)


def quality_of_tables(tables: Mapping[int, Sequence[int]]) -> TablesQuality:
    """Find the quality whose quantisation tables are nearest to these.

    Args:
        tables: As in Pillow's ``Image.quantization``: number -> 64 entries, row by row; the first
            is luma's, the second, if any, chroma's; further ones are ignored.

    Returns:
        The nearest quality by the sum of absolute differences, the lower one in a tie.

    Raises:
        RobobenchError: There is no table, or one is not 64 whole numbers.
    """
    if not tables:
        raise RobobenchError("quantisation tables: expected one or two, got none")
    found = []
    for key in sorted(tables)[:2]:
        table = np.asarray(tables[key])
        if table.shape != (64,) or table.dtype.kind not in "iu":
            raise RobobenchError(
                f"quantisation table {key}: expected 64 whole numbers, "
                f"got {' x '.join(map(str, table.shape))} of {table.dtype}"
            )
        found.append(table.astype(np.int64))
    known = all_tables()[1:, : len(found)].reshape(100, len(found), 64)
    distance = np.abs(known - np.stack(found)).mean((1, 2))
    nearest = int(distance.argmin())
    return TablesQuality(nearest + 1, float(distance[nearest]))


def quality_of_file(file: str | Path | bytes) -> TablesQuality:
    """Read the quality of a JPEG file from its header, without decoding pixels.

    Args:
        file: Path of the file, or its content.

    Raises:
        RobobenchError: The file is missing or not a JPEG.
    """
    name = f"{len(file)} bytes" if isinstance(file, bytes) else str(file)
    try:
        with Image.open(BytesIO(file) if isinstance(file, bytes) else file) as image:
            kind, tables = image.format, getattr(image, "quantization", None)
    except FileNotFoundError:
        raise RobobenchError(f"{name}: no such file; expected a JPEG") from None
    except UnidentifiedImageError:
        raise RobobenchError(f"{name}: expected a JPEG, this is not an image") from None
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise RobobenchError(f"{name}: expected a JPEG: {reason}") from error
    if kind not in _FORMATS or not tables:
        raise RobobenchError(
            f"{name}: expected a JPEG, got {kind}; search_quality finds an earlier compression from "
            "pixels"
        )
    return quality_of_tables(tables)
