"""What a network takes and what it ends in, worked out from its description without Keras."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.model_store.nodes import Reference, call_of, graph_of, name_of, plain_kind, references_in, shape_of

MODELS_INSIDE = ("Functional", "Model", "Sequential")
"""Kinds of layers that are models themselves."""
FUNCTIONS_OF_TENSORFLOW = ("TFOpLambda", "SlicingOpLambda")
"""Kinds of layers of Keras 2 that call a function of TensorFlow by its name; unlike a Lambda they hold no code."""
_JOINING = ("Concatenate", "concat")
_ONE_FOR_ALL = ("Flatten", "GlobalAveragePooling2D", "GlobalMaxPooling2D")
Shape = tuple[int | None, ...]
"""Lengths without the batch's, None where the description does not tell them; the last one is the number of channels."""


@dataclass(frozen=True)
class Head:
    """One output: the layer's name, its shape without the batch as far as it is told, and the activation nearest to it."""

    name: str
    shape: Shape
    activation: str

    @property
    def channels(self) -> int:
        """How many values each pixel gets; 0 when the description does not tell."""
        return (self.shape[-1] if self.shape else None) or 0


@dataclass(frozen=True)
class Ends:
    """The shapes of a network's inputs, height and width None where free, and its outputs."""

    inputs: tuple[Shape, ...]
    heads: tuple[Head, ...]
    channels_first: bool


def ends_of(description: Mapping[str, Any]) -> Ends:
    """Inputs and outputs of a described network. Raises KeyError and its like for a form that is not understood."""
    graph = _Graph(description)
    first = takes_channels_first(description)
    inputs = [_shape_of(graph.layers[reference.layer]["config"]) for reference in graph.inputs]
    heads = [Head(reference.layer, graph.shape(reference), graph.activation(reference)) for reference in graph.outputs]
    if first:  # heads are told with their channels last, whatever the network gives
        inputs = [(*shape[1:], shape[0]) if len(shape) == 3 else shape for shape in inputs]
    return Ends(tuple(inputs), tuple(heads), first)


def takes_channels_first(description: Mapping[str, Any]) -> bool:
    """Whether any layer of a model counts on channels before rows and columns."""
    return any(layer["config"].get("data_format") == "channels_first" for layer in every_layer(description["config"]["layers"]))


def every_layer(layers: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """All layers of a description, those of models and wrappers inside it too."""
    for layer in layers:
        yield layer
        yield from every_layer(layer["config"].get("layers", []))
        if isinstance(layer["config"].get("layer"), Mapping):
            yield from every_layer([layer["config"]["layer"]])


def _shape_of(config: Mapping[str, Any]) -> Shape:
    return tuple(shape_of(config)[1:])


class _Graph:
    """A described model: from each output back to what sets its channels."""

    def __init__(self, description: Mapping[str, Any], given: Sequence[Shape] | None = None):
        written, self.inputs, self.outputs = graph_of(description)
        self.layers = {name_of(layer): layer for layer in written}
        self.given = dict(zip((reference.layer for reference in self.inputs), given or (), strict=False))
        self.known: dict[Reference, Shape] = {}

    def shape(self, reference: Reference) -> Shape:
        """The shape of what a layer gives; channels are told last, also of a network that has them first."""
        if reference not in self.known:
            self.known[reference] = self._shape(reference)
        return self.known[reference]

    def _shape(self, reference: Reference) -> Shape:
        layer = self.layers[reference.layer]
        kind, config = plain_kind(layer["class_name"]), layer["config"]
        if kind == "InputLayer":
            shape = self.given.get(reference.layer) or _shape_of(config)
            return (None, None, shape[0]) if takes_channels_first({"config": {"layers": list(self.layers.values())}}) else shape
        before = [self.shape(needed) for needed in self._needed(reference)]
        if kind in MODELS_INSIDE:
            inner = _Graph(layer, before)
            return inner.shape(inner.outputs[reference.output])
        first = before[0] if before else ()
        if kind == "Reshape":
            return tuple(length if length != -1 else None for length in config["target_shape"])
        if kind == "Permute":
            return tuple(first[axis - 1] for axis in config["dims"]) if len(first) == len(config["dims"]) else ()
        if kind in _ONE_FOR_ALL and not config.get("keepdims"):
            return (first[-1],) if first and kind != "Flatten" else (None,)
        count = config.get("filters") or config.get("units")
        if count:
            return (*first[:-1], int(count))
        if kind == "DepthwiseConv2D":
            return (*first[:-1], first[-1] and first[-1] * int(config.get("depth_multiplier", 1)))
        function = str(config.get("function", "")).rsplit(".", 1)[-1]
        if kind in _JOINING or function in _JOINING:
            channels = [shape[-1] for shape in before]
            return (*first[:-1], sum(filter(None, channels)) if all(channels) else None)
        if kind in ("GetItem", "Lambda", "SlicingOpLambda") or function in ("reshape", "transpose", "squeeze", "split"):
            return (*first[:-1], None)
        return first

    def _needed(self, reference: Reference) -> list[Reference]:
        nodes = self.layers[reference.layer].get("inbound_nodes", [])
        # Keras counts the making of a model inside the model as its first call, in some versions.
        return list(references_in(call_of(nodes[min(reference.call, len(nodes) - 1)]))) if nodes else []

    def activation(self, reference: Reference) -> str:
        """Back from an output to the layer that sets the number of channels; the activation nearest to the output counts."""
        layer = self.layers[reference.layer]
        kind, config = plain_kind(layer["class_name"]), layer["config"]
        if kind in MODELS_INSIDE:
            inner = _Graph(layer)
            found = inner.activation(inner.outputs[reference.output])
        else:
            found = {"Softmax": "softmax"}.get(kind) or _activation(config)
        needed = self._needed(reference)
        if found != "linear" or config.get("filters") or config.get("units") or not needed:
            return found
        return self.activation(needed[0])


def _activation(config: Mapping[str, Any]) -> str:
    value = config.get("activation", "linear")
    name = value if isinstance(value, str) else str((value or {}).get("class_name", "linear")).lower()
    function = str(config.get("function", ""))
    return function.rsplit(".", 1)[-1] if function in ("nn.softmax", "nn.sigmoid", "math.sigmoid") else name
