"""The int8 network: made of a tiny trained-looking network, measured, checked, and refused when it does not belong."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from core.classes import ClassScheme
from core.datasets.datasets import open_dataset
from core.errors import InputError, ModelError, SettingsError
from core.files import read_json, write_json
from core.model_store.cards import ModelCard
from core.model_store.models import find_model
from core.patches.prepare import prepare
from core.prediction.engines import quantising
from core.prediction.engines.engine import open_engine
from core.prediction.engines.int8 import RECORD_FILE, int8_folder, read_int8
from core.prediction.engines.quantising import quantise
from core.prediction.predict import predict
from core.scenes.opening import open_scene, scene_of_array
from core.verbs import registry

SCHEME = ClassScheme(("Dark", "Bright"), ((10, 20, 30), (0, 100, 200)))


def two_greys(seed, size=128):
    """Blocks of dark and bright pixels with noise, and which is which."""
    random = np.random.default_rng(seed)
    ids = np.kron(random.integers(0, 2, (size // 16, size // 16)), np.ones((16, 16))).astype(np.uint8)
    return np.clip(60 + 130 * ids[..., None] + random.normal(0, 8, (size, size, 3)), 0, 255).astype(np.uint8), ids


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    import keras

    inputs = keras.Input((32, 32, 3))
    hidden = keras.layers.Conv2D(8, 3, padding="same", activation="relu", name="hidden")(inputs)
    network = keras.Model(inputs, keras.layers.Conv2D(2, 1, activation="softmax", name="out")(hidden))
    # A mean of the 3 x 3 pixels in every channel, and bright where it is above 0.433: between 3 and 4 bright pixels of 9.
    network.get_layer("hidden").set_weights([np.full((3, 3, 3, 8), 1 / 27), np.zeros(8)])
    network.get_layer("out").set_weights([np.tile([[-1.0, 1.0]], (8, 1)).reshape(1, 1, 8, 2), np.array([3.464, -3.464])])
    folder = tmp_path_factory.mktemp("models") / "greys"
    folder.mkdir()
    network.save(folder / "model.keras")
    split = {"pairs": {"train": ["a"], "validation": ["b"], "test": []}}
    ModelCard(name="greys", architecture="file", scheme=SCHEME, bands=(1, 2, 3), patch_size=32, split=split).save(folder)
    return find_model(folder)


@pytest.fixture(scope="module")
def patches(tmp_path_factory):
    data = tmp_path_factory.mktemp("data")
    for part in ("images", "masks"):
        (data / part).mkdir()
    for number, name in enumerate("abc"):
        image, ids = two_greys(number)
        Image.fromarray(image).save(data / "images" / f"{name}.png")
        Image.fromarray(SCHEME.decode(ids)).save(data / "masks" / f"{name}.png")
    write_json(data / "classes.json", SCHEME.to_dict())
    return prepare(open_dataset(data), data / "patches", patch_size=32, stride=32).folder


@pytest.fixture(scope="module")
def quick(model, patches, tmp_path_factory):
    """The model with an int8 network, converted in a cache of its own, and what quantise told of it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GROUNDLINE_CACHE", str(tmp_path_factory.mktemp("cache")))
        seen = []
        told = registry.run("quantise", {"model": model.folder, "patches": patches}, on_progress=lambda *event: seen.append(event))
        assert seen[-1][:2] == (10, 10)  # of 16 patches of scene b, 8 are compared; 2 steps come before
        yield find_model(model.folder), told


def test_quantising_measures_on_patches_that_it_was_not_made_with(quick, model):
    ready, told = quick
    # 128 / 32 = 4 x 4 patches of scene b, which the card names; the folder's own validation part may be another.
    assert (told["calibrated"], told["measured"]) == (8, 8)
    assert told["agreement"] > 0.99 and told["mean_iou"] == pytest.approx(told["mean_iou_float"], abs=0.01) and told["mean_iou"] > 0.7
    assert ready.card.metrics["int8"]["agreement"] == told["agreement"] and "int8" in (model.folder / "README.md").read_text()
    assert read_int8(ready).measured == read_json(int8_folder(ready) / RECORD_FILE)["measured"] == 8
    assert "8 patches" in registry.find("quantise").said(told) and told["folder"] == str(model.folder / "model-int8")


