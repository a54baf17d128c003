"""The layers of a network after which it can be split: found by one pass over an example."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode
from torch.utils.hooks import RemovableHandle

from robobench.backbones.maps import Layout, tensor_in
from robobench.backbones.staged import StagedNetwork


@dataclass(frozen=True)
class Call:
    """One call of a module during a pass.

    Attributes:
        name: Its dotted name.
        start: When it began, in events since the pass began.
        end: When it ended.
        layout: How its output is read as a feature map; None if it is none.
        shape: C, h and w of that map; empty if it is none.
        weighted: Whether the module itself has weights: parameters of two or more axes.
        wrapped: Whether it was returned as the only item of a tuple.
        flops: Operations of the pass until then.
        dominates: Whether everything behind depends on the image through its output alone.
        rectified: Whether its output is non-negative by construction.
        node: What stands for its output in the graph of the pass; after it, a number.
    """

    name: str
    start: int
    end: int
    layout: Layout | None = None
    shape: tuple[int, ...] = ()
    weighted: bool = False
    wrapped: bool = False
    flops: int = 0
    dominates: bool = False
    rectified: bool = False
    node: Any = None

    @property
    def area(self) -> int:
        """Number of places, h x w."""
        return math.prod(self.shape[1:])


@dataclass(frozen=True)
class Survey:
    """What one pass over an example tells about a network.

    Attributes:
        calls: All calls of modules, in the order in which they ended.
        logits: What the network returned.
        flops: Operations of the whole pass.
    """

    calls: tuple[Call, ...]
    logits: Tensor
    flops: int

    @property
    def places(self) -> list[Call]:
        """Calls after which the network can be split, in order: of modules that are called once."""
        names = [call.name for call in self.calls]
        return [c for c in self.calls if c.name and c.dominates and names.count(c.name) == 1]

    def outermost(self, preferred: str = "") -> list[Call]:
        """The `places`; of modules that return the same tensor the outermost one, or a preferred one."""
        listed: dict[Any, Call] = {}
        for call in self.places:
            known = listed.setdefault(call.node, call)
            around = known.name.startswith(f"{call.name}.") and known.name != preferred
            if around or call.name == preferred:
                listed[call.node] = call
        return list(listed.values())


def survey(network: nn.Module, example: Tensor, *, count: bool = False) -> Survey:
    """Run a network once and note what each module returns.

    Args:
        network: In evaluation mode.
        example: One normalised image, 1 x 3 x H x H.
        count: Whether to count operations.

    Raises:
        Exception: Whatever the network raises.
    """
    counter = FlopCounterMode(display=False) if count else None
    watch = Watch(network, counter)
    with plain_arithmetic(example), torch.enable_grad(), watch, counter or nullcontext():
        image = example.detach().clone().requires_grad_()
        logits = network(image)
        graph = _Graph(image, logits)
    calls = [
        replace(
            call,
            dominates=call.layout is not None and call.node in graph.gates,
            rectified=call.layout is not None and graph.is_rectified(call.node),
            node=graph.number(call.node),  # not the step, which keeps all activations in memory
        )
        for call in watch.calls
    ]
    return Survey(tuple(calls), logits.detach(), watch.flops)


@contextmanager
def plain_arithmetic(example: Tensor) -> Iterator[None]:
    """Full precision, and tensors that can take part in gradients, whatever is set around it."""
    with torch.inference_mode(False), torch.autocast(example.device.type, enabled=False):
        yield


class Watch:
    """Notes all calls of a network's modules in this thread while it is entered.

    Args:
        network: The network.
        counter: Counts operations.

    Attributes:
        calls: The calls, in the order in which they ended.
    """

    def __init__(self, network: nn.Module, counter: FlopCounterMode | None = None) -> None:
        self.calls: list[Call] = []
        self._network = network
        self._counter = counter
        self._thread = threading.get_ident()  # others may run the same modules at the same time
        self._clock = 0
        self._begun: dict[str, list[int]] = {}
        self._maps: set[tuple[int, ...]] = set()  # channels and area of the maps so far
        self._handles: list[RemovableHandle] = []

    @property
    def flops(self) -> int:
        """Operations so far."""
        return self._counter.get_total_flops() if self._counter else 0

    def __enter__(self) -> None:
        for name, module in self._network.named_modules():
            before, after = partial(self._before, name), partial(self._after, name)
            self._handles.append(module.register_forward_pre_hook(before))
            self._handles.append(module.register_forward_hook(after))

    def __exit__(self, *_: object) -> None:
        for handle in self._handles:
            handle.remove()

    def _before(self, name: str, *_: Any) -> None:
        if threading.get_ident() == self._thread:
            self._clock += 1
            self._begun.setdefault(name, []).append(self._clock)

    def _after(self, name: str, module: nn.Module, _: Any, returned: Any) -> None:
        if threading.get_ident() != self._thread:
            return
        self._clock += 1
        output = tensor_in(returned)
        layout = self._layout(output)
        self.calls.append(
            Call(
                name,
                start=self._begun[name].pop(),
                end=self._clock,
                layout=layout,
                shape=tuple(layout.to_map(output).shape[1:]) if layout else (),
                weighted=any(p.ndim > 1 for p in module.parameters(recurse=False)),
                wrapped=output is not returned,
                flops=self.flops,
                node=output.grad_fn if layout else None,
            )
        )

    def _layout(self, output: Any) -> Layout | None:
        layout = Layout.of(
            output,
            tokens=getattr(self._network, "num_prefix_tokens", None),
            channels_last=getattr(self._network, "output_fmt", "") == "NHWC",
        )
        if layout is None:
            return None
        if layout.order != "NLC":
            self._maps.add((layout.to_map(output).shape[1], layout.area(output)))
        elif output.shape[1] != output.shape[2] and tuple(output.shape[1:]) in self._maps:
            return None  # a map whose places were joined: channels come first
        return layout


# Steps of torch's graphs. The first ones never return a negative number, the second ones only if
# they get one.
_RECTIFYING: Final = frozenset(
    ("ReluBackward0", "SigmoidBackward0", "HardsigmoidBackward0", "SoftplusBackward0")
)
_CLAMPING: Final = {
    "HardtanhBackward0": "_saved_min_val",
    "ClampBackward1": "_saved_min",
    "ClampMinBackward0": "_saved_min",
}
_PASSING: Final = frozenset(
    f"{step}Backward{number}"
    for number in (0, 1)
    for step in (
        *("View", "UnsafeView", "ReshapeAlias", "Permute", "Transpose", "T", "Expand", "Slice"),
        *("Select", "Split", "Squeeze", "Unsqueeze", "Clone", "ToCopy", "Alias", "Cat", "Mean"),
        *("MaxPool2DWithIndices", "AvgPool2D", "AdaptiveAvgPool2D", "UpsampleNearest2D", "Mul"),
    )
)


class _Graph:
    """The graph of a pass from an image to logits.

    Attributes:
        gates: Steps through which all data flow from the image to the logits.
    """

    def __init__(self, image: Tensor, logits: Tensor) -> None:
        self._known: dict[Any, bool] = {}
        self._numbers: dict[Any, int] = {}
        source = image.view_as(image).grad_fn.next_functions[0][0]  # type: ignore[union-attr]
        order = [s for s in _in_order(logits.grad_fn) if s is not None]
        behind = {source}  # what depends on the image
        for step in order:
            if any(before in behind for before, _ in step.next_functions):
                behind.add(step)
        order = [source, *(step for step in order if step in behind and step is not source)]
        places = {step: place for place, step in enumerate(order)}
        reach = dict.fromkeys(order, 0)  # the last step that needs this one
        for step in order:
            for before, _ in step.next_functions:
                if before in reach:
                    reach[before] = max(reach[before], places[step])
        self.gates: set[Any] = set()
        furthest = 0
        for place, step in enumerate(order):
            if furthest <= place:
                self.gates.add(step)
            furthest = max(furthest, reach[step])

    def number(self, node: Any) -> int:
        """A number for a step."""
        return self._numbers.setdefault(node, len(self._numbers))

    def is_rectified(self, node: Any) -> bool:
        """Whether a step's result is non-negative by construction."""
        for step in _in_order(node):
            if step not in self._known:
                self._known[step] = self._judge(step)
        return self._known.get(node, False)

    def _judge(self, step: Any) -> bool:
        name = step.name()
        if name in _CLAMPING:
            least = getattr(step, _CLAMPING[name])
            return least is not None and least >= 0
        passing = name in _PASSING or (name == "AddBackward0" and step._saved_alpha > 0)
        inputs = [before for before, _ in step.next_functions]
        passes = passing and all(self._known.get(before, False) for before in inputs)
        return name in _RECTIFYING or (bool(inputs) and passes)


