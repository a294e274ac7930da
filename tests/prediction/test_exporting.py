import json
import sys

import keras
import numpy as np
import pytest

from core.classes import ClassScheme
from core.errors import ExportError, SettingsError
from core.model_store.cards import ModelCard
from core.model_store.models import Model, find_model
from core.networks import build
from core.prediction.engines import exporting
from core.prediction.engines.engine import compiled
from core.prediction.engines.exporting import FORMATS, export_model
from core.verbs import registry

SCHEME = ClassScheme(("a", "b", "c"), ((0, 0, 0), (9, 9, 9), (99, 99, 99)))
pytestmark = pytest.mark.slow  # networks are built, converted and loaded by other programs


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Model:
    folder = tmp_path_factory.mktemp("models") / "small"
    folder.mkdir()
    keras.utils.set_random_seed(0)
    build("fast", height=32, width=32, bands=4, classes=3, filters=(4, 6, 8, 10)).save(folder / "model.keras")
    network = {"filters": [4, 6, 8, 10], "dropout": 0.1}
    ModelCard(name="small", architecture="fast", scheme=SCHEME, bands=(1, 2, 3, 4), patch_size=32, network=network).save(folder)
    return find_model(folder)


@pytest.mark.parametrize("format", FORMATS)
def test_another_program_gets_the_same_probabilities(model, tmp_path, format):
    heard = []
    out = tmp_path / ("small.onnx" if format == "onnx" else "small")
    exported = export_model(model, out, format=format, on_progress=lambda *told: heard.append(told[:2]))
    assert exported.path == out and exported.size_bytes > 1000 and exported.difference < 1e-4 and heard[-1] == (3, 3)
    batch = np.random.default_rng(1).random((2, 32, 32, 4), np.float32)
    file = next(out.glob("*.xml")) if format == "openvino" else out
    np.testing.assert_allclose(compiled(file, 2)(batch), model.keras_model().predict_on_batch(batch), atol=1e-4)
    card = ModelCard.load(tmp_path / "small.card.json" if format == "onnx" else out)
    assert card.scheme == SCHEME and card.bands == (1, 2, 3, 4) and card.output == "softmax"
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_the_job_kind_goes_by_the_ending(model, tmp_path):
    answer = registry.run("export_model", {"model": str(model.folder), "out": str(tmp_path / "a.onnx")})
    assert answer["format"] == "onnx" and answer["size_bytes"] == (tmp_path / "a.onnx").stat().st_size
    json.dumps(answer)


def test_an_export_that_answers_differently_leaves_nothing(model, tmp_path, monkeypatch):
    monkeypatch.setattr(exporting, "compiled", lambda *_: lambda batch: np.full((*batch.shape[:3], 3), 1 / 3, np.float32))
    with pytest.raises(ExportError, match="differs from the model"):
        export_model(model, tmp_path / "bad", format="savedmodel")
    assert list(tmp_path.iterdir()) == []


def test_what_a_library_cannot_write_is_refused_in_one_line_and_leaves_nothing(model, tmp_path, monkeypatch):
    def full(*_, **__):
        raise RuntimeError("basic_ios::clear: iostream error")  # what OpenVINO says of a full disk

    monkeypatch.setattr("openvino.save_model", full)
    monkeypatch.setattr(type(model.keras_model()), "export", full)
    for number, format in enumerate(FORMATS):
        with pytest.raises(ExportError, match="out cannot be written .*iostream error.*Free some space"):
            export_model(model, tmp_path / f"{number}out", format=format)
    assert list(tmp_path.iterdir()) == []


def test_what_is_missing_or_in_the_way_is_said_before_the_work(model, tmp_path, monkeypatch):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    with pytest.raises(SettingsError, match="holds other files"):
        export_model(model, tmp_path / "full")
    with pytest.raises(SettingsError, match="export format 'tflite'"):
        export_model(model, tmp_path / "x", format="tflite")
    monkeypatch.setattr(exporting.importlib.util, "find_spec", lambda name: None if name == "tf2onnx" else sys.modules.get(name, 1))
    with pytest.raises(SettingsError, match="pip install tf2onnx"):
        export_model(model, tmp_path / "x.onnx")
