"""`hf:NAME`: data sets of the Hugging Face hub in Parquet, from the hub or a local folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from types import EllipsisType
from typing import Any, Final

import numpy as np

from robobench.backbones.hub import local_or_hub
from robobench.datasets.classes import match_classes
from robobench.datasets.encoded import EncodedDataset
from robobench.datasets.places import check_split
from robobench.errors import RobobenchError
from robobench.registry import dataset

__all__ = ["hf"]

_PATTERNS: Final = ("*.parquet", "**/*.parquet")
_LABELS: Final = ("label", "labels", "fine_label", "class_id", "class")
_SPLITS: Final = {"test": ("test", "validation", "valid", "val"), "validation": ("validation", "valid", "val"), "train": ("train",)}  # fmt: skip


@dataset("hf")
def hf(
    *,
    argument: str | None,
    split: str,
    class_names: Sequence[str] | EllipsisType | None,
    download: bool,
) -> EncodedDataset:
    """A data set of the Hugging Face hub (hf:NAME), or a folder of its Parquet files.

    Files are those whose names contain the split (``data/test-00000-of-00001.parquet``); where no
    file names a split, all are the test split. The column of images holds encoded files (``bytes``),
    the column of labels indices, whose names the file's own description lists, or names.

    Args:
        argument: OWNER/NAME of the hub, or path of a folder.
        split: ``test`` (``validation`` where there is none), ``validation`` or ``train``.
        class_names: The classifier's classes, which names of labels are matched with; None takes the
            data set's own.
        download: Whether it may be downloaded.

    Raises:
        RobobenchError: It is missing, gated or not downloaded, or has other columns.
    """
    check_split("hf", split, _SPLITS)
    if not argument:
        raise RobobenchError("dataset hf: the name is missing: write hf:OWNER/NAME or hf:FOLDER")
    called = f"dataset hf:{argument}"
    folder, name = local_or_hub(
        argument, kind="dataset", patterns=_PATTERNS, download=download, called=called
    )
    files = _files_of(folder, split, called)
    table = _table(files, called)
    image, label = _columns(table.schema, called)
    labels, names = _labelled(table, label, class_names, called)
    column = table.column(image)

    def contents(index: int) -> bytes:
        value = column[index].as_py()
        content = value.get("bytes") if isinstance(value, dict) else value
        if not content:
            raise RobobenchError(
                f"row {index}: expected the bytes of an image in column {image!r}, it is empty"
            )
        return bytes(content)

    return EncodedDataset(
        name,
        split,
        contents=contents,
        called=lambda index: f"row {index}",
        labels=labels,
        class_names=names,
    )


def _files_of(folder: Path, split: str, called: str) -> list[Path]:
    """The files of a split, sorted."""
    files = sorted(path for path in folder.rglob("*.parquet") if path.is_file())
    if not files:
        raise RobobenchError(f"{called}: no Parquet file (*.parquet) in it")

    def has(path: Path, word: str) -> bool:
        # data/test-00000-of-00001.parquet, test/0000.parquet
        parts = (*path.relative_to(folder).parent.parts, path.stem.partition("-")[0])
        return word in parts

    every = {word for words in _SPLITS.values() for word in words}
    if not any(has(path, word) for path in files for word in every):
        if split == "test":
            return files
        raise RobobenchError(f"{called}: its files name no split, so that all are the test split")
    for word in _SPLITS[split]:
        if chosen := [path for path in files if has(path, word)]:
            return chosen
    raise RobobenchError(f"{called} has no {split} split: no file is named {split}-*.parquet")


def _table(files: Sequence[Path], called: str) -> Any:
    """The files as one table, memory-mapped."""
    import pyarrow
    from pyarrow import parquet

    tables = []
    for file in files:
        try:
            tables.append(parquet.read_table(file, memory_map=True))
        except (pyarrow.ArrowException, OSError) as error:
            reason = " ".join(str(error).split())[:120]
            raise RobobenchError(f"{called}: {file} is no Parquet file ({reason})") from error
    try:
        return pyarrow.concat_tables(tables)
    except pyarrow.ArrowException:
        raise RobobenchError(f"{called}: its files have different columns") from None


def _columns(schema: Any, called: str) -> tuple[str, str]:
    """The columns of images and of labels."""
    import pyarrow

    def is_image(kind: Any) -> bool:
        if pyarrow.types.is_struct(kind):
            return any(kind.field(k).name == "bytes" for k in range(kind.num_fields))
        return bool(pyarrow.types.is_binary(kind) or pyarrow.types.is_large_binary(kind))

    images = [field.name for field in schema if is_image(field.type)]
    labels = [name for name in _LABELS if name in schema.names]
    if not images or not labels:
        what = "images (a struct with bytes)" if not images else f"labels ({', '.join(_LABELS)})"
        raise RobobenchError(
            f"{called}: no column of {what}; it has {', '.join(schema.names) or 'none'}"
        )
    return images[0], labels[0]


def _labelled(
    table: Any, column: str, class_names: Sequence[str] | EllipsisType | None, called: str
) -> tuple[Any, Sequence[str]]:
    """Labels, int64, and the names of the classes."""
    values = table.column(column).to_pylist()
    if any(value is None for value in values):
        raise RobobenchError(f"{called}: column {column!r} has rows without a label")
    own = _described(table.schema, column)
    theirs = None if isinstance(class_names, EllipsisType) else class_names
    if all(isinstance(value, int) for value in values):
        labels = np.array(values, dtype=np.int64)
        if own and theirs is not None and len(own) != len(theirs):
            found = match_classes(own, theirs)
            labels = np.array([found[own[value]] for value in values], dtype=np.int64)
            return labels, theirs
        last = int(labels.max()) if len(labels) else -1
        names = own or theirs or [str(k) for k in range(last + 1)]
        if last >= len(names) or (len(labels) and labels.min() < 0):
            raise RobobenchError(
                f"{called}: labels from {labels.min()} to {last} for {len(names)} classes"
            )
        return labels, theirs if theirs is not None and len(theirs) == len(names) else names
    texts = [str(value) for value in values]
    every = sorted(set(texts))
    if theirs is None:
        return np.array([every.index(text) for text in texts], dtype=np.int64), every
    found = match_classes(every, theirs)
    return np.array([found[text] for text in texts], dtype=np.int64), theirs


def _described(schema: Any, column: str) -> list[str]:
    """Names of the classes in what `datasets` wrote into the file; empty without it."""
    try:
        told = json.loads((schema.metadata or {})[b"huggingface"])
        return [str(name) for name in told["info"]["features"][column]["names"]]
    except (KeyError, TypeError, ValueError):
        return []
