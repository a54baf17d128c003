"""What trained weights there are, by the name under which a run takes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from robobench.errors import RobobenchError
from robobench.types import Card
from robobench.weights.candidates import Candidate, names_of
from robobench.weights.classifiers import load_backbone
from robobench.weights.samples import SHORT
from robobench.weights.storage import base_dataset, cards


def listed_weights(
    backbone: str | None = None,
    weights: str | None = None,
    dataset: str | None = None,
    changes: Mapping[str, Any] | None = None,
) -> list[tuple[str, str]]:
    """The name under which ``run --methods`` takes each stored training, and what it is.

    Args:
        backbone: Name of a classifier; all if None.
        weights: File of its weights: then modules for other weights are left out.
        dataset: Data set of classifiers and restorers; all if None. Modules have that of their
            classifier, so none is left out.
        changes: What replaces parts of the classifier's geometry, see `robobench.backbones.overrides`.

    Raises:
        RobobenchError: A card is broken, the classifier cannot be loaded, or nothing is stored for it.
    """
    if weights is not None and backbone is None:
        raise RobobenchError(f"--weights {weights}: name the classifier with --backbone")
    every = [Candidate(card, path) for path, card in cards()]
    digest = ""
    if backbone is not None and weights is not None:
        loaded = load_backbone(backbone, dataset=dataset, weights=weights, **(changes or {}))
        digest = loaded.digest
    found = [one for one in every if _is_for(one.card, backbone, digest, dataset)]
    known = {one.card.backbone for one in every if one.card.backbone}
    if not found:
        others = f"; there are some for {', '.join(sorted(known))}" if known else ""
        raise RobobenchError(
            f"no weights are stored for {' and '.join(filter(None, [backbone, weights, dataset]))}: "
            f"`robobench train` makes them{others}"
        )
    names = names_of(every)
    return [(names[one.path], _told(one)) for one in found]


def _is_for(card: Card, backbone: str | None, digest: str, dataset: str | None) -> bool:
    if card.belongs_to == "plugin":
        return backbone in (None, card.backbone) and digest in ("", card.backbone_digest)
    of = dataset is None or card.dataset == base_dataset(dataset)
    return of and not digest and backbone in (None, card.backbone)


def _told(one: Candidate) -> str:
    """For which classifier it is, and what it learned from."""
    card = one.card
    parts = [card.backbone or card.dataset, card.images]
    if card.belongs_to == "plugin":
        parts[0] += f" {card.backbone_digest[:SHORT]} after {card.layer}"
        if card.preparation:
            parts.append(f"prepared as {card.preparation.partition(' ')[0]}")
    if card.train_seed:
        parts.append(f"seed {card.train_seed}")
    return ", ".join(parts)
