"""Predictions on disk: aligned, complete, resumable, refused with a remedy."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from affine import Affine
from pyproj import CRS
from rasterio.control import GroundControlPoint

from core.errors import Cancelled, ExportError, GroundlineError, InputError, SceneError, SettingsError
from core.geo import GeoRef
from core.prediction import predict as predict_module
from core.prediction.blend.blending import bytes_per_column
from core.prediction.budget import resident_bytes
from core.prediction.folder import pyramids
from core.prediction.folder.label_file import write_labels
from core.prediction.folder.rasters import Prediction, prediction_folders
from core.prediction.folder.writing import GDAL_CACHE_BYTES
from core.prediction.predict import predict
from core.prediction.running import BlendLayout, plan_within, widest_px
from core.scenes.opening import open_scene, scene_of_array
from core.scenes.scene import Scene, Window
from core.words import MIB
from core.workspace import Workspace
from tests.helpers.standins import SCHEME, make_engine, make_model, probabilities

UTM = GeoRef(Affine(0.3, 0, 325000.0, 0, -0.3, 2788000.0), CRS.from_epsg(32640))


@pytest.fixture
def model(tmp_path):
    return make_model(tmp_path / "model")


def picture(height, width, seed=0):
    return np.random.default_rng(seed).integers(1, 255, (height, width, 3), dtype=np.uint8)


def run(model, scene, folder, **settings):
    # The limit is for the whole process, and this one may hold TensorFlow from other tests.
    settings = {"memory": "8GiB", **settings}
    return predict(model, scene, folder, engine=settings.pop("engine", None) or make_engine(model), **settings)


def test_labels_probabilities_confidence_and_margin_belong_together(model, tmp_path):
    image = picture(70, 91)
    result = run(model, scene_of_array(image, geo=UTM), tmp_path / "out")
    made = Prediction.open(tmp_path / "out")
    expected = probabilities(image[None] / np.float32(255))[0]
    assert np.abs(made.probabilities() / 255 - expected).max() <= 1.01 / 255 + 1e-3
    np.testing.assert_array_equal(made.labels(), made.probabilities().argmax(axis=2))
    np.testing.assert_array_equal(made.confidence(), made.probabilities().max(axis=2))
    ordered = np.sort(made.probabilities(), axis=2).astype(int)
    np.testing.assert_array_equal(made.margin(), ordered[..., 2] - ordered[..., 1])
    assert (made.scheme, made.card_name, made.height, made.width) == (SCHEME, "tiny", 70, 91)
    assert set(result.summary()) >= {"folder", "seconds", "model_seconds", "peak_memory_mib", "windows", "engine", "warnings", "seam_score"}
    # 91 px wide, patch 32, step 16, margin 8: ceil((91 + 16 - 32) / 16) + 1 = 6 columns; 70 px high: ceil(54 / 16) + 1 = 5 rows.
    assert result.windows == 30
    assert {path.name for path in tmp_path.iterdir()} == {"model", "out"}


@pytest.mark.parametrize("window", [None, Window(11, 5, 40, 60)])
def test_a_stretch_by_image_takes_the_limits_of_the_whole_scene(tmp_path, window):
    """Labels are those of the whole image stretched by NumPy at once, also where a part of it is predicted."""
    model = make_model(tmp_path / "model", normalisation={"kind": "image", "low": 2.0, "high": 98.0})
    image = np.random.default_rng(0).normal(120, 30, (70, 91, 3)).clip(1, 255).astype(np.uint8)
    run(model, scene_of_array(image, geo=UTM), tmp_path / "out", window=window)
    low, high = np.percentile(image, (2, 98), axis=(0, 1))
    expected = probabilities(np.clip((image - low) / (high - low), 0, 1)[None])[0][window.slices if window else ...]
    made = Prediction.open(tmp_path / "out")
    assert np.abs(made.probabilities() / 255 - expected).max() <= 1.01 / 255 + 1e-3
    sure = np.sort(expected, axis=2)[..., 2] - np.sort(expected, axis=2)[..., 1] > 2 / 255
    np.testing.assert_array_equal(made.labels()[sure], expected.argmax(axis=2)[sure])


def test_min_max_by_patch_gives_the_labels_of_the_tutorials_loop(tmp_path):
    """Every patch that prediction cuts, scaled by its own range: the same labels as scaling and predicting it by itself."""
    model = make_model(tmp_path / "model", normalisation={"kind": "patch", "bands": "each"})
    cut, given = [], []

    def scale(patches):
        cut.extend(patches.astype(np.float64))
        return model.card.normalise(patches)

    def network(patches):
        given.extend(probabilities(patches).argmax(-1))
        return probabilities(patches)

    image = np.random.default_rng(0).normal(np.linspace(60, 180, 91)[None, :, None], 20, (70, 91, 3)).clip(0, 255).astype(np.uint8)
    run(model, scene_of_array(image), tmp_path / "out", engine=replace(make_engine(model, network), normalise=scale))
    assert len(cut) == len(given) >= 30
    for patch, labels in zip(cut, given, strict=True):
        low, high = patch.min((0, 1)), patch.max((0, 1))
        scaled = (patch - low) / np.where(high > low, high - low, 1)
        np.testing.assert_array_equal(labels, probabilities(scaled.astype(np.float32)[None])[0].argmax(-1))


def test_a_threshold_hides_unsure_pixels_without_the_network(model, tmp_path):
    run(model, scene_of_array(picture(40, 50)), tmp_path / "out")
    made = Prediction.open(tmp_path / "out")
    confidence, plain = made.confidence(), made.labels()
    np.testing.assert_array_equal(made.labels(threshold=0.8), np.where(confidence < 204, 255, plain))
    window = Window(5, 7, 11, 13)
    np.testing.assert_array_equal(made.labels(window, 0.8), made.labels(threshold=0.8)[window.slices])
    with pytest.raises(SettingsError):
        made.labels(threshold=1.5)


def test_unsure_pixels_can_go_to_their_neighbours(model, tmp_path):
    # Dark, then 10 columns of grey 0.3 (class 0 at 0.4, class 1 at 0.6), then bright: the unsure columns are halved.
    image = np.zeros((40, 60, 3), np.uint8)
    image[:, 20:30] = 77
    image[:, 30:] = 255
    run(model, scene_of_array(image), tmp_path / "out")
    made = Prediction.open(tmp_path / "out")
    np.testing.assert_array_equal(made.labels()[5], [0] * 20 + [1] * 10 + [2] * 30)
    np.testing.assert_array_equal(made.labels(threshold=0.8)[5], [0] * 20 + [255] * 10 + [2] * 30)
    filled = made.labels(threshold=0.8, unsure="neighbour")
    np.testing.assert_array_equal(filled[5], [0] * 25 + [2] * 35)
    window = Window(3, 22, 9, 6)
    np.testing.assert_array_equal(made.labels(window, 0.8, unsure="neighbour"), filled[window.slices])


def test_files_lie_on_the_scenes_grid_and_carry_their_classes(model, tmp_path):
    run(model, scene_of_array(picture(300, 310), geo=UTM), tmp_path / "out", window=Window(10, 20, 280, 285))
    for name in ("probabilities", "labels", "confidence", "margin"):
        with rasterio.open(tmp_path / "out" / f"{name}.tif") as file:
            assert (file.height, file.width, set(file.dtypes)) == (280, 285, {"uint8"})
            assert file.crs.to_epsg() == 32640
            # 20 columns of 0.3 m right of 325000, 10 rows of 0.3 m below 2788000
            np.testing.assert_allclose(file.transform[:6], (0.3, 0, 325006.0, 0, -0.3, 2787997.0))
            assert file.profile["tiled"] and file.overviews(1)
            assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
            if name == "labels":
                assert file.nodata == 255 and file.colormap(1)[1][:3] == (200, 100, 0)
                assert file.tags()["CLASS_2"] == "Bright"
            if name == "probabilities":
                assert file.descriptions == SCHEME.names
    assert "<Category>Middle</Category>" in (tmp_path / "out/labels.tif.aux.xml").read_text()
    assert open_scene(tmp_path / "out/probabilities.tif").bands == 3
    assert open_scene(tmp_path / "out/labels.tif").read().shape == (280, 285, 3)


def write_tif(path, data, **profile):
    with rasterio.open(
        path, "w", driver="GTiff", height=data.shape[1], width=data.shape[2], count=len(data), dtype=data.dtype, **profile
    ) as file:
        file.write(data)


@pytest.mark.parametrize("kind", ["nodata", "alpha", "nan", "16 bits"])
@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_nodata_stays_nodata_in_every_file(tmp_path, kind, scale):
    hole = np.zeros((60, 80), bool)
    hole[20:, 50:] = True
    data = picture(60, 80).transpose(2, 0, 1)
    settings = {}
    if kind == "nodata":
        data[:, hole] = 0
        settings["nodata"] = 0
    elif kind == "alpha":
        data = np.concatenate([data, np.where(hole, 0, 255).astype(np.uint8)[None]])
        settings.update(photometric="RGB", alpha="YES")
    elif kind == "nan":
        data = data.astype(np.float32)
        data[:, hole] = np.nan
    else:
        data = data.astype(np.uint16) * 257
        data[:, hole] = 65535
        settings["nodata"] = 65535
    if kind != "alpha":
        settings["photometric"] = "MINISBLACK"
    write_tif(tmp_path / "scene.tif", data, crs="EPSG:4326", transform=Affine(1e-5, 0, 55.2, 0, -1e-5, 25.1), **settings)
    divisor = 65535.0 if kind == "16 bits" else 255.0
    model = make_model(tmp_path / "model", scale=scale, normalisation={"kind": "divide", "divisor": divisor})
    run(model, tmp_path / "scene.tif", tmp_path / "out")
    made = Prediction.open(tmp_path / "out")
    np.testing.assert_array_equal(made.labels() == 255, hole)
    for part in (made.confidence(), made.probabilities().max(axis=2)):
        np.testing.assert_array_equal(part == 0, hole)
    for name in ("probabilities", "labels", "confidence"):
        scene = open_scene(tmp_path / "out" / f"{name}.tif", expand_palette=False)
        np.testing.assert_array_equal(scene.valid(), ~hole)
        assert scene.geo.crs.to_epsg() == 4326
        np.testing.assert_allclose(scene.geo.transform[:6], (1e-5, 0, 55.2, 0, -1e-5, 25.1))


def test_control_points_are_kept(model, tmp_path):
    points = [GroundControlPoint(row, col, 55 + col * 1e-5, 25 - row * 1e-5) for row in (0, 50) for col in (0, 60)]
    write_tif(tmp_path / "scene.tif", picture(50, 60).transpose(2, 0, 1), gcps=points, crs="EPSG:4326")
    run(model, tmp_path / "scene.tif", tmp_path / "out")
    with rasterio.open(tmp_path / "out/labels.tif") as file:
        found, crs = file.gcps
    assert crs.to_epsg() == 4326
    assert sorted((p.row, p.col, p.x, p.y) for p in found) == sorted((p.row, p.col, p.x, p.y) for p in points)


LOCAL = 'LOCAL_CS["site",UNIT["metre",1],AXIS["Easting",EAST],AXIS["Northing",NORTH]]'
ENGINEERING = 'ENGCRS["Plant",EDATUM["Mark"],CS[Cartesian,2],AXIS["x",east],AXIS["y",north],LENGTHUNIT["metre",1]]'


@pytest.mark.parametrize("crs", [LOCAL, ENGINEERING, None], ids=["LOCAL_CS", "ENGCRS", "no CRS"])
def test_a_prediction_lies_where_its_scene_does_on_the_earth_or_not(model, tmp_path, crs):
    place = {"transform": Affine(0.05, 0, 10, 0, -0.05, 50), **({} if crs is None else {"crs": crs})}
    write_tif(tmp_path / "scene.tif", picture(50, 60).transpose(2, 0, 1), **place)
    run(model, tmp_path / "scene.tif", tmp_path / "out", window=Window(10, 20, 32, 32))
    made, scene = Prediction.open(tmp_path / "out"), open_scene(tmp_path / "scene.tif")
    for geo in (made.geo, open_scene(tmp_path / "out/labels.tif", expand_palette=False).geo):
        assert geo.transform.almost_equals(Affine(0.05, 0, 11, 0, -0.05, 49.5))
        assert geo.crs is None if crs is None else geo.crs == scene.geo.crs
    assert made.geo.pixel_size() == (None if crs is None else pytest.approx((0.05, 0.05)))


def test_a_killed_run_goes_on_where_it_was(model, tmp_path):
    scene, calls = scene_of_array(picture(200, 90)), []

    def dying(patches):
        calls.append(len(patches))
        if len(calls) == 20:
            raise KeyboardInterrupt
        return probabilities(patches)

    with pytest.raises(KeyboardInterrupt):
        run(model, scene, tmp_path / "out", engine=make_engine(model, dying))
    assert not (tmp_path / "out").exists() and (tmp_path / ".out.partial").exists()
    looked = []

    def watching(patches):
        looked.append(len(patches))
        return probabilities(patches)

    rest = run(model, scene, tmp_path / "out", engine=make_engine(model, watching))
    whole = run(model, scene, tmp_path / "whole")
    # It goes on, and tells of both runs.
    assert sum(looked) < whole.windows <= rest.windows <= sum(calls) + sum(looked)
    assert rest.seam_score == pytest.approx(whole.seam_score, rel=0.05) and rest.model_seconds > 0
    np.testing.assert_array_equal(Prediction.open(tmp_path / "out").probabilities(), Prediction.open(tmp_path / "whole").probabilities())
    assert {path.name for path in tmp_path.iterdir()} == {"model", "out", "whole"}


@pytest.mark.parametrize(
    ("module", "name", "at", "copies", "derived"),
    [(pyramids, "_derive", 1, 4, 2), (rasterio.shutil, "copy", 2, 2, 0), (predict_module, "put_in_place", 0, 0, 0)],
)
def test_a_run_killed_while_files_are_made_makes_those_that_are_missing(module, name, at, copies, derived, model, tmp_path, monkeypatch):
    scene, place = scene_of_array(picture(300, 90)), Workspace(tmp_path).predictions  # a level of half its size
    run(model, scene, tmp_path / "whole")
    calls, does = [], getattr(module, name)

    def dying(*words, **named):
        if len(calls) == at:
            raise KeyboardInterrupt
        calls.append(words)
        return does(*words, **named)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(module, name, dying)
        run(model, scene, place / "out")
    assert not (place / "out").exists() and prediction_folders(Workspace(tmp_path)) == []
    told: dict[str, list] = {"copy": [], "_derive": [], "windows": []}

    def watch(where, what):
        does = getattr(where, what)
        monkeypatch.setattr(where, what, lambda *words, **named: (told[what].append(words), does(*words, **named))[1])

    def watching(patches):
        told["windows"].append(len(patches))
        return probabilities(patches)

    watch(rasterio.shutil, "copy")
    watch(pyramids, "_derive")
    run(model, scene, place / "out", engine=make_engine(model, watching))
    assert (len(told["copy"]), len(told["_derive"])) == (copies, derived)
    assert len(told["windows"]) <= 1  # the engine's warming up
    for file in ("probabilities", "labels", "confidence", "margin"):
        assert (place / f"out/{file}.tif").read_bytes() == (tmp_path / f"whole/{file}.tif").read_bytes()
    assert {path.name for path in (place / "out").iterdir()} == {path.name for path in (tmp_path / "whole").iterdir()}
    assert {path.name for path in place.iterdir()} == {"out"}


def test_what_a_run_left_that_was_killed_at_its_end_goes_when_its_result_is_taken(model, tmp_path):
    scene = scene_of_array(picture(64, 64))
    run(model, scene, tmp_path / "out")
    (tmp_path / ".out.partial").mkdir()
    assert run(model, scene, tmp_path / "out", keep_finished=True).windows
    assert {path.name for path in tmp_path.iterdir()} == {"model", "out"}


def test_an_interrupted_run_with_other_settings_begins_anew(model, tmp_path):
    scene = scene_of_array(picture(200, 90))
    with pytest.raises(ZeroDivisionError):
        run(model, scene, tmp_path / "out", on_progress=lambda done, total, _: 1 / 0 if done > 40_000 else None)
    again, fresh = (run(model, scene, tmp_path / name, overlap=0.25) for name in ("out", "fresh"))
    assert again.windows == fresh.windows


def test_a_cancelled_run_leaves_nothing_and_keeps_the_old_one(model, tmp_path):
    scene = scene_of_array(picture(100, 90))
    run(model, scene, tmp_path / "out")
    before = (tmp_path / "out/labels.tif").read_bytes()
    asked = []
    with pytest.raises(Cancelled):
        run(model, scene, tmp_path / "out", should_stop=lambda: asked.append(1) or len(asked) > 8)
    assert {path.name for path in tmp_path.iterdir()} == {"model", "out"}
    assert (tmp_path / "out/labels.tif").read_bytes() == before


def test_a_low_memory_limit_gives_the_same_result(model, tmp_path):
    scene = scene_of_array(picture(60, 400))
    low = run(model, scene, tmp_path / "low", memory="64MiB")
    high = run(model, scene, tmp_path / "high", memory="8GiB")
    assert low.windows > high.windows and [concern.code for concern in low.warnings] == ["memory"] and not high.warnings
    np.testing.assert_array_equal(Prediction.open(tmp_path / "low").probabilities(), Prediction.open(tmp_path / "high").probabilities())


def test_progress_ends_at_its_total(model, tmp_path):
    seen = []
    run(model, scene_of_array(picture(70, 91)), tmp_path / "out", on_progress=lambda *event: seen.append(event))
    known = [(done, total) for done, total, _ in seen if total]
    # 30 windows, and 5 steps to write the files, in thousandths
    assert known[-1] == (35_000, 35_000) and known == sorted(known) and seen[-1][2] == "Written"


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        (dict(overlap=1.2), SettingsError),
        (dict(symmetries=3), SettingsError),
        (dict(memory="much"), SettingsError),
        (dict(window=Window(0, 0, 500, 20)), SceneError),
    ],
)
def test_settings_that_make_no_sense_are_refused(model, tmp_path, settings, kind):
    with pytest.raises(kind):
        run(model, scene_of_array(picture(40, 50)), tmp_path / "out", **settings)
    assert not (tmp_path / "out").exists()


def test_a_full_disk_is_named_before_the_start(model, tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 1000})())
    with pytest.raises(ExportError, match="free"):
        run(model, scene_of_array(picture(40, 50)), tmp_path / "out")


def test_a_folder_that_is_no_prediction_is_named(tmp_path):
    with pytest.raises(InputError, match="no prediction"):
        Prediction.open(tmp_path)
    assert issubclass(InputError, GroundlineError)


@pytest.mark.parametrize("unsure", ["hide", "neighbour"])
def test_labels_with_a_threshold_become_a_file_on_the_scenes_grid(model, tmp_path, unsure, monkeypatch):
    monkeypatch.setattr("core.prediction.folder.label_file._ROWS_AT_ONCE", 64)
    run(model, scene_of_array(picture(300, 280), geo=UTM), tmp_path / "out")
    made = Prediction.open(tmp_path / "out")
    path = write_labels(made, tmp_path / "labels.tif", threshold=0.8, unsure=unsure)
    expected = made.labels(threshold=0.8, unsure=unsure)
    assert (expected != made.labels()).any()
    with rasterio.open(path) as file:
        np.testing.assert_array_equal(file.read(1), expected)
        assert (file.nodata, file.crs.to_epsg(), file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"]) == (255, 32640, "COG")
        np.testing.assert_allclose(file.transform[:6], UTM.transform[:6])
        assert file.tags()["CLASS_2"] == "Bright" and file.tags()["GROUNDLINE_UNSURE"] == unsure
        assert file.colormap(1)[1][:3] == (200, 100, 0) and file.overviews(1) == [2]
    assert {entry.name for entry in tmp_path.iterdir()} == {"model", "out", "labels.tif"}


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_a_region_sees_what_lies_around_it(tmp_path, scale):
    model = make_model(tmp_path / "model", scale=scale)
    scene = scene_of_array(picture(150, 170), geo=UTM)

    def network(patches):
        # The mean of each patch's left and upper pixels: what lies outside the region changes the answer inside.
        means = patches[..., :1].cumsum(axis=1).cumsum(axis=2) / patches.shape[1] ** 2
        return np.concatenate([means, 1 - means, np.zeros_like(means)], axis=-1).astype(np.float32)

    for name, window in (("whole", None), ("part", Window(32, 64, 64, 64))):
        run(model, scene, tmp_path / name, engine=make_engine(model, network), window=window)
    whole, part = (Prediction.open(tmp_path / name).probabilities() for name in ("whole", "part"))
    np.testing.assert_array_equal(part, whole[32:96, 64:128])


def test_forty_thousand_columns_fit_into_the_memory_that_is_allowed(model):
    scene = Scene(Path("wide"), "wide", 40_000, 40_000, 3, "uint8", UTM, None, None)
    engine = make_engine(replace(model, card=replace(model.card, patch_size=256)))
    spare = GDAL_CACHE_BYTES + 32 * MIB
    for allowed_mib in (150, 400, 8_000):
        memory = resident_bytes() + spare + allowed_mib * MIB
        plan, fits = plan_within(model.card, scene, scene.window, engine, BlendLayout(), memory=memory)
        column = bytes_per_column(plan, bands=3, itemsize=1, classes=3)
        assert fits and widest_px(plan) * column <= (allowed_mib + 4) * MIB  # this process may have grown by a little
        assert sum(strip.col_stop - strip.col for strip in plan.strips) == 40_000
