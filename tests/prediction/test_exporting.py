import json
import sys
from dataclasses import replace

import keras
import numpy as np
import onnxruntime
import pystac
import pytest
from stac_model.schema import MLModelExtension, MLModelProperties

from core.classes import ClassScheme
from core.errors import ExportError, SettingsError
from core.model_store.cards import ModelCard
from core.model_store.importing import Answers, import_model
from core.model_store.models import Model, find_model
from core.model_store.serving.deepness import keys_of
from core.networks import build
from core.prediction.blend.blending import blend
from core.prediction.blend.plans import plan_blend
from core.prediction.engines import exporting
from core.prediction.engines.engine import compiled, open_engine
from core.prediction.engines.exporting import FORMATS, export_model
from core.prediction.engines.mlm_item import mlm_item
from core.prediction.temperature import with_temperature
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
    found = by_onnxruntime(out, batch) if format == "onnx" else compiled(file, 2)(batch)
    np.testing.assert_allclose(found, model.keras_model().predict_on_batch(batch), atol=1e-4)
    card = ModelCard.load(tmp_path / "small.card.json" if format == "onnx" else out)
    assert card.scheme == SCHEME and card.bands == (1, 2, 3, 4) and card.output == "softmax"
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def by_onnxruntime(file, batch):
    """Probabilities (n, h, w, K) of a batch (n, h, w, B) by a network that has its channels first, as every program may ask for them."""
    session = onnxruntime.InferenceSession(str(file))
    (image,) = session.get_inputs()
    assert (image.name, image.shape) == ("image", ["batch", batch.shape[-1], *batch.shape[1:3]])
    return session.run(None, {image.name: batch.transpose(0, 3, 1, 2)})[0].transpose(0, 2, 3, 1)


def by_deepness(file, tiles):
    """What the plugin of QGIS makes of tiles uint8 (n, h, w, B), by the rules of its documents and the keys in the file alone."""
    said = onnxruntime.InferenceSession(str(file)).get_modelmeta().custom_metadata_map
    mean, std = (np.array([float(one) for one in json.loads(said[f"standardization_{word}"])], np.float32) for word in ("mean", "std"))
    return by_onnxruntime(file, (np.float32(tiles * (1 / 255)) - mean) / std)


RULES = {
    "divided": {"kind": "divide", "divisor": [255.0, 100.0, 50.0, 10.0]},
    "standardised": {"kind": "standard", "mean": [90.0, 80.0, 100.0, 60.0], "std": [50.0, 60.0, 40.0, 30.0]},
    "as it is": {"kind": "none"},
    "patch by patch": {"kind": "patch", "bands": "each"},
}


@pytest.mark.parametrize("rule", ["standardised", "patch by patch"])
def test_deepness_answers_for_a_whole_scene_as_we_do(model, tmp_path, monkeypatch, rule):
    monkeypatch.setenv("GROUNDLINE_CACHE", str(tmp_path / "cache"))
    model = replace(model, card=replace(model.card, normalisation=RULES[rule], pixel_size_m=0.5))
    file = export_model(model, tmp_path / "a.onnx").path
    scene = np.random.default_rng(7).integers(0, 256, (80, 112, 4)).astype(np.uint8)
    scene[:40, :40] = 9  # ground without any difference, which nothing can be stretched to
    engines = {"ours": open_engine(model, engine="tensorflow"), "theirs": lambda tiles: by_deepness(file, tiles)}
    if rule == "standardised":  # what was exported is taken in again, by what it says
        card = (again := import_model(file, tmp_path / "again", Answers())).card
        assert (card.scheme.names, card.pixel_size_m, card.assumed) == (SCHEME.names, 0.5, ("the first 4 bands in the image's order",))
        np.testing.assert_allclose([*card.normalisation["mean"], *card.normalisation["std"]], [*RULES[rule]["mean"], *RULES[rule]["std"]])
        engines["again"] = open_engine(again)
    found = {}
    for name, run in engines.items():
        out = found[name] = np.zeros((80, 112, 3), np.float32)

        def write(part, values, out=out):
            out[part.row : part.row + part.height, part.col : part.col + part.width] = values

        def read(part):
            return scene[part.row : part.row + part.height, part.col : part.col + part.width]

        blend(plan_blend(80, 112, patch_size=32, overlap=0.5), read, run, write, classes=3)
        np.testing.assert_allclose(out, found["ours"], atol=1e-3)
    assert np.ptp(found["ours"]) > 0.1


