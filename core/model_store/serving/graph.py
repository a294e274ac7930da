"""A serving function or ONNX file as a network of OpenVINO: read, made to end in one map of probabilities, written and run.

OpenVINO translates each operation into one of its own, none of which reads files, asks the network or runs Python; a function with
any other operation is refused. So nothing of a foreign program runs that a network of plain layers would not run.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import ModelError, SettingsError
from core.model_store.cards import MEASURED, ModelCard
from core.model_store.outputs import Form, Head, form_of, refusal_of_shape, untaken_size
from core.model_store.saved_models import unpacked
from core.model_store.serving.onnx_file import SUFFIX, bands_first
from core.workspace import PROJECT

NETWORK = "network.xml"
"""A network of OpenVINO: its operations; the weights lie beside it in a file of the same name that ends in .bin."""
KEPT = "Its serving function is kept as a network of OpenVINO, which predicts and is evaluated; it cannot be trained further."
_FAR = 1000.0


def quiet_openvino():
    """The package openvino, kept from reporting over the network what it is used for: it does so unless a package is missing."""
    sys.modules.setdefault("openvino_telemetry", None)
    import openvino

    return openvino


def weights_beside(file: Path) -> Path:
    """Where the weights of a network of OpenVINO lie."""
    return file.with_suffix(".bin")


def read_serving(path: Path, heads: Sequence[Head]) -> Any:
    """The serving function of a SavedModel folder, or of a zip of one, with the outputs in the order of `heads`.

    Raises ModelError, SettingsError without OpenVINO.
    """
    if importlib.util.find_spec("openvino") is None:
        raise SettingsError(
            f"the SavedModel {path.name} without Keras's description, and no OpenVINO to read it",
            expected="the package openvino",
            do="Install it with pip, or save the model as .keras",
        )
    openvino = quiet_openvino()
    with unpacked(path, whole=True) as folder, tempfile.TemporaryDirectory(prefix="groundline-") as place:
        file = Path(place) / NETWORK
        # A process of its own: damaged variables end the one that reads them.
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(PROJECT), os.environ.get("PYTHONPATH", "")])}
        command = [sys.executable, "-m", "core.model_store.serving.graph", str(folder), str(file)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        try:
            if done.returncode != 0:
                raise ValueError((done.stderr.strip().splitlines() or ["its variables are damaged"])[-1])
            network = openvino.Core().read_model(file.read_bytes(), weights_beside(file).read_bytes())
            given = [next(port for port in network.outputs if head.name in port.get_names()) for head in heads]
            return openvino.Model([port.get_node() for port in given], network.get_parameters(), "serving")
        except Exception as error:  # OpenVINO raises its own base class only
            raise ModelError(
                f"OpenVINO cannot read the serving function of {path.name} ({_reason(error)})",
                expected="operations that compute values of values",
                do="Save the model as .keras, or without these operations",
            ) from error


def read_onnx_network(path: Path) -> Any:
    """An ONNX file as a network that takes its image's bands last, whatever the file has. Raises ModelError, SettingsError."""
    if importlib.util.find_spec("openvino") is None:
        raise SettingsError(
            f"the ONNX file {path.name}, and no OpenVINO to run it", expected="the package openvino", do="Install it with pip"
        )
    openvino = quiet_openvino()
    from openvino.frontend import FrontEndManager

    try:
        reader = FrontEndManager().load_by_framework("onnx")
        network = reader.convert(reader.load(str(path)))
        if bands_first(_sides(network)):
            steps = openvino.preprocess.PrePostProcessor(network)
            steps.input().tensor().set_layout(openvino.Layout("NHWC"))
            steps.input().model().set_layout(openvino.Layout("NCHW"))
            network = steps.build()
        return network
    except Exception as error:  # OpenVINO raises its own base class only
        raise ModelError(
            f"OpenVINO cannot read {path.name} ({_reason(error)})",
            expected="the usual operations of ONNX",
            do="Export it without these operations, or with another opset_version",
        ) from error


