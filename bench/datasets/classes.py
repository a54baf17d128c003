"""Which class a folder's name means. A name that could mean two things means none."""

import csv
import json
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from importlib.metadata import distribution
from pathlib import Path
from typing import Any, Final

from robobench.errors import RobobenchError

__all__ = ["imagenet_classes", "match_classes", "read_classes_file", "wnid_names"]

_WNID: Final = re.compile(r"n\d{8}")
_PLACEHOLDER: Final = re.compile(r"(class)?[\s_-]*\d*", re.IGNORECASE)
_NAMED: Final = 3


def match_classes(
    folders: Sequence[str], class_names: Sequence[str], mapping: Mapping[str, str] | None = None
) -> dict[str, int]:
    """Find the class of every folder.

    A folder is named by a class name (capitals, spaces, underscores and hyphens do not count; one of
    several names divided by commas will do), by a wnid if the classes are ImageNet's, or, if *all*
    folders are numbers, by the class index.

    Args:
        folders: Names of folders.
        class_names: Of the classifier, in the order of its outputs.
        mapping: Folder to class (name, wnid or index), from a ``--classes`` file; decides alone.

    Returns:
        Folder to class index.

    Raises:
        RobobenchError: A folder means no class or more than one, or two mean the same (which only
            a mapping may do); the first ones are named.
    """
    known = _Classes(class_names)
    if mapping is not None:
        return _match_mapped(folders, known, mapping)
    numbers = all(folder.isascii() and folder.isdigit() for folder in folders)
    found: dict[str, int] = {}
    unknown: list[str] = []
    for folder in folders:
        meanings = known.named(folder) | (known.numbered(folder) if numbers else set())
        if len(meanings) > 1:
            raise RobobenchError(_two_meanings(folder, meanings, class_names))
        if meanings:
            found[folder] = meanings.pop()
        else:
            unknown.append(folder)
    if unknown:
        raise RobobenchError(known.explain(unknown, numbers))
    by_class: dict[int, str] = {}
    for folder, index in found.items():
        if index in by_class:
            raise RobobenchError(
                f"folders {by_class[index]!r} and {folder!r} both mean class {index} "
                f"({class_names[index]}): rename one, or say it with --classes FILE"
            )
        by_class[index] = folder
    return found


