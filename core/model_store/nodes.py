"""What flows between the layers of a Keras model, as its description writes it down: in Keras 2's form and in Keras 3's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

Found = TypeVar("Found")


@dataclass(frozen=True)
class Reference:
    """Output number `output` of the call number `call` of a layer."""

    layer: str
    call: int
    output: int


def plain_kind(kind: str) -> str:
    """A kind of layer without the name of the package that registered it: "Custom>Swish" -> "Swish"."""
    return kind.rsplit(">", 1)[-1]


def name_of(layer: Mapping[str, Any]) -> str:
    """The name of a described layer."""
    return layer.get("name") or layer["config"]["name"]


def shape_of(config: Mapping[str, Any]) -> Sequence[int | None]:
    """What a layer takes, the batch first, in Keras 3's form or Keras 2's. Raises KeyError where it does not tell."""
    return config.get("batch_shape") or config["batch_input_shape"]


def graph_of(description: Mapping[str, Any]) -> tuple[list[Mapping[str, Any]], list[Reference], list[Reference]]:
    """The layers of a described model with what flows between them, its inputs and its outputs."""
    config = description["config"]
    if plain_kind(description["class_name"]) == "Sequential":
        return _chained(config)
    inputs, outputs = (list(references_of(config[key])) for key in ("input_layers", "output_layers"))
    return list(config["layers"]), inputs, outputs


def _chained(config: Mapping[str, Any]) -> tuple[list, list[Reference], list[Reference]]:
    """A Sequential model as a graph."""
    layers = list(config["layers"])
    if layers[0]["class_name"] != "InputLayer":
        first = layers[0]["config"]
        shape = first.get("batch_input_shape") or first.get("batch_shape") or config.get("build_input_shape")
        if shape is None and "layers" in first:
            inner = first["layers"][0]["config"]
            shape = inner.get("batch_input_shape") or inner.get("batch_shape")
        layers.insert(
            0, {"class_name": "InputLayer", "config": {"name": f"{config.get('name', 'sequential')}_input", "batch_shape": shape}}
        )
    names = [name_of(layer) for layer in layers]
    chained = [{**layer, "inbound_nodes": [[[before, 0, 0, {}]]]} for before, layer in zip(names[:-1], layers[1:], strict=True)]
    return [{**layers[0], "inbound_nodes": []}, *chained], [Reference(names[0], 0, 0)], [Reference(names[-1], 0, 0)]


def references_of(value: Any) -> Iterator[Reference]:
    """The references in what a description names as inputs or outputs: ["layer", 0, 0], or such in lists and dicts."""
    if isinstance(value, list) and len(value) == 3 and isinstance(value[0], str):
        yield Reference(*value)
    elif isinstance(value, (list, Mapping)):
        # Keras flattens dictionaries in the order of their keys.
        for item in (value[key] for key in sorted(value)) if isinstance(value, Mapping) else value:
            yield from references_of(item)


def call_of(node: Any) -> tuple[list[Any], dict[str, Any]]:
    """Positional and keyword arguments of one call, with references where tensors go in; of Keras 2's and Keras 3's form."""
    if isinstance(node, Mapping):
        return [_referring(item) for item in node.get("args", [])], {key: _referring(item) for key, item in node.get("kwargs", {}).items()}
    entries = [node] if isinstance(node[0], str) else node
    tensors = [entry[2] if entry[0] == "_CONSTANT_VALUE" else Reference(*entry[:3]) for entry in entries]
    kwargs = entries[0][3] if len(entries[0]) > 3 else {}
    single = len(tensors) == 1
    return [tensors[0] if single else tensors], {key: _referring(item) for key, item in kwargs.items()}


def _referring(value: Any) -> Any:
    if isinstance(value, Mapping):
        if value.get("class_name") == "__keras_tensor__":
            return Reference(*value["config"]["keras_history"])
        return {key: _referring(item) for key, item in value.items()}
    if isinstance(value, list):
        if len(value) in (3, 4) and isinstance(value[0], str) and all(isinstance(item, int) for item in value[1:3]):
            return Reference(*value[:3])
        return [_referring(item) for item in value]
    return value


def references_in(value: Any) -> Iterator[Reference]:
    """All references in the arguments of a call."""
    return each_of(Reference, value)


def each_of(kind: type[Found], value: Any) -> Iterator[Found]:
    """All values of a kind in the arguments of a call, however deep they lie in lists and dicts."""
    if isinstance(value, kind):
        yield value
    elif isinstance(value, (list, tuple, dict)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from each_of(kind, item)