def _in_order(node: Any) -> list[Any]:
    """A step and all steps that it needs, those first that others need."""
    found: dict[Any, None] = {}
    waiting = [(node, False)]
    while waiting:
        step, seen = waiting.pop()
        if step is None or step in found:
            continue
        if seen:
            found[step] = None
            continue
        waiting.append((step, True))
        waiting.extend((before, False) for before, _ in step.next_functions)
    return list(found)


def default_place(network: nn.Module, found: Survey) -> str:
    """The layer after which a network is split unless another one is named; empty if there is none.

    DDP and AFD are plugged in after a ResNet's first ReLU, before its max-pooling, and after a VGG's
    second ReLU. In other networks it is the analogous place: after the first convolution with its
    normalisation and activation, or after the patch embedding.
    """
    modules = dict(network.named_modules())
    if isinstance(network, StagedNetwork):
        return "stem"
    if type(network).__name__ in ("VGG", "AlexNet"):
        return _before_first_pooling(modules["features"])
    places = {place.name: place for place in found.places if place.shape[1:] != (1, 1)}
    chosen: Call | None = None
    active = False
    for call in found.calls:
        module, name = modules[call.name], call.name
        if isinstance(module, nn.Identity):
            continue
        if name not in places:
            if chosen and call.weighted:
                break
            continue
        if chosen is None:
            chosen = call
        elif chosen.name.startswith(f"{name}.") and call.shape == chosen.shape:
            # Around it, and nothing else or one normalised convolution.
            if call.node != chosen.node and _weights(module) > 1:
                break
            chosen = call
        elif active or _weights(module) or call.shape != chosen.shape or _drops(module):
            break
        else:
            chosen = call
            active = isinstance(module, nn.PReLU) or not any(True for _ in module.parameters())
    return chosen.name if chosen else ""


