"""A network of ONNX that measures: the height of a pixel is a sum of its bands, as QGIS Deepness marks a Regressor."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FACTORS, OFFSET = (2.0, -1.0, 0.5), -0.25
"""What the bands, divided by 255, are multiplied with, and what is added."""
KEYS = {
    "model_type": "Regressor",
    "class_names": '{"0": "Height, m"}',
    "standardization_mean": "[0, 0, 0]",
    "standardization_std": "[1, 1, 1]",
    "resolution": "50",
}


def write_measuring(file: Path, *, side: int = 32, channels: int = 1, **keys: str) -> Path:
    """Write the network for patches of `side` pixels; `keys` are added to or put in the place of those of Deepness."""
    weights = np.repeat(np.array(FACTORS, np.float32).reshape(1, 3, 1, 1), channels, axis=0)
    held = [numpy_helper.from_array(weights, "factors"), numpy_helper.from_array(np.full(channels, OFFSET, np.float32), "offset")]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, side, side])
    height = helper.make_tensor_value_info("height", TensorProto.FLOAT, ["n", channels, side, side])
    graph = helper.make_graph([helper.make_node("Conv", ["image", "factors", "offset"], ["height"])], "net", [image], [height], held)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    for key, value in {**KEYS, **keys}.items():
        model.metadata_props.add(key=key, value=value)
    onnx.save(model, file)
    return file
