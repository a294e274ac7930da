"""Files of weights alone: what lies in them, the architecture beside them, and which of our networks they fit."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from core.errors import ModelError, SettingsError
from core.model_store.filling import container_of, fill, names_layers, texts_of, weights_of
from core.model_store.heads import MODELS_INSIDE
from core.model_store.legacy import Described, has_network
from core.model_store.outputs import Head
from core.networks.architectures import ON_AN_ENCODER, architecture, build, function_of, resolve_encoder
from core.networks.copying import copy_weights, weighted_layers
from core.networks.encoders import ZOO_ENCODERS
from core.networks.sizes import Size, sizes

if TYPE_CHECKING:
    import keras

_LARGEST_TEXT = 50_000_000
_TOLD = 6
_ANY_SIZE_PX = 96  # a multiple of what every network halves its patches by
_UNIT, _RISE, _HEAD, _GATE = 5, 2, 2, 5  # arrays of a convolution with normalisation, of a transposed one, of the last one, of a gate
Shapes = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Bare:
    """Weights without a network: the shapes of each layer's, in the file's order; `by_kind`: told by kinds of layers, not by names."""

    layers: tuple[tuple[str, Shapes], ...]
    by_kind: bool = False

    @property
    def kernels(self) -> list[tuple[int, ...]]:
        """Shapes of all convolutions' kernels."""
        return [shape for _, shapes in self.layers for shape in shapes if len(shape) == 4]

    def told(self) -> str:
        """The first layers and the last one in words."""
        words = [f"{name} {' '.join('x'.join(map(str, shape)) for shape in shapes)}" for name, shapes in self.layers]
        return "; ".join(words if len(words) <= _TOLD else [*words[: _TOLD - 1], "...", words[-1]])


@dataclass(frozen=True)
class Fit:
    """One of our networks that weights belong to; one class is a sigmoid's."""

    architecture: str
    encoder: str | None
    filters: tuple[int, ...] | None
    bands: int
    classes: int

    def told(self) -> str:
        """In words: "unet on resnet34, 3 bands, 6 classes"."""
        own = f" with filters {', '.join(map(str, self.filters))}" if self.filters else ""
        kind = f"{self.architecture} on {self.encoder}" if self.encoder else self.architecture + own
        return f"{kind}, {self.bands} bands, {max(2, self.classes)} classes"

    def described(self) -> Described:
        """What a file with that network would say about it."""
        end = "sigmoid" if self.classes == 1 else "softmax"
        return Described(
            None, None, self.bands, (Head("head", (None, None, self.classes), end),), frozenset(), frozenset(), self.architecture
        )


def bare_weights(path: str | os.PathLike) -> Bare | None:
    """What lies in a file of weights alone, None for a file of another kind."""
    path = Path(path)
    if not h5py.is_hdf5(path) or has_network(path):
        return None
    try:
        with weights_of(path) as group:
            by_kind = not names_layers(group)
            if not by_kind:
                found = [
                    (name, tuple(group[name][weight].shape for weight in texts_of(group[name], "weight_names")))
                    for name in texts_of(group, "layer_names")
                ]
            else:
                container = container_of(group)
                if container is None:
                    return None
                found = [(name, _shapes_in(container[name])) for name in sorted(container, key=_by_number)]
    except (OSError, KeyError):
        return None
    return Bare(tuple((name, shapes) for name, shapes in found if shapes), by_kind)


def _shapes_in(group: h5py.Group) -> Shapes:
    shapes: list[tuple[int, ...]] = []
    for name in sorted(group, key=_by_number):
        item = group[name]
        shapes += _shapes_in(item) if isinstance(item, h5py.Group) else [item.shape]
    return tuple(shapes)


def _by_number(name: str) -> tuple[str, int]:
    word, _, number = name.rpartition("_")
    return (word, int(number)) if number.isdigit() and word else ("" if name.isdigit() else name, int(name) if name.isdigit() else 0)


def architecture_beside(path: str | os.PathLike) -> Path | None:
    """The JSON of `model.to_json()` beside a file of weights: one of its name, or the only one. Raises ModelError for several others."""
    path = Path(path)
    texts = [file for file in sorted(path.parent.glob("*.json")) if is_architecture(file)]
    stem = re.sub(r"[._-]?weights?$", "", path.stem.lower())
    same = [file for file in texts if stem and (file.stem.lower().startswith(stem) or stem.startswith(file.stem.lower()))]
    for some in (same, texts):
        if len(some) == 1:
            return some[0]
        if some:
            raise ModelError(
                f"weights alone with several architectures beside them ({', '.join(file.name for file in some)})",
                expected="one",
                do="Name it with --architecture-file",
            )
    return None


def is_architecture(path: Path) -> bool:
    """Whether a file is the text of `model.to_json()`."""
    try:
        if path.stat().st_size > _LARGEST_TEXT:
            return False
        value = json.loads(path.read_text(encoding="utf-8"))
        return isinstance(value, dict) and value.get("class_name") in MODELS_INSIDE and "layers" in value["config"]
    except (OSError, ValueError, KeyError, TypeError):
        return False


