"""Model files that lead elsewhere, run in circles or grow beyond all measure: refused in one line, before their networks are built."""

import io
import json
import zipfile

import h5py
import numpy as np
import pytest

from core.errors import ModelError
from core.model_store.bare_weights import bare_weights
from core.model_store.cards import ModelCard
from core.model_store.examining import examine
from core.model_store.legacy import describe
from core.model_store.loading import load_network
from core.reading import zip_limits
from tests.helpers.standins import SCHEME


def layer(kind, name, *inbound, **config):
    inbound_nodes = [[[one, 0, 0, {}] for one in inbound]] if inbound else []
    return {"class_name": kind, "name": name, "config": {"name": name, **config}, "inbound_nodes": inbound_nodes}


def network(*layers, output="out"):
    """What Keras 2 writes about a network from an image of 8 x 8 x 3 to `output`."""
    image = layer("InputLayer", "image", batch_input_shape=[None, 8, 8, 3], dtype="float32")
    config = {"name": "net", "layers": [image, *layers], "input_layers": [["image", 0, 0]], "output_layers": [[output, 0, 0]]}
    return {"class_name": "Functional", "config": config}


def convolution(name, *inbound, filters=3):
    return layer("Conv2D", name, *inbound, filters=filters, kernel_size=[1, 1], activation="softmax", padding="same", strides=[1, 1])


def old_file(path, described, fill=None):
    """A file of Keras 2 with the weights of one convolution from 3 bands to 3 classes."""
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(described)
        file.attrs["keras_version"] = "2.15.0"
        weights = file.create_group("model_weights")
        weights.attrs["layer_names"] = [b"out"]
        out = weights.create_group("out")
        out.attrs["weight_names"] = [b"out/kernel:0", b"out/bias:0"]
        out["out/kernel:0"], out["out/bias:0"] = np.zeros((1, 1, 3, 3), np.float32), np.zeros(3, np.float32)
        if fill is not None:
            fill(file)
    return path


@pytest.mark.parametrize(
    "layers",
    [
        [convolution("out", "out")],
        [convolution("a", "b"), convolution("b", "a"), convolution("out", "b")],
        [convolution("out", "nowhere")],
    ],
    ids=["itself", "each other", "nothing"],
)
def test_layers_that_feed_each_other_in_circles_are_refused(tmp_path, layers):
    with pytest.raises(ModelError, match="of a form that is not understood|in a circle"):
        examine(old_file(tmp_path / "old.h5", network(*layers)))


def test_layers_within_layers_without_end_are_refused(tmp_path):
    described = json.dumps(network(layer("Functional", "out", "image", at="HERE")))
    before, after = described.split('"HERE"')
    path = keras_file(tmp_path / "deep.keras", before * 50_000 + "0" + after * 50_000, 9)
    with pytest.raises(ModelError, match="in a circle, or lie in each other without end"):
        describe(path)


@pytest.mark.parametrize("way", ["group", "weights", "raw"])
def test_weights_do_not_come_from_another_file(tmp_path, way):
    def fill(file):
        group = file["model_weights/out"]
        if way == "group":
            file["model_weights"]["more"] = h5py.ExternalLink("other.h5", "/")
        else:
            del group["out/bias:0"]
            if way == "weights":
                group["out/bias:0"] = h5py.ExternalLink("other.h5", "/bias")
            else:
                group.create_dataset("out/bias:0", (3,), np.float32, external=[("/etc/hostname", 0, 12)])

    with pytest.raises(ModelError, match="another file"):
        examine(old_file(tmp_path / "old.h5", network(convolution("out", "image")), fill))


def test_weights_alone_that_hold_themselves_are_refused(tmp_path):
    with h5py.File(tmp_path / "a.weights.h5", "w") as file:
        layers = file.create_group("layers")
        layers["again"] = layers
    with pytest.raises(ModelError, match="has a group in two places"):
        bare_weights(tmp_path / "a.weights.h5")


def keras_file(path, described, size, *, fill=lambda file: None):
    weights = io.BytesIO()
    with h5py.File(weights, "w") as file:
        file.create_group("layers/out/vars")["0"] = np.zeros(size, np.uint8)
        fill(file)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", described if isinstance(described, str) else json.dumps(described))
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.0.0"}))
        archive.writestr("model.weights.h5", weights.getvalue())
    return path


def test_an_archive_of_nothing_but_zeros_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(zip_limits, "HARMLESS_BYTES", 1 << 20)
    path = keras_file(tmp_path / "big.keras", network(convolution("out", "image")), 4 << 20)
    assert path.stat().st_size < 40_000
    monkeypatch.setattr(zipfile.ZipFile, "read", lambda *_: pytest.fail("it was unpacked"))
    with pytest.raises(ModelError, match=r"big.keras would grow to 4.2 MB, \d+ times its size"):
        describe(path)


def test_weights_inside_an_archive_lead_nowhere_either(tmp_path):
    def fill(file):
        file["layers/out/vars/1"] = h5py.ExternalLink("/etc/hostname", "/")

    with pytest.raises(ModelError, match=r"model.weights.h5 in a.keras leads to another file"):
        describe(keras_file(tmp_path / "a.keras", network(convolution("out", "image")), 9, fill=fill))


def test_a_layer_wider_than_its_weights_is_not_built(tmp_path):
    card = ModelCard(name="wide", architecture="file", scheme=SCHEME, bands=(1, 2, 3), patch_size=8)
    wide = old_file(tmp_path / "wide.h5", network(convolution("a", "image", filters=10**9), convolution("out", "a")))
    with pytest.raises(ModelError, match=r"layer a has 1,000,000,000 filters, but its weights at most 3 of anything"):
        load_network(wide, card)
