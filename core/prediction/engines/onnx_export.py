"""A network of Keras as ONNX that QGIS Deepness runs as it is: bands first, and its keys inside."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from core.model_store.cards import ModelCard
from core.networks.answering import answer
from core.prediction.temperature import with_temperature

IMAGE, ANSWER = "image", "probabilities"
_OPSET = 15
"""Old enough for the onnxruntime of any QGIS that runs Deepness."""
_LEAST = 1e-7


def onnx_of(network: Any, card: ModelCard, metadata: Mapping[str, str]) -> Any:
    """An ONNX model, float32 (n, B, h, w) -> probabilities float32 (n, K, h, w), of a network that takes and gives channels last.

    What other programs cannot do beside the network is part of it: values stretched patch by patch, and the card's temperature.
    """
    import tensorflow as tf

    quiet_tf2onnx()
    import tf2onnx

    def answer(image):
        return {ANSWER: _tempered(tf, network(_stretched(tf, image, card), training=False), card.temperature)}

    signature = [tf.TensorSpec([None, *card.patch_shape, len(card.bands)], tf.float32, name=IMAGE)]
    # One bare function for each call: TensorFlow keeps what it traced for as long as the function lives.
    model, _ = tf2onnx.convert.from_function(
        tf.function(answer), input_signature=signature, opset=_OPSET, inputs_as_nchw=[IMAGE], outputs_as_nchw=[ANSWER]
    )
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    model.graph.name = model.doc_string = card.name
    model.producer_name, model.producer_version = "Groundline", ""
    for key, value in metadata.items():
        model.metadata_props.add(key=key, value=value)
    return model


def quiet_tf2onnx() -> None:
    """Keep tf2onnx from telling each of its steps."""
    os.environ.setdefault("TF2ONNX_LOG_LEVEL", "40")
    logging.getLogger("tf2onnx").setLevel(logging.ERROR)


def _stretched(tf: Any, image: Any, card: ModelCard) -> Any:
    """Each patch from 0 to 1 where the card wants it so; patches that are so already, or were divided by 255, give the same."""
    rule = card.normalisation
    if rule["kind"] != "patch":
        return image
    axes = (1, 2) if rule["bands"] == "each" else (1, 2, 3)
    low, high = tf.reduce_min(image, axes, keepdims=True), tf.reduce_max(image, axes, keepdims=True)
    spread = high - low
    return (image - low) / tf.where(spread > 0, spread, tf.ones_like(spread))


def _tempered(tf: Any, values: Any, temperature: float) -> Any:
    """As `core.prediction.temperature` has it."""
    if temperature == 1.0:
        return values
    highest = tf.reduce_max(values, -1, keepdims=True)
    scaled = tf.maximum(values, _LEAST * highest) / tf.maximum(highest, _LEAST)
    powered = tf.exp(tf.math.log(scaled) * (1 / temperature))
    return powered / tf.reduce_sum(powered, -1, keepdims=True)


def expected_of(network: Any, card: ModelCard, sample: np.ndarray) -> np.ndarray:
    """What the ONNX model has to give for a sample (n, h, w, B), channels last."""
    fed = card.normalise(sample) if card.normalisation["kind"] == "patch" else sample
    return with_temperature(answer(network, fed), card.temperature)
