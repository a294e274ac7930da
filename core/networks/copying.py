"""Weights of one network into another: by position where both are of one build, by layer name otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import keras


def copy_weights(source: keras.Model, target: keras.Model) -> tuple[int, int]:
    """Copy every layer whose weights fit from `source` into `target`: (layers copied, layers with weights in the target).

    Networks of one build are paired by position, others by layer name. A first layer made for another number of bands
    is inflated: each new band gets the mean over the old ones, scaled so that the sum over bands is kept.
    """
    old, new = weighted_layers(source), weighted_layers(target)
    if [type(layer).__name__ for layer in old] == [type(layer).__name__ for layer in new]:
        pairs = list(zip(old, new, strict=True))
    else:
        by_name = {layer.name: layer for layer in old}
        pairs = [(by_name[layer.name], layer) for layer in new if layer.name in by_name]
    bands = (source.input_shape[-1], target.input_shape[-1])
    copied = 0
    for mine, other in pairs:
        fitted = [_fit(value, tuple(place.shape), bands) for value, place in zip(mine.get_weights(), other.weights, strict=False)]
        if len(fitted) == len(other.weights) and all(value is not None for value in fitted):
            other.set_weights(fitted)
            copied += 1
    return copied, len(new)


def weighted_layers(model: keras.Model) -> list[Any]:
    """All layers with weights, those of models inside it too, in their order."""
    layers: list[Any] = []
    for layer in model.layers:
        if hasattr(layer, "layers"):
            layers += weighted_layers(layer)
        elif layer.weights:
            layers.append(layer)
    return layers


def _fit(value: np.ndarray, shape: tuple[int, ...], bands: tuple[int, int]) -> np.ndarray | None:
    if value.shape == shape:
        return value
    old, new = bands
    if value.ndim == 4 and value.shape[2] == old and shape == (*value.shape[:2], new, value.shape[3]):
        return np.repeat(value.mean(2, keepdims=True) * (old / new), new, axis=2)
    if value.shape == (old,) and shape == (new,):
        return np.repeat(value.mean(keepdims=True), new)
    return None
