"""A network as other programs left it, put into the form that the pipeline takes: one square patch in, one map of probabilities out.

The network stays whole, as one layer of a model of ours, so that no layer that is added here can have the name of one of its own.
"""

from __future__ import annotations

from itertools import product
from math import ceil
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from core.errors import ModelError
from core.model_store.cards import ModelCard

_COARSEST = 32
_OVERLAP = 0.25


def fitted(network: keras.Model, card: ModelCard) -> keras.Model:
    """Float32 (n, p, p, B) -> probabilities float32 (n, p, p, K) of a network that takes rectangles, gives a list of pixels and the like.

    Of several outputs the one that the card names is taken. Raises ModelError for a network that gives no map.
    """
    if len(network.inputs) != 1 or len(network.inputs[0].shape) != 4:
        raise ModelError(
            f"a network that takes {_shapes(network.inputs)}", expected="one image (height, width, bands)", do="Use another model"
        )
    outputs = network.outputs
    chosen = outputs[card.network.get("output", len(outputs) - 1) if card.architecture == "file" else 0]
    height, width = network.inputs[0].shape[1:3]
    times = _times(network, chosen, card.patch_size)
    if len(outputs) == 1 and len(chosen.shape) == 4 and card.output == "softmax" and height == width and times == 1:
        return network
    inner = keras.Model(network.inputs, chosen, name="network")
    image = keras.Input(network.inputs[0].shape[1:], name="image")
    result = _probabilities(_as_map(inner(image), height, width, times), card)
    if times > 1:
        result = layers.UpSampling2D(times, interpolation="bilinear", name="full_size")(result)
    whole = keras.Model(image, result, name="fitted")
    return whole if height == width else _by_windows(whole, card.patch_size)


def _shapes(tensors: list[Any]) -> str:
    return " and ".join(str(tuple(tensor.shape[1:])) for tensor in tensors)


def _times(network: keras.Model, output: Any, size: int) -> int:
    """How many pixels of the image one value of the output stands for, along each axis. Raises ModelError when it is no whole number."""
    taken = [length or size for length in network.inputs[0].shape[1:3]]
    shape = tuple(output.shape)
    if len(shape) == 4 and None in shape[1:3]:
        found = network.compute_output_shape((1, *taken, network.inputs[0].shape[3]))
        several = isinstance(found, list)
        number = next(number for number, tensor in enumerate(network.outputs) if tensor is output)
        shape = tuple(found[number] if several else found)
    given = shape[1:]
    for times in range(1, _COARSEST + 1):
        sides = [length // times for length in taken]
        even = all(length % times == 0 for length in taken)
        if even and (list(given[:2]) == sides or (len(given) == 2 and given[0] == sides[0] * sides[1])):
            return times
    what = "one label for a whole image" if len(given) == 1 else f"{' x '.join(map(str, given))} values for {taken[0]} x {taken[1]} pixels"
    raise ModelError(
        f"a network that gives {what}", expected="a map of classes, in the image's size or a whole part of it", do="Use another model"
    )


def _as_map(value: Any, height: int | None, width: int | None, times: int) -> Any:
    """A list of pixels (n, h * w, K), or a map without channels (n, h, w), as (n, h, w, K)."""
    if len(value.shape) == 4:
        return value
    rows, cols = height // times, width // times
    return layers.Reshape((rows, cols, value.shape[2] if value.shape[1] == rows * cols else 1), name="as_map")(value)


def _probabilities(outputs: Any, card: ModelCard) -> Any:
    if card.output == "softmax":
        return outputs
    if outputs.shape[-1] == 1:
        share = outputs if card.output == "sigmoid" else layers.Activation("sigmoid", name="share")(outputs)
        return layers.Concatenate(name="each_class")([1.0 - share, share])
    if card.output == "sigmoid":
        return outputs / ops.maximum(ops.sum(outputs, axis=-1, keepdims=True), 1e-7)
    return layers.Softmax(name="probabilities")(outputs)


def _by_windows(network: keras.Model, size: int) -> keras.Model:
    """The same network for square patches: as many of its windows as cover one, each fading out towards the next."""
    height, width, bands = (length or size for length in network.input_shape[1:])
    rows, cols = _along(size, height), _along(size, width)
    image = keras.Input((size, size, bands), name="patch")
    parts = []
    for number, ((row, down), (col, across)) in enumerate(product(rows, cols)):
        rest = ((row, size - row - height), (col, size - col - width))
        window = layers.Cropping2D(rest, name=f"window_{number}")(image)
        weight = (down[:, None] * across[None, :])[..., None]
        faded = layers.Rescaling(weight.tolist(), name=f"faded_{number}")(network(window))
        parts.append(layers.ZeroPadding2D(rest, name=f"placed_{number}")(faded))
    return keras.Model(image, layers.Add(name="joined")(parts), name="by_windows")


def _along(size: int, length: int) -> list[tuple[int, np.ndarray]]:
    """Where windows of `length` begin that cover `size`, and each one's weights along the axis; over all they add up to 1."""
    count = 1 + ceil((size - length) / (length * (1 - _OVERLAP)))
    starts = [round(start) for start in np.linspace(0, size - length, count)]
    ramp = np.minimum(np.arange(length) + 0.5, length - np.arange(length) - 0.5)
    total = np.zeros(size)
    for start in starts:
        total[start : start + length] += ramp
    return [(start, (ramp / total[start : start + length]).astype(np.float32)) for start in starts]
