"""Trained weights on disk: find, verify, load and save pairs of safetensors file and card.

They are kept in the user's folder (``ROBOBENCH_WEIGHTS``), searched first, and in the wheel.
Which of them a method uses is decided in `robobench.weights.selection`.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, asdict, fields, replace
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from robobench.errors import RobobenchError
from robobench.files import check_writable, write_whole
from robobench.registry import DATASETS
from robobench.types import Card, Geometry, Weights
from robobench.weights.card_fields import wrong_types
from robobench.weights.samples import sample_of

if TYPE_CHECKING:
    from torch import Tensor

    from robobench.backbones.backbone import Backbone


__all__ = [
    "check_folder",
    "damage",
    "digest_of_file",
    "find",
    "load",
    "read_card",
    "save",
    "user_folder",
]

_FORMAT: Final = 1
_SETTINGS: Final = "network"  # key of the metadata
_CARD: Final = {"format", "method"}  # what tells a card from other JSON
_SHIPPED: Final = ("robobench.baselines", "robobench.methods")


def user_folder() -> Path:
    """Where ``robobench train`` stores weights: ``ROBOBENCH_WEIGHTS`` or the user's data folder."""
    named = os.environ.get("ROBOBENCH_WEIGHTS")
    if named:
        return Path(named)
    import platformdirs

    return Path(platformdirs.user_data_dir("robobench")) / "weights"


def search_path() -> list[Path]:
    """Folders with weights, in search order."""
    shipped = [Path(str(resources.files(package))) / "weights" for package in _SHIPPED]
    return [user_folder(), *shipped]


def check_folder() -> None:
    """Refuse to begin what could not be stored; the folder is not made yet.

    Raises:
        RobobenchError: `user_folder` cannot be written.
    """
    place = user_folder()
    try:
        check_writable(place)
    except OSError as error:
        raise _unwritable(place, error) from error


def _unwritable(place: Path, error: OSError) -> RobobenchError:
    return RobobenchError(
        f"weights cannot be written to {place}: {error.strerror or error}; set ROBOBENCH_WEIGHTS to a "
        "folder that can be written to"
    )


def cards(*methods: str) -> Iterator[tuple[Path, Card]]:
    """Cards on the search path with their paths, in search order, by name within a folder.

    JSON that is no card is passed over, unless it lies next to weights of its name.

    Args:
        methods: Registered names; broken cards of other methods are passed over. All if empty.

    Raises:
        RobobenchError: A card is broken.
    """
    for place in search_path():
        for path in sorted(place.glob("*.json")):
            try:
                values = _read_json(path)
            except RobobenchError:
                # What it is for, its name alone still says: see `file_stem`.
                if not methods or any(f"-{m}-" in f"-{path.stem}-" for m in methods):
                    raise
                continue
            known = isinstance(values, dict) and set(values) >= _CARD
            if not known and not path.with_suffix(".safetensors").exists():
                continue
            if not methods or not known or values["method"] in methods:
                yield path, _card(path, values)


def find(
    method: str,
    *,
    dataset: str | None = None,
    backbone_name: str | None = None,
    backbone: Backbone | None = None,
    trained_on: str | None = None,
    train_seed: int | None = None,
    layer: str | None = None,
) -> list[Path]:
    """Cards of a method that match; None matches everything.

    Args:
        method: Registered name.
        dataset: Data set whose labels (classifier) or images (restorer) it was trained on. Plug-in
            modules are found by their backbone, whatever they were trained on.
        backbone_name: Architecture, for classifiers.
        backbone: The frozen classifier, for plug-in modules: they fit its weights, and images that
            are prepared as for it.
        trained_on: ``clean``, a corruption or a group.
        train_seed: Training seed.
        layer: Layer after which plug-in modules are plugged in.

    Returns:
        Paths of cards, in search order.

    Raises:
        RobobenchError: A card is broken.
    """
    found = []
    for path, card in cards(method):
        fits = (
            card.method == method
            and (trained_on is None or card.trained_on == trained_on)
            and (train_seed is None or card.train_seed == train_seed)
        )
        if card.belongs_to == "plugin":
            fits = fits and (backbone is None or is_of(card, backbone))
            fits = fits and layer in (None, card.layer)
        else:
            fits = fits and (dataset is None or card.dataset == base_dataset(dataset))
        if card.belongs_to == "classifier":
            fits = fits and backbone_name in (None, card.backbone)
        if fits:
            found.append(path)
    return found


def is_of(card: Card, backbone: Backbone) -> bool:
    """Whether plug-in modules are of a classifier and of images prepared as for it."""
    prepared = card.preparation in ("", preparation_of(backbone.geometry))
    return prepared and card.backbone_digest == backbone.digest


def preparation_of(geometry: Geometry) -> str:
    """How images are prepared, as cards say it: which pixels are seen, and how they are normalised."""
    return f"{geometry.key} {geometry.normalisation}"


def base_dataset(dataset: str) -> str:
    """The data set whose networks serve this one: ``cifar10`` for ``cifar10-c``."""
    return str(DATASETS.declared(dataset, "networks_of") or dataset)


