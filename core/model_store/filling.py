"""Weights of a Keras file into the layers of a network that was built anew: both layouts that Keras 2 and 3 write."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from core.errors import ModelError
from core.hdf5 import open_hdf5_file, refuse_wrong
from core.reading.readable import refusing
from core.reading.zip_limits import refuse_growing

if TYPE_CHECKING:
    import keras

_WEIGHTS = "model.weights.h5"


def fill(graph: Any, path: Path) -> None:
    """Put the weights that a file holds into the layers of `core.model_store.rebuilding.rebuild`'s graph. Raises ModelError."""
    with weights_of(path) as group:
        if not names_layers(group):
            _by_kinds(graph, group)
        elif any(part.name in group for part in weighted(graph)):
            _by_names(graph, group)
        else:
            _by_order(graph, group)


@contextmanager
def open_zip(path: Path) -> Iterator[zipfile.ZipFile]:
    """A `.keras` file or another zip, looked through first with what weights it holds. Raises ModelError."""
    state = path.stat()
    _look_through(path, state.st_size, state.st_mtime_ns)
    with zipfile.ZipFile(path) as archive:
        yield archive


@lru_cache(maxsize=64)
def _look_through(path: Path, size: int, changed: int) -> None:
    with zipfile.ZipFile(path) as archive:
        refuse_growing(path.name, archive.infolist(), ModelError, do="Save the model again, and check where this file comes from")
        if _WEIGHTS in archive.namelist():
            refuse_wrong(f"{_WEIGHTS} in {path.name}", io.BytesIO(archive.read(_WEIGHTS)), ModelError)


@contextmanager
def weights_of(path: Path) -> Iterator[h5py.Group]:
    """The HDF5 group that holds the weights in a file of any of Keras's forms."""
    if zipfile.is_zipfile(path):
        with open_zip(path) as archive, h5py.File(io.BytesIO(archive.read(_WEIGHTS)), "r") as file:
            yield file
        return
    with open_hdf5_file(path, ModelError) as file:
        yield file.get("model_weights", file)


def longest_side(path: Path) -> int:
    """The largest number along any axis of the weights in a file; 0 where there are none."""
    longest = 0

    def look(_: str, item: Any) -> None:
        nonlocal longest
        if isinstance(item, h5py.Dataset):
            longest = max(longest, *item.shape, 0) if item.shape else longest

    with weights_of(path) as group, refusing(path.name, ModelError, "whole weights"):
        group.visititems(look)
    return longest


def names_layers(group: h5py.Group) -> bool:
    """Whether weights lie under the names of their layers, as in `.h5`, and not under the kinds, as in `.keras`."""
    return "layer_names" in group.attrs or "layer_names0" in group.attrs


def container_of(group: Mapping[str, Any]) -> Any:
    """What holds the layers of a model where they lie under their kinds, in Keras 2's `.keras` or Keras 3's; None where nothing does."""
    return next((group[name] for name in ("_layer_checkpoint_dependencies", "layers") if name in group), None)


def texts_of(group: h5py.Group, name: str) -> list[str]:
    """A list of texts in a group's attributes; long ones are cut into `name0`, `name1` and so on."""
    parts = [group.attrs[name]] if name in group.attrs else []
    while f"{name}{len(parts)}" in group.attrs:
        parts.append(group.attrs[f"{name}{len(parts)}"])
    return [item.decode() if isinstance(item, bytes) else str(item) for part in parts for item in part]


def weighted(graph: Any) -> list[Any]:
    """Layers with weights, and models inside the model that have some."""
    return [part for part in graph.parts if (weighted(part.graph) if part.graph else part.layer is not None and part.layer.weights)]


def _by_names(graph: Any, group: h5py.Group) -> None:
    """The layout of `.h5`: a group for each layer by its name, with its weights in their order."""
    for part in weighted(graph):
        if part.name not in group:
            raise _unfitting("a file without weights of the layer " + part.name, "weights of every layer")
        named = [(name, np.asarray(group[part.name][name])) for name in texts_of(group[part.name], "weight_names")]
        if part.graph is None:
            _put(part.layer, [value for _, value in named])
        else:
            _into_inner(part.graph, named)


def _by_order(graph: Any, group: h5py.Group) -> None:
    """The same layout where the layers have other names: the n-th layer with weights takes the n-th ones."""
    saved = [group[name] for name in texts_of(group, "layer_names") if texts_of(group[name], "weight_names")]
    parts = weighted(graph)
    if len(saved) != len(parts):
        raise _unfitting(f"weights of {len(saved)} layers", f"{len(parts)}")
    for part, inner in zip(parts, saved, strict=True):
        _put(part.layer, [np.asarray(inner[name]) for name in texts_of(inner, "weight_names")])


