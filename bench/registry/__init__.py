"""The registries of everything that can be added, and the decorators that add to them.

A name is registered by a decorator, whether built-in or third-party::

    @robobench.method("flip-average")
    class FlipAverage(robobench.Method): ...

`robobench.registry.decorators` documents for each kind what the decorated object must provide;
`robobench.registry.names` holds the registries.
"""

from robobench.registry.decorators import (
    backbone,
    command,
    corruption,
    dataset,
    method,
    metric,
    reproduction,
    section,
    study,
)
from robobench.registry.names import (
    BACKBONES,
    COMMANDS,
    CORRUPTIONS,
    DATASETS,
    METHODS,
    METRICS,
    REGISTRIES,
    REPRODUCTIONS,
    SECTIONS,
    STUDIES,
    Entry,
    Registry,
    announce_installed,
    load_plugin_file,
    replacements,
)

__all__ = [
    "BACKBONES",
    "COMMANDS",
    "CORRUPTIONS",
    "DATASETS",
    "METHODS",
    "METRICS",
    "REGISTRIES",
    "REPRODUCTIONS",
    "SECTIONS",
    "STUDIES",
    "Entry",
    "Registry",
    "announce_installed",
    "backbone",
    "command",
    "corruption",
    "dataset",
    "load_plugin_file",
    "method",
    "metric",
    "replacements",
    "reproduction",
    "section",
    "study",
]
