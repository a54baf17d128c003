"""Which trained weights a method uses in a run."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from robobench.contracts import Method
from robobench.errors import NotApplicable, RobobenchError, foreign
from robobench.registry import METHODS
from robobench.registry.versions import version_of
from robobench.types import CLEAN, MATCHED, Card, Cost, is_matched
from robobench.weights.bank import bank
from robobench.weights.candidates import candidates, first_choice, names_of, recipe_names
from robobench.weights.coverage import (
    asked_training,
    blind_training,
    breadth,
    covers,
    suggest_trainings,
)
from robobench.weights.missing import MissingTraining
from robobench.weights.samples import matched_tag, wanted_by
from robobench.weights.storage import load, read_card

if TYPE_CHECKING:
    from robobench.backbones.backbone import Backbone


@dataclass(frozen=True)
class SelectedMethod:
    """A method with its weights selected: one row of the tables.

    Attributes:
        name: Registered name, with its argument.
        kind: The method's class.
        backbone: The frozen classifier that it builds on.
        trained_on: What it was trained on, as in `Cell.trained_on`.
        train_seed: Training seed of weights or classifier, as in `Cell.train_seed`.
        cards: Corruption evaluated -> path of the card; ``""`` stands for every corruption; empty
            if nothing is trained.
    """

    name: str
    kind: type[Method]
    backbone: Backbone
    trained_on: str
    train_seed: int
    cards: Mapping[str, Path]
    compiled: ClassVar[str] = ""  # `Cell.compiled`

    @cached_property
    def version(self) -> str:
        """Version of the method (`Cell.method_version`)."""
        return version_of(METHODS.entry(self.name.partition(":")[0]))

    @cached_property
    def layer(self) -> str:
        """Layer after which the classifier is split, if the method uses its stem (`Cell.layer`)."""
        uses_stem = self.kind.from_stem is not Method.from_stem or self.kind.weights_of == "plugin"
        return self.backbone.layer if uses_stem else ""

    @property
    def is_bank(self) -> bool:
        """Whether it selects weights by the corruption, which it then has to know."""
        return is_matched(self.trained_on)

    def refuses(self, corruption: str) -> bool:
        """Whether the method means nothing on a corruption.

        Raises:
            RobobenchError: A plug-in's ``applies_to`` raised or returned something else.
        """
        return not _applies(self.name, self.kind, corruption)

    @cached_property
    def cost(self) -> Cost:
        """What the method costs.

        Raises:
            RobobenchError: A plug-in's ``cost`` raised or returned something else.
        """
        cost: Any = _asked(self.name, self.kind, "cost", lambda: self.method.cost())
        if not isinstance(cost, Cost):
            raise _unexpected(self.name, self.kind, "cost", "a robobench.Cost", cost)
        return cost

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the results should know about the method, one sentence each.

        Raises:
            RobobenchError: A plug-in's ``notes`` raised or is something else.
        """
        notes: Any = _asked(self.name, self.kind, "notes", lambda: self.method.notes)
        if not isinstance(notes, list | tuple) or not all(isinstance(n, str) for n in notes):
            raise _unexpected(self.name, self.kind, "notes", "a tuple of sentences", notes)
        return tuple(notes)

    def digest(self, corruption: str) -> str:
        """SHA-256 of all trained weights used on a corruption (`Cell.weights`)."""
        path = self.cards.get(corruption, self.cards.get(""))
        if path is None and self.kind.argument_digest:
            return self._with_backbone(self.kind.argument_digest)
        if path is None:  # nothing trained, or a bank on clean images: the backbone alone
            return self.backbone.digest
        card = self._read_cards[path]
        return self.digest_with(card.digest, card.belongs_to)

    def digest_with(self, weights: str, belongs_to: str) -> str:
        """SHA-256 of all trained weights where a file of the given digest is used."""
        return weights if belongs_to == "classifier" else self._with_backbone(weights)

    def _with_backbone(self, digest: str) -> str:
        return hashlib.sha256(f"{self.backbone.digest} {digest}".encode()).hexdigest()

    @cached_property
    def _read_cards(self) -> dict[Path, Card]:
        return {path: read_card(path) for path in self.cards.values()}

    @property
    def line(self) -> str:
        """The line that `run` prints about it."""
        if self.kind.argument_digest:
            return f"{self.name}: SHA-256 {self.kind.argument_digest[:12]}..."
        if not self.cards:
            return f"{self.name}: no weights but the classifier's"
        if not self.is_bank:
            (path,) = set(self.cards.values())
            return f"{self.name}: trained on {self.trained_on} ({path})"
        parts: dict[str, list[str]] = {}
        for corruption, path in self.cards.items():
            parts.setdefault(self._read_cards[path].trained_on, []).append(corruption)
        members = "; ".join(f"{', '.join(names)}: the one for {on}" for on, names in parts.items())
        return f"{self.name}: a bank, which knows the corruption ({members})"

    @cached_property
    def method(self) -> Method:
        """The method itself, its weights loaded at the first call.

        Raises:
            RobobenchError: A file is damaged or does not fit.
        """
        if not self.cards:
            return _made(self.name, self.kind, self.backbone)
        made = {
            path: _made(self.name, self.kind, self.backbone, load(path))
            for path in set(self.cards.values())
        }
        if not self.is_bank:
            (only,) = made.values()
            return only
        return bank(self.backbone, {c: made[path] for c, path in self.cards.items()})