def _into_inner(graph: Any, named: Sequence[tuple[str, np.ndarray]]) -> None:
    """Weights of a model inside the model, which lie in one list: by the layer's name in theirs, or in Keras 2's order."""
    leaves = [part for part in _leaves(graph) if part.layer is not None and part.layer.weights]
    by_name = {part.name: part for part in leaves}
    found: dict[str, list[np.ndarray]] = {}
    for name, value in named:
        owner = next((word for word in reversed(name.split("/")) if word in by_name), None)
        owner = owner or next((key for key in by_name if "/" in key and f"{key}/" in f"/{name}"), None)
        found.setdefault(owner or "", []).append(value)
    sizes = {part.name: len(part.layer.weights) for part in leaves}
    if len(by_name) == len(leaves) and {name: len(values) for name, values in found.items()} == sizes:
        for name, values in found.items():
            _put(by_name[name].layer, values)
        return
    # Trainable weights of all layers come first, then the others (statistics of normalisation, and all of a layer that was frozen).
    values = iter([value for _, value in named])
    order: list[tuple[Any, Any]] = []
    for wanted in (True, False):
        for part in leaves:
            frozen = part.config.get("trainable") is False
            own = {id(weight) for weight in ([] if frozen else part.layer.trainable_weights)}
            order += [(part.layer, weight) for weight in part.layer.weights if (id(weight) in own) == wanted]
    if len(order) != len(named):
        raise _unfitting(f"{len(named)} weights of a model inside it", f"{len(order)}")
    for layer, weight in order:
        _assign(layer, weight, next(values))


def _leaves(graph: Any) -> Iterator[Any]:
    for part in graph.parts:
        if part.graph is not None:
            yield from _leaves(part.graph)
        else:
            yield part


def _by_kinds(graph: Any, group: Mapping[str, Any]) -> None:
    """The layout of `.keras` and `.weights.h5`: layers under their kinds, counted in their order."""
    container = container_of(group)
    if container is None:
        raise _unfitting("a file without layers", "weights that Keras saved")
    needed = weighted(graph)
    counted: dict[str, int] = {}
    for part in graph.parts:
        kind = snake(part.kind)
        number = counted.get(kind, -1) + 1
        counted[kind] = number
        key = f"{kind}_{number}" if number else kind
        if part not in needed:
            continue
        if key not in container:
            raise _unfitting(f"a file without weights of the layer {part.name}", "weights of every layer")
        if part.graph is not None:
            _by_kinds(part.graph, container[key])
        else:
            _into_layer(part.layer, container[key])


def _into_layer(layer: Any, group: h5py.Group) -> None:
    """Own weights of a layer, then those of the layers in it (of a wrapper, of attention)."""
    if group.get("vars"):
        own = [variable for variable in layer._trainable_variables + layer._non_trainable_variables]
        values = [np.asarray(group["vars"][str(number)]) for number in range(len(group["vars"]))]
        _put(layer, values, own)
    for name in group:
        inner = getattr(layer, name, None)
        if name != "vars" and inner is not None and hasattr(inner, "weights"):
            _into_layer(inner, group[name])


def snake(kind: str) -> str:
    """ "SeparableConv2D" -> "separable_conv2d", as Keras writes kinds of layers in files of weights."""
    name = re.sub(r"\W+", "", kind)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def _put(layer: Any, values: Sequence[np.ndarray], weights: Sequence[Any] | None = None) -> None:
    # Keras 2 wrote what is trained first.
    weights = [*layer.trainable_weights, *layer.non_trainable_weights] if weights is None else weights
    if len(values) < len(weights):
        raise _unfitting(f"{len(values)} weights of the layer {layer.name}", f"{len(weights)}")
    # Keras 2 also kept statistics of `renorm` behind the usual ones; they serve training only.
    for weight, value in zip(weights, values, strict=False):
        _assign(layer, weight, value)
    if hasattr(layer, "finalize_state"):
        layer.finalize_state()


def _assign(layer: keras.layers.Layer, weight: Any, value: np.ndarray) -> None:
    if tuple(weight.shape) != value.shape:
        raise _unfitting(f"weights of {value.shape} for the layer {layer.name}", f"{tuple(weight.shape)}")
    weight.assign(value)


def _unfitting(found: str, expected: str) -> ModelError:
    return ModelError(found, expected=expected, do="Name the weights of this very network, or save the whole model")
