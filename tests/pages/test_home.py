import io
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image
from streamlit.testing.v1 import AppTest

from core.classes import DUBAI
from core.files import read_json, write_json
from core.geo import GeoRef
from core.prediction.folder.rasters import geo_to_dict
from tests.pages.conftest import ROOT, SLOW_S, keys_of, sound, text_of


def test_empty_home_offers_three_ways_in(opened):
    at = opened()
    words = text_of(at)
    for card in ("Try the sample", "Open my data", "Continue where I was"):
        assert card in words
    assert "Nothing yet" in words
    assert "sample_start" in keys_of(at)


def test_a_dashboard_that_only_shows_says_so_on_its_buttons(opened, workspace, monkeypatch):
    monkeypatch.setenv("GROUNDLINE_READ_ONLY", "1")
    at = opened()
    assert at.button(key="sample_start").disabled and "--read-only" in at.button(key="sample_start").help
    assert any("it was started with --read-only" in caption.value for caption in at.caption)
    assert not at.button(key="home_open").disabled  # looking at what is there is what it is for
    assert not (workspace.root / "recent.json").exists()


def test_the_start_command_opens_the_sample(opened, workspace):
    opened()  # makes the workspace; nothing is chosen yet
    at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=SLOW_S)
    at.query_params["start"] = "sample"
    at = sound(at.run())
    assert read_json(workspace.root / "recent.json")["current"]["dataset"] == str(ROOT / "sample_data" / "town")
    assert "start" not in at.query_params


def test_a_folder_that_is_not_there_is_one_plain_line(opened):
    at = opened()
    at.text_input(key="home_path").set_value("/nowhere/at/all")
    at = sound(at.button(key="home_open").click().run())
    assert len(at.error) == 1
    assert "\n" not in at.error[0].value
    assert at.error[0].value.startswith("Nothing at") and "Expected" in at.error[0].value


def test_a_folder_without_pairs_is_one_plain_line(opened, tmp_path):
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "alone.png")
    at = opened()
    at.text_input(key="home_path").set_value(str(tmp_path))
    at = sound(at.button(key="home_open").click().run())
    assert len(at.error) == 1 and "Expected pairs of image and mask" in at.error[0].value


def test_a_file_that_is_no_image_is_one_plain_line(opened, tmp_path):
    path = tmp_path / "letter.tif"
    path.write_text("dear reader")
    at = opened()
    at.text_input(key="home_path").set_value(str(path))
    at = sound(at.button(key="home_open").click().run())
    assert len(at.error) == 1 and "letter.tif" in at.error[0].value


def test_a_single_image_goes_to_predict_with_its_path_filled_in(opened, tmp_path):
    Image.fromarray(np.full((40, 30, 3), 90, np.uint8)).save(tmp_path / "scene.png")
    at = opened()
    at.text_input(key="home_path").set_value(str(tmp_path / "scene.png"))
    at = sound(at.button(key="home_open").click().run())
    assert at.title[0].value.endswith("Predict")
    assert at.text_input(key="predict_path").value == str(tmp_path / "scene.png")
    assert "30 × 40 px" in text_of(at)


def test_opening_nothing_says_what_to_type(opened):
    at = sound(opened().button(key="home_open").click().run())
    assert "Type a folder" in at.warning[0].value


def test_opening_a_folder_selects_it_and_it_comes_back_in_a_new_session(opened, town):
    at = opened()
    at.text_input(key="home_path").set_value(str(town))
    at.button(key="home_open").click().run()
    again = opened()
    assert "recent_dataset_0" in keys_of(again)
    assert again.session_state["gl_selection"].dataset == town


def test_a_zip_is_unpacked_into_the_workspace(opened, workspace):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for folder, value in (("images", 90), ("masks", 0)):
            picture = np.full((16, 16, 3), value, np.uint8)
            picture[:8] = (60, 16, 152) if folder == "masks" else 30
            stored = io.BytesIO()
            Image.fromarray(picture).save(stored, "PNG")
            archive.writestr(f"city/{folder}/one.png", stored.getvalue())
    at = opened()
    at.file_uploader[0].set_value(("city.zip", packed.getvalue(), "application/zip"))
    at.button(key="home_open").click().run()
    assert (workspace.uploads / "city" / "city" / "images" / "one.png").is_file()
    assert at.session_state["gl_selection"].dataset == workspace.uploads / "city"


