"""The decorators that extend robobench, and what each expects of the decorated object.

Each takes the name under which users find the object (lower case) and ``aliases``, and returns the
object unchanged. A name that is taken is refused, unless ``override=True`` says that the definition
replaces the one that has it; ``robobench list`` and the run's notes then say so. ``robobench list``
shows the first line of its docstring.
Options written as literals are known without importing the module.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeVar

from robobench.errors import RobobenchError
from robobench.registry import names

T = TypeVar("T")


def method(
    name: str,
    *,
    aliases: tuple[str, ...] = (),
    version: int | str | None = None,
    override: bool = False,
    argument: str | None = None,
    trainings: tuple[str, ...] = (),
    worth: int = 50,
) -> Callable[[T], T]:
    """Register a method: a subclass of `robobench.Method`.

    Its ``predict(images, context)`` takes uint8 N x 3 x H x W on the classifier's device and returns
    probabilities, float32 N x classes. ``self.backbone`` is the frozen classifier: call it for
    probabilities, ``self.backbone.logits`` for logits. A method with weights of its own also has
    ``weights_of``, `fit` and `recipes`: see `robobench.Method`. Complete files:
    ``docs/examples/method.py`` and ``docs/examples/trained_method.py``.

    Args:
        name: The name for ``--methods``.
        aliases: Alternative names.
        version: Raised whenever its results change: part of the identity of every cell. Without it a
            plug-in's definition is known by its source file.
        override: Whether it may replace the definition that has the name.
        argument: What ``NAME:ARGUMENT`` expects after the colon (``FILE``), if anything; in brackets
            (``[SETTINGS]``) if it may be left out.
        trainings: What it is trained on by default, for ``robobench train``.
        worth: Its position in ``robobench train``'s list; small numbers come first.

    >>> import robobench
    >>> @robobench.method("mirror-average")
    ... class MirrorAverage(robobench.Method):
    ...     "Mean of the predictions for an image and its mirror image."
    ...
    ...     def predict(self, images, context):
    ...         return (self.backbone(images) + self.backbone(images.flip(-1))) / 2
    """
    add = names.METHODS.register(
        name,
        aliases=aliases,
        version=version,
        override=override,
        argument=argument,
        trainings=trainings,
        worth=worth,
    )

    def register(target: T) -> T:
        origin = f"{target.__module__}.{getattr(target, '__qualname__', target)}"
        kinds = [
            f"{kind.__module__}.{kind.__qualname__}" for kind in getattr(target, "__mro__", ())
        ]
        if "robobench.contracts.Method" not in kinds:
            what = "another class" if isinstance(target, type) else f"a {type(target).__name__}"
            raise RobobenchError(
                f"method {name!r} of {origin}: a subclass of robobench.Method is expected, it is "
                f"{what}"
            )
        added: T = add(target)
        return added

    return register


def corruption(
    name: str,
    *,
    aliases: tuple[str, ...] = (),
    version: int | str | None = None,
    override: bool = False,
    group: str = "",
    severities: Mapping[str, Sequence[Any]] | Sequence[Any] = (1, 2, 3, 4, 5),
    native: Mapping[str, Any] | None = None,
    random: bool = True,
    minimum: int = 1,
    per_image: bool = False,
) -> Callable[[T], T]:
    """Register a corruption: ``function(images, level, keys) -> images``.

    ``images`` are uint8 N x 3 x H x W and must not be modified; ``level`` is the requested entry of
    ``severities``, or a native level; ``keys`` are int64 N, the seed of each
    image's randomness (see `robobench.corruptions.random`). It returns uint8 of the same shape on
    the same device. An image's result must not depend on the rest of the batch. A complete file:
    ``docs/examples/corruption.py``.

    Args:
        name: The name for ``--corruptions``.
        aliases: Alternative names.
        version: Raised whenever its results change: part of the identity of every cell. Without it a
            plug-in's definition is known by its source file.
        override: Whether it may replace the definition that has the name.
        group: ``noise``, ``blur``, ``weather``, ``digital``, ``extra``, ``codecs`` or a new one,
            whose name then selects all its members.
        severities: Five levels, or five for each profile; ``()`` where only native levels make
            sense.
        native: The unit in which a single number gives the strength: ``unit`` (text), ``low`` and
            ``high`` of a sweep, ``integer``, ``limit`` (see `robobench.corruptions.catalogue`).
        random: Whether it uses ``keys``; a deterministic corruption runs with one seed only.
        minimum: Smallest image side that it accepts, in pixels.
        per_image: Whether ``level`` may be a float tensor N, one level per image.

    >>> import robobench
    >>> @robobench.corruption("darken", group="light", random=False, severities=(10, 20, 40, 60, 80))
    ... def darken(images, level, keys):
    ...     "Subtract a constant from every channel."
    ...     return images.float().sub(level).clamp(0, 255).to(images.dtype)
    """
    return names.CORRUPTIONS.register(
        name,
        aliases=aliases,
        version=version,
        override=override,
        group=group,
        severities=severities,
        native=native,
        random=random,
        minimum=minimum,
        per_image=per_image,
    )


def dataset(
    name: str,
    *,
    aliases: tuple[str, ...] = (),
    version: int | str | None = None,
    override: bool = False,
    backbone: str | None = None,
    training_images: bool = False,
    networks_of: str | None = None,
) -> Callable[[T], T]:
    """Register a data set: a class or function that opens a `robobench.contracts.Dataset`.

    It is called with whichever of these keywords it accepts: ``split`` (``test``, ``validation`` or
    ``train``), ``root`` (folder of data sets), ``argument`` (what follows the colon in
    ``NAME:ARGUMENT``), ``classes``, ``class_names``, ``download``, ``workers``. The result has
    ``name``, ``split``, ``class_names``, ``profile``, ``labels`` (int64 N), ``len``, `read` (indices
    and geometry to uint8 N x 3 x H x W) and `fingerprint`. Images in arrays need no class of their
    own: `robobench.datasets.from_arrays`. A complete file: ``docs/examples/dataset.py``.

    Args:
        name: The name for ``--dataset``.
        aliases: Alternative names.
        version: Raised whenever its results change: part of the identity of every cell. Without it a
            plug-in's definition is known by its source file.
        override: Whether it may replace the definition that has the name.
        backbone: Classifier used where ``--backbone`` is left out.
        training_images: Whether it has a ``train`` split to train on.
        networks_of: Data set whose trained networks it uses (``cifar10`` for ``cifar10-c``).

    >>> import numpy as np
    >>> import robobench
    >>> from robobench.datasets import from_arrays
    >>> @robobench.dataset("two-greys")
    ... def two_greys(split="test"):
    ...     "Ten dark and ten bright images of 32 x 32 pixels."
    ...     labels = np.arange(20) % 2
    ...     images = np.full((20, 32, 32, 3), 64, np.uint8) + (128 * labels[:, None, None, None])
    ...     return from_arrays(images.astype(np.uint8), labels, ["dark", "bright"], "two-greys")
    """
    return names.DATASETS.register(
        name,
        aliases=aliases,
        version=version,
        override=override,
        backbone=backbone,
        training_images=training_images,
        networks_of=networks_of,
    )


def backbone(
    name: str,
    *,
    aliases: tuple[str, ...] = (),
    version: int | str | None = None,
    override: bool = False,
    argument: str | None = None,
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5),
    std: tuple[float, float, float] = (0.25, 0.25, 0.25),
) -> Callable[[T], T]:
    """Register a classifier's architecture: ``function(classes, **options) -> torch.nn.Module``.

    The module takes normalised float32 N x 3 x H x W and returns logits, float32 N x classes. It
    comes untrained: its weights are a file (``--weights``) or trained by ``robobench train --method
    org --backbone NAME``, which also passes ``dropout`` where a recipe asks for it.

    With ``argument`` it is a source of many classifiers, written ``NAME:ARGUMENT``:
    ``function(argument, weights, class_names, download) -> robobench.backbones.networks.Network``.

    A complete file: ``docs/examples/backbone.py``.

    Args:
        name: The name for ``--backbone``.
        aliases: Alternative names.
        version: Raised whenever its results change: part of the identity of every cell. Without it a
            plug-in's definition is known by its source file.
        override: Whether it may replace the definition that has the name.
        argument: What is expected after the colon (``NAME`` or ``FILE``), if anything.
        mean: Mean per channel, subtracted from images on 0..1.
        std: Standard deviation per channel, by which they are then divided.

    >>> import robobench
    >>> from torch import nn
    >>> @robobench.backbone("linear")
    ... def linear(classes, dropout=0.0):
    ...     "A linear classifier of images of 32 x 32 pixels."
    ...     return nn.Sequential(nn.Flatten(), nn.Dropout(dropout), nn.Linear(3 * 32 * 32, classes))
    """
    return names.BACKBONES.register(
        name,
        aliases=aliases,
        version=version,
        override=override,
        argument=argument,
        mean=mean,
        std=std,
    )


def metric(
    name: str,
    *,
    aliases: tuple[str, ...] = (),
    override: bool = False,
    higher_is_better: bool,
    bounds: tuple[float, float],
    title: str = "",
    unit: Literal["percent", "number"] = "percent",
    reported: bool = True,
) -> Callable[[T], T]:
    """Register a metric of a cell: ``function(predictions) -> value or values``.

    ``predictions`` is a `robobench.Predictions`. Where the function returns one value per image,
    the metric is their mean and gets a 95 % interval: Wilson's for booleans, the normal
    approximation for floats. A metric that is not a mean returns a single number, without an
    interval. Values are fractions, not percent. A complete file: ``docs/examples/metric.py``.

    Args:
        name: The name in the column ``metric`` of the results.
        aliases: Alternative names.
        override: Whether it may replace the definition that has the name.
        higher_is_better: Its direction, for tables, colours and checks.
        bounds: Smallest and largest possible value.
        title: Its heading in reports; the name if empty.
        unit: ``percent`` shows a fraction times 100, ``number`` the value itself.
        reported: Whether the report's calibration section shows it.

    >>> import robobench
    >>> @robobench.metric("confident", higher_is_better=True, bounds=(0, 1), title="Confident")
    ... def confident(predictions):
    ...     "Share of the images classified with a confidence above 0.9."
    ...     return predictions.confidence > 0.9
    """
    return names.METRICS.register(
        name,
        aliases=aliases,
        override=override,
        higher_is_better=higher_is_better,
        bounds=bounds,
        title=title,
        unit=unit,
        reported=reported,
    )


def section(
    name: str,
    *,
    aliases: tuple[str, ...] = (),
    override: bool = False,
    order: int = 1000,
    title: str = "",
) -> Callable[[T], T]:
    """Register a section of the report: ``function(run) -> list of blocks``.

    ``run`` is a `robobench.Run`; blocks are `Text`, `Table` and `Plot` of
    `robobench.reports.blocks`. An empty list leaves the section out. A complete file:
    ``docs/examples/section.py``.

    Args:
        name: The name for ``robobench report --sections``.
        aliases: Alternative names.
        override: Whether it may replace the definition that has the name.
        order: Its position; built-in sections lie between 10 and 100.
        title: Its heading; the name if empty.

    >>> import robobench
    >>> from robobench.reports.blocks import Text
    >>> @robobench.section("size", order=95, title="Size of the run")
    ... def size(run):
    ...     "How many numbers there are."
    ...     return [Text(f"The long table has {len(run.frame):,} rows.")]
    """
    return names.SECTIONS.register(
        name, aliases=aliases, override=override, order=order, title=title
    )


def reproduction(
    name: str, *, aliases: tuple[str, ...] = (), override: bool = False, paper: str = ""
) -> Callable[[T], T]:
    """Register a paper's table or figure: ``function() -> robobench.reproductions.Reproduction``.

    Args:
        name: The name for ``robobench reproduce``.
        aliases: Alternative names.
        override: Whether it may replace the definition that has the name.
        paper: Authors and year, used in titles.

    >>> import robobench
    >>> from robobench.reproductions import Column, Reproduction, Row
    >>> @robobench.reproduction("doe-table1", paper="Doe 2031")
    ... def table1():
    ...     "Table 1: accuracy on blurred images."
    ...     return Reproduction(
    ...         title="Table 1. Accuracy on blurred images",
    ...         dataset="cifar10",
    ...         run_folder="doe-2031",
    ...         columns=(Column("defocus", "defocus_blur"), Column("motion", "motion_blur")),
    ...         rows=(Row("org", "Baseline", (0.61, 0.58)), Row("afd", "Ours", (0.70, 0.66))),
    ...     )
    """
    return names.REPRODUCTIONS.register(name, aliases=aliases, override=override, paper=paper)


def study(name: str, *, aliases: tuple[str, ...] = (), override: bool = False) -> Callable[[T], T]:
    """Register a study, a list of trainings: ``function() -> list[robobench.training.study.Training]``.

    Args:
        name: The name for ``robobench train --recipe``.
        aliases: Alternative names.
        override: Whether it may replace the definition that has the name.

    >>> import robobench
    >>> from robobench.training.study import Training
    >>> @robobench.study("both-arms")
    ... def both_arms():
    ...     "The two arms of a comparison, over two seeds."
    ...     return [Training("cifar10", m, seed=s) for s in (0, 1) for m in ("jpg", "jpg-estqf")]
    """
    return names.STUDIES.register(name, aliases=aliases, override=override)


def command(
    name: str, *, aliases: tuple[str, ...] = (), override: bool = False
) -> Callable[[T], T]:
    """Register a subcommand of ``robobench``: a click command.

    Write ``@robobench.command`` above ``@click.command``. A command in a file is called as
    ``robobench --plugin FILE.py NAME``; one in an installed package needs no option. An integer
    return value is the exit code; a `robobench.errors.RobobenchError` becomes one line and exit
    code 2. A complete file: ``docs/examples/command.py``.

    Args:
        name: Name of the subcommand.
        aliases: Alternative names.
        override: Whether it may replace the definition that has the name.

    >>> import click
    >>> import robobench
    >>> @robobench.command("cells")
    ... @click.command()
    ... @click.argument("run")
    ... def cells(run):
    ...     "How many cells a run has."
    ...     click.echo(len(robobench.load(run).store.cells()))
    """
    return names.COMMANDS.register(name, aliases=aliases, override=override)
