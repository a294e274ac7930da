"""What an old Keras file (`.h5`, `.hdf5`, `.keras`) says about its network, read without Keras."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import h5py

from core.errors import ModelError
from core.hdf5 import open_hdf5_file
from core.model_store.file_kinds import refused
from core.model_store.filling import open_zip
from core.model_store.heads import FUNCTIONS_OF_TENSORFLOW, TRIED_PX, ends_of, every_layer
from core.model_store.nodes import name_of, plain_kind
from core.model_store.outputs import Form, Head, chosen_output, form_of
from core.model_store.saved_models import description_of, graph_of, is_saved_model
from core.model_store.serving.deepness import Told
from core.model_store.serving.onnx_file import is_onnx, read_onnx
from core.model_store.serving.signature import signature_of
from core.model_store.shapes import Shape

SUFFIXES = (".h5", ".hdf5", ".keras")
_ATTRIBUTES = {"network": "model_config", "training": "training_config", "version": "keras_version"}


@dataclass(frozen=True)
class Described:
    """Input height and width (None when free), bands, the outputs, the kinds and names of its layers.

    `saved_by` is the version of Keras, "" when it is not told; `compiled_with` names the losses and metrics it was trained
    with; `network` is the whole description; `functions` are those of TensorFlow that it calls between its layers.
    `chosen` numbers the output that counts and `why` says in words how it was found; `sure`: nobody has to be asked for it.
    `weights_alone`: the description lies in another file than the weights. `served`: what OpenVINO runs, a "savedmodel" of which the
    serving function is known alone, or "onnx"; "" for a network of Keras. `told` is what the file says about itself besides.
    `tried_px`: the patch that a network of any size was tried with.
    """

    height: int | None
    width: int | None
    bands: int
    heads: tuple[Head, ...]
    layer_kinds: frozenset[str]
    layer_names: frozenset[str]
    name: str
    saved_by: str = ""
    compiled_with: tuple[str, ...] = ()
    network: Mapping[str, Any] = field(default_factory=dict, repr=False)
    inputs: int = 1
    channels_first: bool = False
    functions: tuple[str, ...] = ()
    chosen: int = -1
    weights_alone: bool = False
    served: Literal["", "savedmodel", "onnx"] = ""
    why: str = "the only output"
    sure: bool = True
    tried_px: int = TRIED_PX
    told: Told = field(default_factory=Told)

    @property
    def head(self) -> Head:
        """The output that counts."""
        return self.heads[self.chosen]

    @property
    def outputs(self) -> int:
        """How many values each pixel gets; 0 when the description does not tell."""
        form = self.form
        return form.classes if form else self.head.channels

    @property
    def form(self) -> Form | None:
        """How the output that counts is a map; None when it is none, or when the description does not tell."""
        return form_of(self.head.shape, *self.sides)

    @property
    def free(self) -> bool:
        """Whether the network takes images of any size."""
        return self.height is None and self.width is None

    @property
    def sides(self) -> tuple[int, int]:
        """Height and width of an image: fixed, or as it was tried; a network with one of them fixed takes squares."""
        return self.height or self.width or self.tried_px, self.width or self.height or self.tried_px

    @property
    def activation(self) -> str:
        """What the network ends in: "softmax", "sigmoid", "linear" or another activation."""
        return self.head.activation

    @property
    def runs_code(self) -> bool:
        """Whether the file holds a layer that is Python code."""
        return "Lambda" in self.layer_kinds


def has_network(path: str | os.PathLike) -> bool:
    """Whether a file holds a whole network, not only weights."""
    return "network" in _texts(Path(path))


def describe(path: str | os.PathLike) -> Described:
    """Read the network's description in a file. Raises ModelError when there is none or it is not understood."""
    path = Path(path)
    if is_onnx(path):
        return _described_onnx(path)
    if is_saved_model(path):
        network = description_of(path)
        if network is None:
            return describe_serving(path)
        found = _described(path, {"network": json.dumps(network), "version": network.get("keras_version", "2.")})
        return describe_serving(path) if found.runs_code else found  # its serving function holds the code's operations, not the code
    texts = _texts(path)
    if "network" not in texts:
        raise refused(path)
    return _described(path, texts)


_Image = tuple[int | None, int | None, int]
"""Height and width, None where a network takes any, and bands."""


def describe_serving(path: Path) -> Described:
    """What the serving function of a SavedModel tells. Raises ModelError for one that takes anything but one image."""
    signature = signature_of(graph_of(path), path.name)
    return _described_served(path, "savedmodel", signature.image(f"the serving function of {path.name}"), signature.heads(), TRIED_PX)


def _described_onnx(path: Path) -> Described:
    """What an ONNX file tells. Raises ModelError for one that takes anything but one image."""
    file = read_onnx(path)
    image, tried_px = file.signature.image(path.name), file.told.patch_size or TRIED_PX
    heads = tuple(replace(head, shape=_filled(head.shape, _tried(image, tried_px))) for head in file.heads)
    found = _described_served(path, "onnx", image, heads, tried_px)
    return replace(found, saved_by=file.saved_by, channels_first=file.channels_first, tried_px=tried_px, told=file.told.fitting(image[2]))


