"""``robobench list``: what is available, without loading it."""

from __future__ import annotations

import shutil
import textwrap
from typing import TYPE_CHECKING, Any

import click

from robobench.cli import _options
from robobench.registry import Entry

if TYPE_CHECKING:
    from robobench.backbones.networks import Network
    from robobench.types import Geometry

_FACTORY = (
    "FILE.py:FACTORY",
    "An nn.Module returned by a function of your own, with --weights FILE.",
)
KINDS = (
    *("methods", "corruptions", "datasets", "backbones", "metrics", "sections"),
    *("reproductions", "commands", "layers", "weights"),
)


@click.command("list", short_help="List methods, corruptions, datasets, backbones, ...")
@click.argument("kind", metavar="|".join(KINDS))
@click.option("--dataset", help="With --backbone: which methods are ready for this data set.")
@click.option(
    "--backbone",
    help="Which methods are ready for this classifier, which layers or trained weights it has.",
)
@click.option("--weights", type=click.Path(), help="The classifier's weights, with --backbone.")
@click.option("--download", is_flag=True, help="Allow downloads of pretrained weights.")
@_options.geometry
@click.option(
    "--plugin", multiple=True, type=click.Path(), help="Python file that registers additions."
)
def list_(
    kind: str,
    dataset: str | None,
    backbone: str | None,
    weights: str | None,
    download: bool,
    plugin: tuple[str, ...],
    **geometry: Any,
) -> None:
    """List what is available, by KIND."""
    from robobench import registry
    from robobench.errors import unknown_name

    changes = {name: value for name, value in geometry.items() if value is not None}
    if changes:
        from robobench.datasets.geometry import check_changes

        check_changes(changes)
    for file in plugin:
        registry.load_plugin_file(file)
    if kind not in KINDS:
        raise unknown_name("list", kind, KINDS)
    if kind == "methods" and (dataset or backbone):
        from robobench.weights.readiness import readiness

        table(readiness(dataset or "shapes10", backbone, weights, changes))
        return
    if kind == "weights":
        from robobench.weights.listing import listed_weights

        table(listed_weights(backbone, weights, dataset, changes))
        return
    if kind == "layers":
        from robobench.backbones.untrained import architecture
        from robobench.weights.classifiers import changed_geometry, default_backbone

        network = architecture(
            backbone or default_backbone(dataset or "shapes10"), weights, download
        )
        _list_layers(network, changed_geometry(network, changes))
        return
    if kind == "commands":
        root = click.get_current_context().find_root()
        assert isinstance(root.command, click.Group)
        commands = dict.fromkeys([*root.command.list_commands(root), *registry.COMMANDS])
        found = {name: root.command.get_command(root, name) for name in commands}
        table([(n, c.get_short_help_str(200)) for n, c in found.items() if c is not None])
        return
    names = {
        "methods": registry.METHODS,
        "corruptions": registry.CORRUPTIONS,
        "datasets": registry.DATASETS,
        "backbones": registry.BACKBONES,
        "metrics": registry.METRICS,
        "sections": registry.SECTIONS,
        "reproductions": registry.REPRODUCTIONS,
    }[kind]
    rows = [(_written(names.entry(name)), _told(names.entry(name))) for name in names]
    table([*rows, _FACTORY] if kind == "backbones" else rows)
    if kind == "corruptions":
        from robobench.corruptions.catalogue import GROUPS

        click.echo("\ngroups")
        table([(name, ", ".join(members)) for name, members in GROUPS.items()])


def _list_layers(network: Network, geometry: Geometry) -> None:
    """Print the layers after which a classifier can be split, a line each."""
    from robobench.backbones.backbone import Backbone
    from robobench.errors import RobobenchError

    backbone = Backbone(network.module, name=network.name, geometry=geometry)
    layers = backbone.layers()
    if not layers:
        raise RobobenchError(
            f"--backbone {network.name} has no layer that all data pass as a feature map"
        )
    rows = [("layer", "channels", "height x width", "multiply-adds before", "")]
    for layer in layers:
        notes = ["non-negative"] * layer.rectified + ["default"] * layer.default
        size = f"{layer.height} x {layer.width}"
        rows.append((layer.name, f"{layer.channels}", size, f"{layer.share:.1%}", ", ".join(notes)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:4], widths[1:4], strict=True)]
        click.echo("  ".join([*cells, row[4]]).rstrip())


def _written(entry: Entry) -> str:
    """The name as users type it: ``restore:FILE``."""
    return ":".join([entry.name, *filter(None, [entry.options.get("argument")])])


def _told(entry: Entry) -> str:
    """Its summary, and whether it replaces another definition."""
    replaces = f"[replaces {', '.join(entry.overrides)}]" if entry.overrides else ""
    return " ".join(filter(None, [replaces, entry.summary]))


def table(rows: list[tuple[str, str]]) -> None:
    """Print two columns, the second wrapped to the terminal."""
    width = max((len(name) for name, _ in rows), default=0)
    room = max(40, shutil.get_terminal_size((100, 24)).columns - width - 3)
    for name, text in rows:
        first, *rest = textwrap.wrap(text, room) or [""]
        click.echo(f"{name:<{width}}  {first}")
        for line in rest:
            click.echo(f"{'':<{width}}  {line}")