def fitting_network(
    bare: Bare, *, named: str | None = None, encoder: str | None = None, filters: Sequence[int] | None = None
) -> Fit | None:
    """Which of our networks has weights of these shapes, and with how many bands and classes; None when none does.

    What is `named` is taken as said; the rest follows from the shapes.
    """
    if not bare.kernels:
        return None
    bands, classes = _ends(bare)
    if named is not None:
        info = architecture(named)
        chosen = resolve_encoder(named, encoder)
        own = tuple(filters) if filters else (_own_filters(named, bare, bands) if info.filters and chosen is None else None)
        return Fit(named, chosen, own, bands, classes)
    arrays = sum(len(shapes) for _, shapes in bare.layers)
    for name in ("unet", "attention-unet", "fast"):
        found = _own_filters(name, bare, bands)
        if found and len(found) > 1 and arrays == _arrays(name, len(found)):
            return Fit(name, None, found, bands, classes)
    values = sum(prod(shape) for _, shapes in bare.layers for shape in shapes)
    for (name, on), size in sizes().items():
        if arrays == size.arrays and values == size.values(bands, classes):
            return Fit(name, on, None, bands, classes)
    return None


def _ends(bare: Bare) -> tuple[int, int]:
    """Bands and classes: what the first convolution takes and the last one gives."""
    plain = [
        shapes[0] for name, shapes in bare.layers if len(shapes[0]) == 4 and (not bare.by_kind or re.fullmatch(r"conv2d(_\d+)?", name))
    ]
    return int(plain[0][2]), int(plain[-1][3])


def _own_filters(name: str, bare: Bare, bands: int) -> tuple[int, ...] | None:
    """Filters of one of our U-Nets: each level's follow from the transposed convolution that leads up to it."""
    kernels = bare.kernels
    rises = {shape[2]: shape[3] for shape in kernels if shape[:2] == (2, 2) and shape[3] > shape[2]}
    first = next((shape[3] for shape in kernels if shape[:3] == (3, 3, bands)), None)
    if first is None:
        return None
    filters, level = [first], first
    if name == "fast":
        quarter = next((shape[3] for shape in kernels if shape[:3] == (3, 3, first) and shape[3] != first), None)
        top = next((shape[3] for shape in kernels if shape[:3] == (3, 3, quarter) and shape[3] != quarter), None) if quarter else None
        if top is None:
            return None
        filters, level = [first, quarter, top], top
    while level in rises:
        level = rises[level]
        filters.append(level)
    return tuple(filters)


def _arrays(name: str, levels: int) -> int:
    """How many arrays of weights one of our U-Nets has."""
    if name == "fast":
        depth = levels - 3
        return _UNIT * (2 + 2 * (depth + 1) + depth + 1) + _RISE * (depth + 1) + _HEAD
    depth = levels - 1
    return _UNIT * 2 * (2 * depth + 1) + _RISE * depth + _HEAD + (_GATE * depth if name == "attention-unet" else 0)


def registered_network(path: Path, fit: Fit, size: int) -> keras.Model:
    """One of our networks for patches of `size` with the weights of a file. Raises ModelError when they do not fit it."""
    sides: dict[str, Any] = {"height": _ANY_SIZE_PX, "width": _ANY_SIZE_PX, "bands": fit.bands}
    chosen: dict[str, Any] = {"encoder": fit.encoder} if fit.encoder else {"filters": fit.filters}
    try:
        if fit.classes == 1 and fit.encoder in ZOO_ENCODERS:
            source = function_of(ON_AN_ENCODER)(fit.architecture, encoder=fit.encoder, classes=1, **sides)
        else:
            source = build(fit.architecture, classes=fit.classes, **chosen, **sides)
        fill(_Layers(source), path)
    except (ModelError, SettingsError) as error:
        raise ModelError(
            f"{path.name} does not fit {fit.told()}: {error.found}",
            expected=error.expected,
            do="Name the right architecture, encoder and filters",
        ) from error
    result = build(fit.architecture, height=size, width=size, bands=fit.bands, classes=max(2, fit.classes), **chosen)
    copy_weights(source, result)
    if fit.classes == 1:
        # A sigmoid of z is the softmax of (0, z).
        values = weighted_layers(source)[-1].get_weights()
        weighted_layers(result)[-1].set_weights([np.concatenate([np.zeros_like(value), value], axis=-1) for value in values])
    return result


class _Layers:
    """A network of ours as `fill` takes it."""

    def __init__(self, network: keras.Model):
        self.parts = [_Layer(layer) for layer in network.layers]


class _Layer:
    graph = None
    config: Mapping[str, Any] = {}

    def __init__(self, layer: keras.layers.Layer):
        self.layer, self.name, self.kind = layer, layer.name, type(layer).__name__


def unfitting(path: Path, bare: Bare) -> ModelError:
    """The error for weights that fit none of our networks; to be raised."""
    return ModelError(
        f"{path.name} holds weights alone, of {len(bare.layers)} layers, and no network of ours is known by such: {bare.told()}",
        expected="the architecture beside them, as model.to_json() gives it, or weights of one of our networks",
        do="Put that JSON beside the file or name it by --architecture-file, name --architecture and --encoder, or save the whole model",
    )


def size_of(network: keras.Model) -> Size:
    """How `core.networks.sizes` counts a network of 3 bands and 2 classes."""
    shapes = [tuple(weight.shape) for weight in network.weights]
    first = [prod(shape) for shape in shapes if shape == (3,) or (len(shape) == 4 and shape[2] == 3)]
    last = sum(prod(weight.shape) for weight in weighted_layers(network)[-1].weights)
    return Size(len(shapes), sum(map(prod, shapes)) - sum(first) - last, sum(first) // 3, last // 2)
