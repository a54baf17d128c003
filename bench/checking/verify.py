"""Is a run's folder intact? Checksums, names, completeness, agreement with its manifest."""

import hashlib
import zipfile
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robobench.analysis.outcomes import Outcomes
from robobench.checking.divided_levels import DividedLevels
from robobench.contracts import Dataset
from robobench.errors import CheckFailed, RobobenchError
from robobench.results.manifest import (
    COPY,
    TABLES,
    DamagedManifest,
    ListedCells,
    how_to_repeat,
    parse_manifest,
    read_manifest,
    recorded_checksums,
    row_of,
)
from robobench.results.mending import wrong_tables
from robobench.results.store import OPTIONAL, Store, file_checksum, read_cell
from robobench.types import Cell, Predictions, method_label

# Bounds of a column of a cell file, beyond which it is not unpacked.
_HEADER_BYTES, _IMAGES_IF_UNKNOWN, _MOST_COLUMNS = 65_536, 10**8, 1000


@dataclass
class Verification:
    """What was found in a run's folder.

    Attributes:
        folder: The run's folder.
        cells: Number of intact cell files.
        predictions: Number of predictions in them.
        claims: What was checked, of what, and with which result; one line for each kind of file.
        problems: What is wrong, one sentence each, naming files and what to do.
        notes: What could not be checked, or is merely worth knowing.
        outcomes: Those of the intact cells, clean ones first.
        missing: Those of the problems that are cells which are not there.
    """

    folder: Path
    cells: int = 0
    predictions: int = 0
    claims: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    outcomes: list[Outcomes] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def raise_if_broken(self) -> None:
        """End as failed if anything is wrong.

        Raises:
            CheckFailed: With the first problem and the number of others.
        """
        if self.problems:
            more = f" (and {len(self.problems) - 1} more)" if len(self.problems) > 1 else ""
            raise CheckFailed(f"{self.folder} is not whole: {self.problems[0]}{more}")