def read_card(path: str | Path) -> Card:
    """Read the card of a weights file.

    Raises:
        RobobenchError: The file is missing, or is not a card of this version.
    """
    return _card(path, _read_json(path))


def _read_json(path: str | Path) -> Any:
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or error
        raise RobobenchError(
            f"card {path} cannot be read: {reason}; delete the file, or move it out of the folder"
        ) from error


def _card(path: str | Path, values: Any) -> Card:
    names = {f.name: f.default is MISSING for f in fields(Card)}
    if not isinstance(values, dict) or not {n for n, must in names.items() if must} <= set(values):
        raise RobobenchError(f"card {path} is incomplete: train these weights again, or delete it")
    if values.get("format") != _FORMAT or not set(values) <= set(names):
        raise RobobenchError(
            f"card {path} has format {values.get('format')}, expected {_FORMAT}: it was written by "
            "another version of robobench"
        )
    wrong = wrong_types(values)
    if not wrong and values["file"] != (Path(values["file"]).name or None):
        wrong = [f"file: expected the name of a file next to the card, got {values['file']!r}"]
    if wrong:
        raise RobobenchError(
            f"card {path}: {wrong[0]}; correct it, or delete the card and train these weights again"
        )
    return Card(**{**values, "class_names": tuple(values.get("class_names", ()))})


def load(path: str | Path) -> Weights:
    """Read weights, given their card's path, and verify them.

    Raises:
        RobobenchError: The card is broken, or the file is missing or does not match the card.
    """
    from safetensors.torch import load as parse

    card = read_card(path)
    content, wrong = _verified(Path(path), card)
    if wrong:
        raise RobobenchError(f"{wrong}; restore the files or train again: `{card.command} --again`")
    return Weights(card, parse(content))


def damage(path: str | Path) -> str:
    """Why weights cannot be used, given their card's path; empty if they can.

    Raises:
        RobobenchError: The card is broken.
    """
    return _verified(Path(path), read_card(path))[1]


def _verified(path: Path, card: Card) -> tuple[bytes, str]:
    """The content of a card's file, and what is wrong with it if anything is."""
    from safetensors import safe_open

    file = path.with_name(card.file)
    try:
        content = file.read_bytes()
    except OSError as error:
        return b"", f"weights {file} cannot be read: {error.strerror}"
    digest = hashlib.sha256(content).hexdigest()
    if digest != card.digest:
        return b"", (
            f"weights {file} have the digest {digest[:12]}..., their card says "
            f"{card.digest[:12]}...: the file is damaged or was replaced; it is not used"
        )
    with safe_open(file, "pt") as opened:
        settings = (opened.metadata() or {}).get(_SETTINGS)
    if settings not in (None, _settings(card)):
        return b"", (
            f"card {path}: recipe.network was changed after the training: weights {file} were stored "
            f"with {settings}"
        )
    return content, ""


def _settings(card: Card) -> str:
    """What a method builds its network by, as stored with the tensors: their digest covers it."""
    as_read = json.loads(json.dumps(card.recipe.get("network", {})))  # keys are texts there
    return json.dumps(as_read, sort_keys=True)


def digest_of_file(path: str | Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_stem(card: Card) -> str:
    """File name of weights and card, without suffix."""
    parts = [card.dataset, card.backbone, card.method, card.trained_on, f"s{card.train_seed}"]
    if card.belongs_to == "plugin":  # one architecture, many weights
        classifier = f"{card.backbone_digest} {card.preparation}"
        parts.append(hashlib.sha256(classifier.encode()).hexdigest()[:8])
    if card.layer not in ("", "stem"):  # that of the built-in classifiers
        parts.append(card.layer)
    if sample := sample_of(card):
        parts.append(f"n{sample}" if card.images_count else sample)
    text = "-".join(p for p in parts if p)
    return "".join(c if c.isalnum() or c in "-_.+" else "-" for c in text)


def save(card: Card, tensors: Mapping[str, Tensor], place: Path | None = None) -> Path:
    """Write weights and their card, each to a temporary file that is then renamed.

    Args:
        card: The card; its file name, digest and number of parameters are filled in here.
        tensors: Name to tensor; copied to the CPU before writing.
        place: Folder to write to; `user_folder` if None.

    Returns:
        Path of the card.

    Raises:
        RobobenchError: The folder cannot be written.
    """
    from safetensors.torch import save as serialise

    place = place or user_folder()
    clean = {name: t.detach().cpu().contiguous() for name, t in tensors.items()}
    content = serialise(clean, metadata={_SETTINGS: _settings(card)})
    file = place / f"{file_stem(card)}.safetensors"
    card = replace(
        card,
        file=file.name,
        digest=hashlib.sha256(content).hexdigest(),
        parameters=sum(t.numel() for n, t in clean.items() if "num_batches" not in n),
    )
    path = file.with_suffix(".json")
    try:
        write_whole(file, content)
        text = json.dumps(asdict(card), indent=1)
        write_whole(path, f"{text}\n".encode())
    except OSError as error:
        raise _unwritable(place, error) from error
    return path
