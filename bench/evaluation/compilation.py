"""``--compile``: methods whose networks are compiled, and whether that pays."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, ClassVar, Final

import torch
from torch import Tensor

from robobench.backbones.backbone import Backbone
from robobench.backbones.compiling import COMPILER, check_compiler, compiled
from robobench.backbones.speed import timed_in_turns
from robobench.contracts import Method
from robobench.errors import RobobenchError
from robobench.evaluation.automatic_precision import manifest_before
from robobench.evaluation.chunks import chunk_size, padded
from robobench.evaluation.configuration import Configuration
from robobench.evaluation.grid import Grid
from robobench.evaluation.images import ImageSource
from robobench.results.manifest import compilation_of
from robobench.results.store import Store
from robobench.types import Context, Cost
from robobench.weights.selection import SelectedMethod

ALWAYS, NEVER = "always", "never"
# Of the classifier's passes in a run: compiling takes some 20 s and saves 5 to 15 % of them on a CPU.
_LEAST_SECONDS: Final = 300.0
_LEAST_RATIO: Final = 1.03
# Of probabilities: compiled networks differ by some 1e-6, in bf16 by its rounding.
_TOLERANCE: Final = {"fp32": 1e-3, "bf16": 5e-2}
_OF_ALWAYS: Final = (
    "Networks were compiled by torch.compile: probabilities differ in their last digits from those of a "
    "run without --compile."
)


def settle_compilation(
    configuration: Configuration, backbones: Sequence[Backbone], passes: int
) -> tuple[Configuration, list[str]]:
    """``always`` or ``never`` instead of ``auto``, and sentences that say where it comes from.

    ``auto`` is what the folder has; of a new one, the faster of the two by measurement, unless the run
    is too short for compiling to pay.

    Args:
        configuration: The requested configuration.
        backbones: Its classifiers, of which the first is measured, their `Backbone.side` set.
        passes: The number of its forward passes, one per image and condition.

    Raises:
        RobobenchError: The classifier is an exported program, or this machine cannot compile; or the
            manifest in the folder cannot be read.
    """
    if configuration.compile == NEVER:
        return configuration, []
    for backbone in backbones:
        if opaque := getattr(backbone.module, "opaque", ""):
            raise RobobenchError(
                f"--compile: backbone {backbone.name} is {opaque}, which is a program already: leave "
                "out --compile"
            )
    check_compiler(backbones[0].device)
    if configuration.compile == ALWAYS:
        return configuration, [_OF_ALWAYS]
    before = manifest_before(configuration.folder)
    if before is not None:
        word = compilation_of(before)
        said = "" if word == ALWAYS else "not "
        told = f"Networks were {said}compiled, as when this run began (--compile auto)."
    else:
        word, told = _measured(backbones[0], passes)
    settled = replace(configuration, compile=word)
    return settled, [told, *([_OF_ALWAYS] if word == ALWAYS else [])]


def _measured(backbone: Backbone, passes: int) -> tuple[str, str]:
    """Whether to compile, and why."""
    images = backbone.example.expand(chunk_size(backbone.side), -1, -1, -1).contiguous()
    backbone(images)
    began = time.perf_counter()
    backbone(images).sum().item()  # waits for the device
    seconds = (time.perf_counter() - began) / len(images) * passes
    if seconds < _LEAST_SECONDS:
        return NEVER, (
            f"Networks were not compiled: the passes of {backbone.label} take about {seconds:.0f} s here, "
            f"and compiling pays from {_LEAST_SECONDS:.0f} s on (--compile auto)."
        )
    try:
        run = _compiled_pass(backbone.as_module(), backbone, images, backbone.label)
    except RobobenchError as error:
        return NEVER, f"Networks were not compiled (--compile auto): {error}."
    ways: dict[str, Callable[[Tensor], Tensor]] = {NEVER: backbone, ALWAYS: run}
    durations = timed_in_turns(tuple(ways), lambda way: ways[way](images).sum().item())
    ratio = durations[NEVER] / durations[ALWAYS]
    word = ALWAYS if ratio >= _LEAST_RATIO else NEVER
    return word, (
        f"Networks were {'' if word == ALWAYS else 'not '}compiled: {backbone.label} is {ratio:.2f} times "
        "as fast here if it is (--compile auto, measured)."
    )


def _compiled_pass(
    network: torch.nn.Module, backbone: Backbone, images: Tensor, called: str
) -> Callable[[Tensor], Tensor]:
    """A network on 0..255 as a function from uint8 images, as many as these, to probabilities."""

    def floats(images: Tensor) -> Tensor:
        moved = images.to(backbone.device, torch.float32)
        return moved.contiguous(memory_format=torch.channels_last)

    # Always the same mode and precision: another would be compiled anew.
    with torch.inference_mode(), backbone.autocast():
        run = compiled(network.eval().requires_grad_(False), floats(images), called)

    def probabilities(images: Tensor) -> Tensor:
        with torch.inference_mode(), backbone.autocast():
            logits = run(floats(images))
        return logits.float().softmax(dim=1)

    return probabilities


def can_be_compiled(selected: SelectedMethod) -> bool:
    """Whether a method is one network that classifies any number of images."""
    kind = selected.kind
    if kind.as_module is Method.as_module or kind.adapts or kind.needs or selected.is_bank:
        return False
    network = selected.method.as_module()
    return network is not None and not getattr(network, "one_image", False)


@dataclass(frozen=True)
class CompiledSelection(SelectedMethod):
    """A selected method that runs compiled.

    Attributes:
        plain: The same as it is.
        chunk: Number of images that it is compiled for.
    """

    plain: SelectedMethod
    chunk: int
    compiled: ClassVar[str] = COMPILER

    @cached_property
    def method(self) -> Method:
        """The method, compiled when it first predicts."""
        return _CompiledMethod(self.name, self.plain.method, self.chunk)


def compiled_where_possible(
    methods: Sequence[SelectedMethod], side: int
) -> tuple[list[SelectedMethod], list[str]]:
    """The methods, compiled for the chunks of a run if they can be, and a note on the others.

    Args:
        methods: Those of the run.
        side: Side of an image, in pixels.
    """
    found: list[SelectedMethod] = []
    for selected in methods:
        if can_be_compiled(selected):
            given: dict[str, Any] = {f.name: getattr(selected, f.name) for f in fields(selected)}
            selected = CompiledSelection(**given, plain=selected, chunk=chunk_size(side))
        found.append(selected)
    left = dict.fromkeys(one.name for one in found if not one.compiled)
    note = f"Not compiled, as they are not one network of tensor operations: {', '.join(left)}."
    return found, [note] if left else []


def compile_ahead(grid: Grid, source: ImageSource, store: Store) -> None:
    """Compile the methods that have cells to fill, so that nothing is written if one cannot be.

    Args:
        grid: The cells and their methods.
        source: The images, of which the first serve as an example.
        store: What is there already.

    Raises:
        RobobenchError: A method cannot be compiled, or says something else once it is.
    """
    before = manifest_before(store.folder)
    if before is not None and compilation_of(before) != ALWAYS:
        return  # a folder that the session refuses
    for selected in grid.methods:
        if not isinstance(selected, CompiledSelection):
            continue
        missing = (
            (degradation, seed)
            for degradation, seed in grid.conditions()
            if (cell := grid.cell(selected, degradation, seed)) and not store.has(cell)
        )
        if condition := next(missing, None):
            some = source.batch(0, min(selected.chunk, len(source)), *condition)[1]
            selected.method.predict(padded(some, selected.chunk), Context())


class _CompiledMethod(Method):
    """A method whose predictions for whole chunks come from its compiled network.

    Args:
        name: Its name, for messages.
        plain: The method.
        chunk: Number of images of a chunk; any other number is left to the method itself.
    """

    def __init__(self, name: str, plain: Method, chunk: int) -> None:
        super().__init__(plain.backbone, plain.weights)
        self._name, self._plain, self._chunk = name, plain, chunk
        self._run: Callable[[Tensor], Tensor] | None = None

    def predict(self, images: Tensor, context: Context) -> Tensor:
        """Probabilities from the compiled network.

        Raises:
            RobobenchError: It cannot be compiled, or says something else than the method.
        """
        if len(images) != self._chunk:
            return self._plain.predict(images, context)
        if self._run is None:
            self._run = self._compiled(images)
        return self._run(images)

    def _compiled(self, images: Tensor) -> Callable[[Tensor], Tensor]:
        network = self._plain.as_module()
        assert network is not None  # see `can_be_compiled`
        run = _compiled_pass(network, self.backbone, images, self._name)
        with torch.inference_mode():
            most = float((run(images) - self._plain.predict(images, Context())).abs().max())
        if not most <= _TOLERANCE[self.backbone.precision]:  # nor NaN
            raise RobobenchError(
                f"--compile: {self._name} says something else once compiled (probabilities differ by up "
                f"to {most:.2g}): leave out --compile"
            )
        return run

    def columns(self, images: Tensor, clean: Tensor, context: Context) -> dict[str, Tensor]:
        """Those of the method."""
        return self._plain.columns(images, clean, context)

    def features(self, images: Tensor, context: Context) -> list[Tensor] | None:
        """Those of the method."""
        return self._plain.features(images, context)

    def cost(self) -> Cost:
        """That of the method."""
        return self._plain.cost()

    @property
    def notes(self) -> tuple[str, ...]:
        """Those of the method."""
        return self._plain.notes

    def __getattr__(self, name: str) -> Any:
        """What else the method has, such as ``restore``."""
        if name == "_plain":
            raise AttributeError(name)
        return getattr(self._plain, name)