def verify(folder: str | Path, dataset: Dataset | None = None) -> Verification:
    """Check everything in a run's folder; nothing is changed.

    Only one cell is in memory at a time.

    Args:
        folder: The run's folder.
        dataset: The run's data set, to compare its fingerprint and labels with the run's; without
            it, only the run itself is checked.

    Raises:
        RobobenchError: The folder does not contain a run, or its manifest cannot be read.
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    if manifest is None:
        raise RobobenchError(f"{folder}: no run is there (a folder with manifest.json is expected)")
    found = Verification(folder)
    store = Store(folder)
    cells: list[Cell] = []
    recorded = recorded_checksums(manifest)
    unrecorded = 0
    images: dict[str, list[str]] = defaultdict(list)
    labels: dict[str, list[str]] = defaultdict(list)
    indices: dict[str, NDArray[np.int64]] = {}
    divided = DividedLevels(manifest)
    for path in sorted(store.cells_folder.glob("*.npz")):
        if problem := _swollen(path, manifest):
            found.problems.append(f"{path.name} {problem}: run again, which keeps it aside")
            continue
        try:
            cell, predictions = read_cell(path)
        except RobobenchError as error:
            found.problems.append(str(error))
            continue
        if store.path(cell) != path:
            found.problems.append(
                f"{path.name} holds another cell than its name says: run again, which keeps it aside"
            )
            continue
        cells.append(cell)
        written, count = recorded.get(cell.digest[:16], ("", 0))
        unrecorded += not written
        if written and file_checksum(path) != written and len(predictions) <= count:
            found.problems.append(
                f"{path.name}: its values are whole, but these are not the bytes that the run wrote: "
                "run again, which keeps it aside"
            )
        found.predictions += len(predictions)
        wrong = _wrong(predictions, manifest, divided=bool(cell.sweep))
        found.problems += [f"{path.name}: {what}" for what in wrong]
        digest = _digest(predictions.index)
        if cell.sweep:
            divided.add(path.name, cell, predictions.index, predictions.label)
        else:
            images[digest].append(path.name)
            labels[_digest(predictions.label)].append(path.name)
        if not wrong:
            index = indices.setdefault(digest, predictions.index)  # shared: it takes most memory
            found.outcomes.append(Outcomes(cell, index, predictions.correct))
        if dataset is not None:
            found.problems += _against_data(path.name, predictions, dataset)
    found.cells = len(cells)
    found.outcomes.sort(key=lambda one: (not one.cell.degradation.is_clean, one.cell))
    if not cells:
        found.problems.append("it has no intact cell: repeat the command in its manifest")
    for what, groups in (("images", images), ("labels", labels)):
        if len(groups) > 1:
            fewest = min(groups.values(), key=len)
            found.problems.append(
                f"{len(fewest)} of {len(cells)} cells have other {what} than the rest "
                f"({', '.join(fewest[:3])}): repeat the command in the manifest"
            )
    found.problems += divided.problems()
    found.missing = [*_incomplete(cells, manifest), *_gone(cells, manifest)]
    found.problems += found.missing
    found.problems += _other_weights(cells, manifest)
    found.problems += [
        f"{path.relative_to(folder)} is left over from an interrupted write: remove it"
        for path in sorted(folder.rglob("*.tmp"))
    ]
    _look_at_copy(folder, found)
    found.problems += _about_tables(folder, manifest)
    found.notes += _about_sessions(folder, manifest)
    found.claims += _claims(found, manifest, unrecorded, dataset)
    if divided:
        found.claims.append(
            f"levels per image: {manifest['levels_per_image']} of each sweep, whose cells therefore have "
            "some of the images, the same for all methods"
        )
    if dataset is None:
        found.notes.append("the data set was not opened, so its fingerprint was not checked")
    elif dataset.fingerprint() != manifest["dataset"]["fingerprint"]:
        found.problems.append(
            "the data set's fingerprint differs from the run's: the run evaluated other images"
        )
    return found


def whole_outcomes(folder: str | Path, *, missing: bool = False) -> list[Outcomes]:
    """The outcomes of a run, each cell read once and verified; clean cells come first.

    A run that `verify` refuses is refused: nothing is to be concluded from a part of it.

    Args:
        folder: The run's folder.
        missing: Take a run in which nothing is wrong but that cells are missing.

    Raises:
        RobobenchError: With the first problem and, if cells are missing, how many and the command
            that computes them.
    """
    found = verify(folder)
    if not found.problems or (missing and found.problems == found.missing):
        return found.outcomes
    manifest = read_manifest(Path(folder)) or {}
    planned = manifest.get("cells")
    advice = ""
    if isinstance(planned, int) and found.cells < planned:
        how = how_to_repeat(manifest)
        advice = f"; it has {found.cells} of {planned} cells, {how} computes the rest"
    more = f" (and {len(found.problems) - 1} more)" if len(found.problems) > 1 else ""
    raise RobobenchError(f"{folder} is not whole: {found.problems[0]}{more}{advice}")


def _swollen(path: Path, manifest: Mapping[str, Any]) -> str:
    """What makes a cell file larger than its number of images explains, so that it is not read."""
    if not path.is_file():
        return "is not a file"
    count = manifest["dataset"].get("count")
    try:
        with zipfile.ZipFile(path) as packed:
            declared = [member.file_size for member in packed.infolist()]
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile):
        return ""  # complained about where it is read
    images = count if isinstance(count, int) else _IMAGES_IF_UNKNOWN
    outputs = max((b.get("outputs", 0) for b in manifest.get("backbones", {}).values()), default=0)
    most = _HEADER_BYTES + images * max(8, 2 * outputs)
    if len(declared) > _MOST_COLUMNS or max(declared, default=0) > most:
        return f"unpacks to {sum(declared):,} bytes in {len(declared)} columns"
    return ""


def _wrong(predictions: Predictions, manifest: Mapping[str, Any], *, divided: bool) -> list[str]:
    """Inconsistencies within one cell; one whose images are chosen by level has fewer of them."""
    problems = []
    count = manifest["dataset"].get("count")
    sizes = {len(column) for column in (predictions.label, predictions.predicted)}
    sizes |= {len(predictions.confidence), len(predictions.true_probability)}
    sizes |= {len(column) for column in predictions.extra.values()}
    kept = (getattr(predictions, name) for name in OPTIONAL)
    sizes |= {len(column) for column in kept if column is not None}
    if sizes != {len(predictions)}:
        return ["its columns differ in length"]
    if count is not None and len(predictions) != count and not divided:
        problems.append(f"{len(predictions)} images, but the manifest says {count}: run again")
    if (np.diff(predictions.index) <= 0).any():
        problems.append("its images are not in order, or one occurs twice")
    classes = len(manifest["dataset"].get("class_names", ())) or None
    if classes and ((predictions.label < 0) | (predictions.label >= classes)).any():
        problems.append(f"a label is outside the {classes} classes")
    finite = np.isfinite(predictions.confidence)
    if ((predictions.confidence[finite] < 0) | (predictions.confidence[finite] > 1.0001)).any():
        problems.append("a confidence is outside 0..1")
    rank, second = predictions.true_rank, predictions.second
    valid = predictions.predicted >= 0
    if rank is not None and ((rank == 1) != (valid & predictions.correct)).any():
        problems.append("a rank of the true class disagrees with the predicted class")
    if second is not None and (valid & (second == predictions.predicted)).any():
        problems.append("a second class is the predicted one")
    return problems


def _against_data(name: str, predictions: Predictions, dataset: Dataset) -> list[str]:
    inside = predictions.index[(predictions.index >= 0) & (predictions.index < len(dataset))]
    if len(inside) < len(predictions):
        return [f"{name}: it has images that the data set does not have"]
    if (np.asarray(dataset.labels)[inside] != predictions.label).any():
        return [f"{name}: its labels differ from the data set's"]
    return []


def _incomplete(cells: Sequence[Cell], manifest: Mapping[str, Any]) -> list[str]:
    """Conditions that some methods have and another, applicable one lacks."""
    refused = {(n["method"], n["corruption"]) for n in manifest.get("not_applicable", [])}
    methods = [row_of(m) for m in manifest["methods"]]
    conditions = dict.fromkeys((c.degradation, c.seed) for c in cells)
    held = {
        (c.backbone, c.method, c.trained_on, c.train_seed, c.degradation, c.seed) for c in cells
    }
    lacking: Counter[str] = Counter()
    examples: dict[str, str] = {}
    for backbone, method, trained_on, train_seed in methods:
        label = method_label(method, trained_on)
        for degradation, seed in conditions:
            if (method, degradation.corruption) in refused:
                continue
            if (backbone, method, trained_on, train_seed, degradation, seed) not in held:
                lacking[label] += 1
                examples.setdefault(label, degradation.label)
    problems = [
        f"{label} lacks {count} of {len(conditions)} conditions ({examples[label]} among them): "
        "repeat the command in the manifest"
        for label, count in lacking.items()
    ]
    expected = manifest.get("cells")
    if not problems and isinstance(expected, int) and len(cells) < expected:
        problems.append(
            f"it has {len(cells)} of {expected} planned cells: repeat the command in the manifest"
        )
    return problems


def _gone(cells: Sequence[Cell], manifest: Mapping[str, Any]) -> list[str]:
    """Cells that a session made, that still belong to the run, and that are not there."""
    there = {cell.digest[:16] for cell in cells} | set(manifest.get("outdated", ()))
    gone = {
        digest: session
        for session in manifest.get("sessions", ())
        for digest in session.get("made", ())
        if digest not in there
    }
    if not gone:
        return []
    how = ", ".join(dict.fromkeys(how_to_repeat(session) for session in gone.values()))
    number = "1 cell that was" if len(gone) == 1 else f"{len(gone)} cells that were"
    said = f"{number} made {'is' if len(gone) == 1 else 'are'} gone or damaged"
    return [f"{said} (their files end in {', '.join(list(gone)[:3])}): computed anew by {how}"]


def _look_at_copy(folder: Path, found: Verification) -> None:
    """Is there an intact copy of the manifest? Without any the run is whole, but less safe."""
    told = f"{COPY}, from which a damaged manifest is restored, is"
    try:
        if parse_manifest(folder / COPY) is None:
            found.notes.append(f"{told} missing: run again")
    except DamagedManifest:
        found.problems.append(f"{told} itself damaged: run again")


def _about_tables(folder: Path, manifest: Mapping[str, Any]) -> list[str]:
    """Tables that are not those of the manifest."""
    how = how_to_repeat(manifest)
    return [
        f"{name} is missing: {how} writes it anew"
        if why == "missing"
        else f"{name} is damaged or was edited: {how} keeps it aside and writes it anew"
        for name, why in wrong_tables(folder, manifest).items()
    ]


def _about_sessions(folder: Path, manifest: Mapping[str, Any]) -> list[str]:
    """Sessions without an end, and what was kept aside."""
    notes = []
    for place, session in enumerate(manifest.get("sessions", ()), 1):
        if session.get("killed"):
            notes.append(f"session {place} was killed; it had made {session['cells']} cells")
        elif "seconds" not in session:
            started = session.get("started", "at an unknown time")
            notes.append(f"session {place}, started {started}, is running or was killed")
    aside = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*.damaged*"))
    if aside:
        more = f" and {len(aside) - 3} more" if len(aside) > 3 else ""
        notes.append(
            f"kept aside as damaged and read by nothing: {', '.join(aside[:3])}{more}; remove them "
            "once you have looked at them"
        )
    return notes


def _claims(
    found: Verification, manifest: Mapping[str, Any], unrecorded: int, dataset: Dataset | None
) -> list[str]:
    """What was checked, one line for each kind of file."""
    planned, tables = manifest.get("cells", "an unknown number of"), manifest.get("tables", {})
    there = [name for name in TABLES if (found.folder / name).exists()]
    cells = (
        f"cells: {found.cells} of {planned} are there with intact values ({found.predictions:,} "
        f"predictions); {found.cells - unrecorded} files are compared with the manifest's checksums, "
        f"{unrecorded} only with their own"
    )
    manifest_sum = "checksum" if "checksum" in manifest else "no checksum (an earlier version's)"
    images = "images: all cells are on the same ones, with the same labels"
    if dataset is not None:
        images += "; the data set's fingerprint and labels are compared with theirs"
    return [
        cells,
        f"manifest: {manifest_sum}; methods, weights, versions, numbers are compared with the cells",
        f"tables: {', '.join(tables)} are compared with the manifest's checksums"
        if tables
        else f"tables: {', '.join(there) or 'none there'}, without checksums in the manifest",
        images,
        "not checked: samples/, report/, and whether the numbers come out again (repeat the run)",
    ]


def _other_weights(cells: Sequence[Cell], manifest: Mapping[str, Any]) -> list[str]:
    """Cells computed with weights or code that the manifest does not list."""
    listed = ListedCells(manifest)
    strange = [cell for cell in cells if cell not in listed]
    if not strange:
        return []
    named = ", ".join(dict.fromkeys(f"{c.method} ({c.weights[:12]})" for c in strange[:5]))
    said = (
        f"{len(strange)} cells were computed with other weights or code than the manifest lists "
        f"({named}): the method was retrained or changed; evaluate it into a folder of its own (--out)"
    )
    return [said]


def _digest(array: Any) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
