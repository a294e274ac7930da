"""What an old Keras file (`.h5`, `.hdf5`, `.keras`) says about its network, read without Keras."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py

from core.errors import ModelError

SUFFIXES = (".h5", ".hdf5", ".keras")
_ATTRIBUTES = {"network": "model_config", "training": "training_config", "version": "keras_version"}


@dataclass(frozen=True)
class Described:
    """Input height and width (None when free), bands, outputs, how the network ends, the kinds and names of its layers.

    `saved_by` is the version of Keras, "" when it is not told; `compiled_with` names the losses and metrics it was trained with.
    """

    height: int | None
    width: int | None
    bands: int
    outputs: int
    activation: str
    layer_kinds: frozenset[str]
    layer_names: frozenset[str]
    name: str
    saved_by: str = ""
    compiled_with: tuple[str, ...] = ()

    @property
    def runs_code(self) -> bool:
        """Whether the file holds a layer that is Python code."""
        return bool(self.layer_kinds & {"Lambda", "TFOpLambda"})


def has_network(path: str | os.PathLike) -> bool:
    """Whether a file holds a whole network, not only weights."""
    return "network" in _texts(Path(path))


def describe(path: str | os.PathLike) -> Described:
    """Read the network's description in a file. Raises ModelError when there is none or it is not understood."""
    path = Path(path)
    texts = _texts(path)
    if "network" not in texts:
        raise ModelError(
            f"{path.name} holds no Keras network",
            expected="a whole model saved as .keras, .h5 or .hdf5 (not weights alone)",
            do="Save it with model.save(), or name a model folder",
        )
    try:
        network = json.loads(texts["network"])
        training = json.loads(texts["training"]) if texts.get("training") else network.get("compile_config") or {}
        return _describe(network, texts.get("version", ""), training)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, StopIteration) as error:
        raise ModelError(
            f"{path.name} holds a network of a form that is not understood ({error!r})",
            expected="a network from one image to one map of classes",
            do="Save it again with Keras 2 or 3",
        ) from error


def _texts(path: Path) -> dict[str, str]:
    """JSON of the network and of how it was trained, and the version of Keras: those of the three that the file holds."""
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                if "config.json" not in archive.namelist():
                    return {}
                metadata = json.loads(archive.read("metadata.json")) if "metadata.json" in archive.namelist() else {}
                return {"network": archive.read("config.json").decode(), "version": str(metadata.get("keras_version", ""))}
        if not h5py.is_hdf5(path):
            return {}
        with h5py.File(path, "r") as file:
            found = {key: file.attrs.get(name) for key, name in _ATTRIBUTES.items()}
    except (OSError, ValueError, KeyError):
        return {}
    return {key: text.decode() if isinstance(text, bytes) else str(text) for key, text in found.items() if text is not None}


def _describe(model: Mapping[str, Any], version: str, training: Mapping[str, Any]) -> Described:
    config = model["config"]
    layers = config["layers"]
    _, height, width, bands = _input_shape(layers, config)
    final = _outputs(layers, config)
    outputs, activation = _ending(final, {_name(layer): layer for layer in layers})
    every = list(_all_layers(layers))
    return Described(
        height,
        width,
        int(bands),
        outputs,
        activation,
        frozenset(layer["class_name"] for layer in every),
        frozenset(_name(layer) for layer in every),
        str(config.get("name", "")),
        version,
        tuple(dict.fromkeys(_names_of([training.get("loss"), training.get("metrics")]))),
    )


def _names_of(value: Any) -> Iterator[str]:
    """Names of losses and metrics in what Keras 2 or 3 wrote about them."""
    if isinstance(value, Mapping):
        name = (value.get("config") or {}).get("name") if isinstance(value.get("config"), Mapping) else value.get("config")
        yield from _names_of(name or value.get("class_name") or list(value.values()))
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _names_of(item)
    elif isinstance(value, str):
        yield value


def _input_shape(layers: list[dict], config: Mapping[str, Any]) -> list[int | None]:
    for layer in layers:
        inner = layer["config"]
        shape = inner.get("batch_shape") or inner.get("batch_input_shape")
        if shape:
            return list(shape)
    return list(config["build_input_shape"])


def _outputs(layers: list[dict], config: Mapping[str, Any]) -> dict:
    names = list(_strings(config.get("output_layers", [])))
    by_name = {_name(layer): layer for layer in layers}
    return next(by_name[name] for name in names if name in by_name) if names else layers[-1]


def _ending(layer: dict, by_name: Mapping[str, dict]) -> tuple[int, str]:
    """Walk back from the output to the layer that sets the number of channels; the activation nearest to the output counts."""
    activation = "linear"
    while True:
        kind, config = layer["class_name"], layer["config"]
        if activation == "linear":
            activation = {"Softmax": "softmax"}.get(kind) or _activation(config)
        if kind in ("Functional", "Model", "Sequential"):
            inner = config["layers"]
            return _combine(_ending(_outputs(inner, config), {_name(item): item for item in inner}), activation)
        count = config.get("filters") or config.get("units")
        if count:
            return int(count), activation
        layer = by_name[next(name for name in _strings(layer.get("inbound_nodes", [])) if name in by_name)]


def _combine(inner: tuple[int, str], activation: str) -> tuple[int, str]:
    return inner[0], inner[1] if activation == "linear" else activation


def _activation(config: Mapping[str, Any]) -> str:
    value = config.get("activation", "linear")
    return value if isinstance(value, str) else str(value.get("class_name", "linear")).lower()


def _name(layer: Mapping[str, Any]) -> str:
    return layer.get("name") or layer["config"]["name"]


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _strings(item)


def _all_layers(layers: list[dict]) -> Iterator[dict]:
    for layer in layers:
        yield layer
        yield from _all_layers(layer["config"].get("layers", []))