def test_the_fast_engine_predicts_as_the_model_does(quick, tmp_path):
    ready, _ = quick
    scene = scene_of_array(two_greys(9, 96)[0])
    exact = open_engine(ready, engine="openvino")
    fast = open_engine(ready, engine="fast")
    image = scene.read()[None, :32, :32]
    assert np.abs(fast(image) - exact(image)).max() < 0.1 and fast.name == "fast" and fast.doubt == ""
    result = predict(ready, scene, tmp_path / "out", engine="fast", memory="8GiB")
    assert result.engine == "fast" and result.warnings == ()


def test_a_network_that_does_not_belong_is_refused(quick, model, tmp_path):
    ready, _ = quick
    with pytest.raises(SettingsError, match="64 px"):
        open_engine(ready, engine="fast", patch_size=64)
    for change, words in (
        (lambda folder: (folder / "model.keras").write_bytes(b"retrained"), "other weights"),
        (lambda folder: (folder / "model-int8/network.bin").write_bytes(b"cut"), "changed files"),
        (lambda folder: shutil.rmtree(folder / "model-int8"), "no int8 network"),
        (lambda folder: (folder / "model-int8" / RECORD_FILE).write_text("{}"), "cannot be read"),
    ):
        folder = tmp_path / words
        shutil.copytree(model.folder, folder)
        change(folder)
        with pytest.raises(ModelError, match=words):
            read_int8(find_model(folder))
        with pytest.raises(ModelError, match=words):
            open_engine(find_model(folder), engine="fast")


def test_a_doubtful_network_says_so_and_a_bad_one_is_not_kept(quick, patches, tmp_path, monkeypatch):
    ready, _ = quick
    monkeypatch.setattr("core.prediction.engines.engine.GOOD_AGREEMENT", 1.1)
    result = predict(ready, scene_of_array(two_greys(3, 64)[0]), tmp_path / "out", engine="fast", memory="8GiB")
    assert [concern.code for concern in result.warnings] == ["int8"]
    shutil.copytree(ready.folder, tmp_path / "copy")
    monkeypatch.setattr(quantising, "LEAST_AGREEMENT", 1.1)
    before = (tmp_path / "copy/model-int8" / RECORD_FILE).read_bytes()
    with pytest.raises(ModelError, match="110 %"):
        quantise(tmp_path / "copy", patches)
    assert (tmp_path / "copy/model-int8" / RECORD_FILE).read_bytes() == before


def test_a_scene_serves_where_the_patches_are_gone(quick, tmp_path):
    ready, _ = quick
    Image.fromarray(two_greys(5, 112)[0][:100, :100]).save(tmp_path / "scene.png")
    images, masks = quantising._patches(ready, tmp_path / "scene.png")
    # 100 px hold three patches of 32 px along each side; the first and the last lie at the corners.
    scene = open_scene(tmp_path / "scene.png").read()
    assert images.shape == (9, 32, 32, 3) and masks is None
    np.testing.assert_array_equal(images[0], ready.card.normalise(scene[:32, :32]))
    np.testing.assert_array_equal(images[8], ready.card.normalise(scene[-32:, -32:]))
    Image.fromarray(two_greys(5, 32)[0]).save(tmp_path / "small.png")
    with pytest.raises(InputError, match="1 patch"):
        quantise(ready, tmp_path / "small.png")


def test_patches_of_other_settings_are_refused(quick, patches):
    ready, _ = quick
    with pytest.raises(InputError, match="scale 1.*scale 0.5"):
        quantise(replace(ready, card=replace(ready.card, scale=0.5)), patches)
