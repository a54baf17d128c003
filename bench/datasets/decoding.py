"""Decode an image file of any format to RGB pixels, and read the quality in its JPEG header.

Conventions, so that results do not depend on accidents of a file:

- The EXIF orientation is applied.
- Transparency is dropped, as ``Image.convert("RGB")`` does: a pixel has the colour stored for it.
- 16-bit greyscale is divided by 65535, not clipped. For 16-bit *colour* Pillow returns the upper
  byte, at most one grey level off.
- CMYK becomes RGB by Pillow's formula; colour profiles are not applied (nor are they in
  torchvision).
- Of an animation the first frame is used.
- HEIF (``.heic``) is read where the package ``pillow-heif`` is installed.
- Formats without an agreed range (32-bit integers, floating point, CIE Lab) are refused.
"""

from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from robobench.errors import RobobenchError

__all__ = [
    "IMAGE_SUFFIXES",
    "UNREAD_SUFFIXES",
    "check_regular",
    "decode",
    "header_quality",
    "image_size",
    "in_one_line",
    "to_rgb",
    "upright",
]

# fmt: off
_HEIF: Final = frozenset((".heic", ".heif", ".hif"))
_PILLOWS: Final = frozenset((
    ".avif", ".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm",
    ".ppm", ".tif", ".tiff", ".webp",
))
# Image formats that Pillow cannot decode: silently skipping them would change a data set.
_OTHERS: Final = frozenset((
    ".arw", ".bpg", ".cr2", ".cr3", ".dng", ".exr", ".hdr", ".j2c", ".j2k", ".jp2", ".jpc", ".jpf", ".jpx", ".jxl", ".jxr", ".nef", ".orf", ".psd", ".raf", ".rw2", ".svg",
))
# fmt: on
_NO_IMAGE: Final = "not an image that Pillow can read"


def _reads_heif() -> bool:
    """Make Pillow read HEIF, if the package pillow-heif is there; whether it is."""
    try:
        import pillow_heif
    except ImportError:
        return False
    pillow_heif.register_heif_opener()
    return True


IMAGE_SUFFIXES: Final = _PILLOWS | (_HEIF if _reads_heif() else frozenset())
UNREAD_SUFFIXES: Final = _OTHERS | (_HEIF - IMAGE_SUFFIXES)


def check_regular(path: Path) -> None:
    """Refuse a pipe, which would be waited for without end, and a device.

    Raises:
        RobobenchError: The path is something else than a file; the message does not name it.
    """
    if path.exists() and not path.is_file():
        raise RobobenchError("not a file but a folder, pipe or device")


def decode(path: Path) -> Image.Image:
    """Read a file as an upright RGB image.

    Raises:
        RobobenchError: The file cannot be decoded; the message does not name the file.
    """
    check_regular(path)
    try:
        return upright(path)
    except RobobenchError:
        raise
    except FileNotFoundError:
        raise RobobenchError("no such file") from None
    except UnidentifiedImageError:
        raise RobobenchError(_NO_IMAGE if path.stat().st_size else "empty") from None
    except Image.DecompressionBombError:
        raise RobobenchError("more pixels than Pillow accepts") from None
    # Each decoder reports a broken file in its own way.
    except Exception as error:
        raise RobobenchError(in_one_line(error)) from error


def upright(source: Path | BinaryIO) -> Image.Image:
    """An RGB image with its EXIF orientation applied.

    Raises:
        RobobenchError: The mode has no agreed range of values.
        Exception: Whatever the decoder says of a broken file.
    """
    with Image.open(source) as image:
        ImageOps.exif_transpose(image, in_place=True)
        return to_rgb(image)


def to_rgb(image: Image.Image) -> Image.Image:
    """Convert any of Pillow's modes to RGB by the conventions at the top of this module.

    Raises:
        RobobenchError: The mode has no agreed range of values.
    """
    image.load()  # for some formats the mode is only known after this
    image.info.pop("transparency", None)  # else Pillow warns, though the pixels are the same
    if image.mode.startswith("I"):
        values = np.asarray(image).astype(np.int64)
        if values.min() < 0 or values.max() > 65535:
            raise RobobenchError("32-bit values of unknown range: save it with 8 or 16 bits")
        return Image.fromarray(((values * 255 + 32767) // 65535).astype(np.uint8)).convert("RGB")
    if image.mode in {"F", "LAB"}:
        raise RobobenchError(
            f"pixels of mode {image.mode}, which has no agreed range: save it with 8 bits"
        )
    return image if image.mode == "RGB" else image.convert("RGB")


def image_size(path: Path) -> tuple[int, int]:
    """Width and height from the file's header, before any rotation.

    Raises:
        RobobenchError: The header cannot be read; the text does not name the file.
    """
    check_regular(path)
    try:
        with Image.open(path) as image:
            return image.size
    except Exception as error:
        raise RobobenchError(in_one_line(error)) from error


def header_quality(source: Path | BinaryIO) -> int:
    """The JPEG quality, 1 to 100, with the quantisation tables nearest to the file's.

    See `robobench.corruptions.jpeg_quality.quality_of_tables`. Only the header is read.

    Args:
        source: An encoded image.

    Returns:
        The quality, or 0 if the file is not a JPEG.

    Raises:
        RobobenchError: The header cannot be read; the text does not name the file.
    """
    from robobench.corruptions.jpeg_quality import quality_of_tables

    if isinstance(source, Path):
        check_regular(source)
    try:
        with Image.open(source) as image:
            tables = (
                getattr(image, "quantization", None) if image.format in {"JPEG", "MPO"} else None
            )
            if not tables:
                return 0
    except Exception as error:
        raise RobobenchError(in_one_line(error)) from error
    return quality_of_tables(tables).quality


def in_one_line(error: Exception) -> str:
    """What a decoder says, without line breaks; the exception's name if it says nothing."""
    if isinstance(error, UnidentifiedImageError):  # whose text names the file, or a place in memory
        return _NO_IMAGE
    text = " ".join(str(error).split())
    return text or type(error).__name__
