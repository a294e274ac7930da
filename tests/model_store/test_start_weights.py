import shutil
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import keras
import numpy as np
import pytest

from core.errors import Cancelled, InputError, SettingsError
from core.model_store.cards import ModelCard
from core.model_store.starting.start_weights import MIRROR_VARIABLE, start
from core.networks import build
from tests.helpers.learning_fakes import SCHEME

SMALL = {"height": 32, "width": 32, "filters": (4, 6)}


def unet(bands=3, classes=3, seed=0, **more):
    keras.utils.set_random_seed(seed)
    return build("unet", bands=bands, classes=classes, **{**SMALL, **more})


def layer_weights(network, name):
    return network.get_layer(name).get_weights()


def test_starting_from_a_model_folder(tmp_path):
    source = unet(seed=1)
    source.save(tmp_path / "model.keras")
    normalisation = {"kind": "standard", "mean": [1.0, 2.0, 3.0], "std": [4.0, 4.0, 4.0]}
    card = ModelCard(name="first", architecture="unet", scheme=SCHEME, bands=(1, 2, 3), normalisation=normalisation, patch_size=32)
    card.save(tmp_path)
    target = unet(seed=2)
    result = start(target, str(tmp_path), architecture="unet", encoder=None)
    assert result.layers == result.of and result.source == "first" and dict(result.normalisation) == normalisation
    assert start(unet(bands=4), str(tmp_path), architecture="unet", encoder=None).normalisation is None


def test_a_model_of_another_kind_is_refused(tmp_path):
    inputs = keras.Input((32, 32, 3))
    keras.Model(inputs, keras.layers.Conv2D(3, 1, activation="softmax", name="odd")(inputs)).save(tmp_path / "other.keras")
    with pytest.raises(SettingsError, match="shares no layer"):
        start(unet(), str(tmp_path / "other.keras"), architecture="unet", encoder=None)


def test_what_does_not_exist_says_what_there_is(tmp_path):
    with pytest.raises(InputError, match="no starting weights called 'nowhere'"):
        start(unet(), "nowhere", architecture="unet", encoder=None)


def test_published_weights_that_read_blue_first_are_turned(tmp_path):
    theirs = keras.applications.ResNet50(include_top=False, weights=None, input_shape=(32, 32, 3))
    theirs.save_weights(tmp_path / "resnet50.weights.h5")
    ours = build("deeplabv3", height=32, width=32, bands=3, classes=2)
    start(ours, str(tmp_path / "resnet50.weights.h5"), architecture="deeplabv3", encoder=None)
    kernels = [network.get_layer("conv1_conv").get_weights()[0] for network in (theirs, ours)]
    np.testing.assert_array_equal(kernels[1], kernels[0][:, :, ::-1])


def test_imagenet_needs_an_encoder():
    with pytest.raises(SettingsError, match="without an encoder"):
        start(unet(), "imagenet", architecture="unet", encoder=None)


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """A web folder on this machine in place of the published ones, and an empty cache."""
    (tmp_path / "web").mkdir()
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))
    handler = partial(QuietHandler, directory=str(tmp_path / "web"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as web:
        monkeypatch.setenv(MIRROR_VARIABLE, f"http://127.0.0.1:{web.server_port}/")
        thread = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield tmp_path / "web"
        web.shutdown()
        thread.join()


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


MOBILENET = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5"


def test_imagenet_weights_come_from_the_server_once_and_with_progress(mirror, encoder_file):
    shutil.copy(encoder_file[0].with_name("published.h5"), mirror / MOBILENET)
    heard, target = [], unet(encoder="mobilenetv2", filters=None)
    for _ in range(2):
        target.set_weights([np.zeros_like(value) for value in target.get_weights()])
        copied = start(target, "imagenet", architecture="unet", encoder="mobilenetv2", on_progress=lambda *told: heard.append(told))
        (mirror / MOBILENET).unlink(missing_ok=True)  # the second time it is there already
        assert copied.published and copied.source == "imagenet"
        assert np.array_equal(layer_weights(target, "block_3_expand")[0], layer_weights(encoder_file[1], "block_3_expand")[0])
    size = encoder_file[0].with_name("published.h5").stat().st_size
    assert heard[-1] == (size, size, f"Downloading {MOBILENET}") and len(heard) == len(set(heard)) > 1


def test_imagenet_weights_of_a_wrong_checksum_are_refused(mirror, tmp_path):
    (mirror / "resnet18_imagenet_1000_no_top.h5").write_bytes(b"something else")
    with pytest.raises(InputError, match="no ImageNet weights of resnet18.*is not the file that was published.*local weights file"):
        start(unet(), "imagenet", architecture="unet", encoder="resnet18")
    assert list((tmp_path / "home" / "models").iterdir()) == []


@pytest.mark.parametrize(("architecture", "encoder"), [("unet", "mobilenetv2"), ("deeplabv3", None)])
def test_imagenet_without_a_network_says_what_to_do(mirror, monkeypatch, architecture, encoder):
    monkeypatch.setenv(MIRROR_VARIABLE, "http://127.0.0.1:9")  # nobody listens there
    with pytest.raises(InputError, match="could not be downloaded.*Use --weights none, a local weights file, or a model"):
        start(unet(), "imagenet", architecture=architecture, encoder=encoder)


def test_a_stop_ends_the_download(mirror, encoder_file):
    shutil.copy(encoder_file[0].with_name("published.h5"), mirror / MOBILENET)
    with pytest.raises(Cancelled):
        start(unet(), "imagenet", architecture="unet", encoder="mobilenetv2", should_stop=lambda: True)


@pytest.fixture(scope="module")
def encoder_file(tmp_path_factory):
    """Weights of a MobileNetV2 encoder alone, as published files are."""
    from core.networks.zoo import library

    keras.utils.set_random_seed(7)
    network = library().Unet("mobilenetv2", input_shape=(32, 32, 3), classes=2, encoder_weights=None)
    inner = keras.Model(
        network.inputs, network.get_layer("out_relu").output if _has(network, "out_relu") else _last_encoder_output(network)
    )
    path = tmp_path_factory.mktemp("encoder") / "mobilenetv2.weights.h5"
    inner.save_weights(path)
    inner.save(path.with_name("published.h5"))  # the old layout, which published files have
    return path, network


def _has(network, name):
    return any(layer.name == name for layer in network.layers)


def _last_encoder_output(network):
    names = [layer.name for layer in network.layers]
    first_decoder = next(i for i, name in enumerate(names) if name.startswith(("center", "decoder")))
    return network.layers[first_decoder - 1].output


@pytest.mark.parametrize("bands", [3, 5])
def test_a_file_of_encoder_weights(encoder_file, bands):
    path, source = encoder_file
    keras.utils.set_random_seed(8)
    target = build("unet", height=32, width=32, bands=bands, classes=2, encoder="mobilenetv2")
    start(target, str(path), architecture="unet", encoder="mobilenetv2")
    assert np.array_equal(layer_weights(target, "block_3_expand")[0], layer_weights(source, "block_3_expand")[0])
    np.testing.assert_allclose(layer_weights(target, "Conv1")[0].sum(2), layer_weights(source, "Conv1")[0].sum(2), atol=1e-5)


def test_a_file_of_something_else_is_refused(tmp_path):
    (tmp_path / "notes.h5").write_text("no weights")
    with pytest.raises(InputError, match="holds no weights of mobilenetv2"):
        start(unet(), str(tmp_path / "notes.h5"), architecture="unet", encoder="mobilenetv2")
