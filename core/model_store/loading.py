"""Keras files into networks that end in class probabilities."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import keras

import core.networks.keras2  # noqa: F401  (tells Keras about what imported networks of Keras 2 may hold)
from core.errors import ModelError
from core.model_store.cards import CARD_FILE, ModelCard
from core.model_store.filling import fill, longest_side
from core.model_store.fitting import check_ending, fitted
from core.model_store.heads import every_layer
from core.model_store.legacy import Described, describe
from core.model_store.rebuilding import rebuild
from core.model_store.saved_models import fill_from_checkpoint, is_saved_model
from core.model_store.trust import refuse_untrusted
from core.networks.architectures import build
from core.networks.copying import copy_weights
from core.networks.encoders import ZOO_ENCODERS


def load_network(file: Path, card: ModelCard) -> keras.Model:
    """The network in `file`, not compiled, ending in probabilities (n, h, w, K) of the card's K classes.

    Raises ModelError when Keras cannot load it, when it does not fit its card, or when it holds code that is not trusted.
    """
    network = read_network(file, describe(file), card.encoder)
    if card.architecture == "file" and not (file.parent / CARD_FILE).is_file():
        check_ending(file.name, network, card)
    network = fitted(network, card)
    if network.input_shape[-1] != len(card.bands) or network.output_shape[-1] != len(card.scheme):
        raise ModelError(
            f"{file.name} turns {network.input_shape[-1]} bands into {network.output_shape[-1]} classes",
            expected=f"{len(card.bands)} bands and {len(card.scheme)} classes, as its card says",
            do="Mend the card or name the right file; a file without a card is imported first",
        )
    return network


def read_network(file: Path, found: Described, encoder: str | None = None) -> keras.Model:
    """The network of a described file as it was saved, but taking channels last. Raises ModelError."""
    if found.runs_code:
        refuse_untrusted(file)
        _name_as_notebooks_do()
    if encoder in ZOO_ENCODERS or "Custom>" in str(found.network):
        from core.networks.zoo import library

        library()  # importing it tells Keras about the swish and dropout layers of EfficientNet
    if not is_saved_model(file):
        _refuse_wider(file, found)
    ours = found.saved_by.startswith(("1.", "2.")) or found.channels_first or is_saved_model(file)
    try:
        return _rebuilt(file, found) if ours else _by_keras(file, found)
    except ModelError as error:
        raise ModelError(f"{file.name}: {error.found}", expected=error.expected, do=error.do) from error
    except Exception as error:  # Keras raises nearly everything here, down to KeyError
        raise ModelError(
            f"Keras cannot load {file.name} ({' '.join(str(error).split())[:200]})",
            expected="a network of Keras's own layers",
            do="Save it again with the Keras it was made with, or train anew",
        ) from error


def _refuse_wider(file: Path, found: Described) -> None:
    """Raise ModelError for layers wider than anything in the file's weights: they would be made in full, only to find that nothing fits."""
    held = longest_side(file)
    for layer in every_layer(found.network["config"]["layers"]):
        for word in ("filters", "units"):
            asked = layer["config"].get(word)
            if isinstance(asked, int) and asked > held:
                raise ModelError(
                    f"layer {str(layer['config'].get('name'))[:40]} has {asked:,} {word}, but its weights at most {held:,} of anything",
                    expected="a network and its own weights",
                    do="Save the model again",
                )


def _name_as_notebooks_do() -> None:
    """Let the code of Lambda layers find what notebooks import under these names: it sees the globals of Keras's own reader."""
    import numpy as np
    import tensorflow as tf
    from keras.src.legacy import backend
    from keras.src.utils import python_utils

    usual = {"K": backend, "backend": backend, "tf": tf, "tensorflow": tf, "keras": keras, "layers": keras.layers, "np": np}
    for name, thing in usual.items():
        vars(python_utils).setdefault(name, thing)


def _rebuilt(file: Path, found: Described) -> keras.Model:
    network, graph = rebuild(found.network, trusted=found.runs_code)
    (fill_from_checkpoint if is_saved_model(file) else fill)(graph, file)
    return network


def _by_keras(file: Path, found: Described) -> keras.Model:
    try:
        if found.weights_alone:
            network = keras.models.model_from_json(json.dumps(found.network))
            network.load_weights(file)
            return network
        return keras.models.load_model(file, compile=False, safe_mode=not found.runs_code)
    except Exception:  # what Keras refuses may still be followed by hand, such as old arguments in a newer file
        with contextlib.suppress(Exception):
            return _rebuilt(file, found)
        raise


def resized(network: keras.Model, card: ModelCard, *, height: int, width: int) -> keras.Model:
    """The same network for another patch size. Raises ModelError when it is not one of ours and its size is fixed."""
    if network.input_shape[1:3] == (None, None):
        return network
    if card.architecture == "file":
        raise ModelError(
            f"a network that only takes {network.input_shape[1]} x {network.input_shape[2]} pixels, and patches of {height} x {width}",
            expected="its own patch size",
            do="Leave the patch size away",
        )
    other = build(
        card.architecture, height=height, width=width, bands=len(card.bands), classes=len(card.scheme), encoder=card.encoder, **card.network
    )
    copied, total = copy_weights(network, other)
    if copied != total:
        raise ModelError(
            f"only {copied} of {total} layers of {card.name} fit a network for {height} x {width}",
            expected="all of them",
            do="Predict with the model's own patch size",
        )
    return other
