"""What a function takes and gives; that of a SavedModel, read from its file without TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from core.errors import ModelError
from core.model_store.outputs import Head
from core.model_store.saved_models import fields_of

SERVING = "serving_default"
_EXPECTED = "one that takes one image (n, height, width, bands)"
# Numbers of the fields of SavedModel, MetaGraphDef, SignatureDef, TensorInfo and TensorShapeProto.
_GRAPHS, _TOLD, _TAGS, _SIGNATURES = 2, 1, 4, 5
_KEY, _VALUE = 1, 2
_INPUTS, _OUTPUTS = 1, 2
_TYPE, _SHAPE, _LENGTHS, _LENGTH = 2, 3, 2, 1
_NUMBERS = {
    1: "float32",
    2: "float64",
    3: "int32",
    4: "uint8",
    5: "int16",
    6: "int8",
    9: "int64",
    14: "bfloat16",
    17: "uint16",
    19: "float16",
    22: "uint32",
}
_OTHERS = {7: "strings", 10: "true or false"}


@dataclass(frozen=True)
class Tensor:
    """One input or output: the type of its values in words, and its shape with the batch; None where that is not told."""

    type: str
    shape: tuple[int | None, ...] | None

    def told(self) -> str:
        """Type and shape in words, as "float32 (? x 64 x 64 x 3)"."""
        lengths = "of any shape" if self.shape is None else f"({' x '.join('?' if n is None else str(n) for n in self.shape)})"
        return f"{self.type} {lengths}"


@dataclass(frozen=True)
class Signature:
    """Inputs and outputs of a function by their names."""

    inputs: Mapping[str, Tensor]
    outputs: Mapping[str, Tensor]

    def image(self, who: str) -> tuple[int | None, int | None, int]:
        """Height and width (None where free) and bands of the one image that it takes; an error calls it `who`. Raises ModelError."""
        taken = ", ".join(f"{name}: {tensor.told()}" for name, tensor in self.inputs.items()) or "nothing"
        shapes = [tensor.shape or () for tensor in self.inputs.values() if tensor.type in _NUMBERS.values()]
        if len(self.inputs) == 1 and shapes and len(shapes[0]) == 4:
            count, height, width, bands = shapes[0]
            if count in (None, 1) and bands is not None:
                return height, width, bands
        many = "one input" if len(self.inputs) == 1 else f"{len(self.inputs)} inputs"
        raise ModelError(
            f"{who} takes {many}: {taken}", expected=_EXPECTED, do="Save it so that it takes one image, and tells how many bands"
        )

    def heads(self) -> tuple[Head, ...]:
        """The outputs by name; what their values are is not told."""
        return tuple(Head(name, (tensor.shape or (None, None))[1:], "linear") for name, tensor in sorted(self.outputs.items()))


def signature_of(content: bytes, file: str) -> Signature:
    """The serving function that a `saved_model.pb` names. Raises ModelError when it names none or cannot be read."""
    try:
        graphs = [list(fields_of(value)) for number, value in fields_of(content) if number == _GRAPHS]
        served = next((graph for graph in graphs if b"serve" in _tags(graph)), graphs[0] if graphs else [])
        named = _by_name(served, _SIGNATURES)
        function = named.get(SERVING) or next((value for name, value in named.items() if not name.startswith("__")), None)
        found = None if function is None else Signature(*(_tensors(function, number) for number in (_INPUTS, _OUTPUTS)))
    except (ValueError, IndexError, TypeError, AttributeError) as error:
        raise ModelError(f"{file} holds a damaged saved_model.pb ({error})", expected="a whole SavedModel", do="Copy it again") from error
    if found is None or not found.outputs:
        raise ModelError(
            f"{file} is a SavedModel without a serving function",
            expected="a signature that gives classes for an image, as model.export() writes it",
            do="Save it with model.export(), with signatures=..., or as .keras",
        )
    return found


def _tags(graph: list) -> list[bytes]:
    told = next((value for number, value in graph if number == _TOLD), b"")
    return [value for number, value in fields_of(told) if number == _TAGS]


def _by_name(message: list, field: int) -> dict[str, bytes]:
    """A map of a message: its values by their keys."""
    pairs = [dict(fields_of(value)) for number, value in message if number == field]
    return {pair[_KEY].decode(): pair.get(_VALUE, b"") for pair in pairs if _KEY in pair}


def _tensors(function: bytes, field: int) -> dict[str, Tensor]:
    return {name: _tensor(value) for name, value in _by_name(list(fields_of(function)), field).items()}


def _tensor(content: bytes) -> Tensor:
    told = dict(fields_of(content))
    number = told.get(_TYPE, 0)
    kind = _NUMBERS.get(number) or _OTHERS.get(number, "values of another kind")
    if _SHAPE not in told:
        return Tensor(kind, ())
    shape = list(fields_of(told[_SHAPE]))
    if any(number == 3 and value for number, value in shape):
        return Tensor(kind, None)
    lengths = [dict(fields_of(value)).get(_LENGTH, 0) for number, value in shape if number == _LENGTHS]
    return Tensor(kind, tuple(length if 0 < length < 2**63 else None for length in lengths))
