import json

import h5py
import keras
import numpy as np
import pytest
from keras import layers

from core.errors import ModelError
from core.model_store import models
from core.model_store.cards import ModelCard
from core.model_store.legacy import describe, has_network
from core.model_store.models import card_from_file, find_model, list_models
from core.networks import build
from tests.helpers.learning_fakes import SCHEME


def save_model(folder, name="toy", **changes):
    folder.mkdir(parents=True)
    network = build("unet", height=32, width=32, bands=3, classes=3, filters=(4, 6))
    network.save(folder / "model.keras")
    options = {"filters": [4, 6], "dropout": 0.1}
    card = ModelCard(name=name, architecture="unet", scheme=SCHEME, bands=(1, 2, 3), patch_size=32, network=options, **changes)
    card.save(folder)
    return network


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    monkeypatch.setenv("GROUNDLINE_WORKSPACE", str(tmp_path))
    monkeypatch.setattr(models, "MODELS", tmp_path / "project" / "models")
    return tmp_path


def batch(height=32, width=32, bands=3):
    return np.random.default_rng(0).random((2, height, width, bands), dtype=np.float32)


def test_by_name_folder_and_file(workspace):
    network = save_model(workspace / "models" / "toy")
    wanted = np.asarray(network(batch(), training=False))
    for name in (
        "toy",
        workspace / "models" / "toy",
        workspace / "models" / "toy" / "model.keras",
        workspace / "models" / "toy" / "card.json",
    ):
        model = find_model(name)
        assert model.card.name == "toy"
        np.testing.assert_allclose(np.asarray(model.keras_model()(batch(), training=False)), wanted, atol=1e-6)
    assert find_model("toy").size_bytes > 1000


def test_an_unknown_name_lists_the_known_ones(workspace):
    save_model(workspace / "models" / "toy")
    with pytest.raises(ModelError, match="no model called 'tuy'. Expected one of toy"):
        find_model("tuy")


def test_listing_passes_over_a_broken_folder_and_takes_runs(workspace):
    save_model(workspace / "models" / "b-model", name="B")
    save_model(workspace / "project" / "models" / "a-model", name="a")
    save_model(workspace / "runs" / "one", name="run")
    (workspace / "models" / "broken").mkdir()
    (workspace / "models" / "broken" / "card.json").write_text("{")
    assert [model.card.name for model in list_models()] == ["a", "B"]
    assert [model.card.name for model in list_models([workspace / "runs"])] == ["a", "B", "run"]
    assert [model.card.name for model in list_models([workspace / "runs" / "one"])] == ["a", "B", "run"]
    with pytest.raises(ModelError):
        find_model("broken")


def test_a_card_without_its_network_says_so(workspace):
    save_model(workspace / "models" / "toy")
    (workspace / "models" / "toy" / "model.keras").unlink()
    with pytest.raises(ModelError, match="no model.keras"):
        find_model("toy")


def test_a_card_that_lies_about_its_network_is_caught(workspace):
    save_model(workspace / "toy")
    card = ModelCard.load(workspace / "toy").to_dict()
    (workspace / "toy" / "card.json").write_text(json.dumps({**card, "bands": [1, 2]}))
    with pytest.raises(ModelError, match="3 bands into 3 classes.*2 bands"):
        find_model(workspace / "toy").keras_model()


def test_another_patch_size_keeps_the_weights(workspace):
    network = save_model(workspace / "toy")
    wide = find_model(workspace / "toy").keras_model(height=48, width=64)
    assert wide.output_shape == (None, 48, 64, 3)
    picture = batch(48, 64)
    # Away from the rim a fully convolutional network gives the same at any size.
    inner = np.asarray(wide(picture, training=False))[:, 12:20, 12:20]
    np.testing.assert_allclose(inner, np.asarray(network(picture[:, :32, :32], training=False))[:, 12:20, 12:20], atol=1e-5)


def plain(classes, activation, size=32):
    inputs = keras.Input((size, size, 4))
    x = layers.Conv2D(6, 3, padding="same", activation="relu")(inputs)
    if activation == "layer":
        x = layers.Activation("softmax")(layers.Conv2D(classes, 1)(x))
    else:
        x = layers.Conv2D(classes, 1, activation=activation)(x)
    return keras.Model(inputs, x)


