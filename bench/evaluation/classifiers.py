"""Several classifiers in one run: each with its own weights and geometry, all in one folder."""

from __future__ import annotations

import os
import tomllib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from robobench.errors import RobobenchError, unknown_name
from robobench.evaluation.configuration import Configuration, check_setting
from robobench.evaluation.plan import Plan, prepare

if TYPE_CHECKING:
    from robobench.evaluation.images import ImageSource

# What a table of a --models file may say; its name is the classifier's name in the results.
_OWN: Final = ("backbone", "weights", "layer", "resize", "crop", "interpolation", "mean", "std")


def one_each(configuration: Configuration) -> list[Configuration]:
    """The configuration of each classifier, with the name that it has in the results as `label`.

    They come from ``--backbone A,B`` with ``--weights FILE_A,FILE_B``, or from ``--models FILE``.

    Raises:
        RobobenchError: Their numbers differ, two have the same name, or the file is not as expected.
    """
    if configuration.models is not None:
        return _from_file(configuration, configuration.models)
    names = _listed(configuration.backbone)
    if len(names) < 2:
        return [configuration]
    if "" in names:
        raise RobobenchError(
            f"--backbone {configuration.backbone}: expected names separated by commas, one is empty"
        )
    files = _listed(configuration.weights) or [""] * len(names)
    if len(files) != len(names):
        raise RobobenchError(
            f"--weights: expected one file for each of the {len(names)} classifiers, in the same "
            f"order, got {len(files)}; leave a place empty for its own weights"
        )
    several = {name for name, count in Counter(names).items() if count > 1}
    return _distinct(
        [
            replace(
                configuration,
                backbone=name,
                weights=file or None,
                label=f"{name} ({Path(file).stem or 'its own'})" if name in several else name,
            )
            for name, file in zip(names, files, strict=True)
        ]
    )


def prepare_all(
    configuration: Configuration, tell: Callable[[str], None] = lambda line: None
) -> list[Plan]:
    """Plans for all classifiers; those that see the same images share one, which degrades them once.

    Args:
        configuration: As the user gave it.
        tell: Called with a line for each training.

    Raises:
        RobobenchError: See `plan.prepare` and `one_each`; or the classifiers would be evaluated at
            different severities.
    """
    each = one_each(configuration)
    if len(each) == 1:
        return [prepare(each[0], tell=tell)]
    plans = prepare_together(each, tell)
    for plan in plans:
        own = plan.configuration
        plan.configuration = replace(configuration, layer=own.layer, **_settled(own))
    profiles = dict.fromkeys(plan.profile for plan in plans)
    if len(profiles) > 1:
        raise RobobenchError(
            f"the classifiers see images of different sizes, for which different severities are usual "
            f"({', '.join(profiles)}): choose one for all with --profile"
        )
    return plans


def prepare_together(
    each: Sequence[Configuration],
    tell: Callable[[str], None] = lambda line: None,
    source: ImageSource | None = None,
) -> list[Plan]:
    """Plans for several classifiers; those that see the same images share one.

    Args:
        each: The configuration of each classifier.
        tell: Called with a line for each training.
        source: Images that were opened elsewhere, and that all of them see.

    Raises:
        RobobenchError: See `plan.prepare`.
    """
    plans: list[Plan] = []
    settled: dict[str, Any] = {}
    for asked in each:
        one = replace(asked, **settled)
        plan = prepare(one, tell=tell, several=True, source=source)
        settled = _settled(plan.configuration)  # by the first one, if it was to be measured
        plan.classifiers = (replace(one, **settled),)
        alike = next((known for known in plans if _see_alike(known, plan)), None)
        if alike is None:
            plans.append(plan)
        else:
            methods = (*alike.grid.methods, *plan.grid.methods)
            alike.grid = replace(alike.grid, methods=methods)
            alike.classifiers += plan.classifiers
            alike.notes = list(dict.fromkeys([*alike.notes, *plan.notes]))
    return plans


def _settled(configuration: Configuration) -> dict[str, Any]:
    """How the networks of a run compute, which is the same for all its classifiers."""
    return {"precision": configuration.precision, "compile": configuration.compile}


def _see_alike(one: Plan, other: Plan) -> bool:
    """Whether the classifiers of two plans get the same images with the same labels."""
    if one.dataset is other.dataset:  # opened elsewhere, perhaps on another machine
        return True
    return (
        one.grid.geometry == other.grid.geometry
        and one.profile == other.profile
        and one.dataset.fingerprint() == other.dataset.fingerprint()
        and np.array_equal(one.dataset.labels, other.dataset.labels)
    )


def _listed(text: str | None) -> list[str]:
    return [] if text is None else [part.strip() for part in text.split(",")]


def _from_file(configuration: Configuration, file: str) -> list[Configuration]:
    """A configuration for each table of a TOML file."""
    given = [name for name in _OWN if getattr(configuration, name) is not None]
    if given:
        raise RobobenchError(
            f"--models {file} says what each classifier is: leave out --{given[0]}, or give the "
            "classifiers with --backbone"
        )
    tables = _tables(Path(file))
    found = []
    for label, table in tables.items():
        where = f"--models {file}: {label}"
        if not isinstance(table, Mapping):
            raise RobobenchError(f"{where}: expected a table, [{label}], got {table!r}")
        settings: dict[str, Any] = {}
        for key, value in table.items():
            name = key.replace("-", "_")
            if name not in _OWN:
                raise unknown_name(f"key of {label} in {file}", key, _OWN)
            settings[name] = tuple(value) if isinstance(value, list) else value
            check_setting(f"{where}: {key}", name, settings[name])
        if "backbone" not in settings:
            raise RobobenchError(f'{where}: expected a line such as backbone = "timm:resnet50"')
        if path := settings.get("weights"):
            # relative to the file, so that the folder can be moved
            settings["weights"] = os.fspath(Path(file).parent / Path(path).expanduser())
        found.append(replace(configuration, **settings, label=label))
    if not found:
        raise RobobenchError(f"--models {file}: expected a table per classifier, it has none")
    return _distinct(found)


def _tables(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RobobenchError(f"--models {path}: {error.strerror}; expected a TOML file") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RobobenchError(f"--models {path} is not valid TOML: {error}") from error


def _distinct(found: Sequence[Configuration]) -> list[Configuration]:
    """The same, if no two have the same name.

    Raises:
        RobobenchError: Two have.
    """
    labels = Counter(one.label for one in found)
    label, count = labels.most_common(1)[0]
    if count > 1:
        raise RobobenchError(
            f"{count} classifiers would both be called {label}: leave one out, or name them in a "
            "--models file"
        )
    return list(found)
