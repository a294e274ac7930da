"""Attention U-Net (Oktay et al. 2018): a U-Net whose skips are weighed by what the coarser level has seen."""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import layers

from core.networks.unet import build_unet


def build_attention_unet(*, height: int, width: int, bands: int, classes: int, filters: Sequence[int], dropout: float) -> keras.Model:
    """Float32 (n, height, width, bands) -> probabilities (n, height, width, classes); `filters` from the finest level down."""
    return build_unet(
        height=height, width=width, bands=bands, classes=classes, filters=filters, dropout=dropout, gate=_gate, name="unet_attention"
    )


def _gate(skip, signal, filters: int, *, name: str):
    """Additive attention: the skip times a weight from 0 to 1 per pixel, worked out at the size of the signal (half the skip's)."""
    seen = layers.Conv2D(filters, 2, strides=2, use_bias=False, name=f"{name}_skip")(skip)
    asked = layers.Conv2D(filters, 1, name=f"{name}_signal")(signal)
    both = layers.ReLU(name=f"{name}_relu")(layers.Add(name=f"{name}_add")([seen, asked]))
    weight = layers.Conv2D(1, 1, activation="sigmoid", name=f"{name}_weight")(both)
    weight = layers.UpSampling2D(interpolation="bilinear", name=f"{name}_rise")(weight)
    return layers.Multiply(name=f"{name}_apply")([skip, weight])
