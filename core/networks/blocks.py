"""Pieces that the networks share. Keras layers only, so that every backend can train them; every layer with weights has a fixed name."""

from __future__ import annotations

import keras
from keras import layers

MOMENTUM = 0.9
"""Of the running mean in batch normalisation: Keras's 0.99 has not settled after the few hundred steps of a short run."""


def conv_unit(x, filters: int, *, name: str, kernel: int = 3, dilation: int = 1, strides: int = 1):
    """Convolution, batch normalisation, ReLU."""
    x = layers.Conv2D(
        filters,
        kernel,
        strides=strides,
        padding="same",
        dilation_rate=dilation,
        use_bias=False,
        kernel_initializer="he_normal",
        name=f"{name}_conv",
    )(x)
    x = layers.BatchNormalization(momentum=MOMENTUM, name=f"{name}_bn")(x)
    return layers.ReLU(name=f"{name}_relu")(x)


def double_conv(x, filters: int, *, name: str, dropout: float = 0.0):
    """Two convolution units with dropout between them (Ronneberger et al. 2015, with batch normalisation)."""
    x = conv_unit(x, filters, name=f"{name}_a")
    if dropout:
        x = layers.Dropout(dropout, name=f"{name}_drop")(x)
    return conv_unit(x, filters, name=f"{name}_b")


def head(x, classes: int, *, rise: int = 1):
    """Class probabilities: a 1 x 1 convolution, enlarged `rise` times, and a softmax; float32 also in mixed precision."""
    x = layers.Conv2D(classes, 1, name="head", dtype="float32")(x)
    if rise > 1:
        x = layers.UpSampling2D(rise, interpolation="bilinear", name="head_rise", dtype="float32")(x)
    return layers.Softmax(name="probabilities", dtype="float32")(x)


def assemble(body, *, height: int, width: int, bands: int, multiple: int, name: str) -> keras.Model:
    """A model of exactly (height, width, bands) around `body`, which only takes sizes that are multiples of `multiple`.

    Odd sizes are filled up with zeros at the lower and right rim, and cut again at the end.
    """
    inputs = keras.Input((height, width, bands), name="image")
    below, right = -height % multiple, -width % multiple
    x = inputs
    if below or right:
        x = layers.ZeroPadding2D(((0, below), (0, right)), name="fill")(x)
    x = body(x)
    if below or right:
        x = layers.Cropping2D(((0, below), (0, right)), name="cut")(x)
    return keras.Model(inputs, x, name=name)
