"""Split a classifier into stem and rest, so that a module can be plugged in between."""

from __future__ import annotations

import re
from typing import Any, Final

from torch import Tensor, fx, nn

from robobench.errors import RobobenchError

# Class name of the network -> the module after which it is split. DDP and AFD are plugged in after
# a ResNet's first ReLU, before its max-pooling, and after a VGG's second ReLU; for the others it is
# the analogous place: after the first convolution with its activation.
_FAMILIES: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    (r"Vgg|Resnet|TanakaVgg", ("stem",)),
    (r"ResNet", ("act1", "relu")),
    (r"VGG|AlexNet", ("features",)),
    (r"RegNet|ByobNet", ("stem",)),
    (r"MobileNetV[23]|EfficientNet|ConvNeXt", ("features.0", "stem", "bn1")),
    (r"DenseNet", ("features.relu0", "features.norm0")),
    (r"ShuffleNetV2|GoogLeNet", ("conv1",)),
)


class Split:
    """A classifier in two parts that share its parameters.

    Attributes:
        place: Name of the module after which it is split.
        stem: Maps normalised images to features.
        rest: Maps features to logits.
    """

    def __init__(self, place: str, stem: nn.Module, rest: nn.Module) -> None:
        self.place = place
        self.stem = stem
        self.rest = rest


def split(network: nn.Module, place: str | None = None) -> Split:
    """Split a network after a module.

    Args:
        network: Any network whose outermost `forward` can be traced by `torch.fx`; the modules that
            it calls need not be traceable.
        place: Dotted name of the module; None chooses by the network's family.

    Raises:
        RobobenchError: The family is unknown, the module does not exist, or data bypasses it.
    """
    modules = dict(network.named_modules())
    if place is None:
        place = find_place(network)
    if place not in modules or not place:
        raise RobobenchError(
            f"{type(network).__name__} has no module {place!r} to split it after; "
            f"it has: {', '.join([n for n in modules if n and n.count('.') < 2][:30])}"
        )
    graph = _trace(network, place)
    nodes = list(graph.nodes)
    cuts = [i for i, n in enumerate(nodes) if n.op == "call_module" and n.target == place]
    if not cuts:
        raise RobobenchError(f"{type(network).__name__} does not call its module {place!r} itself")
    cut = nodes[cuts[0]]
    before = set(nodes[: cuts[0]])
    for node in nodes[cuts[0] + 1 :]:
        if any(used in before and used.op != "get_attr" for used in node.all_input_nodes):
            raise RobobenchError(
                f"{type(network).__name__} cannot be split after {place!r}: {node.name} also needs "
                "what comes before it"
            )
    return Split(place, _first_half(network, nodes, cut), _second_half(network, nodes, cut))


def find_place(network: nn.Module) -> str:
    """The module after which a network of a known family is split.

    Raises:
        RobobenchError: The family is unknown.
    """
    modules = dict(network.named_modules())
    for pattern, names in _FAMILIES:
        if not re.fullmatch(pattern, type(network).__name__):
            continue
        for name in names:
            if name == "features":
                return _before_first_pooling(modules[name])
            if name in modules:
                return name
    raise RobobenchError(
        f"{type(network).__name__}: the place to plug a module in is unknown; name the layer "
        "after which it belongs (split=..., --split NAME)"
    )


def _before_first_pooling(features: nn.Module) -> str:
    previous = ""
    for name, module in features.named_children():
        if isinstance(module, nn.MaxPool2d):
            return f"features.{previous}"
        previous = name
    raise RobobenchError("this VGG has no max-pooling; name the layer to split it after")


def _trace(network: nn.Module, place: str) -> fx.Graph:
    containers = {place.rpartition(".")[0][:end] for end in _prefixes(place)}

    class Shallow(fx.Tracer):
        """Traces into only the modules that contain the split point."""

        def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
            return module_qualified_name not in containers

    try:
        return Shallow().trace(network)
    except Exception as error:  # whatever a user's forward raises when traced
        raise RobobenchError(
            f"{type(network).__name__} cannot be split after {place!r}: its forward cannot be traced "
            f"({type(error).__name__}: {str(error).partition(chr(10))[0]})"
        ) from error


def _prefixes(place: str) -> list[int]:
    parent = place.rpartition(".")[0]
    return [i for i, letter in enumerate(parent) if letter == "."] + [len(parent)]


def _first_half(network: nn.Module, nodes: list[fx.Node], cut: fx.Node) -> fx.GraphModule:
    graph, copies = fx.Graph(), dict[fx.Node, fx.Node]()
    for node in nodes:
        copies[node] = graph.node_copy(node, lambda n: copies[n])
        if node is cut:
            break
    graph.output(copies[cut])
    return _module(network, graph)


def _second_half(network: nn.Module, nodes: list[fx.Node], cut: fx.Node) -> fx.GraphModule:
    graph, copies = fx.Graph(), dict[fx.Node, fx.Node]()
    copies[cut] = graph.placeholder("features")
    after = nodes[nodes.index(cut) + 1 :]
    needed = {used for node in after for used in node.all_input_nodes}
    early = [n for n in nodes[: nodes.index(cut)] if n.op == "get_attr" and n in needed]
    for node in [*early, *after]:
        copies[node] = graph.node_copy(node, lambda n: copies[n])
    return _module(network, graph)


def _module(network: nn.Module, graph: fx.Graph) -> fx.GraphModule:
    module = fx.GraphModule(network, graph)
    module.graph.eliminate_dead_code()
    module.recompile()
    module.train(network.training)
    return module


def channels(stem: nn.Module, example: Tensor) -> int:
    """Number of feature channels that a stem computes from a normalised example.

    Raises:
        RobobenchError: The features are not maps (N x C x H x W).
    """
    features: Any = stem(example)
    if not isinstance(features, Tensor) or features.ndim != 4:
        raise RobobenchError(
            "expected feature maps (N x C x H x W) at the split point: name another layer"
        )
    return features.shape[1]
