"""Engines on one tiny network: OpenVINO and TensorFlow answer as Keras does."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from core.classes import ClassScheme
from core.errors import ModelError, SettingsError
from core.model_store.cards import ModelCard
from core.model_store.models import find_model
from core.prediction.engines.engine import convert, open_engine

ROOT = Path(__file__).resolve().parents[2]
needs_openvino = pytest.mark.skipif(importlib.util.find_spec("openvino") is None, reason="OpenVINO is not installed")
pytestmark = pytest.mark.slow  # networks are built, converted and loaded by other programs


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    from core.networks.architectures import build

    folder = tmp_path_factory.mktemp("model")
    network = build("unet", height=32, width=32, bands=3, classes=5, filters=(4, 8))
    network.save(folder / "model.keras")
    scheme = ClassScheme(tuple("ABCDE"), tuple((i, 0, 0) for i in range(5)))
    ModelCard(name="tiny", architecture="unet", scheme=scheme, bands=(1, 2, 3), patch_size=32, network={"filters": (4, 8)}).save(folder)
    return find_model(folder)


@pytest.fixture
def patches():
    return np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)


@pytest.mark.parametrize("name", ["tensorflow", pytest.param("openvino", marks=needs_openvino)])
@pytest.mark.parametrize("batch_size", [None, 2])
def test_an_engine_answers_as_keras_does(model, patches, name, batch_size, tmp_path, monkeypatch):
    monkeypatch.setenv("GROUNDLINE_CACHE", str(tmp_path))
    expected = model.keras_model().predict(patches / np.float32(255), verbose=0)
    engine = open_engine(model, engine=name, batch_size=batch_size)
    found = engine(patches)
    assert engine.name == name and engine.seconds > 0 and found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-4)
    larger = open_engine(model, engine=name, patch_size=64)(np.tile(patches, (1, 2, 2, 1)))
    assert larger.shape == (3, 64, 64, 5)


@needs_openvino
def test_openvino_needs_no_tensorflow_in_this_process(model, tmp_path):
    script = (
        "import sys, numpy as np\n"
        "from core.model_store.models import find_model\n"
        "from core.prediction.engines.engine import convert, open_engine\n"
        "engine = open_engine(find_model(sys.argv[1]))\n"
        "out = engine(np.zeros((1, 32, 32, 3), np.uint8))\n"
        "assert abs(out.sum(axis=-1) - 1).max() < 1e-4\n"
        "assert 'tensorflow' not in sys.modules and 'keras' not in sys.modules\n"
        "print(engine.name)\n"
    )
    environment = {**os.environ, "GROUNDLINE_CACHE": str(tmp_path), "PYTHONPATH": str(ROOT), "PATH": ""}
    done = subprocess.run([sys.executable, "-c", script, str(model.folder)], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "openvino"


def test_a_broken_model_or_unknown_engine_is_named(model, tmp_path, monkeypatch):
    monkeypatch.setenv("GROUNDLINE_CACHE", str(tmp_path / "cache"))
    with pytest.raises(SettingsError, match="engine"):
        open_engine(model, engine="magic")
    broken = tmp_path / "broken"
    broken.mkdir()
    model.card.save(broken)
    (broken / "model.keras").write_bytes(b"no network")
    with pytest.raises(ModelError):
        open_engine(find_model(broken))


@needs_openvino
@pytest.mark.parametrize("inside", [False, True])
def test_nearest_upsampling_is_one_operation(tmp_path, inside):
    import keras

    inputs = keras.Input((16, 16, 2))
    network = keras.Model(inputs, keras.layers.UpSampling2D(2)(keras.layers.MaxPooling2D(2)(inputs)))
    if inside:  # as in an imported model
        image = keras.Input((16, 16, 2))
        network = keras.Model(image, keras.layers.Softmax()(network(image)))
    path = convert(network, 16, tmp_path / "network")
    assert 'type="Interpolate"' in path.read_text() and 'type="Tile"' not in path.read_text()
