"""Keras files into networks that end in class probabilities."""

from __future__ import annotations

from pathlib import Path

import keras
from keras import layers, ops

from core.errors import ModelError
from core.model_store.cards import ModelCard
from core.model_store.legacy import describe
from core.model_store.trust import refuse_untrusted
from core.networks.architectures import build
from core.networks.copying import copy_weights
from core.networks.encoders import ZOO_ENCODERS


class _OldDepthwise:
    """Drops the `groups` argument that Keras 2 wrote and Keras 3 refuses; it was always 1."""

    @classmethod
    def from_config(cls, config: dict) -> layers.DepthwiseConv2D:
        """Keras's own layer, so that what is saved again needs nothing of ours."""
        return layers.DepthwiseConv2D(**{name: value for name, value in config.items() if name != "groups"})


def load_network(file: Path, card: ModelCard) -> keras.Model:
    """The network in `file`, not compiled, ending in probabilities (n, h, w, K) of the card's K classes.

    Raises ModelError when Keras cannot load it, when it does not fit its card, or when it holds code that is not trusted.
    """
    runs_code = describe(file).runs_code
    if runs_code:
        refuse_untrusted(file)
    custom = {} if file.suffix == ".keras" else {"DepthwiseConv2D": _OldDepthwise}
    if card.encoder in ZOO_ENCODERS or card.architecture == "file":
        from core.networks.zoo import library

        library()  # importing it tells Keras about the swish and dropout layers of EfficientNet
    try:
        network = keras.models.load_model(file, compile=False, custom_objects=custom, safe_mode=not runs_code)
    except Exception as error:  # Keras raises nearly everything here, down to KeyError
        raise ModelError(
            f"Keras cannot load {file.name} ({' '.join(str(error).split())[:200]})",
            expected="a network of Keras's own layers",
            do="Save it again with the Keras it was made with, or train anew",
        ) from error
    network = _to_probabilities(network, card)
    if network.input_shape[-1] != len(card.bands) or network.output_shape[-1] != len(card.scheme):
        raise ModelError(
            f"{file.name} turns {network.input_shape[-1]} bands into {network.output_shape[-1]} classes",
            expected=f"{len(card.bands)} bands and {len(card.scheme)} classes, as its card says",
            do="Mend the card or name the right file",
        )
    return network


def _to_probabilities(network: keras.Model, card: ModelCard) -> keras.Model:
    if card.output == "softmax":
        return network
    outputs = network.outputs[0]
    if outputs.shape[-1] == 1:
        share = outputs if card.output == "sigmoid" else layers.Activation("sigmoid")(outputs)
        outputs = layers.Concatenate()([1.0 - share, share])
    elif card.output == "sigmoid":
        outputs = outputs / ops.maximum(ops.sum(outputs, axis=-1, keepdims=True), 1e-7)
    else:
        outputs = layers.Softmax()(outputs)
    return keras.Model(network.inputs, outputs, name=network.name)


def resized(network: keras.Model, card: ModelCard, *, height: int, width: int) -> keras.Model:
    """The same network for another patch size. Raises ModelError when it is not one of ours and its size is fixed."""
    if network.input_shape[1:3] == (None, None):
        return network
    if card.architecture == "file":
        raise ModelError(
            f"a network that only takes {network.input_shape[1]} x {network.input_shape[2]} pixels",
            expected="its own patch size",
            do=f"Predict with patches of {network.input_shape[1]}",
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
