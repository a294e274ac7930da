"""Attention U-Net (Oktay et al. 2018): a U-Net whose skips are weighed by what the coarser level has seen."""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import layers

from core.learning.networks.blocks import assemble, double_conv, head


def build_attention_unet(*, height: int, width: int, bands: int, classes: int, filters: Sequence[int], dropout: float) -> keras.Model:
    """Float32 (n, height, width, bands) -> probabilities (n, height, width, classes); `filters` from the finest level down."""
    filters = tuple(filters)
    depth = len(filters) - 1

    def body(x):
        skips = []
        for level, count in enumerate(filters[:-1]):
            x = double_conv(x, count, name=f"down{level}", dropout=dropout if level == depth - 1 else 0.0)
            skips.append(x)
            x = layers.MaxPooling2D(name=f"pool{level}")(x)
        x = double_conv(x, filters[-1], name="bottom", dropout=dropout)
        for level in reversed(range(depth)):
            skip = _gate(skips[level], x, max(1, filters[level] // 2), name=f"gate{level}")
            x = layers.Conv2DTranspose(filters[level], 2, strides=2, name=f"up{level}_rise")(x)
            x = layers.Concatenate(name=f"up{level}_join")([x, skip])
            x = double_conv(x, filters[level], name=f"up{level}")
        return head(x, classes)

    return assemble(body, height=height, width=width, bands=bands, multiple=2**depth, name="unet_attention")


def _gate(skip, signal, filters: int, *, name: str):
    """Additive attention: the skip times a weight from 0 to 1 per pixel, worked out at the size of the signal (half the skip's)."""
    seen = layers.Conv2D(filters, 2, strides=2, use_bias=False, name=f"{name}_skip")(skip)
    asked = layers.Conv2D(filters, 1, name=f"{name}_signal")(signal)
    both = layers.ReLU(name=f"{name}_relu")(layers.Add(name=f"{name}_add")([seen, asked]))
    weight = layers.Conv2D(1, 1, activation="sigmoid", name=f"{name}_weight")(both)
    weight = layers.UpSampling2D(interpolation="bilinear", name=f"{name}_rise")(weight)
    return layers.Multiply(name=f"{name}_apply")([skip, weight])
