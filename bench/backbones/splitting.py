"""Split a classifier into stem and rest, so that a module can be plugged in between."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final

import torch
from torch import Tensor, nn

from robobench.backbones.layers import Call, Survey, default_place, plain_arithmetic, survey
from robobench.backbones.maps import tensor_in
from robobench.errors import RobobenchError

_LISTED: Final = 12  # candidates in a refusal
_TOLERANCE: Final = 1e-4  # of the largest logit
_thread = threading.local()


class Split:
    """A classifier in two parts that share its parameters.

    Both parts are the network itself with a few modules replaced. In the stem, the layer ends the
    pass once it has run. In the rest, the layer returns the features that the rest is given, and
    modules that run before it are skipped: they return NaN of the right shape, so that nothing is
    computed twice, and whatever bypasses the layer would show.

    Args:
        network: The network, in evaluation mode.
        found: What a pass over the example tells about it.
        place: The call of the layer after which it is split.
        example: One normalised image, 1 x 3 x H x W.

    Attributes:
        place: Name of the layer.
        channels: Number of channels of the features.
        rectified: Whether the features are non-negative by construction.
        layer: The layer itself.
        layout: How its output is read as a feature map.
        behind: What the rest runs: the network, with the names of its modules.
        found: What is known of the network.
        place_end: When the layer's call ended.
    """

    def __init__(self, network: nn.Module, found: Survey, place: Call, example: Tensor) -> None:
        assert place.layout is not None
        self.place = place.name
        self.channels, height, width = place.shape
        self.rectified = place.rectified
        self.layout = place.layout
        self._colours = example.shape[1]
        self._scale = example.shape[2] / height, example.shape[3] / width
        modules = dict(network.named_modules())
        self.layer = layer = modules[place.name]
        self._network = network
        ends = {call.name: call.end for call in found.calls}  # of the last call
        before = [n for n, end in ends.items() if end < place.end and not _within(n, place.name)]
        self.found, self.place_end = found, place.end
        self.entry = _Entry(place.wrapped)
        self.skips = [_Skip(modules[name]) for name in before]
        self._ahead = _with(network, {id(layer): _acting(layer, _Exit(layer))})
        acting = {id(skip.module): _acting(skip.module, skip) for skip in self.skips}
        self.behind = _with(network, {**acting, id(layer): _acting(layer, self.entry)})

    def stem(self, images: Tensor) -> Tensor:
        """Features N x C x h x w for normalised images N x 3 x H x W."""
        try:
            self._ahead(images)
        except _Reached as reached:
            return self.layout.to_features(reached.output, images.shape[2] / images.shape[3])
        raise RobobenchError(f"the network did not run its layer {self.place!r}")

    def with_layer(self, forward: Callable[..., Any]) -> nn.Module:
        """The whole network, its layer computing something else."""
        return _with(self._network, {id(self.layer): _acting(self.layer, forward)})

    def rest(self, features: Tensor) -> Tensor:
        """Logits for features."""
        sides = [round(n * s) for n, s in zip(features.shape[2:], self._scale, strict=True)]
        images = features.new_full((), torch.nan).as_subclass(Tensor)
        outer = getattr(_thread, "given", None)
        _thread.given = self.layout.from_features(features)
        try:
            logits: Tensor = self.behind(images.expand(len(features), self._colours, *sides))
            return logits
        finally:
            _thread.given = outer


def split(network: nn.Module, example: Tensor, place: str | None = None) -> Split:
    """Split a network after a layer.

    Args:
        network: Any network in evaluation mode.
        example: One normalised image, 1 x 3 x H x H, of which no two pixels need be alike.
        place: Dotted name of the layer; None chooses, see `default_place`.

    Raises:
        RobobenchError: There is no such layer, data bypass it, its output is no feature map, or the
            network's logits are not finite.
    """
    kind = type(network).__name__
    modules = dict(network.named_modules())
    found = surveyed(network, example)
    if not found.logits.isfinite().all():
        raise RobobenchError(
            f"{kind} cannot be split: its logits for an image of noise are not finite"
        )
    if place is not None and place not in modules:
        close = get_close_matches(place, [n for n in modules if n], n=1)
        guess = f" (did you mean {close[0]!r}?)" if close else ""
        raise RobobenchError(
            f"{kind} has no module {place!r} to split it after{guess}{_candidates(found)}"
        )
    wanted = default_place(network, found) if place is None else place
    if not wanted:
        if not found.places:
            raise RobobenchError(
                f"{kind} cannot be split: there is no layer that all data pass as a feature map"
            )
        raise RobobenchError(
            f"{kind} has no usual place to plug a module in: name the layer after which it belongs "
            f"(--layer NAME){_candidates(found)}"
        )
    calls = [call for call in found.calls if call.name == wanted]
    fault = _fault(calls, modules[wanted])
    if not fault:
        halves, fault = _checked(network, found, calls[0], example)
        if halves is not None:
            return halves
    raise RobobenchError(f"{kind} cannot be split after {wanted!r}: {fault}{_candidates(found)}")


def surveyed(network: nn.Module, example: Tensor, *, count: bool = False) -> Survey:
    """What one pass over an example tells about a network, see `survey`.

    Raises:
        RobobenchError: The network cannot be followed.
    """
    try:
        return survey(network, example, count=count)
    except Exception as error:  # whatever a user's network raises
        raise RobobenchError(
            f"{type(network).__name__} cannot be split: following an image through it raised "
            f"{_said(error)}"
        ) from error


def _fault(calls: list[Call], module: nn.Module) -> str:
    if len(calls) != 1:
        return "it runs more than once" if calls else "it does not run"
    if calls[0].layout is None:
        return "its output is no feature map (N x C x h x w, N x h x w x C or N x patches x C)"
    return "" if calls[0].dominates else "what follows also needs what comes before it"


def _checked(
    network: nn.Module, found: Survey, place: Call, example: Tensor
) -> tuple[Split | None, str]:
    """The two halves, if together they are the whole; else what is wrong."""
    halves = Split(network, found, place, example)
    try:
        logits = _tried(halves, example)
    except Exception:  # noqa: BLE001 - it may be that something writes to what a skip returned
        for skip in halves.skips:
            skip.solid = True
        try:
            logits = _tried(halves, example)
        except Exception as error:  # noqa: BLE001 - whatever a user's network raises
            return None, f"running it in two parts raised {_said(error)}"
    if not (logits - found.logits).abs().max() <= _TOLERANCE * found.logits.abs().max():  # or NaN
        return None, "what follows also needs what comes before it"
    if place.layout and place.layout.prefix and _ignores_maps(halves, example):
        return None, "what follows reads its class token only"
    return halves, ""


def _tried(halves: Split, example: Tensor) -> Tensor:
    """Logits of the two halves; notes whether the rest changes its features in place."""
    with plain_arithmetic(example), torch.no_grad():
        features = halves.stem(example)
        logits = halves.rest(features)
        halves.entry.copies = features._version > 0
        return halves.rest(halves.stem(example)) if halves.entry.copies else logits


def _ignores_maps(halves: Split, example: Tensor) -> bool:
    with plain_arithmetic(example), torch.enable_grad():
        features = halves.stem(example).detach().requires_grad_()
        halves.rest(features).square().sum().backward()  # type: ignore[no-untyped-call]
    return features.grad is None or not features.grad.any()


def _candidates(found: Survey) -> str:
    names = [call.name for call in found.outermost()]
    more = ", ..." if len(names) > _LISTED else ""
    return f"; it can be split after {', '.join(names[:_LISTED])}{more}" if names else ""


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"


def _within(name: str, outer: str) -> bool:
    return name.startswith(f"{outer}.")


class _Reached(Exception):
    """Carries a layer's output out of a network."""

    def __init__(self, output: Tensor) -> None:
        super().__init__()
        self.output = output


