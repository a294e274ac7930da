"""One network for each class against the rest, side by side in one model."""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import layers, ops


def merge(networks: Sequence[keras.Model]) -> keras.Model:
    """A model of K networks that each tell (rest, class): every class's probability, divided by the sum over the classes.

    All take the same (h, w, B); the result gives float32 (n, h, w, K). The networks' weights are shared, not copied.
    """
    inputs = keras.Input(networks[0].input_shape[1:], name="image")
    parts = [keras.Model(each.inputs, each.outputs[0], name=f"class_{number}") for number, each in enumerate(networks)]
    shares = [part(inputs)[..., 1:] for part in parts]
    each = layers.Concatenate(name="each_class", dtype="float32")(shares)
    return keras.Model(inputs, each / ops.maximum(ops.sum(each, axis=-1, keepdims=True), 1e-7), name="one_vs_rest")
