"""DeepLabV3 (Chen et al. 2017) and V3+ (Chen et al. 2018) on a ResNet50 (He et al. 2015) whose last stage is dilated."""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import layers

from core.networks.architectures import PYRAMID_RATES, PYRAMID_STRIDE
from core.networks.blocks import MOMENTUM, assemble, conv_unit, head

ENCODER_WIDTH, PYRAMID_WIDTH = 64, 256
"""Channels of the encoder's first stage and of each branch of the pyramid, as published."""

_BLOCKS = {2: 3, 3: 4, 4: 6, 5: 3}


def build_deeplabv3(
    *, height: int, width: int, bands: int, classes: int, dropout: float, rates: Sequence[int] = PYRAMID_RATES
) -> keras.Model:
    """Float32 (n, height, width, bands) -> probabilities (n, height, width, classes).

    Features at a sixteenth of the size go through the atrous pyramid, whose three convolutions look `rates` pixels of the
    map far. Layer names of the encoder are those of `keras.applications`, so its published weights fit by name.
    """

    def body(x):
        _, deep = _resnet50(x)
        return head(_pyramid(deep, rates, dropout), classes, rise=PYRAMID_STRIDE)

    return assemble(body, height=height, width=width, bands=bands, multiple=PYRAMID_STRIDE, name="deeplabv3")


def build_deeplabv3plus(
    *, height: int, width: int, bands: int, classes: int, dropout: float, rates: Sequence[int] = PYRAMID_RATES
) -> keras.Model:
    """As `build_deeplabv3`, with a decoder that joins features at a quarter of the size."""

    def body(x):
        return decode(*_resnet50(x), classes, rates, dropout)

    return assemble(body, height=height, width=width, bands=bands, multiple=PYRAMID_STRIDE, name="deeplabv3plus")


def decode(quarter, deep, classes: int, rates: Sequence[int], dropout: float):
    """Probabilities from features at a quarter and a sixteenth of the size: the pyramid and the decoder of V3+."""
    x = _pyramid(deep, rates, dropout)
    x = layers.UpSampling2D(PYRAMID_STRIDE // 4, interpolation="bilinear", name="decoder_rise")(x)
    x = layers.Concatenate(name="decoder_join")([x, conv_unit(quarter, 48, kernel=1, name="decoder_low")])
    x = conv_unit(x, PYRAMID_WIDTH, name="decoder_a")
    return head(conv_unit(x, PYRAMID_WIDTH, name="decoder_b"), classes, rise=4)


def _pyramid(x, rates: Sequence[int], dropout: float):
    """Atrous spatial pyramid pooling: one 1 x 1 and three dilated convolutions, and the mean of the whole patch."""
    _, rows, columns, _ = x.shape
    # At a rate as large as the map every tap but the middle one lies outside already. A larger rate gives the same values,
    # but TensorFlow's processors then convolve rate x rate pictures that are nearly all padding.
    reached = [min(rate, max(rows, columns)) for rate in rates]
    branches = [conv_unit(x, PYRAMID_WIDTH, kernel=1, name="aspp_1")]
    # The names are those of the published rates, so that weights fit by name whatever the rates are.
    named = zip(PYRAMID_RATES, reached, strict=True)
    branches += [conv_unit(x, PYRAMID_WIDTH, dilation=rate, name=f"aspp_{name}") for name, rate in named]
    mean = layers.GlobalAveragePooling2D(keepdims=True, name="aspp_mean")(x)
    mean = conv_unit(mean, PYRAMID_WIDTH, kernel=1, name="aspp_mean")
    branches.append(layers.UpSampling2D((rows, columns), name="aspp_mean_rise")(mean))
    x = conv_unit(layers.Concatenate(name="aspp_join")(branches), PYRAMID_WIDTH, kernel=1, name="aspp_out")
    return layers.Dropout(dropout, name="aspp_drop")(x) if dropout else x


def _resnet50(x):
    """Features at a quarter (256 channels) and a sixteenth (2048 channels) of the size."""
    x = layers.ZeroPadding2D(3, name="conv1_pad")(x)
    x = _normalised(x, ENCODER_WIDTH, 7, name="conv1", strides=2, padding="valid")
    x = layers.MaxPooling2D(3, strides=2, name="pool1_pool")(layers.ZeroPadding2D(1, name="pool1_pad")(x))
    quarter = None
    for stage, count in _BLOCKS.items():
        for index in range(1, count + 1):
            first = index == 1
            strides = 2 if first and stage in (3, 4) else 1
            # Stage 5 keeps its size and looks twice as far instead; its first block still at the old distance.
            dilation = 2 if stage == 5 and not first else 1
            x = _block(
                x, ENCODER_WIDTH * 2 ** (stage - 2), name=f"conv{stage}_block{index}", strides=strides, dilation=dilation, widen=first
            )
        if stage == 2:
            quarter = x
    return quarter, x


def _block(x, filters: int, *, name: str, strides: int, dilation: int, widen: bool):
    shortcut = _normalised(x, 4 * filters, 1, name=f"{name}_0", strides=strides, relu=False) if widen else x
    x = _normalised(x, filters, 1, name=f"{name}_1", strides=strides)
    x = _normalised(x, filters, 3, name=f"{name}_2", dilation=dilation)
    x = _normalised(x, 4 * filters, 1, name=f"{name}_3", relu=False)
    return layers.ReLU(name=f"{name}_out")(layers.Add(name=f"{name}_add")([shortcut, x]))


def _normalised(x, filters: int, kernel: int, *, name: str, strides: int = 1, dilation: int = 1, padding: str = "same", relu: bool = True):
    x = layers.Conv2D(filters, kernel, strides=strides, dilation_rate=dilation, padding=padding, name=f"{name}_conv")(x)
    x = layers.BatchNormalization(epsilon=1.001e-5, momentum=MOMENTUM, name=f"{name}_bn")(x)
    return layers.ReLU(name=f"{name}_relu")(x) if relu else x
