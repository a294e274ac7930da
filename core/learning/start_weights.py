"""Weights that a network starts from: published ones, a file of encoder weights, or a model that was trained here."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.errors import InputError, ModelError, SettingsError
from core.learning.legacy import has_network
from core.learning.networks.encoders import wants_bgr
from core.learning.networks.registry import published_encoder

if TYPE_CHECKING:
    import keras

_PATIENCE_S = 20.0


@dataclass(frozen=True)
class Copied:
    """How many layers with weights were taken over, of how many, and where from."""

    layers: int
    of: int
    source: str
    normalisation: Mapping[str, Any] | None = None
    published: bool = False


def start(network: keras.Model, weights: str, *, architecture: str, encoder: str | None) -> Copied:
    """Put starting weights into `network`, in place.

    `weights` is "imagenet", the path of an encoder's weight file, or a model (name, folder, `.keras` or `.h5` file).
    Raises InputError when they cannot be had, SettingsError when they do not go with the network.
    """
    path = Path(weights).expanduser()
    if weights == "imagenet" or (path.is_file() and not has_network(path)):
        return _start_published(network, weights if weights == "imagenet" else str(path), architecture, encoder)
    from core.learning.model_store import find_model

    try:
        model = find_model(weights)
    except ModelError as error:
        raise InputError(
            f"no starting weights called {weights!r}",
            expected='"none", "imagenet", a file of encoder weights, or a model of the library',
            do="Name one of these",
        ) from error
    copied, total = copy_weights(model.keras_model(), network)
    if not copied:
        raise SettingsError(
            f"the model {model.card.name} shares no layer with {architecture}", expected="a model of the same kind of network",
            do=f"Start from another model or choose the architecture {model.card.architecture}",
        )  # fmt: skip
    fits = len(model.card.bands) == network.input_shape[-1]
    return Copied(copied, total, model.card.name, model.card.normalisation if fits else None)


def _start_published(network: keras.Model, weights: str, architecture: str, encoder: str | None) -> Copied:
    published = published_encoder(architecture, encoder)
    if published is None:
        raise SettingsError(
            f"weights {weights!r} for {architecture} without an encoder", expected="an encoder that these weights were made for",
            do="Choose an encoder, or use weights none or a model of the library",
        )  # fmt: skip
    source = _published_source(network, weights, architecture, encoder)
    if wants_bgr(published):
        _turn_first_layer(source)
    copied, total = copy_weights(source, network)
    name = "imagenet" if weights == "imagenet" else Path(weights).name
    return Copied(copied, total, name, published=True)


def _published_source(network: keras.Model, weights: str, architecture: str, encoder: str | None) -> keras.Model:
    height, width = network.input_shape[1:3]
    sizes = {"height": height, "width": width, "bands": 3, "classes": network.output_shape[-1]}
    try:
        with _limited_waiting():
            return _with_encoder_weights(architecture, encoder, weights, sizes)
    except Exception as error:  # Keras raises a bare Exception for a failed download, and many kinds for a file that does not fit
        if weights == "imagenet":
            raise InputError(
                f"ImageNet weights of {encoder or architecture} could not be downloaded ({_one_line(error)})",
                expected="a network connection at the first use",
                do="Use --weights none, a local weights file, or a model of the library",
            ) from error  # fmt: skip
        raise InputError(
            f"{weights} holds no weights of {encoder or architecture} ({_one_line(error)})",
            expected="a weight file of that encoder without its top",
            do="Use another file or --weights none",
        ) from error  # fmt: skip


def _with_encoder_weights(architecture: str, encoder: str | None, weights: str, sizes: Mapping[str, int]) -> keras.Model:
    if encoder is None:
        import keras

        return keras.applications.ResNet50(include_top=False, weights=weights, input_shape=(64, 64, 3))
    from core.learning.networks.zoo import build_zoo

    return build_zoo(architecture, encoder=encoder, encoder_weights=weights, **sizes)


@contextmanager
def _limited_waiting() -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_PATIENCE_S)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def copy_weights(source: keras.Model, target: keras.Model) -> tuple[int, int]:
    """Copy every layer whose weights fit from `source` into `target`: (layers copied, layers with weights in the target).

    Networks of one build are paired by position, others by layer name. A first layer made for another number of bands
    is inflated: each new band gets the mean over the old ones, scaled so that the sum over bands is kept.
    """
    old, new = _weighted(source), _weighted(target)
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


def _weighted(model: keras.Model) -> list[Any]:
    layers: list[Any] = []
    for layer in model.layers:
        if hasattr(layer, "layers"):
            layers += _weighted(layer)
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


def _turn_first_layer(model: keras.Model) -> None:
    first = next(layer for layer in _weighted(model) if layer.weights[0].ndim == 4)
    kernel, *rest = first.get_weights()
    first.set_weights([kernel[:, :, ::-1], *rest])


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
