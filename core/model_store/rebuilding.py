"""Networks that were written down by Keras 2, or that take channels first, built anew of Keras 3's own layers, with their weights.

The description (a JSON of layers and of what flows between them) is followed by hand: arguments that Keras 3 no longer knows
are dropped, since what a layer takes is read from its signature; models inside the model become plain layers of it.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras

from core.errors import ModelError
from core.model_store.heads import FUNCTIONS_OF_TENSORFLOW, MODELS_INSIDE, image_channels_first, takes_channels_first
from core.model_store.nodes import Reference, call_of, each_of, graph_of, name_of, plain_kind, references_in, shape_of
from core.networks.keras2 import TensorFlowCall, hard_sigmoid_of_keras_2

_CALLED_NOW = {
    "SyncBatchNormalization": "BatchNormalization",
    "BatchNormalizationV1": "BatchNormalization",
    "BatchNormalizationV2": "BatchNormalization",
    "ThresholdedReLU": "ReLU",
    "FixedDropout": "Dropout",
    "CuDNNLSTM": "LSTM",
    "CuDNNGRU": "GRU",
}
"""Kinds of layers that have another name in Keras 3."""
_RENAMED = {("LeakyReLU", "alpha"): "negative_slope", ("ThresholdedReLU", "theta"): "threshold"}
"""Arguments that have another name in Keras 3."""
_IDENTITIES = {
    *("RandomFlip", "RandomRotation", "RandomZoom", "RandomTranslation", "RandomContrast", "RandomBrightness"),
    *("RandomHeight", "RandomWidth", "Masking"),
}
"""Layers that change nothing when a network predicts."""
_FOR_TRAINING = ("_initializer", "_regularizer", "_constraint")
_NO_MATTER = ("trainable", "dtype", "activity_regularizer", "seed", "rng_type")
_ONLY_TENSORFLOW = ("mitchellcubic", "gaussian")
_KEPT_BY_TURNING = {
    *("Activation", "ReLU", "LeakyReLU", "ELU", "Dropout", "SpatialDropout2D", "GaussianDropout", "GaussianNoise", "AlphaDropout"),
    *("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Rescaling", "ActivityRegularization"),
}
"""Layers that do the same whichever axis holds the channels."""
_WITH_AXIS = {"BatchNormalization", "LayerNormalization", "GroupNormalization", "Normalization", "Concatenate", "Softmax"}


@dataclass(frozen=True)
class _Value:
    """What flows: a symbolic tensor, and whether its channels were moved from the second to the last axis."""

    tensor: Any
    turned: bool = False


@dataclass
class _Part:
    """One layer of a description: what it is now, None where it does nothing, or a graph where it is a model itself.

    `first` is the number that the description gives to its first call.
    """

    name: str
    kind: str
    config: Mapping[str, Any]
    calls: list[Any]
    layer: keras.layers.Layer | None = None
    graph: _Graph | None = None
    first: int = 0


@dataclass
class _Graph:
    """A model of a description: its layers in their order, and which are its inputs and outputs."""

    parts: list[_Part]
    inputs: list[Reference]
    outputs: list[Reference]


def rebuild(description: Mapping[str, Any], *, trusted: bool = False) -> tuple[keras.Model, _Graph]:
    """The network of a description, without its weights, and the layers of it that `fill` puts them into.

    It takes channels last, and gives them last where a layer tells which axis holds them. `trusted`: the code of a Lambda layer may run.
    Raises ModelError.
    """
    builder = _Builder(trusted)
    graph = builder.graph(description)
    turn = image_channels_first(description)
    inputs = []
    for reference in graph.inputs:
        part = next(part for part in graph.parts if part.name == reference.layer)
        shape = list(shape_of(part.config))
        turned = turn and len(shape) == 4
        if turned:
            shape = [shape[0], *shape[2:], shape[1]]
        inputs.append(_Value(keras.Input(shape[1:], name=builder.free(part.name)), turned))
    outputs = builder.run(graph, inputs)
    name = str(description["config"].get("name") or "network").replace("/", "_")
    ends = [[value.tensor for value in values] for values in (inputs, outputs)]
    return keras.Model(*(tensors[0] if len(tensors) == 1 else tensors for tensors in ends), name=name), graph


class _Builder:
    """Makes the layers of a description and lets values flow through them; every layer gets a name of its own."""

    def __init__(self, trusted: bool):
        self.trusted = trusted
        self.names: set[str] = set()

    def free(self, name: str) -> str:
        """The name, or the name with a number where it is taken. Keras 3 allows no slash."""
        name = name.replace("/", "_")
        found, number = name, 1
        while found in self.names:
            found, number = f"{name}_{number}", number + 1
        self.names.add(found)
        return found

    def graph(self, description: Mapping[str, Any]) -> _Graph:
        """All layers of a model, made, not yet called."""
        written, inputs, outputs = graph_of(description)
        graph = _Graph([self._part(layer) for layer in written], inputs, outputs)
        told = [reference for part in graph.parts for node in part.calls for reference in references_in(call_of(node))]
        for part in graph.parts:
            # Keras 2 counts the making of a model inside the model as its first call.
            last = max((reference.call for reference in (*told, *outputs) if reference.layer == part.name), default=0)
            part.first = max(0, last + 1 - max(1, len(part.calls)))
        return graph

    def _part(self, written: Mapping[str, Any]) -> _Part:
        kind, config = plain_kind(written["class_name"]), written["config"]
        part = _Part(name_of(written), kind, config, list(written.get("inbound_nodes", [])))
        if kind in MODELS_INSIDE:
            part.graph = self.graph(written)
        elif kind not in (*_IDENTITIES, *FUNCTIONS_OF_TENSORFLOW, "InputLayer") and not self._turns(part):
            part.layer = self.made(kind, config)
        return part

    @staticmethod
    def _turns(part: _Part) -> bool:
        """Whether what the layer is depends on the axis that holds the channels, which is known when it is called."""
        return part.config.get("data_format") == "channels_first" or part.kind in _WITH_AXIS

    def made(self, kind: str, config: Mapping[str, Any]) -> keras.layers.Layer:
        """A layer of Keras 3 that does what the old one did. Raises ModelError for a kind that there is not."""
        if kind == "Lambda":
            return self._lambda(config)
        name = _CALLED_NOW.get(kind, kind)
        known = getattr(keras.layers, name, None) or keras.saving.get_registered_object(name)
        if known is None:
            raise ModelError(
                f"a network with a layer {kind}, which Keras 3 does not have",
                expected="Keras's own layers",
                do="Save its weights alone and choose a network of this program, or train anew",
            )
        if config.get("time_major"):
            raise ModelError(f"a layer {kind} that takes time first", expected="images first", do="Train anew without time_major")
        takes = _arguments(known)
        settings = {}
        for key, value in config.items():
            key = _RENAMED.get((kind, key), key)
            if key in takes and key not in _NO_MATTER and not key.endswith(_FOR_TRAINING):
                settings[key] = self._value(key, value)
        return known(**{**settings, "name": self.free(str(config.get("name", kind.lower())))})

    def _lambda(self, config: Mapping[str, Any]) -> keras.layers.Layer:
        if not self.trusted:
            raise ModelError("a Lambda layer, which is Python code", expected="a file that you trust", do="Import it with that wish")
        function = config["function"]
        if isinstance(function, list):
            code, defaults, closure = function
            function = {"class_name": "__lambda__", "config": {"code": code, "defaults": defaults, "closure": closure}}
        settings = {"name": self.free(config["name"]), "function": function, "arguments": config.get("arguments") or {}}
        return keras.layers.Lambda.from_config(settings, safe_mode=False)

    def _value(self, key: str, value: Any) -> Any:
        if isinstance(value, Mapping):
            if "class_name" in value and "config" in value:
                if isinstance(value["config"], str):  # a function under its registered name
                    return self._value(key, value["config"])
                kind = plain_kind(value["class_name"])
                if kind in MODELS_INSIDE:
                    return rebuild(value, trusted=self.trusted)[0]
                return self.made(kind, value["config"])
            return value.get("value", value)  # a number of NumPy's
        if isinstance(value, str) and (key == "activation" or key.endswith("_activation")):
            return _activation(value)
        if key == "axis" and isinstance(value, list) and len(value) == 1:
            return value[0]
        return value

    def run(self, graph: _Graph, inputs: Sequence[_Value]) -> list[_Value]:
        """What a graph gives for its inputs; its layers are called in the order in which what they need is there."""
        known: dict[tuple[str, int], list[_Value]] = {}
        for reference, value in zip(graph.inputs, inputs, strict=True):
            known[reference.layer, 0] = [value]
        waiting = [(part, number, node) for part in graph.parts for number, node in enumerate(part.calls)]
        while waiting:
            later = []
            for part, number, node in waiting:
                args, kwargs = call_of(node)
                if all((needed.layer, needed.call) in known for needed in references_in([args, kwargs])):
                    known[part.name, number + part.first] = self._called(part, _resolved(args, known), _resolved(kwargs, known))
                else:
                    later.append((part, number, node))
            if len(later) == len(waiting):
                raise ModelError("a network whose layers wait for each other", expected="a graph without rings", do="Save it again")
            waiting = later
        return [known[reference.layer, reference.call][reference.output] for reference in graph.outputs]

    def _called(self, part: _Part, args: Any, kwargs: dict[str, Any]) -> list[_Value]:
        if part.kind in FUNCTIONS_OF_TENSORFLOW:
            return self._function(part, args, kwargs)
        kwargs = {key: value for key, value in kwargs.items() if key not in ("training", "mask", "name") and value is not None}
        values = list(each_of(_Value, [args, kwargs]))
        if part.kind in _IDENTITIES:
            return values[:1]
        if part.graph is not None:
            turn = takes_channels_first({"config": part.config})
            return self.run(part.graph, [self.turned(value, turn and len(value.tensor.shape) == 4) for value in values])
        if part.config.get("data_format") == "channels_first":
            part.layer = part.layer or self.made(part.kind, {**part.config, "data_format": "channels_last"})
            spread = len(values[0].tensor.shape) == 4
            found = part.layer(self.turned(values[0], spread).tensor)
            return [_Value(found, spread and len(found.shape) == 4)]
        if part.config.get("interpolation") in _ONLY_TENSORFLOW:
            return [self._enlarged(part, values[0])]
        turned = any(value.turned for value in values)
        if part.kind in _WITH_AXIS:
            part.layer = part.layer or self.made(
                part.kind, _axis_moved(part.config, len(values[0].tensor.shape)) if turned else part.config
            )
        elif turned and part.kind not in _KEPT_BY_TURNING:
            turned = False  # a Reshape counts on the old order
        args, kwargs = self._tensors(args, turned), self._tensors(kwargs, turned)
        found = part.layer(*args, **kwargs)
        return [_Value(tensor, turned) for tensor in (found if isinstance(found, (list, tuple)) else [found])]

    def _function(self, part: _Part, args: Any, kwargs: dict[str, Any]) -> list[_Value]:
        tensors: list[Any] = []

        def taken(value: Any) -> Any:
            if isinstance(value, _Value):
                tensors.append(self.turned(value, False).tensor)
                return {"tensor": len(tensors) - 1}
            if isinstance(value, dict):
                return {key: taken(item) for key, item in value.items()}
            return [taken(item) for item in value] if isinstance(value, (list, tuple)) else value

        told = {key: value for key, value in kwargs.items() if value is not None}
        template = json.dumps([taken(args), taken(told)])
        layer = TensorFlowCall(part.config["function"], template, name=self.free(part.name))
        found = layer(tensors[0] if len(tensors) == 1 else tensors)
        return [_Value(tensor) for tensor in (found if isinstance(found, (list, tuple)) else [found])]

    def _enlarged(self, part: _Part, value: _Value) -> _Value:
        """`UpSampling2D` by a filter that Keras 3 does not have and TensorFlow has."""
        shape = value.tensor.shape[1:3]
        if None in shape:
            raise ModelError(f"upsampling by {part.config['interpolation']} of any size", expected="a fixed size", do="Train anew")
        size = [length * times for length, times in zip(shape, part.config["size"], strict=True)]
        template = json.dumps([[{"tensor": 0}, size], {"method": part.config["interpolation"]}])
        return _Value(TensorFlowCall("image.resize", template, name=self.free(part.name))(value.tensor))

    def turned(self, value: _Value, wanted: bool) -> _Value:
        """The value with its channels last, or where the file has them."""
        if value.turned == wanted:
            return value
        order = (2, 3, 1) if wanted else (3, 1, 2)
        return _Value(keras.layers.Permute(order, name=self.free("turned"))(value.tensor), wanted)

    def _tensors(self, value: Any, turned: bool) -> Any:
        if isinstance(value, _Value):
            return self.turned(value, turned if len(value.tensor.shape) == 4 else value.turned).tensor
        if isinstance(value, dict):
            return {key: self._tensors(item, turned) for key, item in value.items()}
        return [self._tensors(item, turned) for item in value] if isinstance(value, (list, tuple)) else value


def _activation(name: str) -> Any:
    if name == "hard_sigmoid":
        return hard_sigmoid_of_keras_2
    name = name.rsplit(">", 1)[-1]
    if name == "hard_sigmoid_of_keras_2":
        return hard_sigmoid_of_keras_2
    if getattr(keras.activations, name, None) is None and keras.saving.get_registered_object(name) is None:
        raise ModelError(
            f"a network with an activation {name!r}, which Keras 3 does not have", expected="Keras's own", do="Train anew with one of these"
        )
    return name


def _arguments(kind: type) -> set[str]:
    """Names of the arguments that a kind of layer takes, those that it hands on to its parents too."""
    found = {"name"}
    for parent in kind.__mro__:
        if parent is keras.layers.Layer:
            break
        if "__init__" in vars(parent):
            parameters = inspect.signature(parent.__init__).parameters.values()
            found |= {item.name for item in parameters}
            if not any(item.kind is item.VAR_KEYWORD for item in parameters):
                break
    return found


def _axis_moved(config: Mapping[str, Any], rank: int) -> dict[str, Any]:
    """The config with axes of (n, c, h, w) as those of (n, h, w, c)."""
    if rank != 4 or "axis" not in config:
        return dict(config)
    moved = {0: 0, 1: 3, 2: 1, 3: 2}
    axis = config["axis"]
    axes = [moved[item % 4] for item in (axis if isinstance(axis, list) else [axis])]
    return {**config, "axis": axes if len(axes) > 1 else axes[0]}


def _resolved(value: Any, known: Mapping[tuple[str, int], list[_Value]]) -> Any:
    if isinstance(value, Reference):
        return known[value.layer, value.call][value.output]
    if isinstance(value, dict):
        return {key: _resolved(item, known) for key, item in value.items()}
    return [_resolved(item, known) for item in value] if isinstance(value, list) else value
