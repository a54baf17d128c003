"""Which JPEG quality a picture was saved at: from its pixels, its tables, or its file's header.

`search_quality` needs pixels alone, and no training. It holds where JPEG was the last thing that
happened to the picture: after a shift of the 8 x 8 grid, a resize or added noise nothing is found.
The other two read what the file says of itself.

The idea of trying all tables on the decoded picture is that of Fan and de Queiroz (IEEE TIP 2003)
and of Farid's JPEG ghosts (2009); `robobench.corruptions.jpeg_evidence` tells how they are tried.
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
    """The quality nearest to a file's quantisation tables, and how near it is.

    Attributes:
        quality: 1 to 100, on the scale of the Independent JPEG Group.
        residual: Mean absolute difference of the tables' entries; 0 where they are that quality's
            own, as in files by libjpeg, Pillow or OpenCV.
    """

    quality: int
    residual: float


def search_quality(images: Tensor) -> Tensor:
    """Find the quality of the JPEG compression that decoded images went through last.

    Libjpeg's tables of all 100 qualities are tried on the 8 x 8 blocks, which must begin at the
    upper left corner; chroma is taken to be halved both ways (4:2:0) and counts for little if it
    is not. An image is judged alone, whatever batch it comes in.

    Drawings whose blocks repeat each other, even ramps above all, can pass for compressed ones.
    Qualities 1 and 2 differ in one entry of each table and are often taken for one another.

    Args:
        images: uint8, N x 3 x H x W, RGB; on another device they are copied to the CPU and the
            answers back.

    Returns:
        float32 N, whole numbers 1 to 100 on the images' device; NaN where no quality is likely:
        the image was never compressed, was changed afterwards, or is too small or flat to tell.

    Raises:
        RobobenchError: The images have another type or shape.

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
        tables: As Pillow's ``Image.quantization`` has them: number -> 64 entries, row by row; the
            first is luma's, the second, if there is one, chroma's; more are left aside.

    Returns:
        The nearest by the sum of absolute differences, the lower one of two.

    Raises:
        RobobenchError: There is no table, or one is not of 64 whole numbers.
    """
    if not tables:
        raise RobobenchError("quantisation tables: expected one or two, none came")
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
    """Read the quality of a JPEG file from its header; the pixels are not decoded.

    Args:
        file: Its path, or what is in it.

    Raises:
        RobobenchError: There is no such file, or it is no JPEG.
    """
    name = f"{len(file)} bytes" if isinstance(file, bytes) else str(file)
    try:
        with Image.open(BytesIO(file) if isinstance(file, bytes) else file) as image:
            kind, tables = image.format, getattr(image, "quantization", None)
    except FileNotFoundError:
        raise RobobenchError(f"{name}: there is no such file; a JPEG is expected") from None
    except UnidentifiedImageError:
        raise RobobenchError(f"{name}: a JPEG is expected, this is no image") from None
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise RobobenchError(f"{name}: a JPEG is expected: {reason}") from error
    if kind not in _FORMATS or not tables:
        raise RobobenchError(
            f"{name}: a JPEG is expected, this is {kind}; search_quality finds from pixels what a "
            "picture was before"
        )
    return quality_of_tables(tables)
