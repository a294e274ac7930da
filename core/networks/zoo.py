"""The networks of segmentation_models (Yakubovskiy 2019) under Keras 3."""

from __future__ import annotations

import contextlib
import io
import os
from functools import cache

import keras

from core.networks.blocks import MOMENTUM, assemble

_FAMILIES = {"unet": ("Unet", 32), "fpn": ("FPN", 32), "linknet": ("Linknet", 32), "pspnet": ("PSPNet", 48)}
"""What the package calls each, and of how many pixels its sizes are a multiple."""


@cache
def library():
    """The package, imported under Keras 3 and without its greeting on stdout."""
    os.environ["SM_FRAMEWORK"] = "tf.keras"
    with contextlib.redirect_stdout(io.StringIO()):
        import segmentation_models
    return segmentation_models


def build_zoo(
    family: str, *, height: int, width: int, bands: int, classes: int, encoder: str, encoder_weights: str | None = None
) -> keras.Model:
    """Float32 (n, height, width, bands) -> probabilities (n, height, width, classes).

    `encoder_weights` is None, "imagenet" (3 bands) or the path of an encoder's weight file.
    """
    maker, multiple = _FAMILIES[family]
    shape = (height + -height % multiple, width + -width % multiple, bands)
    network = getattr(library(), maker)(encoder, input_shape=shape, classes=classes, activation="softmax", encoder_weights=encoder_weights)
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = MOMENTUM
    if shape[:2] == (height, width):
        return network
    return assemble(network, height=height, width=width, bands=bands, multiple=multiple, name=f"{family}_{encoder}")
