"""What a network takes and what it ends in, worked out from its description without Keras."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.model_store.nodes import Reference, call_of, graph_of, name_of, plain_kind, references_in, shape_of
from core.model_store.outputs import Head
from core.model_store.shapes import Shape, joins, shape_given

MODELS_INSIDE = ("Functional", "Model", "Sequential")
"""Kinds of layers that are models themselves."""
FUNCTIONS_OF_TENSORFLOW = ("TFOpLambda", "SlicingOpLambda")
"""Kinds of layers of Keras 2 that call a function of TensorFlow by its name; unlike a Lambda they hold no code."""


TRIED_PX = 256
"""The patch that outputs are told for where a network takes any size."""


@dataclass(frozen=True)
class Ends:
    """The shapes of a network's inputs, height and width None where free, and its outputs; `channels_first`: some of it has them first."""

    inputs: tuple[Shape, ...]
    heads: tuple[Head, ...]
    channels_first: bool


def ends_of(description: Mapping[str, Any]) -> Ends:
    """Inputs and outputs of a described network. Raises KeyError and its like for a form that is not understood."""
    first, layers_first = image_channels_first(description), takes_channels_first(description)
    graph = _Graph(description, image_first=first, layers_first=layers_first)
    inputs = [_shape_of(graph.layers[reference.layer]["config"]) for reference in graph.inputs]
    if first:  # shapes are told with their channels last, whatever the network takes and gives
        inputs = [(*shape[1:], shape[0]) if len(shape) == 3 else shape for shape in inputs]
    graph.given = dict(zip((reference.layer for reference in graph.inputs), map(_tried, inputs), strict=True))
    names = _names(description, graph)
    heads = [Head(name, graph.shape(reference), graph.activation(reference)) for name, reference in zip(names, graph.outputs, strict=True)]
    return Ends(tuple(inputs), tuple(heads), first or layers_first)


def takes_channels_first(description: Mapping[str, Any]) -> bool:
    """Whether any layer of a model counts on channels before rows and columns."""
    return any(layer["config"].get("data_format") == "channels_first" for layer in every_layer(description["config"]["layers"]))


def image_channels_first(description: Mapping[str, Any]) -> bool:
    """Whether a network takes (bands, height, width): by its layers, or by a Permute that turns the image before anything else."""
    layers, inputs, _ = graph_of(description)
    image = inputs[0].layer
    takers = [
        layer
        for layer in layers
        if any(reference.layer == image for node in layer.get("inbound_nodes", []) for reference in references_in(call_of(node)))
    ]
    orders = {tuple(layer["config"]["dims"]) if plain_kind(layer["class_name"]) == "Permute" else () for layer in takers}
    if orders == {(2, 3, 1)}:
        return True
    return orders != {(3, 1, 2)} and takes_channels_first(description)


def _names(description: Mapping[str, Any], graph: _Graph) -> list[str]:
    """What each output is called: its key where the network gives a dictionary, else its layer; with a number where that is not enough."""
    written = description["config"].get("output_layers")
    if isinstance(written, Mapping) and len(written) == len(graph.outputs):
        return sorted(written)
    names = [reference.layer for reference in graph.outputs]
    return [f"{name}.{names[: at + 1].count(name)}" if names.count(name) > 1 else name for at, name in enumerate(names)]


def every_layer(layers: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """All layers of a description, those of models and wrappers inside it too."""
    for layer in layers:
        yield layer
        yield from every_layer(layer["config"].get("layers", []))
        if isinstance(layer["config"].get("layer"), Mapping):
            yield from every_layer([layer["config"]["layer"]])


def _tried(shape: Shape) -> Shape:
    """The shape of an image, where a side is free as long as the other one, or TRIED_PX."""
    if len(shape) != 3:
        return shape
    height, width, bands = shape
    return height or width or TRIED_PX, width or height or TRIED_PX, bands


def _shape_of(config: Mapping[str, Any]) -> Shape:
    return tuple(shape_of(config)[1:])


class _Graph:
    """A described model: from each output back to what sets its channels."""

    def __init__(self, description: Mapping[str, Any], given: Sequence[Shape] | None = None, **order: bool):
        self.order = order
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
            return self.given.get(reference.layer) or _shape_of(config)
        before = [self.shape(needed) for needed in self._needed(reference)]
        if kind in MODELS_INSIDE:
            inner = _Graph(layer, before, **self.order)
            return inner.shape(inner.outputs[reference.output])
        return shape_given(kind, config, before, **self.order)

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
            found = {"Softmax": "softmax", "Sigmoid": "sigmoid"}.get(kind) or _activation(config)
        needed = self._needed(reference)
        if found != "linear" or config.get("filters") or config.get("units") or not needed:
            return found
        if joins(kind, config):
            return _together([self.activation(one) for one in needed])
        return self.activation(needed[0])


def _together(activations: Sequence[str]) -> str:
    """What outputs end in that are put one behind the other: "joined" for shares that add up to 1 only among themselves."""
    kinds = set(activations)
    if not kinds & {"softmax", "sigmoid"}:
        return "linear"
    if kinds == {"sigmoid"}:
        return "sigmoid"
    return "joined" if kinds <= {"softmax", "sigmoid"} else "mixed"


def _activation(config: Mapping[str, Any]) -> str:
    value = config.get("activation", "linear")
    name = value if isinstance(value, str) else str((value or {}).get("class_name", "linear")).lower()
    function = str(config.get("function", ""))
    return function.rsplit(".", 1)[-1] if function in ("nn.softmax", "nn.sigmoid", "math.sigmoid") else name
