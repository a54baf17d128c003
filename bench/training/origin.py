"""Where trained weights come from and which licence they are under, for their card."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from robobench.errors import RobobenchError
from robobench.weights import storage

OWN = "Apache-2.0"
ALONE = "trained by robobench, from no weights but its own"


def origin(
    network: Mapping[str, Any], start: Path | None, dataset: str, architecture: str
) -> tuple[str, str]:
    """Licence and source of weights that have just been trained.

    Args:
        network: What the card records about the network; ``start`` is what it started from.
        start: File of weights that it started from, if any.
        dataset: Data set of the classifier that it started from otherwise.
        architecture: Architecture of that classifier.

    Returns:
        Licence (SPDX expression, empty where it is not known) and source. Weights that start from
        others are under the licence of those as well.
    """
    begun = str(network.get("start", "random"))
    if begun == "random":
        return OWN, ALONE
    if start is not None:
        cards = [start.with_suffix(".json")]
    else:
        cards = storage.find("org", dataset=dataset, backbone_name=architecture)
    for path in cards:
        try:
            card = storage.read_card(path)
        except RobobenchError:
            continue
        return card.license, card.source
    return "", f"starts from {begun}, whose licence holds"