def _described_served(
    path: Path, served: Literal["savedmodel", "onnx"], image: _Image, heads: tuple[Head, ...], tried_px: int
) -> Described:
    """A network that OpenVINO runs."""
    height, width, bands = image
    choice = chosen_output(heads, *_tried(image, tried_px))
    found = Described(height, width, bands, heads, frozenset(), frozenset(), path.stem, chosen=choice.number, served=served)
    return replace(found, why=choice.why, sure=choice.sure)


def _tried(image: _Image, tried_px: int) -> tuple[int, int]:
    """Height and width of the image that it is tried with."""
    height, width, _ = image
    return height or width or tried_px, width or height or tried_px


def _filled(shape: Shape, sides: tuple[int, int]) -> Shape:
    """A map of free height and width in the size that it is likely to have; what is told of a file is measured when it is loaded."""
    if len(shape) == 3 and shape.count(None) == 2:
        return (*sides, shape[2]) if shape[2] is not None else (shape[0], *sides) if shape[0] is not None else shape
    return shape


def describe_architecture(path: str | os.PathLike) -> Described:
    """Read what `model.to_json()` gave, for weights that lie in another file. Raises ModelError when it is not understood."""
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
        version = json.loads(text).get("keras_version", "")
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        raise ModelError(
            f"{path.name} is no architecture ({error})", expected="the text of model.to_json()", do="Name another file"
        ) from error
    return replace(_described(path, {"network": text, "version": version}), weights_alone=True)


def _described(path: Path, texts: Mapping[str, str]) -> Described:
    try:
        network = json.loads(texts["network"])
        told = network.get("compile_config") or network.get("training_config") or {}
        training = json.loads(texts["training"]) if texts.get("training") else told
        return _describe(network, texts.get("version", ""), training)
    except RecursionError:
        raise ModelError(
            f"{path.name} holds a network whose layers feed each other in a circle, or lie in each other without end",
            expected="a network from one image to one map of classes",
            do="Save it again with Keras 2 or 3",
        ) from None
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, StopIteration) as error:
        raise ModelError(
            f"{path.name} holds a network of a form that is not understood ({error!r})",
            expected="a network from one image to one map of classes",
            do="Save it again with Keras 2 or 3",
        ) from error


def _texts(path: Path) -> dict[str, str]:
    """JSON of the network and of how it was trained, and the version of Keras: those of the three that the file holds."""
    try:
        if zipfile.is_zipfile(path):
            with open_zip(path) as archive:
                if "config.json" not in archive.namelist():
                    return {}
                metadata = json.loads(archive.read("metadata.json")) if "metadata.json" in archive.namelist() else {}
                return {"network": archive.read("config.json").decode(), "version": str(metadata.get("keras_version", ""))}
        if not h5py.is_hdf5(path):
            return {}
        with open_hdf5_file(path, ModelError) as file:
            found = {key: file.attrs.get(name) for key, name in _ATTRIBUTES.items()}
    except (OSError, ValueError, KeyError):
        return {}
    return {key: text.decode() if isinstance(text, bytes) else str(text) for key, text in found.items() if text is not None}


def _describe(network: Mapping[str, Any], version: str, training: Mapping[str, Any]) -> Described:
    config = network["config"]
    every = list(every_layer(config["layers"]))
    ends = ends_of(network)
    functions = [str(layer["config"].get("function")) for layer in every if plain_kind(layer["class_name"]) in FUNCTIONS_OF_TENSORFLOW]
    if len(ends.inputs) == 1 and len(ends.inputs[0]) != 3:
        taken = " x ".join("?" if length is None else str(length) for length in ends.inputs[0])
        raise ModelError(f"a network that takes {taken} values", expected="one image: height x width x bands", do="Use another model")
    height, width, bands = ends.inputs[0] if len(ends.inputs[0]) == 3 else (None, None, ends.inputs[0][-1])
    choice = chosen_output(ends.heads, height or width or TRIED_PX, width or height or TRIED_PX)
    return Described(
        height,
        width,
        int(bands),
        ends.heads,
        frozenset(plain_kind(layer["class_name"]) for layer in every),
        frozenset(name_of(layer) for layer in every),
        str(config.get("name", "")),
        version,
        tuple(dict.fromkeys(_names_of([training.get("loss"), training.get("metrics")]))),
        network,
        len(ends.inputs),
        ends.channels_first,
        tuple(dict.fromkeys(functions)),
        choice.number,
        why=choice.why,
        sure=choice.sure,
    )


def _names_of(value: Any) -> Iterator[str]:
    """Names of losses and metrics in what Keras 2 or 3 wrote about them."""
    if isinstance(value, Mapping):
        name = (value.get("config") or {}).get("name") if isinstance(value.get("config"), Mapping) else value.get("config")
        yield from _names_of(name or value.get("class_name") or list(value.values()))
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _names_of(item)
    elif isinstance(value, str):
        yield value