def read_classes_file(path: str | Path) -> dict[str, str]:
    """Read which class each folder is: two columns ``folder,class``, or a JSON object.

    Args:
        path: CSV (commas, semicolons or tabs; a heading ``folder,class`` may stand first) or JSON
            ``{"folder": "class"}``. A class is a name, a wnid or an index.

    Raises:
        RobobenchError: The file is missing, is not of that form, or names a folder twice.
    """
    file = Path(path).expanduser()
    wrong = f"--classes {path}: two columns folder,class (CSV or TSV) or a JSON object are expected"
    try:
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise RobobenchError(f"--classes {path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise RobobenchError(f"{wrong}, in UTF-8, which this is not") from None
    if file.suffix.lower() == ".json":
        try:
            content: Any = json.loads(text, object_pairs_hook=list)
        except json.JSONDecodeError as error:
            raise RobobenchError(f"{wrong}; line {error.lineno}: {error.msg}") from None
        rows = content if isinstance(content, list) else [content]
    else:
        first = text.partition("\n")[0]
        delimiter = max("\t;,", key=first.count)
        try:
            rows = [row for row in csv.reader(text.splitlines(), delimiter=delimiter) if any(row)]
        except csv.Error as error:
            raise RobobenchError(f"{wrong}; {error}") from None
        if rows and [cell.strip().lower() for cell in rows[0]] == ["folder", "class"]:
            del rows[0]
    mapping: dict[str, str] = {}
    for row in rows:
        if not _is_pair(row):
            raise RobobenchError(f"{wrong}; this is none: {str(row)[:80]!r}")
        folder, name = (str(cell).strip() for cell in row)
        if mapping.setdefault(folder, name) != name:
            raise RobobenchError(f"--classes {path}: folder {folder!r} has two classes")
    if not mapping:
        raise RobobenchError(f"{wrong}; it is empty")
    return mapping


@cache
def imagenet_classes(count: int = 1000) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Wnids and names (synonyms divided by commas) of ImageNet, in the order of the outputs.

    Args:
        count: 1000, or the 11821 or 21843 classes of ImageNet-12k and -21k as timm counts them.

    Returns:
        Two tuples of that length; empty ones where no ImageNet has so many classes.
    """
    tables = {
        1000: "imagenet_synsets.txt",
        11821: "imagenet12k_synsets.txt",
        21843: "imagenet21k_goog_synsets.txt",
    }
    if count not in tables:
        return (), ()
    wnids = tuple(_timm_table(tables[count]).split())
    return wnids, wnid_names(wnids)


def wnid_names(wnids: Sequence[str]) -> tuple[str, ...]:
    """What WordNet calls each wnid, synonyms divided by commas; the wnid where timm does not know."""
    names = _wordnet()
    return tuple(names.get(wnid, wnid) for wnid in wnids)


@cache
def _wordnet() -> dict[str, str]:
    lines = _timm_table("imagenet_synset_to_lemma.txt").splitlines()
    return dict(line.split("\t", 1) for line in lines)


def _timm_table(name: str) -> str:
    """A table of the installed timm, read as a file: importing timm takes seconds."""
    path = Path(str(distribution("timm").locate_file("timm/data/_info"))) / name
    return path.read_text(encoding="utf-8")


class _Classes:
    """The classes of one classifier, by everything that they may be called."""

    def __init__(self, class_names: Sequence[str]) -> None:
        self.names = class_names
        wnids, synonyms = imagenet_classes(len(class_names))
        if not _is_imagenet(class_names, wnids, synonyms):
            wnids, synonyms = (), ()
        self.is_imagenet = bool(wnids)
        # What stands earlier is meant first: one of several synonyms will do, but never against
        # a class that is called just so.
        self.tiers = [
            _index(enumerate(class_names)),
            _index([*enumerate(synonyms), *enumerate(wnids)]),
            _index(
                (index, part)
                for index, name in [*enumerate(class_names), *enumerate(synonyms)]
                for part in name.split(",")
            ),
        ]

    def named(self, folder: str) -> set[int]:
        """The classes of that name or wnid."""
        found = (tier.get(_plain(folder)) for tier in self.tiers)
        return set(next(filter(None, found), ()))

    def numbered(self, folder: str) -> set[int]:
        """The class of that index."""
        if folder.isascii() and folder.isdigit() and int(folder) < len(self.names):
            return {int(folder)}
        return set()

    def explain(self, unknown: Sequence[str], numbers: bool) -> str:
        """Say what is wrong with folders that mean no class, in one line."""
        count = len(self.names)
        listed = ", ".join(map(repr, unknown[:_NAMED]))
        listed += f" and {len(unknown) - _NAMED} more" if len(unknown) > _NAMED else ""
        first = unknown[0]
        reason = f"folder {listed}: no class of the classifier's {count} is called so"
        if numbers:
            reason = f"folder {listed}: class indices go from 0 to {count - 1}"
        elif _WNID.fullmatch(first):
            why = "" if self.is_imagenet else ", whose classes are not ImageNet's"
            reason = f"folder {listed}: not a wnid of the classifier{why}"
        elif near := get_close_matches(_plain(first), self.tiers[2], n=1, cutoff=0.7):
            index = min(self.tiers[2][near[0]])
            reason += f"; did you mean {self.names[index]!r} ({index}) for {first!r}?"
        return (
            f"{reason}; expected class indices, wnids or class names, or --classes FILE with two "
            "columns folder,class"
        )


def _match_mapped(
    folders: Sequence[str], known: _Classes, mapping: Mapping[str, str]
) -> dict[str, int]:
    missing = [folder for folder in folders if folder not in mapping]
    if missing:
        more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
        raise RobobenchError(
            f"--classes says nothing of folder {', '.join(map(repr, missing[:_NAMED]))}{more}: "
            "every class folder needs a row"
        )
    found = {}
    for folder in folders:
        name = mapping[folder]
        meanings = known.named(name) | known.numbered(name)
        if len(meanings) > 1:
            raise RobobenchError("--classes: " + _two_meanings(name, meanings, known.names))
        if not meanings:
            raise RobobenchError("--classes: " + known.explain([name], name.isdigit()))
        found[folder] = meanings.pop()
    return found


def _is_imagenet(names: Sequence[str], wnids: Sequence[str], synonyms: Sequence[str]) -> bool:
    """Whether a classifier with so many outputs has ImageNet's classes in ImageNet's order."""
    if not wnids:
        return False
    if all(_PLACEHOLDER.fullmatch(name) for name in names):
        return True  # nobody named them; so many outputs have no other meaning in use
    agreeing = 0
    for name, wnid, known in zip(names, wnids, synonyms, strict=True):
        parts = {_plain(part) for part in known.split(",")} | {_plain(known), wnid}
        agreeing += any(_plain(part) in parts for part in [name, *name.split(",")])
    return agreeing > len(names) / 2  # libraries shorten names, each in its own way


def _is_pair(row: Any) -> bool:
    """Whether a row is a folder and a class."""
    return (
        isinstance(row, list | tuple)
        and len(row) == 2
        and all(isinstance(cell, str | int) for cell in row)
    )


def _index(names: Iterable[tuple[int, str]]) -> dict[str, set[int]]:
    """Name, freed of spelling, to the classes that have it."""
    found: defaultdict[str, set[int]] = defaultdict(set)
    for index, name in names:
        found[_plain(name)].add(index)
    found.pop("", None)
    return dict(found)


def _plain(name: str) -> str:
    """A name without what people spell differently."""
    return re.sub(r"[\s_-]+", "", unicodedata.normalize("NFKC", name).casefold())


def _two_meanings(name: str, meanings: Iterable[int], class_names: Sequence[str]) -> str:
    listed = " or ".join(f"{index} ({class_names[index]})" for index in sorted(meanings))
    return (
        f"folder {name!r} may mean class {listed}: name it by the index or wnid that is meant, "
        "or give --classes FILE"
    )
