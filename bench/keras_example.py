"""A network of Keras's own examples, for `training.py` (built with Keras 3) and `tutorials.py` (with Keras 2)."""

from __future__ import annotations

from typing import Any


def keras_example(keras: Any, size: int, *, bands: int, classes: int) -> Any:
    """The DeepLabV3+ of https://keras.io/examples/vision/deeplabv3_plus/ with a softmax at its end, which the tutorials take.

    `keras` is the module that builds it: `keras` or `tf_keras`.
    """
    layers = keras.layers

    def unit(x, filters=256, kernel=3, dilation=1, bias=False):
        x = layers.Conv2D(filters, kernel, dilation_rate=dilation, padding="same", use_bias=bias, kernel_initializer="he_normal")(x)
        return layers.ReLU()(layers.BatchNormalization()(x))

    inputs = keras.Input((size, size, bands))
    encoder = keras.applications.ResNet50(weights=None, include_top=False, input_tensor=inputs)
    deep = encoder.get_layer("conv4_block6_2_relu").output
    side = deep.shape[1]
    mean = unit(layers.AveragePooling2D(side)(deep), kernel=1, bias=True)
    branches = [layers.UpSampling2D(side, interpolation="bilinear")(mean), unit(deep, kernel=1)]
    branches += [unit(deep, dilation=rate) for rate in (6, 12, 18)]
    x = unit(layers.Concatenate()(branches), kernel=1)
    x = layers.UpSampling2D(size // 4 // side, interpolation="bilinear")(x)
    x = layers.Concatenate()([x, unit(encoder.get_layer("conv2_block3_2_relu").output, 48, 1)])
    x = layers.UpSampling2D(4, interpolation="bilinear")(unit(unit(x)))
    return keras.Model(inputs, layers.Conv2D(classes, 1, padding="same", activation="softmax")(x))
