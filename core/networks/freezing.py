"""What of an encoder is trained, and which of its variables are."""

from __future__ import annotations

from typing import Any

import keras

from core.errors import SettingsError
from core.networks.architectures import published_encoder
from core.networks.copying import weighted_layers

_DECODERS = ("center_", "decoder_", "final_", "fpn_", "segm_", "aggregation", "psp_", "aspp_", "head", "up", "level", "last")
"""How the names of layers begin that stand behind an encoder, in segmentation_models' networks and in our own."""
_QUARTER = 4


def freeze(network: keras.Model, architecture: str, encoder: str | None, what: str, rate: float = 1.0) -> set[int]:
    """Leave a part of the encoder untrained, in place, and return the `id` of each encoder variable that still is trained.

    `what` is a word of `core.training.settings.FREEZES`, `rate` the share of the learning rate that the rest is to have. Raises
    SettingsError where one of them is asked for a network without an encoder.
    """
    if published_encoder(architecture, encoder) is None:
        if what != "nothing" or rate < 1:
            asked = f"freeze {what}" if what != "nothing" else f"an encoder rate of {rate:g}"
            instead = "freeze nothing" if what != "nothing" else "leave the rate at 1"
            raise SettingsError(
                f"{asked} for {architecture} without an encoder", expected="an encoder", do=f"Choose an encoder, or {instead}"
            )
        return set()
    # The last one gives the classes; LinkNet's has no name of its own.
    mine = [layer for layer in weighted_layers(network)[:-1] if not layer.name.startswith(_DECODERS)]
    for layer in mine:
        if what == "encoder" or (what == "early" and _is_early(layer, network)):
            layer.trainable = False
        elif what != "nothing" and isinstance(layer, keras.layers.BatchNormalization):
            # Keras takes the stored mean and variance where the layer is frozen.
            layer.trainable = False
    return {id(variable) for layer in mine for variable in layer.trainable_variables}


def _is_early(layer: Any, network: keras.Model) -> bool:
    return layer.output.shape[1] * _QUARTER >= network.input_shape[1]
