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


@dataclass(frozen=True)
class Described:
    """Input height and width (None when free), bands, outputs, how the network ends, and its layer kinds and name."""

    height: int | None
    width: int | None
    bands: int
    outputs: int
    activation: str
    layer_kinds: frozenset[str]
    name: str

    @property
    def runs_code(self) -> bool:
        """Whether the file holds a layer that is Python code."""
        return bool(self.layer_kinds & {"Lambda", "TFOpLambda"})


def has_network(path: str | os.PathLike) -> bool:
    """Whether a file holds a whole network, not only weights."""
    return _config(Path(path)) is not None


def describe(path: str | os.PathLike) -> Described:
    """Read the network's description in a file. Raises ModelError when there is none or it is not understood."""
    path = Path(path)
    config = _config(path)
    if config is None:
        raise ModelError(
            f"{path.name} holds no Keras network", expected="a whole model saved as .keras, .h5 or .hdf5 (not weights alone)",
            do="Save it with model.save(), or name a model folder",
        )  # fmt: skip
    try:
        return _describe(config)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, StopIteration) as error:
        raise ModelError(
            f"{path.name} holds a network of a form that is not understood ({error!r})",
            expected="a network from one image to one map of classes",
            do="Save it again with Keras 2 or 3",
        ) from error  # fmt: skip


def _config(path: Path) -> dict[str, Any] | None:
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                return json.loads(archive.read("config.json")) if "config.json" in archive.namelist() else None
        if not h5py.is_hdf5(path):
            return None
        with h5py.File(path, "r") as file:
            text = file.attrs.get("model_config")
    except (OSError, ValueError, KeyError):
        return None
    return None if text is None else json.loads(text.decode() if isinstance(text, bytes) else text)


def _describe(model: Mapping[str, Any]) -> Described:
    config = model["config"]
    layers = config["layers"]
    _, height, width, bands = _input_shape(layers, config)
    final = _outputs(layers, config)
    outputs, activation = _ending(final, {_name(layer): layer for layer in layers})
    return Described(height, width, int(bands), outputs, activation, frozenset(_kinds(layers)), str(config.get("name", "")))


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


def _kinds(layers: list[dict]) -> Iterator[str]:
    for layer in layers:
        yield layer["class_name"]
        yield from _kinds(layer["config"].get("layers", []))