def _weights(module: nn.Module) -> int:
    """Number of weights: parameters of two or more axes."""
    return sum(parameter.ndim > 1 for parameter in module.parameters())


def _drops(module: nn.Module) -> bool:
    return isinstance(module, nn.Dropout | nn.Dropout2d)


def _before_first_pooling(features: nn.Module) -> str:
    names = [name for name, _ in features.named_children()]
    kinds = [type(module) for module in features.children()]
    pooling = kinds.index(nn.MaxPool2d) if nn.MaxPool2d in kinds else 0
    return f"features.{names[pooling - 1]}" if pooling else ""


@dataclass(frozen=True)
class Layer:
    """A layer after which a network can be split.

    Attributes:
        name: Name of the module, as ``--layer`` takes it.
        channels: Number of channels of its features.
        height: Height of its features for the network's own image size.
        width: Their width.
        share: Share of the network's multiply-adds before them, 0..1.
        rectified: Whether they are non-negative by construction: behind a ReLU.
        default: Whether the network is split here unless another layer is named.
    """

    name: str
    channels: int
    height: int
    width: int
    share: float
    rectified: bool
    default: bool


def layers_of(found: Survey, default: str) -> list[Layer]:
    """The layers after which a network can be split, from the image to the logits.

    Of modules that return the same tensor, the outermost one is listed, or the default.
    """
    return [
        Layer(
            call.name,
            *(call.shape[0], call.shape[1], call.shape[2]),
            share=call.flops / max(found.flops, 1),
            rectified=call.rectified,
            default=call.name == default,
        )
        for call in found.outermost(default)
    ]