def _main(arguments: list[str]) -> int:
    """Translate a SavedModel folder into a network file; why it cannot be, as the last line of the error output."""
    folder, file = arguments
    openvino = quiet_openvino()
    try:
        openvino.save_model(openvino.Core().read_model(folder), file, compress_to_fp16=False)
    except Exception as error:  # OpenVINO raises its own base class only
        print(_reason(error), file=sys.stderr)
        return 1
    return 0


def _reason(error: Exception) -> str:
    """What OpenVINO says, without the lines that tell where in its source."""
    lines = [line.strip(" -") for line in str(error).splitlines()]
    telling = [line for line in lines if "No conversion rule" in line]
    telling = telling or [line for line in lines if line and not line.startswith(("Exception from", "Check"))]
    return " ".join(" ".join(telling[:2] or lines).split())[:200]


def measured(network: Any, heads: Sequence[Head], height: int, width: int) -> tuple[Head, ...]:
    """The outputs with the shapes that they have for an image of height x width pixels. Raises ModelError."""
    given = _answers(network, np.zeros((1, height, width, _bands(network)), np.float32))
    return tuple(replace(head, shape=values.shape[1:]) for head, values in zip(heads, given, strict=True))


def values_of(network: Any, number: int, patch: tuple[int, int]) -> np.ndarray:
    """What an output gives for two patches: with usual values, and with values far out, which leave no bounds unseen.

    Usual are values from 0 to 1, or whole numbers up to 255 where it takes such. Raises ModelError.
    """
    rng = np.random.default_rng(0)
    shape = (1, *patch, _bands(network))
    if network.inputs[0].get_element_type().is_real():
        usual, far = rng.random(shape), _FAR * rng.standard_normal(shape)
    else:
        usual, far = (rng.integers(0, most, shape) * np.float64(255 // (most - 1)) for most in (256, 2))
    return np.concatenate([_answers(network, batch)[number] for batch in (usual, far)])


def fitted(network: Any, head: Head, number: int, card: ModelCard) -> Any:
    """Float32 (n, h, w, B) -> probabilities float32 (n, h, w, K), from the output `number`, whose values are what the card says.

    Raises ModelError for an output that is no map of classes.
    """
    openvino = quiet_openvino()
    from openvino import opset13 as ops

    sides = card.patch_shape
    form = form_of(head.shape, *sides)
    if form is None:
        raise refusal_of_shape("a network that", head, *sides)
    network = network.clone()
    shape = network.inputs[0].get_partial_shape()
    plain = form.layout == "map" and form.times == 1 and shape[1].is_dynamic == shape[2].is_dynamic
    if not plain:  # a list of pixels and the like is a map for one size only
        _resize(network, sides)
    value = ops.convert(network.outputs[number].get_node().input_value(0), "f32")
    value = _probabilities(ops, _as_map(ops, value, form, *sides), form, card)
    if form.times > 1:
        value = _enlarged(ops, value, sides)
    value.output(0).set_names({"probabilities"})
    single = openvino.Model([ops.result(value)], network.get_parameters(), "serving")
    steps = openvino.preprocess.PrePostProcessor(single)
    steps.input().tensor().set_element_type(openvino.Type.f32)
    return steps.build()


def _as_map(ops: Any, value: Any, form: Form, height: int, width: int) -> Any:
    """The values of an output as (n, h, w, K)."""
    if form.layout == "map":
        return value
    if form.layout == "classes first":
        return ops.transpose(value, np.array([0, 2, 3, 1]))
    if form.layout == "list, classes first":
        value = ops.transpose(value, np.array([0, 2, 1]))
    return ops.reshape(value, np.array([0, height // form.times, width // form.times, form.classes]), True)


def _probabilities(ops: Any, value: Any, form: Form, card: ModelCard) -> Any:
    if card.output in ("softmax", MEASURED):
        return value
    if form.classes == 1:
        share = value if card.output == "sigmoid" else ops.sigmoid(value)
        return ops.concat([ops.subtract(np.float32(1), share), share], -1)
    if card.output == "sigmoid":
        return ops.divide(value, ops.maximum(ops.reduce_sum(value, np.array([-1]), True), np.float32(1e-7)))
    return ops.softmax(value, -1)


def _enlarged(ops: Any, value: Any, sides: tuple[int, int]) -> Any:
    """Bilinear to a patch's size, from middle to middle of the pixels, as Keras does."""
    first = ops.transpose(value, np.array([0, 3, 1, 2]))
    large = ops.interpolate(
        first, np.array(sides), "linear_onnx", "sizes", axes=np.array([2, 3]), coordinate_transformation_mode="half_pixel"
    )
    return ops.transpose(large, np.array([0, 2, 3, 1]))


def save(network: Any, file: Path) -> None:
    """Write a network and its weights; the digest of the weights stands in its file, so that this alone tells it from any other."""
    openvino = quiet_openvino()
    openvino.save_model(network, file, compress_to_fp16=False)
    digest = hashlib.sha256(weights_beside(file).read_bytes()).hexdigest()
    network.set_rt_info(digest, "weights_sha256")
    openvino.save_model(network, file, compress_to_fp16=False)


def sized(file: Path, card: ModelCard, sides: tuple[int, int]) -> Any:
    """The network of a model folder, one that `save` wrote or an ONNX file, for patches of height x width pixels: it gives probabilities.

    Raises ModelError where it takes others only.
    """
    of_onnx = file.suffix == SUFFIX
    try:
        network = read_onnx_network(file) if of_onnx else quiet_openvino().Core().read_model(file)
        fixed = _sides(network)[1:3]
    except Exception as error:  # OpenVINO raises its own base class only
        raise ModelError(
            f"the network of {card.name} cannot be read ({_reason(error)})",
            expected="the files that the import wrote",
            do="Import it again",
        ) from error
    if any(found not in (None, wanted) for found, wanted in zip(fixed, sides, strict=True)):
        raise ModelError(
            "a network that only takes {} x {} pixels, and patches of {} x {}".format(*fixed, *sides),
            expected="its own patch size",
            do="Leave the patch size away",
        )
    _resize(network, sides)
    if not of_onnx:
        return network
    heads = measured(network, [Head(str(number), (), "linear") for number in range(len(network.outputs))], *sides)
    number = card.network.get("output", 0)
    return fitted(network, heads[number], number, replace(card, patch_size=sides[0], patch_width=sides[1]))


def run(network: Any, batch: np.ndarray) -> np.ndarray:
    """What a network that `fitted` made gives for a batch."""
    return _answers(network, batch)[0]


def _sides(network: Any) -> tuple[int | None, ...]:
    """The sides of the image that a network takes, None where it takes any."""
    return tuple(None if side.is_dynamic else side.get_length() for side in network.inputs[0].get_partial_shape())


def _resize(network: Any, sides: tuple[int, int]) -> None:
    shape = network.inputs[0].get_partial_shape()
    shape[1], shape[2] = sides
    try:
        network.reshape(shape)
    except Exception as error:  # OpenVINO raises its own base class only
        raise untaken_size(*sides, ValueError(_reason(error))) from error


def _answers(network: Any, batch: np.ndarray) -> list[np.ndarray]:
    """All outputs, in the network's order. Raises ModelError for a size that it cannot take."""
    openvino = quiet_openvino()
    kind = network.inputs[0].get_element_type()
    try:
        ready = openvino.Core().compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        given = ready([openvino.Tensor(batch.astype(kind.to_dtype()))])
    except Exception as error:  # OpenVINO raises its own base class only
        _, height, width, _ = batch.shape
        raise untaken_size(height, width, ValueError(_reason(error))) from error
    return [np.array(given[port]) for port in ready.outputs]


def _bands(network: Any) -> int:
    return network.inputs[0].get_partial_shape()[3].get_length()


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
