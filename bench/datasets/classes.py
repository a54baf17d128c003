"""Which class a folder's name means. An ambiguous name is refused, not guessed at."""

import csv
import json
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from importlib.metadata import distribution
from pathlib import Path
from typing import Any, Final

from robobench.errors import RobobenchError

__all__ = [
    "imagenet_classes",
    "imagenet_subset",
    "match_classes",
    "read_classes_file",
    "wnid_names",
]

_WNID: Final = re.compile(r"n\d{8}")
_PLACEHOLDER: Final = re.compile(r"(class)?[\s_-]*\d*", re.IGNORECASE)
_NAMED: Final = 3
_TABLES: Final = (".csv", ".tsv", ".json")  # of folders and classes; other files may be lists


def match_classes(
    folders: Sequence[str], class_names: Sequence[str], mapping: Mapping[str, str] | None = None
) -> dict[str, int]:
    """Find the class of every folder.

    A folder is named by a class name (case, spaces, underscores and hyphens are ignored; one of
    several comma-separated names is enough), by a wnid if the classes are ImageNet's, or, if *all*
    folders are numbers, by the class index.

    Args:
        folders: Names of folders.
        class_names: The classifier's classes, in the order of its outputs.
        mapping: Folder to class (name, wnid or index), from a ``--classes`` file; overrides names.

    Returns:
        Folder to class index.

    Raises:
        RobobenchError: A folder matches no class or several, or two folders match the same class
            (which only a mapping may do); the message names the first ones.
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
                f"({class_names[index]}): rename one, or use --classes FILE"
            )
        by_class[index] = folder
    return found


def read_classes_file(path: str | Path) -> dict[str, str] | tuple[str, ...]:
    """Read which class each folder is: ``folder,class`` per line, a JSON object, or class names.

    Args:
        path: CSV (commas, semicolons or tabs; optionally with a header ``folder,class``) or JSON
            ``{"folder": "class"}``, where a class is a name, a wnid or an index. Or text with one
            class name per line, in the order of the classifier's outputs.

    Returns:
        Folder to class; or the class names, if there is one column.

    Raises:
        RobobenchError: The file is missing, is malformed, or lists a folder or a class twice.
    """
    file = Path(path).expanduser()
    wrong = (
        f"--classes {path}: expected two columns folder,class (CSV or TSV), a JSON object, or text "
        "with one class name per line"
    )
    try:
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise RobobenchError(f"--classes {path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise RobobenchError(f"{wrong}, in UTF-8; this is another encoding") from None
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
    if file.suffix.lower() not in _TABLES and rows and all(len(row) == 1 for row in rows):
        return _names_in(path, [row[0].strip() for row in rows])
    mapping: dict[str, str] = {}
    for row in rows:
        if not _is_pair(row):
            raise RobobenchError(f"{wrong}, got {str(row)[:80]!r}")
        folder, name = (str(cell).strip() for cell in row)
        if mapping.setdefault(folder, name) != name:
            raise RobobenchError(f"--classes {path}: folder {folder!r} has two classes")
    if not mapping:
        raise RobobenchError(f"{wrong}; the file is empty")
    return mapping


def _names_in(path: str | Path, names: Sequence[str]) -> tuple[str, ...]:
    """The names of a list.

    Raises:
        RobobenchError: A name is there twice.
    """
    name, count = Counter(names).most_common(1)[0]
    if count > 1:
        raise RobobenchError(f"--classes {path}: the class {name!r} is there {count} times")
    return tuple(names)


@cache
def imagenet_classes(count: int = 1000) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Wnids and names (comma-separated synonyms) of ImageNet, in the order of the outputs.

    Args:
        count: 1000, or the 11821 or 21843 classes of ImageNet-12k and -21k as timm counts them.

    Returns:
        Two tuples of that length; empty where no ImageNet has that many classes.
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


def imagenet_subset(name: str) -> tuple[str, ...]:
    """Wnids of the 200 classes of ``imagenet-a`` or ``imagenet-r``, as published."""
    return tuple(_timm_table(f"{name.replace('-', '_')}_synsets.txt").split())


def wnid_names(wnids: Sequence[str]) -> tuple[str, ...]:
    """WordNet names of wnids, comma-separated synonyms; the wnid itself if timm has no name."""
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
    """The classes of one classifier, by every name they go by."""

    def __init__(self, class_names: Sequence[str]) -> None:
        self.names = class_names
        wnids, synonyms = imagenet_classes(len(class_names))
        if not _is_imagenet(class_names, wnids, synonyms):
            wnids, synonyms = (), ()
        self.is_imagenet = bool(wnids)
        # Earlier tiers take precedence: one of several synonyms is enough, unless another class
        # has exactly that name.
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
        """The classes with that name or wnid."""
        found = (tier.get(_plain(folder)) for tier in self.tiers)
        return set(next(filter(None, found), ()))

    def numbered(self, folder: str) -> set[int]:
        """The class with that index."""
        if folder.isascii() and folder.isdigit() and int(folder) < len(self.names):
            return {int(folder)}
        return set()

    def explain(self, unknown: Sequence[str], numbers: bool) -> str:
        """Say in one line what is wrong with folders that match no class."""
        count = len(self.names)
        listed = ", ".join(map(repr, unknown[:_NAMED]))
        listed += f" and {len(unknown) - _NAMED} more" if len(unknown) > _NAMED else ""
        first = unknown[0]
        reason = f"folder {listed}: not the name of any of the classifier's {count} classes"
        if numbers:
            reason = f"folder {listed}: class indices run from 0 to {count - 1}"
        elif _WNID.fullmatch(first):
            why = "" if self.is_imagenet else ", whose classes are not ImageNet's"
            reason = f"folder {listed}: not a wnid of the classifier{why}"
        elif near := get_close_matches(_plain(first), self.tiers[2], n=1, cutoff=0.7):
            index = min(self.tiers[2][near[0]])
            reason += f"; did you mean {self.names[index]!r} ({index}) for {first!r}?"
        return (
            f"{reason}; expected class indices, wnids or class names, --classes FILE with two "
            "columns folder,class, or --classes sorted"
        )


def _match_mapped(
    folders: Sequence[str], known: _Classes, mapping: Mapping[str, str]
) -> dict[str, int]:
    missing = [folder for folder in folders if folder not in mapping]
    if missing:
        more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
        raise RobobenchError(
            f"--classes does not list folder {', '.join(map(repr, missing[:_NAMED]))}{more}: "
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
    """Whether a classifier's outputs are ImageNet's classes in ImageNet's order."""
    if not wnids:
        return False
    if all(_PLACEHOLDER.fullmatch(name) for name in names):
        return True  # unnamed, and this number of outputs has no other common meaning
    agreeing = 0
    for name, wnid, known in zip(names, wnids, synonyms, strict=True):
        parts = {_plain(part) for part in known.split(",")} | {_plain(known), wnid}
        agreeing += any(_plain(part) in parts for part in [name, *name.split(",")])
    return agreeing > len(names) / 2  # libraries abbreviate names differently


def _is_pair(row: Any) -> bool:
    """Whether a row is a pair of folder and class."""
    return (
        isinstance(row, list | tuple)
        and len(row) == 2
        and all(isinstance(cell, str | int) for cell in row)
    )


def _index(names: Iterable[tuple[int, str]]) -> dict[str, set[int]]:
    """Normalised name to the classes that have it."""
    found: defaultdict[str, set[int]] = defaultdict(set)
    for index, name in names:
        found[_plain(name)].add(index)
    found.pop("", None)
    return dict(found)


def _plain(name: str) -> str:
    """A name without case, spaces, underscores and hyphens."""
    return re.sub(r"[\s_-]+", "", unicodedata.normalize("NFKC", name).casefold())


def _two_meanings(name: str, meanings: Iterable[int], class_names: Sequence[str]) -> str:
    listed = " or ".join(f"{index} ({class_names[index]})" for index in sorted(meanings))
    return (
        f"folder {name!r} may mean class {listed}: name it by the index or wnid that is meant, "
        "or give --classes FILE"
    )
