"""A network for patches of 24 x 40 pixels, from the file to the scene: each window gives what the network gives for it."""

import importlib.util

import keras
import numpy as np
import pytest

from core.errors import InputError, ModelError
from core.model_store.importing import Answers, import_model
from core.prediction.blend.plans import plan_blend
from core.prediction.engines.engine import compiled, open_engine
from core.prediction.engines.exporting import FORMATS, export_model
from core.prediction.engines.quantising import quantise
from core.prediction.estimate import estimate
from core.prediction.folder.rasters import Prediction
from core.prediction.predict import predict
from core.scenes.opening import scene_of_array
from core.scenes.scene import Window
from core.verbs import registry
from tests.helpers.blended import reference

HEIGHT, WIDTH = 24, 40
CLOSE = 1.51 / 255  # half a byte, and a runner-up that is as large as the winner is lowered by one
pytestmark = pytest.mark.slow  # networks are built, converted and loaded by other programs


@pytest.fixture(scope="module")
def rectangular(tmp_path_factory):
    """The network, which tells three classes by their brightness and by their place in the patch, and the model made of its file."""
    folder = tmp_path_factory.mktemp("rectangular")
    given = keras.Input((HEIGHT, WIDTH, 3))
    hidden = keras.layers.Conv2D(6, 3, padding="same", activation="relu", kernel_initializer=keras.initializers.RandomNormal(0, 1, 1))(
        given
    )
    placed = keras.layers.Dense(3, kernel_initializer=keras.initializers.RandomNormal(0, 1, 2))(hidden)
    place = np.random.default_rng(0).random((HEIGHT, WIDTH, 3)).tolist()
    network = keras.Model(given, keras.layers.Softmax()(keras.layers.Rescaling(3.0, offset=place)(placed)))
    network.save(folder / "net.h5")
    return network, import_model(folder / "net.h5", folder / "model", Answers())


def picture(height, width):
    return np.random.default_rng(7).integers(0, 256, (height, width, 3), dtype=np.uint8)


def given(network, patches):
    return np.asarray(network(patches.astype(np.float32) / 255, training=False))


def test_a_scene_of_one_window_gets_the_networks_own_values(rectangular, tmp_path):
    network, model = rectangular
    image = picture(HEIGHT, WIDTH)
    predict(model, scene_of_array(image), tmp_path / "out", engine="tensorflow", overlap=0, memory="8GiB")
    made, expected = Prediction.open(tmp_path / "out"), given(network, image[None])[0]
    np.testing.assert_array_equal(made.labels(), expected.argmax(-1))
    assert np.abs(made.probabilities() / 255 - expected).max() <= CLOSE
    assert made.made["settings"]["patch_size"] == [HEIGHT, WIDTH]


@pytest.mark.parametrize(("symmetries", "concerns"), [(1, []), (8, ["symmetries"])])
@pytest.mark.parametrize("window", [None, Window(5, 30, 40, 60)])
def test_a_larger_scene_is_blended_of_such_windows(rectangular, tmp_path, symmetries, concerns, window):
    network, model = rectangular
    image = picture(61, 101)
    result = predict(
        model, scene_of_array(image), tmp_path / "out", engine="tensorflow", symmetries=symmetries, window=window, memory="8GiB"
    )
    plan = plan_blend(61, 101, patch_size=(HEIGHT, WIDTH), symmetries=symmetries)
    expected = reference(image, lambda patches: given(network, patches), plan, classes=3)[window.slices if window else ...]
    found = Prediction.open(tmp_path / "out").probabilities() / 255
    assert np.abs(found - expected).max() <= CLOSE
    assert [concern.code for concern in result.warnings] == concerns


@pytest.mark.skipif(importlib.util.find_spec("openvino") is None, reason="OpenVINO is not installed")
def test_every_engine_and_export_takes_the_rectangle(rectangular, tmp_path, monkeypatch):
    monkeypatch.setenv("GROUNDLINE_CACHE", str(tmp_path / "cache"))
    network, model = rectangular
    image = np.stack([picture(HEIGHT, WIDTH)] * 2)
    for name in ("openvino", "tensorflow"):
        np.testing.assert_allclose(open_engine(model, engine=name)(image), given(network, image), atol=1e-4)
    for format in FORMATS:
        out = tmp_path / ("net.onnx" if format == "onnx" else format)
        export_model(model, out, format=format)
        file = next(out.glob("*.xml")) if format == "openvino" else out
        fed = image.astype(np.float32) / 255
        found = compiled(file, 2)(fed.transpose(0, 3, 1, 2)).transpose(0, 2, 3, 1) if format == "onnx" else compiled(file, 2)(fed)
        np.testing.assert_allclose(found, given(network, image), atol=1e-4)


@pytest.mark.skipif(importlib.util.find_spec("nncf") is None, reason="NNCF is not installed")
def test_int8_takes_the_rectangle_too(rectangular, tmp_path, monkeypatch):
    monkeypatch.setenv("GROUNDLINE_CACHE", str(tmp_path / "cache"))
    from PIL import Image

    network, model = rectangular
    Image.fromarray(picture(97, 161)).save(tmp_path / "scene.png")
    told = quantise(model, tmp_path / "scene.png")
    assert told["patch_size"] == (HEIGHT, WIDTH) and told["agreement"] >= 0.98
    fast = open_engine(model, engine="fast")
    assert np.abs(fast(picture(HEIGHT, WIDTH)[None]) - given(network, picture(HEIGHT, WIDTH)[None])).max() < 0.1


def test_an_estimate_counts_its_windows(rectangular):
    _, model = rectangular
    told = estimate(model, scene_of_array(picture(61, 101)), engine="tensorflow", memory="8GiB")
    assert told.windows == plan_blend(61, 101, patch_size=(HEIGHT, WIDTH)).windows


def test_another_patch_size_is_refused(rectangular, tmp_path):
    _, model = rectangular
    with pytest.raises(ModelError, match="only takes 24 x 40 pixels, and patches of 40 x 40"):
        predict(model, scene_of_array(picture(61, 101)), tmp_path / "out", engine="tensorflow", patch_size=40)
    assert not (tmp_path / "out").exists()


def test_prepared_patches_are_squares(rectangular, tmp_path):
    from PIL import Image

    for part, values in (("images", picture(96, 96)), ("masks", picture(96, 96)[..., 0] // 128)):
        (tmp_path / "data" / part).mkdir(parents=True)
        Image.fromarray(values).save(tmp_path / "data" / part / "a.png")
    prepared = registry.run(
        "prepare", {"dataset": str(tmp_path / "data"), "out": str(tmp_path / "patches"), "patch_size": 32, "stride": 32}
    )
    assert prepared
    with pytest.raises(InputError, match="square patches of 32 px. Expected 24 x 40 px"):
        quantise(rectangular[1], tmp_path / "patches")