def _made(name: str, kind: type[Method], *arguments: Any) -> Method:
    """A method, which may be a plug-in's.

    Raises:
        RobobenchError: Its ``__init__`` raised, or did not call that of `robobench.Method`.
    """
    called = f"method {name!r} ({kind.__module__}.{kind.__qualname__})"
    with foreign(f"{called}: {kind.__name__}(backbone, weights)", kind.__module__):
        made = kind(*arguments)
    if not hasattr(made, "backbone"):
        raise RobobenchError(
            f"{called}: its __init__ is expected to call super().__init__(backbone, weights)"
        )
    return made


def _asked(name: str, kind: type[Method], part: str, ask: Callable[[], Any]) -> Any:
    """What a part of a method answers, which may be a plug-in's.

    Raises:
        RobobenchError: It raised.
    """
    module = kind.__module__
    with foreign(f"method {name!r} ({module}.{kind.__qualname__}): {part}", module):
        return ask()


def _unexpected(
    name: str, kind: type[Method], part: str, expected: str, got: Any
) -> RobobenchError:
    return RobobenchError(
        f"method {name!r} ({kind.__module__}.{kind.__qualname__}): {part}: expected {expected}, got "
        f"{type(got).__name__} {str(got)[:40]!r}"
    )


def _applies(name: str, kind: type[Method], corruption: str) -> bool:
    answer = _asked(name, kind, "applies_to", lambda: kind.applies_to(corruption))
    if not isinstance(answer, bool):
        raise _unexpected(name, kind, "applies_to", "True or False", answer)
    return answer


def select(
    spec: str,
    *,
    dataset: str,
    backbone: Backbone,
    corruptions: Iterable[str],
    train_seed: int = 0,
    command: str = "",
) -> SelectedMethod:
    """Select the weights of a method for a run.

    A plain name selects the most specific weights whose training covers every corruption evaluated:
    what a deployment would get, which is not told the corruption. ``@matched`` is a bank: for each
    corruption the most specific weights that cover it.

    Args:
        spec: ``NAME``, ``NAME@TRAINED_ON``, ``NAME@matched`` or ``NAME:ARGUMENT``; ``#TAG`` at the
            end tells apart trainings that differ in images or recipe
            (`robobench.weights.samples.matched_tag`).
        dataset: Name of the data set, as in `Cell.dataset`.
        backbone: The classifier.
        corruptions: Canonical names of the corruptions evaluated; clean is ignored.
        train_seed: Training seed of the weights.
        command: Command-line options of the data set, for messages; ``--dataset NAME`` if empty.

    Raises:
        RobobenchError: The method does not work with this backbone; weights are missing, and the
            message gives the command that trains them; or several fit that differ in their images.
    """
    spec, hash_sign, tag = _tagged(spec)
    name, method, at, wanted = _parsed(spec)
    if hash_sign and (not tag or method.weights_of == "none"):
        raise RobobenchError(
            f"{spec}#{tag}: expected what its images are after #, as in #10, #cub100 or #10-cub100, or "
            "a recipe, for a method that is trained"
        )
    check_applicable(name, method, backbone)
    fixed_by_name = method.weights_of == "none" or method.trained_on
    if at and fixed_by_name and wanted != method.trained_on:
        only = method.trained_on or "nothing"
        raise RobobenchError(f"{spec}: {name} is trained on {only}; leave @{wanted} out")
    if method.weights_of == "none":
        return SelectedMethod(name, method, backbone, method.trained_on or "", train_seed, {})

    owner = method.trained_as or name
    recipes = recipe_names(method, backbone) if tag else []
    if method.weights_of != "plugin" and (source := wanted_by(tag, recipes).source):
        raise RobobenchError(
            f"{spec}#{tag}: {name} belongs to its data set: expected a number of images or a recipe, "
            f"not {source!r}"
        )
    stored = candidates(owner, method, dataset, backbone, train_seed, tag)
    evaluated = [c for c in dict.fromkeys(corruptions) if c != CLEAN and _applies(name, method, c)]
    others: list[str] = []
    if tag:
        known = candidates(owner, method, dataset, backbone, train_seed, "")
        others = [*names_of(one for several in known.values() for one in several).values()]
    missing = MissingTraining(
        name, method, dataset, backbone, train_seed, command, tag, tuple(others)
    )

    def chosen(trained_on: str) -> Path:
        written = f"{name}@{trained_on}{f'#{tag}' if tag else ''}"
        return first_choice(written, stored[trained_on]).path

    def selected(trained_on: str, cards: Mapping[str, Path]) -> SelectedMethod:
        tags = {matched_tag(read_card(path), tag, recipes) for path in cards.values() if tag}
        label = f"{trained_on}#{tags.pop() if len(tags) == 1 else tag}" if tag else trained_on
        return SelectedMethod(name, method, backbone, label, train_seed, cards)

    fixed = method.trained_on or asked_training(wanted)
    if fixed and fixed != MATCHED:
        if fixed not in stored:
            raise missing.error([fixed])
        return selected(fixed, {"": chosen(fixed)})
    if not at:
        whole = [on for on in stored if all(covers(on, c) for c in evaluated)]
        if whole:
            best = min(whole, key=breadth)
            return selected(best, {"": chosen(best)})
    cards: dict[str, Path] = {}
    for corruption in evaluated:
        fitting = [on for on in stored if covers(on, corruption)]
        if fitting:
            cards[corruption] = chosen(min(fitting, key=breadth))
    left = [c for c in evaluated if c not in cards]
    if not at and evaluated:
        raise missing.error([blind_training(evaluated)], bank=not left)
    if left or not evaluated:
        raise missing.error(suggest_trainings(left))
    return selected(MATCHED, cards)