@pytest.mark.parametrize("suffix", [".h5", ".hdf5", ".keras"])
@pytest.mark.parametrize(
    ("classes", "activation", "output"),
    [(5, "softmax", "softmax"), (5, "layer", "softmax"), (1, "sigmoid", "sigmoid"), (4, None, "logits")],
)
def test_a_file_alone_gets_a_card_from_what_it_says(tmp_path, suffix, classes, activation, output):
    network = plain(classes, activation)
    network.compile("adam", loss=lambda truth, guess: keras.ops.mean(guess))  # a custom loss must not matter
    path = tmp_path / f"old{suffix}"
    network.save(path)
    model = find_model(path)
    card = model.card
    assert (card.output, card.bands, card.patch_size, len(card.scheme)) == (output, (1, 2, 3, 4), 32, max(2, classes))
    assert card.assumed and card.name == "old"
    raw = np.asarray(network(batch(bands=4), training=False))
    probabilities = np.asarray(model.keras_model()(batch(bands=4), training=False))
    assert probabilities.shape[-1] == len(card.scheme)
    np.testing.assert_allclose(probabilities.sum(-1), 1, atol=1e-5)
    if output == "sigmoid":
        np.testing.assert_allclose(probabilities[..., 1], raw[..., 0], atol=1e-6)
    else:
        assert np.array_equal(probabilities.argmax(-1), raw.argmax(-1))


def test_a_network_of_any_size_can_be_loaded(tmp_path):
    plain(3, "softmax", size=None).save(tmp_path / "free.h5")
    model = find_model(tmp_path / "free.h5")
    assert model.card.patch_size == 256 and any("any size" in item for item in model.card.assumed)
    assert np.asarray(model.keras_model(height=20, width=24)(batch(20, 24, 4), training=False)).shape == (2, 20, 24, 3)


def test_the_groups_argument_of_keras_2_is_passed_over(tmp_path):
    inputs = keras.Input((16, 16, 3))
    network = keras.Model(inputs, layers.Conv2D(2, 1, activation="softmax")(layers.DepthwiseConv2D(3, padding="same")(inputs)))
    path = tmp_path / "keras2.h5"
    network.save(path)
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        depthwise = next(layer for layer in config["config"]["layers"] if layer["class_name"] == "DepthwiseConv2D")
        depthwise["config"]["groups"] = 1
        file.attrs["model_config"] = json.dumps(config)
    loaded = find_model(path).keras_model()
    np.testing.assert_allclose(
        np.asarray(loaded(batch(16, 16), training=False)), np.asarray(network(batch(16, 16), training=False)), atol=1e-6
    )


def test_the_form_that_keras_2_wrote_is_understood(tmp_path):
    nodes = [
        {"class_name": "InputLayer", "name": "in", "config": {"batch_input_shape": [None, 128, 128, 3]}, "inbound_nodes": []},
        {"class_name": "Conv2D", "name": "c", "config": {"filters": 6, "activation": "linear"}, "inbound_nodes": [[["in", 0, 0, {}]]]},
        {"class_name": "Activation", "name": "softmax", "config": {"activation": "softmax"}, "inbound_nodes": [[["c", 0, 0, {}]]]},
    ]
    with h5py.File(tmp_path / "old.hdf5", "w") as file:
        config = {"name": "model_1", "layers": nodes, "input_layers": [["in", 0, 0]], "output_layers": [["softmax", 0, 0]]}
        file.attrs["model_config"] = json.dumps({"class_name": "Functional", "config": config})
    found = describe(tmp_path / "old.hdf5")
    assert (found.height, found.width, found.bands, found.outputs, found.activation) == (128, 128, 3, 6, "softmax")


def test_a_lambda_layer_is_refused(tmp_path):
    inputs = keras.Input((8, 8, 3))
    network = keras.Model(inputs, layers.Conv2D(2, 1, activation="softmax")(layers.Lambda(lambda x: x / 255)(inputs)))
    for suffix in (".keras", ".h5"):
        network.save(tmp_path / f"code{suffix}")
        with pytest.raises(ModelError, match="Lambda"):
            find_model(tmp_path / f"code{suffix}")


def test_weights_alone_and_other_files_say_what_they_are(tmp_path):
    plain(2, "softmax").save_weights(tmp_path / "only.weights.h5")
    assert not has_network(tmp_path / "only.weights.h5")
    with pytest.raises(ModelError, match="is a file of weights alone"):
        card_from_file(tmp_path / "only.weights.h5")
    (tmp_path / "notes.h5").write_text("hello")
    with pytest.raises(ModelError, match="notes.h5 is of no kind"):
        find_model(tmp_path / "notes.h5")
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(ModelError, match="notes.txt is of no kind"):
        find_model(tmp_path / "notes.txt")


def test_the_card_of_an_efficientnet_file_loads_with_its_own_layers(tmp_path):
    from core.networks.zoo import library

    network = library().Unet("efficientnetb0", input_shape=(32, 32, 3), classes=2, activation="softmax", encoder_weights=None)
    network.save(tmp_path / "eff.h5")
    model = find_model(tmp_path / "eff.h5")
    assert len(model.card.scheme) == 2
    for mine, theirs in zip(model.keras_model().get_weights(), network.get_weights(), strict=True):
        assert np.array_equal(mine, theirs)
