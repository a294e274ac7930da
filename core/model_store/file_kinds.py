"""What a file is that was given as a model, by its first bytes: one line for each kind that is none. Nothing is unpickled."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

from core.errors import ModelError
from core.hdf5 import open_hdf5_file
from core.model_store.filling import container_of, names_layers

_HEAD_BYTES = 4096
_KERAS = "a Keras model: .keras, .h5, .hdf5 or a SavedModel folder"
ONNX = "an ONNX network"
_TO_KERAS = "Save the model with Keras's model.save()"
_TORCH = "Groundline runs Keras networks; train the network anew here, or with Keras"
_DOWNLOAD = "Download the file itself"
_BY_FIRST_BYTES = (
    (
        b"version https://git-lfs",
        "a Git LFS pointer: the few lines that stand for a large file",
        "Fetch the file itself with `git lfs pull`",
    ),
    (b"\x93NUMPY", "an array of NumPy", _TO_KERAS),
    (b"GGUF", "a GGUF file of a language model", "Name a network for images"),
    (b"\x1f\x8b", "packed by gzip", "Unpack it first"),
    (b"BZh", "packed by bzip2", "Unpack it first"),
    (b"\xfd7zXZ", "packed by xz", "Unpack it first"),
    (b"7z\xbc\xaf", "a 7-Zip archive", "Unpack it first"),
    (b"Rar!", "a RAR archive", "Unpack it first"),
    (b"\x89PNG", "a PNG image", "Name the model, not an image"),
    (b"\xff\xd8\xff", "a JPEG image", "Name the model, not an image"),
    (b"II*\x00", "a TIFF image", "Name the model, not an image"),
    (b"MM\x00*", "a TIFF image", "Name the model, not an image"),
    (b"II+\x00", "a TIFF image", "Name the model, not an image"),
    (b"%PDF", "a PDF", "Name the model"),
    (b"MATLAB", "a MATLAB file", _TO_KERAS),
)
_PICKLES = tuple(b"\x80" + bytes([protocol]) for protocol in range(2, 6))


def refused(path: str | os.PathLike) -> ModelError:
    """The error that says what a file is instead of a Keras model, and what to do; to be raised."""
    path = Path(path)
    kind, do = _kind(path)
    return ModelError(f"{path.name} is {kind}", expected=_KERAS, do=do)


def _kind(path: Path) -> tuple[str, str]:
    """What a file is, and what to do about it."""
    size = path.stat().st_size
    with open(path, "rb") as file:
        head = file.read(_HEAD_BYTES)
    if not head:
        return "empty", _DOWNLOAD + " again"
    if zipfile.is_zipfile(path):
        return _kind_of_zip(path)
    if head.startswith(b"PK\x03\x04"):
        return f"cut off: a .keras or zip file without its end ({size:,} bytes)", _DOWNLOAD + " again"
    if head.startswith(b"\x89HDF"):
        return _kind_of_hdf5(path, size)
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if text[:1] == b"<":
        if b"<net " in text[:600] or b"<net\n" in text[:600]:
            return "a network of OpenVINO", "Import the Keras model that it was made of"
        return "a web page, not the file that it offers", "Open the page in a browser and use its download link"
    if text[:1] in (b"{", b"["):
        return (
            "a text in JSON, perhaps a network's architecture without weights",
            "Name the file of weights; the architecture lies beside it",
        )
    if len(head) > 8 and head[4:8] == b"TFL3":
        return "a network of TensorFlow Lite", "Import the Keras model that it was made of"
    for start, kind, do in _BY_FIRST_BYTES:
        if head.startswith(start):
            return kind, do
    return _kind_of_others(path, head)


def _kind_of_others(path: Path, head: bytes) -> tuple[str, str]:
    if len(head) > 9 and head[8:9] == b"{" and int.from_bytes(head[:8], "little") < path.stat().st_size:
        return "a safetensors file, weights without a network", _TORCH
    if head.startswith(_PICKLES):
        if b"torch" in head or path.suffix.lower() in (".pt", ".pth", ".ckpt"):
            return "a PyTorch model (an old, pickled one)", _TORCH
        return "a pickle, such as joblib and scikit-learn write, which can run any code", _TO_KERAS
    if head[:2] in (b"x\x9c", b"x\x01", b"x\xda") or path.suffix.lower() in (".joblib", ".pkl", ".pickle"):
        return "a joblib file or pickle, which can run any code", _TO_KERAS
    if path.suffix.lower() == ".onnx" or (head[:1] == b"\x08" and any(word in head for word in (b"pytorch", b"onnx", b"ai.onnx"))):
        return ONNX, "Import it: it becomes a model folder" if path.suffix.lower() == ".onnx" else "Give it the ending .onnx, and import it"
    if path.suffix.lower() == ".pb" or b"saved_model" in head:
        return "a graph of TensorFlow", "Name the SavedModel folder that holds it with its variables"
    if head[257:262] == b"ustar":
        return "a tar archive", "Unpack it first"
    return "of no kind that is known", "Name a model folder or a Keras file"


def _kind_of_zip(path: Path) -> tuple[str, str]:
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    if "config.json" in names:
        return "a .keras file without a readable network in it", _TO_KERAS
    if any(name.endswith("data.pkl") for name in names):
        return "a PyTorch model", _TORCH
    if any(name.endswith(("fingerprint.pb", "saved_model.pb")) for name in names):
        return "a zipped SavedModel", "Import it: it becomes a model folder"
    inside = next((name for name in names if name.lower().endswith((".h5", ".hdf5", ".keras"))), None)
    if inside:
        return f"a zip that holds {inside}", "Unpack it and name that file"
    return f"a zip of {len(names)} other files", "Name a Keras file"


def _kind_of_hdf5(path: Path, size: int) -> tuple[str, str]:
    try:
        with open_hdf5_file(path, ModelError) as file:
            keys = list(file)
            kept = names_layers(file) or container_of(file) is not None or "model_weights" in file
    except OSError as error:
        if "truncated" in str(error).lower():
            return f"cut off: an HDF5 file of which only {size:,} bytes arrived", _DOWNLOAD + " again"
        return f"a damaged HDF5 file ({' '.join(str(error).split())[:120]})", _DOWNLOAD + " again"
    if kept:
        return (
            "a file of weights alone, without their network",
            "Import it: with the architecture of model.to_json() beside it, or one of our networks",
        )
    return f"an HDF5 file that holds {', '.join(keys[:5]) or 'nothing'}, no Keras model", "Name the model, not its data"