@pytest.mark.parametrize("rule", ["divided", "standardised", "as it is"])
def test_mean_and_spread_are_said_for_values_that_deepness_divided_by_255(model, rule):
    card = replace(model.card, normalisation=RULES[rule])
    said, _ = keys_of(card, overlap=0.5)
    tiles = np.random.default_rng(2).integers(0, 256, (2, 8, 8, 4)).astype(np.uint8)
    mean, std = (np.array(json.loads(said[f"standardization_{word}"])) for word in ("mean", "std"))
    np.testing.assert_allclose((tiles / 255 - mean) / std, card.normalise(tiles), rtol=1e-5, atol=1e-5)


def test_the_keys_inside_are_those_that_deepness_reads(model, tmp_path):
    card = replace(model.card, pixel_size_m=0.3, scale=0.5, licence="CC BY 4.0", temperature=1.7)
    exported = export_model(replace(model, card=card), tmp_path / "a.onnx")
    said = onnxruntime.InferenceSession(str(exported.path)).get_modelmeta().custom_metadata_map
    assert said.pop("license") == "CC BY 4.0"
    assert {key: json.loads(value) for key, value in said.items()} == {
        "model_type": "Segmentor",
        "class_names": {"0": "a", "1": "b", "2": "c"},
        "resolution": 60.0,  # 0.3 m on the ground, of which the network sees every second pixel
        "tiles_size": 32,
        "tile_size": 32,
        "tiles_overlap": 50,
        "standardization_mean": [0.0] * 4,
        "standardization_std": [1.0] * 4,
        "seg_thresh": 0.0,
        "seg_small_segment": 0,
    }
    # the temperature is in the network, and so not in the card beside it
    batch = np.random.default_rng(1).random((2, 32, 32, 4), np.float32)
    plain = model.keras_model().predict_on_batch(batch)
    np.testing.assert_allclose(by_onnxruntime(exported.path, batch), with_temperature(plain, 1.7), atol=1e-5)
    assert ModelCard.load(tmp_path / "a.card.json").temperature == 1.0 and exported.warnings == ()
    item = pystac.Item.from_file(tmp_path / "a.stac.json")
    assert item.properties["mlm:total_parameters"] == model.keras_model().count_params()
    assert item.assets["model"].extra_fields["file:size"] == exported.size_bytes


def test_what_deepness_cannot_do_as_we_do_is_said(model):
    card = replace(model.card, dtype="uint16", normalisation={"kind": "image", "low": 2.0, "high": 98.0}, patch_width=64)
    said = " ".join(keys_of(card, overlap=0.5)[1])
    for words in ("resolution in Deepness by hand", "trained on uint16", "statistics of the whole image", "32 x 64"):
        assert words in said


@pytest.mark.parametrize("rule", RULES)
def test_the_catalogues_item_is_one_of_the_extension_for_models(model, rule):
    card = replace(model.card, name="Ünser Netz, 2.0", normalisation=RULES[rule], training={"epochs": 3, "batch size": 4, "curve": [1, 2]})
    item = pystac.Item.from_dict(mlm_item(card, file="a.onnx", card_file="a.card.json", size_bytes=1234, parameters=99))
    told = MLModelProperties(**item.properties)
    assert told.name == "Ünser Netz, 2.0" and told.tasks == {"semantic-segmentation"} and told.framework == "ONNX"
    (image,), (answer,) = told.input, told.output
    assert image.input.shape == [-1, 4, 32, 32] and image.bands == ["band 1", "band 2", "band 3", "band 4"]
    assert answer.result.shape == [-1, 3, 32, 32] and [one.to_dict()["name"] for one in answer.classes] == ["a", "b", "c"]
    scaled = [one.type for one in image.value_scaling or ()]
    assert scaled == {"divide": ["min-max"] * 4, "standard": ["z-score"] * 4}.get(RULES[rule]["kind"], [])
    assert bool(image.pre_processing_function) == rule.startswith("patch")
    assert (
        MLModelExtension.ext(item).item is item
        and item.assets["model"].href == "./a.onnx"
        and item.assets["model"].extra_fields["file:size"] == 1234
    )


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
    monkeypatch.setattr("onnx.save", full)
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
