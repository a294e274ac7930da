"""What networks of Keras 2 hold and Keras 3 has not: a steeper hard sigmoid, and functions of TensorFlow between layers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import keras

from core.errors import SettingsError
from core.networks.pure import is_pure


@keras.saving.register_keras_serializable("groundline", "hard_sigmoid_of_keras_2")
def hard_sigmoid_of_keras_2(values):
    """Keras 2's piecewise linear sigmoid: 0.2 x + 0.5, cut off at 0 and 1. Keras 3's is flatter."""
    return keras.ops.clip(0.2 * values + 0.5, 0.0, 1.0)


@keras.saving.register_keras_serializable("groundline")
class TensorFlowCall(keras.layers.Layer):
    """A function of TensorFlow that a network of Keras 2 calls between its layers, such as `x / 255` or `tf.concat`.

    `template` is JSON of (args, kwargs), in which {"tensor": i} stands for the i-th input. Only functions that compute
    values of values are called. Raises SettingsError for others.
    """

    def __init__(self, function: str, template: str, **settings):
        super().__init__(**settings)
        if not is_pure(function):
            raise SettingsError(
                f"a network that calls TensorFlow's {function}",
                expected="functions that compute values of values",
                do="Rebuild the network without it",
            )
        self.function, self.template = function, template

    def call(self, inputs):
        """The function's answer for the tensors `inputs`, one or a list."""
        import tensorflow as tf

        tensors = inputs if isinstance(inputs, (list, tuple)) else [inputs]
        args, kwargs = _filled(json.loads(self.template), tensors)
        if self.function == "__operators__.getitem":
            (value, *rest) = args
            return value[tuple(rest[0] if rest else kwargs["slice_spec"])]
        if self.function == "__operators__.add":
            return tf.add(*args, **kwargs)
        found: Any = tf
        for name in self.function.split("."):
            found = getattr(found, name)
        return found(*args, **kwargs)

    def get_config(self):
        """What `__init__` takes."""
        return {**super().get_config(), "function": self.function, "template": self.template}


def _filled(value: Any, tensors: Sequence[Any]) -> Any:
    if isinstance(value, dict):
        if set(value) == {"tensor"}:
            return tensors[value["tensor"]]
        if value.get("class_name") == "__ellipsis__":
            return Ellipsis
        if value.get("class_name") == "__tuple__":
            return tuple(_filled(item, tensors) for item in value["items"])
        if set(value) == {"start", "stop", "step"}:
            return slice(*(_filled(value[name], tensors) for name in ("start", "stop", "step")))
        return {name: _filled(item, tensors) for name, item in value.items()}
    return [_filled(item, tensors) for item in value] if isinstance(value, list) else value
