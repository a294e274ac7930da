"""Maps of measured values: the numbers of onnxruntime, blended, resumed and described; and where classes are needed, one line."""

from __future__ import annotations

import json

import numpy as np
import onnxruntime
import pytest
import rasterio
from affine import Affine

from core.__main__ import main
from core.errors import InputError, ModelError
from core.model_store.examining import examine
from core.model_store.importing import Answers, import_model
from core.model_store.models import find_model
from core.prediction.batch import predict_batch
from core.prediction.engines.engine import Engine, open_engine
from core.prediction.folder.measured import MeasuredMap, Statistics, measured_folders, ramp
from core.prediction.folder.origin import pictured
from core.prediction.folder.rasters import Prediction, prediction_folders
from core.prediction.predict import predict
from core.scenes.scene import Window
from core.workspace import Workspace
from tests.helpers.measuring import FACTORS, OFFSET, write_measuring

HEIGHT, WIDTH = 100, 130
PLACE = {"crs": "EPSG:32640", "transform": Affine(0.5, 0, 325000, 0, -0.5, 2786000)}
BARE = (slice(40, 60), slice(70, 100))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("measuring")
    return import_model(write_measuring(folder / "net.onnx"), folder / "heights", Answers())


@pytest.fixture
def pixels():
    """Random bytes (3, h, w), with a part that holds nothing."""
    found = np.random.default_rng(0).integers(1, 256, (3, HEIGHT, WIDTH), np.uint8)
    found[:, *BARE] = 0
    return found


@pytest.fixture
def scene(tmp_path, pixels):
    path = tmp_path / "hill.tif"
    with rasterio.open(path, "w", driver="GTiff", height=HEIGHT, width=WIDTH, count=3, dtype="uint8", nodata=0, **PLACE) as out:
        out.write(pixels)
    return path


def by_onnxruntime(model, pixels):
    """What the file gives for each pixel, patch by patch as somebody without Groundline would ask it; it looks at no neighbours."""
    session = onnxruntime.InferenceSession(str(model.file))
    padded = np.pad(pixels / np.float32(255), ((0, 0), (0, -HEIGHT % 32), (0, -WIDTH % 32)))
    found = np.empty(padded.shape[1:], np.float32)
    for row in range(0, padded.shape[1], 32):
        for col in range(0, padded.shape[2], 32):
            found[row : row + 32, col : col + 32] = session.run(None, {"image": padded[None, :, row : row + 32, col : col + 32]})[0][0, 0]
    return found[:HEIGHT, :WIDTH]


@pytest.mark.parametrize("how", [{"overlap": 0.0}, {"overlap": 0.5, "symmetries": 8}])
def test_values_are_those_of_onnxruntime_and_nan_where_there_is_nothing(model, scene, pixels, tmp_path, how):
    done = predict(model, scene, tmp_path / "out", memory="8GiB", **how)
    expected = by_onnxruntime(model, pixels)
    assert expected[3, 5] == pytest.approx(sum(k * int(band) / 255 for k, band in zip(FACTORS, pixels[:, 3, 5], strict=True)) + OFFSET)
    with rasterio.open(tmp_path / "out" / "values.tif") as file:
        values = file.read(1)
        assert (file.count, file.dtypes, file.crs, file.transform) == (1, ("float32",), rasterio.CRS.from_epsg(32640), PLACE["transform"])
        assert np.isnan(file.nodata) and file.descriptions == ("Height, m",) and file.tags()["GROUNDLINE_MODEL"] == "net"
    known = np.ones((HEIGHT, WIDTH), bool)
    known[BARE] = False
    assert (np.isfinite(values) == known).all()
    assert np.abs(values[known] - expected[known]).max() < 1e-4
    found = MeasuredMap.open(tmp_path / "out")
    about = found.statistics
    assert about.pixels == HEIGHT * WIDTH - 600 and done.engine == "openvino"
    told = (about.low, about.mean, about.high)
    assert told == pytest.approx((expected[known].min(), expected[known].mean(), expected[known].max()), abs=1e-4)
    assert (about.shown_low, about.shown_high) == pytest.approx(tuple(np.percentile(expected[known], (2, 98))), abs=1e-4)
    assert (found.name, found.card_name, found.geo.epsg, found.window) == ("Height, m", "net", 32640, Window(0, 0, HEIGHT, WIDTH))
    assert pictured(found).shape == (HEIGHT, WIDTH)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"values.tif", "measured.json"}


def test_a_part_at_another_scale_keeps_its_values_and_large_maps_have_overviews(model, tmp_path):
    picture = np.full((3, 290, 310), 51, np.uint8)  # 0.2 of each band: 0.2 * 1.5 - 0.25 = 0.05
    with rasterio.open(tmp_path / "flat.tif", "w", driver="GTiff", height=290, width=310, count=3, dtype="uint8", **PLACE) as out:
        out.write(picture)
    predict(model, tmp_path / "flat.tif", tmp_path / "out", scales=(0.75, 1.0), overlap=0.0, memory="8GiB", window=Window(10, 20, 270, 280))
    found = MeasuredMap.open(tmp_path / "out")
    assert (found.height, found.width) == (270, 280)
    assert np.abs(found.values() - 0.05).max() < 1e-5 and found.statistics.low == pytest.approx(found.statistics.high, abs=1e-5)
    with rasterio.open(tmp_path / "out" / "values.tif") as file:
        assert file.overviews(1) == [2]
    colours, known = found.picture(Window(0, 0, 8, 8), (4, 4))
    assert colours.shape == (4, 4, 3) and known.all()