def test_an_image_and_its_mask_sent_together_open_as_a_data_set(opened, workspace):
    sent = []
    for name, value in (("city.png", 90), ("city_mask.png", 1)):
        stored = io.BytesIO()
        Image.fromarray(np.full((16, 16, 3), value, np.uint8)).save(stored, "PNG")
        sent.append((name, stored.getvalue(), "image/png"))
    at = opened()
    at.file_uploader[0].set_value(sent)
    at.button(key="home_open").click().run()
    assert at.session_state["gl_selection"].dataset == workspace.uploads / "city and 1 more"


def test_a_finished_sample_run_leads_to_the_map(opened, finished, workspace, town, monkeypatch):
    monkeypatch.setattr("ui.state.has_sample_model", lambda: True)
    folder = workspace.layers / "sample"
    (folder / "prediction").mkdir(parents=True)
    place = {"height": 8, "width": 8, "scheme": DUBAI.to_dict(), "geo": geo_to_dict(GeoRef.pixels())}
    made = {"scene": str(town / "images" / "town_whole.tif"), "model": "sample-town", **place}
    write_json(folder / "prediction" / "prediction.json", made)
    layer = folder / "town_whole.gpkg"
    layer.write_bytes(b"")
    result = {
        "predict": {"folder": str(folder / "prediction")},
        "vectorize": {"polygons": 1234},
        "evaluate": {"mean_iou": 0.8},
        "files": [{"path": str(layer), "features": 1234}],
        "seconds": 41.0,
    }
    finished("demo", {"out": folder}, result)
    at = opened()
    assert "1,234 polygons in 41 s, mean IoU 0.80" in text_of(at)
    assert {"sample_start", "sample_map", "recent_prediction_0"} <= keys_of(at)
    assert at.session_state["gl_selection"].prediction == folder / "prediction"
    assert at.session_state["gl_selection"].layer == layer
    finished("demo", {}, state="failed", error="no room on the disk. Expected 200 MB.")
    at = opened()
    assert "No room on the disk" in text_of(at) and "sample_map" in keys_of(at)
    assert at.button(key="sample_start").label == "Run it again"


def test_a_failed_sample_run_says_why_in_one_line(opened, finished, monkeypatch):
    monkeypatch.setattr("ui.state.has_sample_model", lambda: True)
    finished("demo", {}, state="failed", error="no model called 'sample-town'. Expected a model. Check the name.")
    at = opened()
    assert [error.value for error in at.error] == ["No model called 'sample-town'. Expected a model. Check the name."]


def test_the_tour_stops_once_on_each_page_and_can_be_left(opened):
    at = sound(opened().button(key="home_tour").click().run())
    seen = []
    while "tour_next" in keys_of(at):
        seen.append(at.title[0].value.split()[-1])
        at = sound(at.button(key="tour_next").click().run())
    assert [*seen, at.title[0].value.split()[-1]] == ["Groundline", "Explore", "Label", "Train", "Predict", "Map"]
    at = sound(at.button(key="tour_back").click().run())
    assert "Tour, 5 of 6" in text_of(at)
    at = sound(at.button(key="tour_end").click().run())
    assert "Tour," not in text_of(at)
    assert "Tour, 1 of 6" in text_of(sound(at.button(key="settings_tour").click().run()))


def test_disk_use_is_one_click_away(opened):
    at = sound(opened().button(key="home_disk").click().run())
    assert "The trash is empty" in text_of(at) and "disk_move" in keys_of(at)


def test_the_bar_names_the_scene_and_the_run_in_view(opened, finished, town, workspace):
    finished("train", {"prepared": str(workspace.prepared / "p"), "settings": {"epochs": 1}})
    at = opened()
    shown = "".join(element.proto.body for element in at.get("html"))
    assert "<dt>Run</dt><dd>train of a test</dd>" in shown
    assert '<dt>Scene</dt><dd class="none">none yet</dd>' in shown


def test_the_server_process_never_loads_tensorflow(tmp_path):
    script = f"""
import gc, os, sys
os.environ["GROUNDLINE_WORKSPACE"] = {str(tmp_path)!r}
from streamlit.testing.v1 import AppTest
at = AppTest.from_file("app.py", default_timeout=120).run()
for page in sorted(os.listdir("pages")):
    if page.endswith(".py"):
        at = at.switch_page("pages/" + page).run()
        assert not at.exception, (page, at.exception[0].message)
heavy = sorted(set(sys.modules) & {{"tensorflow", "keras", "openvino", "segmentation_models"}})
assert not heavy, heavy
assert gc.get_freeze_count() > 50_000  # so that the collector need not go through what the pages loaded after each run
print("clean")
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.strip().endswith("clean")


def test_every_page_file_is_thin():
    for page in [ROOT / "app.py", *(ROOT / "pages").glob("*.py")]:
        assert len(Path(page).read_text(encoding="utf-8").splitlines()) < 150, page.name
