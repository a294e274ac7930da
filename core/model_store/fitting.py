"""A network as other programs left it, put into the form that the pipeline takes: one patch in, one map of probabilities out.

The network stays whole, as one layer of a model of ours, so that no layer that is added here can have the name of one of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from core.errors import ModelError
from core.model_store.cards import ModelCard
from core.model_store.outputs import SHARES, Form, Head, ending, form_of, refusal_of_shape, untaken_size
from core.networks.answering import answer

_FAR = 1000.0


def fitted(network: keras.Model, card: ModelCard) -> keras.Model:
    """Float32 (n, h, w, B) -> probabilities float32 (n, h, w, K) of a network that gives a list of pixels, several outputs and the like.

    Of several outputs the one that the card names is taken. Raises ModelError for a network that gives no map.
    """
    _check_input(network)
    fixed = tuple(network.inputs[0].shape[1:])
    last = len(network.outputs) - 1
    number = card.network.get("output", last) if card.architecture == "file" else 0
    shape = tuple(network.outputs[number].shape[1:])
    if None in (*fixed, *shape):
        shape = output_shapes(network, *card.patch_shape)[number]
    sides = [length or patch for length, patch in zip(fixed, card.patch_shape, strict=False)]
    form = form_of(shape, *sides)
    if form is None:
        raise refusal_of_shape("a network that", Head("", shape, ""), *sides)
    # Only a map that is taken as it is can be of any size; of a network with one free side the patch is a square.
    plain = form.layout == "map" and form.times == 1 and fixed[:2].count(None) != 1
    if plain and card.output == "softmax" and _takes_and_gives_tensors(network):
        return network
    inner = single(network, number)
    image = keras.Input(fixed if plain else (*sides, fixed[-1]), name="image")
    result = _probabilities(_as_map(inner(image), form, *sides), card)
    if form.times > 1:
        result = layers.UpSampling2D(form.times, interpolation="bilinear", name="full_size")(result)
    return keras.Model(image, result, name="fitted")


def _takes_and_gives_tensors(network: keras.Model) -> bool:
    """Whether a network goes from one tensor to one, and not to lists or dictionaries of them."""
    if isinstance(network, keras.Sequential):
        return True
    return isinstance(network.input, keras.KerasTensor) and isinstance(network.output, keras.KerasTensor)


def single(network: keras.Model, number: int) -> keras.Model:
    """The same network with one of its outputs alone."""
    return keras.Model(network.inputs[0], network.outputs[number], name="network")


def measured(network: keras.Model, heads: Sequence[Head], height: int, width: int) -> tuple[Head, ...]:
    """The outputs of a loaded network with the shapes that they have for an image of height x width pixels. Raises ModelError."""
    _check_input(network)
    shapes = output_shapes(network, height, width)
    return tuple(replace(head, shape=shape) for head, shape in zip(heads, shapes, strict=True))


def output_shapes(network: keras.Model, height: int, width: int) -> list[tuple[int, ...]]:
    """The shapes of a network's outputs, without the batch, for an image of height x width pixels. Raises ModelError."""
    image = keras.Input((height, width, network.inputs[0].shape[-1]))
    try:
        given = keras.Model(network.inputs[0], network.outputs)(image)
    except ValueError as error:
        raise untaken_size(height, width, error) from error
    return [tuple(tensor.shape[1:]) for tensor in (given if isinstance(given, (list, tuple)) else [given])]


def _check_input(network: keras.Model) -> None:
    if len(network.inputs) != 1 or len(network.inputs[0].shape) != 4:
        raise ModelError(
            f"a network that takes {_shapes(network.inputs)}", expected="one image (height, width, bands)", do="Use another model"
        )


def _shapes(tensors: list[Any]) -> str:
    return " and ".join(str(tuple(tensor.shape[1:])) for tensor in tensors)


def _as_map(value: Any, form: Form, height: int, width: int) -> Any:
    """The values of an output as (n, h, w, K)."""
    if form.layout == "map":
        return value
    if form.layout == "classes first":
        return layers.Permute((2, 3, 1), name="as_map")(value)
    if form.layout == "list, classes first":
        value = layers.Permute((2, 1), name="pixels_first")(value)
    return layers.Reshape((height // form.times, width // form.times, form.classes), name="as_map")(value)


def _probabilities(outputs: Any, card: ModelCard) -> Any:
    if card.output == "softmax":
        return outputs
    if outputs.shape[-1] == 1:
        share = outputs if card.output == "sigmoid" else layers.Activation("sigmoid", name="share")(outputs)
        return layers.Concatenate(name="each_class")([1.0 - share, share])
    if card.output == "sigmoid":
        return outputs / ops.maximum(ops.sum(outputs, axis=-1, keepdims=True), 1e-7)
    return layers.Softmax(name="probabilities")(outputs)


def run(network: keras.Model, batch: np.ndarray) -> np.ndarray:
    """What a network gives for a batch. Raises ModelError where this machine cannot run it."""
    try:
        return answer(network, batch)
    except Exception as error:  # TensorFlow raises many kinds for what a processor cannot do
        raise ModelError(
            f"a network that does not run on this machine ({' '.join(str(error).split())[-200:]})",
            expected="operations that TensorFlow has for it",
            do="Rebuild the network without these",
        ) from error


def values_of(network: keras.Model, number: int, patch: tuple[int, int]) -> np.ndarray:
    """What an output gives for two patches: with values from 0 to 1, and with values far out, which leave no bounds unseen.

    Raises ModelError.
    """
    rng = np.random.default_rng(0)
    shape = (*patch, network.inputs[0].shape[-1])
    usual, far = rng.random(shape), _FAR * rng.standard_normal(shape)
    return run(single(network, number), np.stack([usual, far]).astype(np.float32))


def check_ending(file: str, network: keras.Model, card: ModelCard) -> None:
    """Raise ModelError for a file without a card whose values are other than its description says, from which its card was made."""
    number = card.network.get("output", len(network.outputs) - 1)
    form = form_of(output_shapes(network, *card.patch_shape)[number], *card.patch_shape)
    if form is None:
        return  # refused where it is fitted
    described = {"logits": "linear"}.get(card.output, card.output)
    shown = ending(values_of(network, number, card.patch_shape), form, described)
    kind = "softmax" if shown == "softmax" else "sigmoid" if shown in (*SHARES, "joined") else "logits"
    if kind != card.output:
        raise ModelError(
            f"{file} gives values of a {kind} network, and its layers tell of {card.output}",
            expected="both alike in a file without a card",
            do="Import it first, which goes by the values",
        )
