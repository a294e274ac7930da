"""ONNX files of other programs: what they take, give and say about themselves, read without running anything of them."""

from __future__ import annotations

import importlib.util
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import ModelError, SettingsError
from core.model_store.file_kinds import ONNX, refused
from core.model_store.outputs import Head
from core.model_store.serving.deepness import Told, told_by
from core.model_store.serving.signature import Signature, Tensor

if TYPE_CHECKING:
    import onnx

SUFFIX = ".onnx"
FILE = "network.onnx"
"""What the file is called in a model folder."""
KEPT = "The ONNX file is kept as it is. OpenVINO runs it: it predicts and is evaluated, and cannot be trained further."
KEPT_TO_MEASURE = "The ONNX file is kept as it is. OpenVINO runs it: it predicts, and cannot be trained further."
_LARGEST_BYTES = 2**31 - 1  # protocol buffers hold no more in one file


@dataclass(frozen=True)
class OnnxFile:
    """What is in a file: the image with its bands last, whatever the file has; the outputs in its order; what it says about itself.

    `channels_first`: the file has the bands before rows and columns. `saved_by` names the program that wrote it, "" for none.
    """

    signature: Signature
    channels_first: bool
    told: Told
    saved_by: str = ""

    @property
    def heads(self) -> tuple[Head, ...]:
        """The outputs in the file's order; what their values are is not told."""
        return tuple(Head(name, (tensor.shape or (None, None))[1:], "linear") for name, tensor in self.signature.outputs.items())


def is_onnx(path: str | os.PathLike) -> bool:
    """Whether a file is one by its name."""
    path = Path(path)
    return path.suffix.lower() == SUFFIX and path.is_file()


def bands_first(shape: tuple[int | None, ...]) -> bool | None:
    """Whether an image (n, bands, rows, columns) or (n, rows, columns, bands) has its bands first, None where neither is told.

    An image is larger than it has bands, and most are squares.
    """
    _, first, middle, last = shape
    if first is None or last is None:
        return None if first is last else first is not None
    if (middle == last) != (first == middle):
        return middle == last
    return first <= last


def read_onnx(path: Path) -> OnnxFile:
    """What a file tells. Raises ModelError for a broken one, one that is too new or of another kind, SettingsError without the package."""
    model = _checked(path)
    weights = {initial.name for initial in model.graph.initializer}
    inputs = {value.name: _tensor(value) for value in model.graph.input if value.name not in weights}
    outputs = {value.name: _tensor(value) for value in model.graph.output}
    shapes = [tensor.shape for tensor in inputs.values()]
    first = bands_first(shapes[0]) if len(shapes) == 1 and shapes[0] is not None and len(shapes[0]) == 4 else False
    if first:
        inputs = {name: Tensor(tensor.type, _bands_last(tensor.shape)) for name, tensor in inputs.items()}
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    saved_by = " ".join(part for part in (model.producer_name, model.producer_version) if part)
    return OnnxFile(Signature(inputs, outputs), bool(first), told_by(metadata, path), saved_by)


def _bands_last(shape: tuple[int | None, ...] | None) -> tuple[int | None, ...] | None:
    return shape and (shape[0], *shape[2:], shape[1])


def _tensor(value: onnx.ValueInfoProto) -> Tensor:
    import onnx

    told = value.type.tensor_type
    numbers: dict[int, str] = {onnx.TensorProto.FLOAT: "float32", onnx.TensorProto.DOUBLE: "float64"}
    kind = numbers.get(told.elem_type) or onnx.TensorProto.DataType.Name(told.elem_type).lower()
    if not told.HasField("shape"):
        return Tensor(kind, None)
    return Tensor(kind, tuple(side.dim_value if side.dim_value > 0 else None for side in told.shape.dim))


def _checked(path: Path) -> onnx.ModelProto:
    """The file's content, its large weights left where they are."""
    if importlib.util.find_spec("onnx") is None:
        raise SettingsError(f"the ONNX file {path.name}, and no package to read it", expected="onnx", do="Install it: pip install onnx")
    import onnx

    try:
        model = onnx.load(path, load_external_data=False)
    except Exception as error:  # protobuf's own, which is no ValueError
        raise _broken(path, str(error)) from error
    _refuse_newer(path, model)
    _refuse_without_weights(path, model)
    try:
        onnx.checker.check_model(str(path))
    except (onnx.checker.ValidationError, ValueError, RuntimeError) as error:
        raise _broken(path, str(error)) from error
    return model


def _broken(path: Path, why: str) -> ModelError:
    other = refused(path)
    if ONNX not in other.found:  # a web page or an archive that is called so
        return other
    return ModelError(
        f"{path.name} is a broken ONNX file ({' '.join(why.split())[:160]})", expected="a whole ONNX file", do="Download or export it again"
    )


def _refuse_newer(path: Path, model: onnx.ModelProto) -> None:
    import onnx

    asked = max((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), default=0)
    versions = (("operator set", asked, onnx.defs.onnx_opset_version()), ("IR version", model.ir_version, int(onnx.IR_VERSION)))
    for what, found, known in versions:
        if found > known:
            raise ModelError(
                f"{path.name} is written in {what} {found} of ONNX",
                expected=f"at most {known}",
                do="Export it with opset_version=17, or bring the packages onnx and openvino up to date",
            )


def _refuse_without_weights(path: Path, model: onnx.ModelProto) -> None:
    """Raise ModelError for weights in other files that are not beside this one."""
    for name in outside(model):
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise ModelError(
                f"{path.name} keeps its weights in {name}, in another folder",
                expected="beside it",
                do="Export it into one folder, or one file",
            )
        if not (path.parent / name).is_file():
            raise ModelError(
                f"{path.name} keeps its weights in {name}, which is not beside it",
                expected=f"{name} in the same folder",
                do="Copy both files, or export it as one file",
            )


def outside(model: onnx.ModelProto) -> list[str]:
    """The files beside it that hold weights of a model."""
    import onnx

    held = [attribute.t for node in model.graph.node for attribute in node.attribute if attribute.HasField("t")]
    found = (
        entry.value
        for tensor in (*model.graph.initializer, *held)
        if tensor.data_location == onnx.TensorProto.EXTERNAL
        for entry in tensor.external_data
        if entry.key == "location"
    )
    return list(dict.fromkeys(found))


def copy_onnx(path: Path, out: Path) -> None:
    """Write a file to `out`, byte for byte; weights that lie beside it are taken into it. Raises ModelError."""
    import onnx

    if not outside(onnx.load(path, load_external_data=False)):
        shutil.copyfile(path, out)
        return
    whole = onnx.load(path)
    if whole.ByteSize() > _LARGEST_BYTES:
        raise ModelError(f"{path.name} with {whole.ByteSize() / 1e9:.1f} GB of weights", expected="at most 2 GB", do="Use a smaller model")
    onnx.save(whole, out)
