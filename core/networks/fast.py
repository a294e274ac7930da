"""A small network for a laptop's processor: it halves the picture twice before it starts to think."""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import layers

from core.networks.blocks import assemble, conv_unit, double_conv, head


def build_fast(*, height: int, width: int, bands: int, classes: int, filters: Sequence[int], dropout: float) -> keras.Model:
    """Float32 (n, height, width, bands) -> probabilities (n, height, width, classes).

    A U-Net at a quarter of the size behind two strided convolutions, of which the finer is joined again at the end.
    Plain convolutions only: gradients of separable ones are slow on processors. `filters`: the two strided ones, then
    the levels of the U-Net.
    """
    half, quarter, *levels = filters
    depth = len(levels) - 1

    def body(x):
        fine = conv_unit(x, half, strides=2, name="half")
        x = conv_unit(fine, quarter, strides=2, name="quarter")
        skips = []
        for level, count in enumerate(levels[:-1]):
            x = double_conv(x, count, name=f"down{level}")
            skips.append(x)
            x = layers.MaxPooling2D(name=f"pool{level}")(x)
        x = double_conv(x, levels[-1], name="bottom", dropout=dropout)
        for level in reversed(range(depth)):
            x = layers.Conv2DTranspose(levels[level], 2, strides=2, name=f"up{level}_rise")(x)
            x = layers.Concatenate(name=f"up{level}_join")([x, skips[level]])
            x = conv_unit(x, levels[level], name=f"up{level}")
        x = layers.Conv2DTranspose(half, 2, strides=2, name="half_rise")(x)
        x = layers.Concatenate(name="half_join")([x, fine])
        return head(conv_unit(x, half, name="last"), classes, rise=2)

    return assemble(body, height=height, width=width, bands=bands, multiple=2 ** (depth + 2), name="fast")
