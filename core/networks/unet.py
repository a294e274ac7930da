"""U-Net from scratch (Ronneberger, Fischer and Brox 2015)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras
from keras import layers

from core.networks.blocks import assemble, double_conv, head


def build_unet_small(*, height: int, width: int, bands: int, classes: int, filters: Sequence[int], dropout: float) -> keras.Model:
    """`build_unet` under a name of its own; the row of the table gives it fewer filters."""
    sizes = {"height": height, "width": width, "bands": bands, "classes": classes}
    return build_unet(**sizes, filters=filters, dropout=dropout, name="unet_small")


def build_unet(
    *,
    height: int,
    width: int,
    bands: int,
    classes: int,
    filters: Sequence[int],
    dropout: float,
    gate: Callable | None = None,
    name: str = "unet",
) -> keras.Model:
    """Float32 (n, height, width, bands) -> probabilities (n, height, width, classes); `filters` from the finest level down.

    Differs from the paper by padding (input and output have equal size) and by batch normalisation.
    `gate(skip, coarser, filters, name=...)` may change a skip before it is joined.
    """
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
            skip = skips[level]
            if gate is not None:
                skip = gate(skip, x, max(1, filters[level] // 2), name=f"gate{level}")
            x = layers.Conv2DTranspose(filters[level], 2, strides=2, name=f"up{level}_rise")(x)
            x = layers.Concatenate(name=f"up{level}_join")([x, skip])
            x = double_conv(x, filters[level], name=f"up{level}")
        return head(x, classes)

    return assemble(body, height=height, width=width, bands=bands, multiple=2**depth, name=name)