@dataclass
class _Exit:
    """Stands for a layer's `forward`: runs the layer and leaves the network."""

    module: nn.Module

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise _Reached(tensor_in(self.module(*args, **kwargs)))


@dataclass
class _Entry:
    """Stands for a layer's `forward`: returns what the rest is given.

    Attributes:
        wrapped: Whether as the only item of a tuple.
        copies: Whether as a copy, for a network that would change it in place.
    """

    wrapped: bool
    copies: bool = False

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        given = _thread.given.clone() if self.copies else _thread.given
        return (given,) if self.wrapped else given


class _Skip:
    """Stands for a module's `forward`: returns NaN of the shape of what the module would return.

    The module is run once for every new shape of its input.

    Args:
        module: The module.
    """

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self.solid = False  # whether NaN are written to memory of their own
        self._outlines: dict[Any, Any] = {}

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        given = _outline((args, sorted(kwargs.items())))
        if given not in self._outlines:
            with torch.no_grad():
                self._outlines[given] = _outline(self.module(*args, **kwargs))
        return self._filled(self._outlines[given])

    def _filled(self, outline: Any) -> Any:
        if isinstance(outline, _Shape):
            value = torch.nan if outline.dtype.is_floating_point else 0
            shape = outline.shape if self.solid else ()
            made = torch.full(shape, value, dtype=outline.dtype, device=outline.device)
            return made.expand(outline.shape)
        if isinstance(outline, tuple):
            return tuple(self._filled(item) for item in outline)
        return outline


@dataclass(frozen=True)
class _Shape:
    shape: tuple[int, ...]
    dtype: torch.dtype
    device: torch.device


def _outline(value: Any) -> Any:
    """Shapes instead of tensors, tuples instead of lists; hashable."""
    if isinstance(value, Tensor):
        return _Shape(tuple(value.shape), value.dtype, value.device)
    if isinstance(value, tuple | list):
        return tuple(_outline(item) for item in value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"a {type(value).__name__} goes in or out of a module ahead of the layer")


def _acting(module: nn.Module, forward: Callable[..., Any]) -> nn.Module:
    """A module with the same attributes and another `forward`, without hooks."""
    twin = _twin(module)
    vars(twin)["forward"] = forward
    for name in ("_forward_hooks", "_forward_pre_hooks"):
        vars(twin)[name] = OrderedDict()
    return twin


def _with(module: nn.Module, replaced: Mapping[int, nn.Module]) -> nn.Module:
    """A network in which some modules are replaced and all others are shared.

    Args:
        module: The network.
        replaced: The replacements, by the `id` of what they replace.
    """
    made = dict[int, nn.Module](replaced)

    def rebuilt(old: nn.Module) -> nn.Module:
        if id(old) not in made:
            children = {n: c and rebuilt(c) for n, c in old._modules.items()}
            made[id(old)] = old
            if any(new is not old._modules[n] for n, new in children.items()):
                made[id(old)] = _twin(old)
                vars(made[id(old)])["_modules"] = children
        return made[id(old)]

    return rebuilt(module)


def _twin(module: nn.Module) -> nn.Module:
    """A shallow copy: other hooks and children can be given to it, parameters are shared."""
    twin = type(module).__new__(type(module))
    vars(twin).update(vars(module))
    for name in ("_modules", "_forward_hooks", "_forward_pre_hooks"):
        vars(twin)[name] = vars(module)[name].copy()
    return twin
