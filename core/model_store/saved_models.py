"""SavedModel folders, or zips of them: Keras 2's own description and the checkpoint are read, TensorFlow's graph is not run."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from core.claims import scratch
from core.errors import ModelError
from core.model_store.filling import weighted

GRAPH_FILE = "saved_model.pb"
_METADATA = "keras_metadata.pb"
_NODES, _PATH, _JSON = 1, 3, 5  # numbers of the fields of SavedMetadata and SavedObject
_VARINT, _BYTES = 0, 2


def is_saved_model(path: Path) -> bool:
    """Whether it is a folder that TensorFlow saved, or a zip of one."""
    if path.is_dir():
        return (path / GRAPH_FILE).is_file()
    return path.is_file() and zipfile.is_zipfile(path) and _inside(path) is not None


def description_of(path: Path) -> dict[str, Any] | None:
    """The network as Keras 2 described it in a SavedModel; None where another program wrote it. Raises ModelError when it is damaged."""
    content = _member(path, _METADATA)
    try:
        for number, node in fields_of(content or b""):
            found = dict(fields_of(node)) if number == _NODES else {}
            if found.get(_PATH) == b"root":
                value = _plain(json.loads(found[_JSON]))
                if "layers" in value.get("config", {}):
                    return value
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise ModelError(f"{path.name} holds a damaged {_METADATA} ({error})", expected="a whole SavedModel", do="Copy it again") from error
    return None


def graph_of(path: Path) -> bytes:
    """What is in its `saved_model.pb`."""
    return _member(path, GRAPH_FILE) or b""


def fill_from_checkpoint(graph: Any, path: Path) -> None:
    """Put the variables of a SavedModel into the layers of `core.model_store.rebuilding.rebuild`'s graph. Raises ModelError."""
    import tensorflow as tf
    from tensorflow.core.protobuf import trackable_object_graph_pb2

    with unpacked(path) as folder:
        reader = tf.train.load_checkpoint(str(folder / "variables" / "variables"))
        objects = trackable_object_graph_pb2.TrackableObjectGraph()
        objects.ParseFromString(reader.get_tensor("_CHECKPOINTABLE_OBJECT_GRAPH"))
        _Checkpoint(reader, objects).fill(graph, 0)


class _Checkpoint:
    """Variables by what they belong to: objects by number, each with children by name."""

    def __init__(self, reader: Any, objects: Any):
        self.reader, self.objects = reader, objects.nodes

    def fill(self, graph: Any, number: int) -> None:
        """Each layer with weights from the object that has its number among those."""
        children = self._children(number)
        for place, part in enumerate(weighted(graph)):
            inner = children[f"layer_with_weights-{place}"]
            if part.graph is not None:
                self.fill(part.graph, inner)
            else:
                self._into(part.layer, inner)

    def _into(self, layer: Any, number: int) -> None:
        children = self._children(number)
        for variable in [*layer._trainable_variables, *layer._non_trainable_variables]:
            if variable.name in children:
                variable.assign(self.reader.get_tensor(self.objects[children[variable.name]].attributes[0].checkpoint_key))
        for name, inner in children.items():
            part = getattr(layer, name, None)
            if part is not None and part is not layer and hasattr(part, "_trainable_variables"):
                self._into(part, inner)
        if hasattr(layer, "finalize_state"):
            layer.finalize_state()

    def _children(self, number: int) -> dict[str, int]:
        return {child.local_name: child.node_id for child in self.objects[number].children}


def _member(path: Path, name: str) -> bytes | None:
    """One of the files that lie directly in a SavedModel; None where it is not there."""
    if path.is_dir():
        return (path / name).read_bytes() if (path / name).is_file() else None
    with zipfile.ZipFile(path) as archive:
        member = str(PurePosixPath(_inside(path) or "") / name)
        return archive.read(member) if member in archive.namelist() else None


def _inside(path: Path) -> str | None:
    """The folder in a zip that holds the SavedModel."""
    with zipfile.ZipFile(path) as archive:
        found = next((name for name in archive.namelist() if PurePosixPath(name).name == GRAPH_FILE), None)
    return None if found is None else str(PurePosixPath(found).parent)


@contextmanager
def unpacked(path: Path, *, whole: bool = False) -> Iterator[Path]:
    """The SavedModel as a folder; of a zip the variables, and with `whole` the graph, are unpacked for as long as they are needed."""
    if path.is_dir():
        yield path
        return
    with scratch() as folder, zipfile.ZipFile(path) as archive:
        (folder / "variables").mkdir()
        if whole:
            (folder / GRAPH_FILE).write_bytes(graph_of(path))
        wanted = PurePosixPath(_inside(path) or "") / "variables"
        for member in archive.infolist():
            if PurePosixPath(member.filename).parent == wanted and not member.is_dir():
                (folder / "variables" / PurePosixPath(member.filename).name).write_bytes(archive.read(member))
        yield folder


def _plain(value: Any) -> Any:
    """Tuples and shapes as Keras 2 wrote them, as lists."""
    if isinstance(value, Mapping):
        if value.get("class_name") in ("__tuple__", "TensorShape") and "items" in value:
            return [_plain(item) for item in value["items"]]
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def fields_of(content: bytes) -> Iterator[tuple[int, Any]]:
    """Number and value of each field of a protocol buffer's message."""
    at = 0

    def varint() -> int:
        nonlocal at
        found = shift = 0
        while True:
            byte = content[at]
            at, found, shift = at + 1, found | (byte & 127) << shift, shift + 7
            if byte < 128:
                return found

    while at < len(content):
        key = varint()
        if key & 7 == _VARINT:
            yield key >> 3, varint()
        elif key & 7 == _BYTES:
            length = varint()
            if at + length > len(content):
                raise ValueError("it is cut off")
            yield key >> 3, content[at : at + length]
            at += length
        else:
            raise ValueError(f"a field of kind {key & 7}")
