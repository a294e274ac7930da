"""Files that are no Keras models say what they are, in one line; nothing in them is unpickled."""

import gzip
import pickle
import zipfile

import h5py
import numpy as np
import pytest

from core.errors import ModelError
from core.model_store.examining import examine
from core.model_store.models import find_model


class Bomb:
    """Unpickling it would write a file."""

    def __reduce__(self):
        return open, ("unpickled.txt", "w")


def _zip(path, **members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/"), content)


def _torch(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(Bomb()))
        archive.writestr("archive/data/0", b"0" * 16)


def _cut_h5(path):
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = "{}"
        file["model_weights/a/kernel"] = np.zeros(10_000)
    path.write_bytes(path.read_bytes()[:20_000])


def _cut_keras(path):
    _zip(path, **{"config.json": "{}" * 500, "model.weights.h5": "x" * 500})
    path.write_bytes(path.read_bytes()[:600])


def _data(path):
    with h5py.File(path, "w") as file:
        file["img"] = np.zeros((4, 4, 3))


WRITERS = {
    "best.pt": (_torch, "a PyTorch model", "runs Keras networks"),
    "old.pth": (
        lambda path: path.write_bytes(b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03." + b"torch"),
        "a PyTorch model",
        "Keras",
    ),
    "forest.joblib": (lambda path: path.write_bytes(pickle.dumps(Bomb())), "a pickle, such as joblib", "model.save"),
    "packed.joblib": (lambda path: path.write_bytes(b"x\x9c" + b"\1" * 40), "a joblib file or pickle", "model.save"),
    "renamed.h5": (lambda path: path.write_bytes(b"\x08\x08\x12\x07pytorch\x1a\x052.1.0" + b"\0" * 40), "an ONNX network", "ending .onnx"),
    "net.tflite": (lambda path: path.write_bytes(b"\x1c\0\0\0TFL3" + b"\0" * 40), "TensorFlow Lite", "Keras model"),
    "a.safetensors": (lambda path: path.write_bytes((20).to_bytes(8, "little") + b'{"a":{}}' + b" " * 30), "safetensors", "Keras"),
    "page.h5": (lambda path: path.write_text("<!DOCTYPE html><html>Sign in"), "a web page", "download link"),
    "pointer.h5": (
        lambda path: path.write_text("version https://git-lfs.github.com/spec/v1\nsize 9\n"),
        "Git LFS",
        "git lfs pull",
    ),
    "empty.keras": (lambda path: path.write_bytes(b""), "is empty", "again"),
    "cut.h5": (_cut_h5, "cut off: an HDF5 file of which only 20,000 bytes arrived", "again"),
    "cut.keras": (_cut_keras, "cut off: a .keras or zip file", "again"),
    "data.h5": (_data, "an HDF5 file that holds img", "not its data"),
    "arch.json": (lambda path: path.write_text('{"class_name": "Functional"}'), "architecture without weights", "weights"),
    "net.h5.gz": (lambda path: path.write_bytes(gzip.compress(b"x")), "packed by gzip", "Unpack"),
    "sent.zip": (lambda path: _zip(path, model__best_h5="x", **{"model/best.h5": "x"}), "a zip that holds model/best.h5", "Unpack"),
    "photo.h5": (lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 40), "a PNG image", "not an image"),
    "net.xml": (lambda path: path.write_text('<?xml version="1.0"?><net name="a">'), "a network of OpenVINO", "Keras model"),
    "notes.h5": (lambda path: path.write_text("some words"), "of no kind that is known", "Keras file"),
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_file_of_another_kind_says_what_it_is_and_what_to_do(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    write, kind, do = WRITERS[name]
    write(tmp_path / name)
    for opened in (examine, find_model):
        with pytest.raises(ModelError) as caught:
            opened(tmp_path / name)
        assert kind in caught.value.found and do in caught.value.do and name in caught.value.found
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "unpickled.txt").exists()


def test_a_folder_and_a_path_that_leads_nowhere_are_named(tmp_path):
    with pytest.raises(ModelError, match="the folder"):
        examine(tmp_path)
    with pytest.raises(ModelError, match="no file at"):
        examine(tmp_path / "gone.h5")
