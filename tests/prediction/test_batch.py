"""Many scenes in one run: a table of results, and failures that stop nothing."""

import csv

import numpy as np
import pytest
from PIL import Image
from pyproj import CRS

from core.classes import DUBAI
from core.errors import SceneError
from core.files import read_json
from core.prediction.batch import find_scenes, predict_batch
from core.prediction.folder.previews import LivePreview
from core.prediction.folder.rasters import Prediction
from core.scenes.scene import Window
from tests.helpers.standins import make_engine, make_model, probabilities


def test_one_bad_scene_does_not_stop_the_rest(tmp_path):
    scenes = tmp_path / "scenes"
    scenes.mkdir()
    for name in ("a.png", "b.png", "b.tif"):
        Image.fromarray(np.full((40, 50, 3), 200, np.uint8)).save(scenes / name)
    (scenes / "broken.jpg").write_bytes(b"no picture")
    (scenes / "notes.txt").write_text("no scene")
    model = make_model(tmp_path / "model")
    seen = []
    result = predict_batch(
        model, find_scenes(scenes), tmp_path / "out", engine=make_engine(model), overlap=0.25, on_progress=lambda *event: seen.append(event)
    )
    assert [row["state"] for row in result.rows] == ["done", "done", "done", "failed"] and result.failed == 1
    for name in ("a", "b_png", "b_tif"):
        assert Prediction.open(tmp_path / "out" / name).labels().shape == (40, 50)
    with (tmp_path / "out/results.csv").open(encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    assert [row["state"] for row in table] == ["done", "done", "done", "failed"] and "no image" in table[3]["error"]
    assert read_json(tmp_path / "out/results.json")[0]["windows"] > 0
    assert all(done <= total == 4000 for done, total, _ in seen) and [d for d, _, _ in seen] == sorted(d for d, _, _ in seen)


def test_a_second_run_does_only_what_is_missing(tmp_path):
    scenes = tmp_path / "scenes"
    scenes.mkdir()
    for name, grey in (("a", 90), ("b", 200)):
        Image.fromarray(np.full((40, 50, 3), grey, np.uint8)).save(scenes / f"{name}.png")
    model, calls = make_model(tmp_path / "model"), []

    def counted(patches):
        calls.append(len(patches))
        return probabilities(patches)

    def run(**settings):
        calls.clear()
        # The limit is for the whole process, and this one may hold TensorFlow from other tests.
        settings = {"memory": "8GiB", **settings}
        return predict_batch(model, find_scenes(scenes), tmp_path / "out", engine=make_engine(model, counted), **settings)

    first = run()
    warm_up = 2  # each scene's memory is measured with one batch of two patches
    assert sum(calls) == sum(row["windows"] for row in first.rows) + 2 * warm_up
    again = run()
    assert sum(calls) == 2 * warm_up and [row["state"] for row in again.rows] == ["done", "done"]
    assert [row["windows"] for row in again.rows] == [row["windows"] for row in first.rows]
    Image.fromarray(np.full((40, 50, 3), 150, np.uint8)).save(scenes / "b.png")
    changed = run()
    assert sum(calls) == changed.rows[1]["windows"] + 2 * warm_up
    run(overlap=0.25)
    assert sum(calls) > 3 * warm_up


def test_a_folder_without_images_is_named(tmp_path):
    with pytest.raises(SceneError, match="no image"):
        find_scenes(tmp_path)


def test_the_live_preview_shows_what_is_known(tmp_path, monkeypatch):
    monkeypatch.setattr("core.prediction.folder.previews._PAUSE_S", 0)
    monkeypatch.setattr("core.prediction.folder.previews._LONGEST_PX", 10)
    # 25 x 40 pixels, every fourth one shown: 7 x 10. Rows 6 to 15 hold rows 8 and 12 of those, columns 5 to 39 hold 8, 12, ... 36.
    preview = LivePreview(tmp_path / "preview.png", Window(0, 0, 25, 40), DUBAI)
    labels = np.full((10, 35), 2, np.uint8)
    labels[6, 3:8] = 255  # row 12, columns 8 to 12: nodata
    preview.add(Window(6, 5, 10, 35), labels)
    picture = np.array(Image.open(tmp_path / "preview.png"))
    expected = np.zeros((7, 10, 4), np.uint8)
    expected[2:4, 2:] = (*DUBAI.colours[2], 255)
    expected[3, 2:4, 3] = 0
    np.testing.assert_array_equal(picture[..., 3], expected[..., 3])
    np.testing.assert_array_equal(picture[picture[..., 3] > 0], expected[expected[..., 3] > 0])


def test_scenes_that_name_no_crs_are_given_one_and_done_again_for_another(tmp_path):
    (tmp_path / "scenes").mkdir()
    for name in ("a", "b"):
        Image.fromarray(np.full((40, 50, 3), 200, np.uint8)).save(tmp_path / f"scenes/{name}.png")
    (tmp_path / "scenes/a.pgw").write_text("0.5\n0\n0\n-0.5\n652000.25\n6861999.75\n")
    model = make_model(tmp_path / "model")
    for code in (2154, 32631):
        result = predict_batch(
            model, find_scenes(tmp_path / "scenes"), tmp_path / "out", engine=make_engine(model), crs=CRS.from_epsg(code)
        )
        assert result.failed == 0
        assert Prediction.open(tmp_path / "out/a").geo.epsg == code and Prediction.open(tmp_path / "out/b").geo.crs is None
