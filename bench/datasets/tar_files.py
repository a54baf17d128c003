"""`wds:PATH`: WebDataset archives, in which files of one sample share a name."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Sequence
from pathlib import Path
from types import EllipsisType
from typing import Final

import numpy as np

from robobench.datasets.classes import match_classes
from robobench.datasets.decoding import IMAGE_SUFFIXES
from robobench.datasets.encoded import EncodedDataset
from robobench.datasets.places import check_split
from robobench.errors import RobobenchError
from robobench.registry import dataset

__all__ = ["wds"]

_LABEL: Final = ".cls"


@dataset("wds")
def wds(
    *, argument: str | None, split: str, class_names: Sequence[str] | EllipsisType | None
) -> EncodedDataset:
    """WebDataset archives (wds:FILE.tar or a folder of them): 0001.jpg with 0001.cls and so on.

    A ``.cls`` file holds a class index, or a class name that is matched with the classifier's.

    Args:
        argument: Path of a tar file, or of a folder of tar files.
        split: ``test``.
        class_names: The classifier's classes; None takes indices or sorted names.

    Raises:
        RobobenchError: The path is missing, is no tar file, or a sample lacks its image or label.
    """
    check_split("wds", split, ["test"])
    if not argument:
        raise RobobenchError("dataset wds: the path is missing: write wds:FILE.tar or wds:FOLDER")
    called, path = f"dataset wds:{argument}", Path(argument).expanduser()
    if not path.exists():
        raise RobobenchError(f"{called}: no such file or folder")
    files = sorted(path.glob("*.tar")) if path.is_dir() else [path]
    if not files:
        raise RobobenchError(f"{called}: no tar file (*.tar) in it")
    places: list[tuple[Path, int, int, str]] = []
    texts: list[str] = []
    for file in files:
        found, labels = _samples(file, called)
        places += found
        texts += labels
    theirs = None if isinstance(class_names, EllipsisType) else class_names
    numbers = all(text.isascii() and text.isdigit() for text in texts)
    if numbers:
        values = [int(text) for text in texts]
        names = theirs or [str(k) for k in range(max(values) + 1)]
        if max(values) >= len(names):
            raise RobobenchError(
                f"{called}: label {max(values)} is none of the classifier's {len(names)} classes"
            )
    else:
        every = sorted(set(texts))
        names = theirs or every
        means = match_classes(every, names)
        values = [means[text] for text in texts]

    def contents(index: int) -> bytes:
        file, offset, size, _ = places[index]
        with file.open("rb") as stream:
            stream.seek(offset)
            return stream.read(size)

    return EncodedDataset(
        f"wds:{path.resolve().name}",
        split,
        contents=contents,
        called=lambda index: f"{places[index][3]} in {places[index][0].name}",
        labels=np.array(values, dtype=np.int64),
        class_names=names,
    )


def _samples(file: Path, called: str) -> tuple[list[tuple[Path, int, int, str]], list[str]]:
    """Where the images of an archive are (file, offset, bytes, name), and their labels as text."""
    images: dict[str, tuple[Path, int, int, str]] = {}
    labels: dict[str, str] = {}
    try:
        with tarfile.open(file, "r:") as archive:
            for member in archive:
                if not member.isfile():
                    continue
                folder, base = os.path.split(member.name)
                stem, dot, suffix = base.partition(".")  # the rest of the name is the kind of file
                key = f"{folder}/{stem}"
                if f"{dot}{suffix}".lower() in IMAGE_SUFFIXES:
                    images[key] = (file, member.offset_data, member.size, member.name)
                elif f"{dot}{suffix}" == _LABEL:
                    content = archive.extractfile(member)
                    labels[key] = content.read().decode("utf-8").strip() if content else ""
    except (tarfile.TarError, OSError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())[:120]
        raise RobobenchError(
            f"{called}: {file.name} is no tar file of samples ({reason})"
        ) from error
    odd = sorted({*images} ^ {*labels})
    if odd or not images:
        lacking = "its label (.cls)" if odd and odd[0] in images else "its image"
        what = f"sample {odd[0].lstrip('/')} lacks {lacking}" if odd else "there is no sample in it"
        raise RobobenchError(f"{called}: {file.name}: {what}")
    return list(images.values()), [labels[key] for key in images]
