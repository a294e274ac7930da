"""Which functions of TensorFlow a network of another origin may call; imports no TensorFlow."""

from __future__ import annotations

import re

_PURE = ("math.", "nn.", "linalg.", "image.resize", "compat.v1.image.resize", "compat.v1.nn.", "compat.v1.math.")
_PURE_NAMES = {
    *("concat", "stack", "unstack", "reshape", "transpose", "pad", "split", "squeeze", "expand_dims", "tile", "cast", "slice"),
    *("clip_by_value", "shape", "identity", "zeros_like", "ones_like", "repeat", "reverse", "where", "strided_slice", "gather"),
    *("compat.v1.shape", "compat.v1.transpose", "compat.v1.pad", "compat.v1.reverse_v2", "compat.v1.squeeze", "compat.v1.concat"),
    *("__operators__.add", "__operators__.getitem", "convert_to_tensor", "broadcast_to", "roll", "image.adjust_contrast", "sigmoid"),
}
"""Functions of TensorFlow that compute values of values; a file may name these and no others, for some write files."""


def is_pure(function: str) -> bool:
    """Whether a function of TensorFlow, by its name below `tf.`, computes values of values and does nothing else."""
    return bool(re.fullmatch(r"[A-Za-z0-9_.]+", function)) and (function.startswith(_PURE) or function in _PURE_NAMES)