def bare_name(spec: str) -> str:
    """The name in a specification of a method, as written: without argument, training and tag.

    Raises:
        RobobenchError: There is none.
    """
    name = re.split("[:@#]", spec, maxsplit=1)[0]
    if spec and not name:
        raise RobobenchError(f"{spec!r}: expected a method before {spec[0]}, as in afd@jpeg#10")
    return name


def _tagged(spec: str) -> tuple[str, str, str]:
    """The specification, ``#`` or nothing, and the tag; an argument may contain any character."""
    head, colon, _ = spec.partition(":")
    if colon and not {"@", "#"} & set(head):
        return spec, "", ""
    return spec.partition("#")


def stored_trainings(
    spec: str, *, dataset: str, backbone: Backbone, train_seed: int = 0
) -> tuple[str, ...]:
    """What the stored weights of a method were trained on; empty if nothing is stored or trained.

    Args:
        spec: As for `select`, as the next three.
        dataset: Name of the data set.
        backbone: The classifier.
        train_seed: Training seed.

    Raises:
        RobobenchError: The method is unknown.
    """
    spec, _, tag = _tagged(spec)
    name, method, *_ = _parsed(spec)
    if method.weights_of == "none" or (method.weights_of == "plugin" and not backbone.splittable):
        return ()
    owner = method.trained_as or name
    return tuple(candidates(owner, method, dataset, backbone, train_seed, tag))


def _parsed(spec: str) -> tuple[str, type[Method], str, str]:
    """Name for cells, class, ``@`` or nothing, and what follows it.

    Raises:
        RobobenchError: The method is unknown, or an argument is missing or unexpected.
    """
    head, colon, argument = spec.partition(":")
    if colon and "@" not in head:  # the argument may contain any character
        name = METHODS.canonical(head)
        if "argument" not in METHODS.entry(name).options:
            raise RobobenchError(f"{spec}: {name} takes no argument; leave :{argument} out")
        if argument:
            label, method = METHODS[name].with_argument(argument)
            return f"{name}:{label}" if label else name, method, "", ""
    name, at, wanted = spec.partition("@")
    name = METHODS.canonical(name.rstrip(":"))
    wants = METHODS.entry(name).options.get("argument", "")
    if wants and not is_optional(wants):
        raise RobobenchError(f"{spec}: expected {name}:{wants}")
    if at and not wanted:
        raise RobobenchError(
            f"{spec}: expected a training set after @: a corruption, a group or matched"
        )
    return name, METHODS[name], at, wanted


def is_optional(argument: str) -> bool:
    """Whether an argument, as a method declares it, may be left out: it is in brackets."""
    return argument.startswith("[")


def check_applicable(name: str, method: type[Method], backbone: Backbone) -> None:
    """Refuse a method that does not work with a backbone.

    Raises:
        NotApplicable: The method is a plug-in module and the backbone cannot be split, or the
            method itself refuses it.
    """
    try:
        method.check_backbone(backbone)
    except RobobenchError as error:
        raise NotApplicable(f"{name}: {error}") from error
    in_between = method.weights_of == "plugin" and method.from_stem is not Method.from_stem
    if in_between and not backbone.splittable:
        try:
            _ = backbone.stem_channels
        except RobobenchError as error:
            raise NotApplicable(f"{name} cannot be plugged in: {error}") from error