def test_a_killed_run_goes_on_where_it_was(model, scene, tmp_path):
    ready, calls = open_engine(model), []

    def counting(limit):
        def call(patches):
            calls.append(len(patches))
            if len(calls) == limit:
                raise KeyboardInterrupt
            return ready.run(patches)

        return Engine("openvino", call, ready.normalise, 1, 32)

    with pytest.raises(KeyboardInterrupt):
        predict(model, scene, tmp_path / "out", engine=counting(40), overlap=0.5, memory="8GiB")
    assert not (tmp_path / "out").exists()
    calls.clear()
    predict(model, scene, tmp_path / "out", engine=counting(0), overlap=0.5, memory="8GiB")
    whole = predict(model, scene, tmp_path / "whole", overlap=0.5, memory="8GiB")
    assert len(calls) < whole.windows
    np.testing.assert_array_equal(MeasuredMap.open(tmp_path / "out").values(), MeasuredMap.open(tmp_path / "whole").values())
    again = predict(model, scene, tmp_path / "whole", overlap=0.5, memory="8GiB", keep_finished=True)
    assert again.windows == whole.windows


def test_a_scene_without_any_value_says_so(model, tmp_path):
    with rasterio.open(tmp_path / "none.tif", "w", driver="GTiff", height=40, width=40, count=3, dtype="uint8", nodata=0, **PLACE) as out:
        out.write(np.zeros((3, 40, 40), np.uint8))
    predict(model, tmp_path / "none.tif", tmp_path / "out", memory="8GiB")
    assert MeasuredMap.open(tmp_path / "out").statistics == Statistics(0)


def test_a_batch_and_the_lists_know_them_apart_from_predictions(model, scene, tmp_path):
    workspace = Workspace(tmp_path / "workspace")
    (row,) = predict_batch(model, [scene], workspace.predictions / "batch", memory="8GiB").rows
    assert row["state"] == "done" and measured_folders(workspace) == [workspace.predictions / "batch" / "hill"]
    assert prediction_folders(workspace) == []
    with pytest.raises(
        InputError, match="^hill holds measured values, and no classes. Expected a prediction of a model that gives classes"
    ):
        Prediction.open(row["folder"])


def test_what_needs_classes_refuses_them_in_one_line(model, scene, tmp_path, capsys):
    predict(model, scene, tmp_path / "out", memory="8GiB")
    out, heights, gone = tmp_path / "out", model.folder, tmp_path / "gone"
    (tmp_path / "strokes.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": []}))
    sample = str(find_model("sample-town").folder.parents[1] / "sample_data" / "town")
    by_map = [["vectorize", out, gone.with_suffix(".gpkg")], ["handover", out, gone]]
    by_model = [["evaluate", heights, sample], ["quantise", heights, scene], ["demo", gone, "--model", heights]]
    for words, told in [(words, "out holds measured values, and no classes. ") for words in by_map] + [
        (words, "net measures Height, m, and gives no classes. Expected a model that gives classes. Choose another model.")
        for words in by_model
    ]:
        assert main([str(word) for word in words]) == 2, words
        said = capsys.readouterr().err.strip().splitlines()
        assert len(said) == 1 and said[0].startswith(told), words
    assert main(["predict", str(heights), str(scene), str(gone), "--cluster", "local"]) == 2
    assert capsys.readouterr().err.startswith("a cluster for net, which measures Height, m. ")
    assert main(["vectorize", str(out / "values.tif"), str(gone.with_suffix(".gpkg"))]) == 2
    assert not gone.exists() and main(["estimate", str(heights), str(scene)]) == 0


def test_a_file_says_what_it_measures_or_is_asked(tmp_path):
    told = examine(write_measuring(tmp_path / "net.onnx"))
    assert told.card.measured == "Height, m" and told.card.pixel_size_m == 0.5 and told.asks == ("bands",)
    assert "Measures Height, m: one value for each pixel." in told.tells
    unnamed = write_measuring(tmp_path / "unnamed.onnx", class_names="")
    taken = import_model(unnamed, tmp_path / "unnamed", Answers())
    assert taken.card.measured == "Value" and "what is measured is called Value" in taken.card.assumed
    assert "It gives one measured value for each pixel, Value, and no classes." in (taken.folder / "README.md").read_text()
    assert find_model(taken.folder).card == taken.card
    from core.model_store.importing import scheme_of

    named = import_model(unnamed, tmp_path / "named", Answers(scheme=scheme_of(["Depth, m"])))
    assert named.card.measured == "Depth, m"
    with pytest.raises(ModelError, match="two.onnx calls itself a Regressor and gives 2 values for each pixel. Expected one"):
        import_model(write_measuring(tmp_path / "two.onnx", channels=2), tmp_path / "two", Answers())


def test_colours_run_from_dark_blue_over_green_to_yellow():
    assert ramp(np.array([-1.0, 0.0, 0.5, 1.0, 9.0])).tolist() == [[68, 1, 84], [68, 1, 84], [33, 145, 140], [253, 231, 37], [253, 231, 37]]
    assert ramp(np.array([0.125])).tolist() == [[64, 42, 112]]  # half-way to (59, 82, 139): 63.5, 41.5, 111.5
