"""The form of the Predict page: scenes, regions, checks, estimate, engines, batches and runs that broke off."""

import json
from dataclasses import replace

import numpy as np
import pytest
import rasterio
import tifffile
from PIL import Image
from rasterio.transform import from_origin

from core.classes import DUBAI
from core.files import write_json
from core.jobs.jobs import Job
from core.model_store.cards import ModelCard
from core.prediction.batch import RESULTS_FILE, TABLE_FILE
from core.prediction.folder.rasters import preview_file
from core.scenes.remote import parts
from core.verbs import registry
from tests.helpers.far import png
from tests.helpers.predicted import predicted
from tests.pages.conftest import ROOT, keys_of, sound, text_of
from ui.predict import run

PREDICT = "pages/4_Predict.py"


@pytest.fixture
def model(workspace):
    """A model of three bands, trained on dark images named lake; chosen."""
    folder = workspace.models / "net"
    folder.mkdir()
    card = ModelCard(
        name="Net",
        architecture="unet",
        scheme=DUBAI,
        bands=(1, 2, 3),
        patch_size=64,
        pixel_size_m=0.5,
        metrics={"validation": {"mean_iou": 0.71}, "test": {"mean_iou": 0.62}},
        split={"patches": {"train": 440}, "groups": {"train": ["Tile 4"], "test": ["Tile 2"]}, "pairs": {"train": ["lake"]}},
        training={"statistics": {"mean": [20.0] * 3, "std": [5.0] * 3}},
        notes=("One small tile is a rough estimate.",),
    )
    card.save(folder)
    (folder / "model.keras").write_bytes(b"dummy")
    write_json(workspace.root / "recent.json", {"current": {"model": str(folder)}, "recent": {}})
    return folder


@pytest.fixture
def city(tmp_path):
    """Two scenes of 150 x 130 pixels with their masks."""
    for name in ("lake", "sand"):
        for part in ("images", "masks"):
            (tmp_path / "city" / part).mkdir(parents=True, exist_ok=True)
            picture = np.full((150, 130, 3), 180, np.uint8) if part == "images" else DUBAI.decode(np.ones((150, 130), np.uint8))
            Image.fromarray(picture).save(tmp_path / "city" / part / f"{name}.png")
    return tmp_path / "city"


@pytest.fixture
def asked(finished, monkeypatch, workspace):
    """What was asked of `jobs_view.start`; the jobs are queued and never run."""
    found = []

    def start(kind, request, *, title=None):
        found.append((kind, dict(request), title))
        return Job(finished(kind, request | ({} if kind == "estimate" else {"out": workspace.predictions / "new"}), state="stopped"))

    monkeypatch.setattr("ui.jobs_view.start", start)
    return found


def in_path(opened, path):
    """The page with a typed path."""
    at = opened(PREDICT)
    at.segmented_control(key="predict_source").set_value("path").run()
    return sound(at.text_input(key="predict_path").set_value(str(path)).run())


def in_dataset(opened, folder):
    """The page with an opened data set."""
    at = opened()
    at.text_input(key="home_path").set_value(str(folder))
    at.button(key="home_open").click().run()
    return sound(at.switch_page(PREDICT).run())


def start_button(at):
    return at.button(key="predict_start")


def test_the_card_tells_its_test_score_where_it_was_measured_and_what_it_learned(opened, model, city):
    words = text_of(in_path(opened, city / "images" / "sand.png"))
    assert "Mean IoU 0.62** on held-out data (test part: Tile 2)" in words
    assert "Trained on 440 patches of Tile 4" in words and "One small tile is a rough estimate." in words


def test_a_scene_unlike_the_training_is_told_with_the_remedy_and_may_be_predicted(opened, model, city):
    at = in_path(opened, city / "images" / "sand.png")
    assert len(at.warning) == 1 and "mean of 180 (training 20)" in at.warning[0].value and "check a part" in at.warning[0].value
    assert not start_button(at).disabled


def test_an_address_is_a_scene_and_what_cannot_be_read_in_parts_is_fetched_by_a_click(opened, model, asked, nginx, tmp_path):
    parts.known.forget()
    pixels = np.random.default_rng(0).integers(0, 255, (3, 90, 70), dtype=np.uint8)
    profile = dict(driver="GTiff", height=90, width=70, count=3, dtype="uint8", crs="EPSG:32640", transform=from_origin(0, 0, 0.5, 0.5))
    with rasterio.open(nginx.files / "quay.tif", "w", **profile) as file:
        file.write(pixels)
        file.update_tags(TIFFTAG_COPYRIGHT="© Harbour Office")
    (nginx.files / "quay.tif").chmod(0o644)
    at = in_path(opened, f"{nginx.address}/quay.tif?key=S3CRET")
    told = text_of(at)
    assert "quay cannot be read in parts: it is not stored in tiles" in told and "70 × 90 px" not in told
    at = sound(at.button(key="predict_fetch").click().run())
    told = text_of(at)
    assert "70 × 90 px, 3 bands of uint8" in told and "quay.tif?key" in told and "© Harbour Office" in told and "S3CRET" not in told
    sound(start_button(at).click().run())
    assert asked[-1][1]["scene"].name == "quay.remote" and "S3CRET" not in str(asked)
    at = opened(PREDICT)
    at.segmented_control(key="predict_source").set_value("path").run()
    at = at.text_input(key="predict_path").set_value(f"{nginx.address}/none.tif?key=S3CRET").run()
    assert "is not there (404)" in at.error[0].value and "S3CRET" not in at.error[0].value


def test_a_map_server_is_asked_for_a_region_whose_size_is_said_before(opened, model, asked, finished, odd):
    odd.gives("/t/*", png(np.full((256, 256, 3), 90, np.uint8)), kind="image/png")
    at = in_path(opened, f"{odd.address}/t/{{z}}/{{x}}/{{y}}.png?key=S3CRET")
    at.text_input(key="predict_tiles_region").set_value("55.2,25.1,55.21,25.108")
    at.text_input(key="predict_tiles_owner").set_value("© City")
    at.number_input(key="predict_tiles_gsd").set_value(5.0)
    at = sound(at.button(key="predict_tiles_look").click().run())
    told = text_of(at)
    # Zoom 15 has 4.777 m on the map, 4.32 m on the ground: 0.01 degrees are 1113.2 m on the map, 234 pixels.
    assert (
        "px of 4.32 m, 4 tiles, about 0.05 MB" in told and "© City" in told and "234" in told and odd.asked == [] and "S3CRET" not in told
    )
    at = at.button(key="predict_tiles_fetch").click().run()
    kind, request, _ = asked[-1]
    assert kind == "fetch" and request["bbox"] == [55.2, 25.1, 55.21, 25.108] and "S3CRET" not in str(asked)
    result = registry.run("fetch", request)
    finished("fetch", {**request, "source": str(request["source"]), "out": str(request["out"])}, result)
    at = in_path(opened, f"{odd.address}/t/{{z}}/{{x}}/{{y}}.png?key=S3CRET")
    told = text_of(at)
    assert "3 bands of uint8, 4.3 m per pixel" in told and "© City" in told
    at.text_input(key="predict_tiles_region").set_value("55.2,x")
    at = at.button(key="predict_tiles_look").click().run()
    assert "The region '55.2,x'" in at.error[0].value


def test_a_scene_of_16_bits_is_one_sentence_and_one_click(opened, model, tmp_path):
    image = np.random.default_rng(0).integers(3000, 9000, (80, 70, 3)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "deep.tif", image, photometric="rgb")
    at = in_path(opened, tmp_path / "deep.tif")
    told = [warning.value for warning in at.warning]
    assert len(told) == 1 and "this scene is of uint16, with values unlike those of its training" in told[0]
    at = sound(at.button(key="predict_rescale").click().run())
    assert at.text_input(key="predict_path").value.endswith(".tif") and "70 × 80 px, 3 bands of uint8" in text_of(at)
    assert "predict_rescale" not in keys_of(at)


def test_a_patch_larger_than_the_scene_is_told(opened, model, city):
    at = in_path(opened, city / "images" / "sand.png")
    assert not [info for info in at.info if "larger than the scene" in info.value]
    at = sound(at.select_slider(key="predict_patch_64").set_value(256).run())
    assert [info for info in at.info if "larger than the scene of 130 × 150 px:" in info.value]


def test_the_model_that_fits_a_new_scene_is_preselected_and_another_choice_stays(opened, model, tmp_path, workspace):
    """Net reads three bands; a scene of one band is for the grey one."""
    grey = replace(ModelCard.load(model), name="Grey", bands=(1,), training={})
    (workspace.models / "grey").mkdir()
    grey.save(workspace.models / "grey")
    (workspace.models / "grey" / "model.keras").write_bytes(b"dummy")
    Image.fromarray(np.full((80, 70), 20, np.uint8)).save(tmp_path / "grey.png")
    at = in_path(opened, tmp_path / "grey.png")

    def box(at):
        return next(box for box in at.selectbox if box.label == "Model")

    assert box(at).value == str(workspace.models / "grey") and "Preselected, because it fits this scene: 1 band." in text_of(at)
    at = sound(box(at).set_value(str(model)).run())
    assert box(at).value == str(model) and "Preselected" not in text_of(at)
    assert box(sound(at.run())).value == str(model)


def test_a_scene_without_the_bands_cannot_be_predicted(opened, model, tmp_path):
    Image.fromarray(np.zeros((80, 70), np.uint8)).save(tmp_path / "grey.png")
    at = in_path(opened, tmp_path / "grey.png")
    assert [error.value for error in at.error if "1 band in grey" in error.value] and start_button(at).disabled
    assert "predict_estimate" not in keys_of(at)


def test_a_training_image_is_recognised(opened, model, city):
    at = in_dataset(opened, city)
    box = at.selectbox(key=f"predict_scene_{city}")
    told = {}
    for number, choice in enumerate(box.options):
        at = sound(at.selectbox(key=f"predict_scene_{city}").select_index(number).run())
        told[choice] = any("trained on an image of this name" in info.value for info in at.info)
    assert told == {"lake": True, "sand": False, "All 2 images, one after the other": False}


def test_a_scene_may_be_labelled_instead(opened, model, city):
    at = in_path(opened, city / "images" / "sand.png")
    at = sound(at.button(key="predict_label").click().run())
    assert at.session_state["label_path"] == str(city / "images" / "sand.png")
    assert at.button(key="label_begin")


def test_a_typed_region_is_what_is_asked_for(opened, model, city, asked):
    at = in_path(opened, city / "images" / "sand.png")
    at = sound(at.toggle(key="predict_part").set_value(True).run())
    assert at.get("bidi_component")
    assert start_button(at).label == "Predict the scene"  # nothing was chosen yet
    for name, value in (("row", 100), ("col", 20), ("height", 90), ("width", 40)):
        at.number_input(key=f"predict_region_{name}").set_value(value)
    at = sound(at.run())
    assert start_button(at).label == "Predict the region"
    sound(start_button(at).click().run())
    kind, request, title = asked[0]
    assert kind == "predict" and request["window"] == (100, 20, 50, 40)  # cut at the scene's lower edge
    assert title == "sand, region with Net"


def test_a_cluster_can_be_chosen_where_who_started_the_dashboard_offers_one(opened, model, city, asked, monkeypatch):
    at = in_path(opened, city / "images" / "sand.png")
    assert not any(box.key == "predict_cluster" for box in at.selectbox)
    sound(start_button(at).click().run())
    monkeypatch.setenv("GROUNDLINE_CLUSTER", "tcp://10.0.0.7:8786")
    at = in_path(opened, city / "images" / "sand.png")
    assert at.selectbox(key="predict_cluster").options == ["This machine", "The cluster at tcp://10.0.0.7:8786"]
    at = sound(at.selectbox(key="predict_cluster").set_value("tcp://10.0.0.7:8786").run())
    sound(start_button(at).click().run())
    assert "cluster" not in asked[0][1] and asked[1][1]["cluster"] == "tcp://10.0.0.7:8786"
    monkeypatch.setenv("GROUNDLINE_CLUSTER", "somewhere")
    assert "Cluster 'somewhere'" in text_of(in_path(opened, city / "images" / "sand.png"))


def test_another_scene_forgets_the_region(opened, model, city):
    at = in_path(opened, city / "images" / "sand.png")
    at.toggle(key="predict_part").set_value(True).run()
    at = sound(at.number_input(key="predict_region_height").set_value(50).run())
    assert start_button(at).label == "Predict the region"
    Image.fromarray(np.full((40, 60, 3), 180, np.uint8)).save(city / "small.png")
    at = sound(at.text_input(key="predict_path").set_value(str(city / "small.png")).run())
    assert start_button(at).label == "Predict the scene" and at.number_input(key="predict_region_height").value == 40


def test_chips_that_continue_each_other_are_one_scene_as_well(opened, model, asked):
    folder = ROOT / "sample_data" / "chips12"
    at = in_dataset(opened, folder)
    assert at.selectbox(key=f"predict_scene_{folder}").options[0] == "chip, all 60 images as one"
    sound(start_button(at).click().run())
    assert asked[0][1]["scene"] == folder / "images"


def test_an_estimate_is_shown_and_says_when_settings_have_changed(opened, model, city, finished):
    scene = city / "images" / "sand.png"
    found = {"seconds": 200.0, "peak_memory_mib": 1536.0, "disk_mib": 80.0, "result_mib": 7.0, "windows": 1234, "engine": "openvino"}
    finished("estimate", {"model": str(model), "scene": scene}, found | {"warnings": []})
    at = in_path(opened, scene)
    shown = {metric.label: metric.value for metric in at.metric}
    assert shown == {"Time": "3 min", "Memory at its peak": "1.5 GiB", "Disk while it runs": "83.9 MB", "Patches": "1,234"}
    assert "Engine: OpenVINO (CPU)" in text_of(at) and "changed since" not in text_of(at)
    at = sound(at.slider(key="predict_overlap").set_value(25).run())
    assert "settings have changed since" in text_of(at)
    # A later one also knows the ground and the cores: 200 s on two are 0.111 core-hours, and cost 0.1 at 0.9 each.
    finished("estimate", {"model": str(model), "scene": scene}, found | {"warnings": [], "cores": 2, "area_km2": 0.36})
    at = in_path(opened, scene)
    at = sound(at.number_input(key="predict_price").set_value(0.9).run())
    shown = {metric.label: metric.value for metric in at.metric}
    assert (shown["Ground"], shown["Core-hours"], shown["Cost"]) == ("0.36 km²", "0.11", "0.1")
    assert next(metric for metric in at.metric if metric.label == "Cost").help == "0.28 for a square kilometre."
    assert in_path(opened, scene).number_input(key="predict_price").value == 0.9
    at = sound(at.text_input(key="predict_path").set_value(str(city / "images" / "lake.png")).run())
    assert not at.metric  # of another scene


def test_the_estimate_asks_for_what_the_prediction_would_do(opened, model, city, asked):
    at = in_path(opened, city / "images" / "sand.png")
    at.toggle(key="predict_symmetries").set_value(True)
    at = sound(at.button(key="predict_estimate").click().run())
    sound(start_button(at).click().run())
    (first, estimate, _), (second, prediction, _) = asked
    assert (first, second) == ("estimate", "predict") and estimate == prediction and estimate["symmetries"] == 8


def test_fast_needs_an_int8_network_which_needs_patches(opened, model, city):
    at = in_path(opened, city / "images" / "sand.png")
    at = sound(at.selectbox(key="predict_engine").set_value("fast").run())
    assert any("made once per model from prepared patches" in info.value for info in at.info)
    assert at.select_slider(key="predict_patch_64").disabled


def test_a_network_for_rectangles_leaves_no_choice_of_the_patch(opened, model, city, asked):
    card = ModelCard.load(model)
    replace(card, architecture="file", patch_width=96).save(model)
    at = in_path(opened, city / "images" / "sand.png")
    assert "patches of 64 x 96 px" in text_of(at) and "Patches of 64 x 96 px, as the network takes them." in text_of(at)
    assert [slider.key for slider in at.select_slider] == ["predict_memory"]
    sound(start_button(at).click().run())
    assert asked[0][1]["patch_size"] is None


def test_a_killed_run_offers_to_go_on_and_shows_how_far_it_came(opened, model, city, finished, workspace):
    scene, out = city / "images" / "sand.png", workspace.predictions / "sand"
    preview_file(out).parent.mkdir(parents=True)
    done = np.zeros((150, 130, 4), np.uint8)
    done[:70] = (10, 200, 30, 255)
    Image.fromarray(done).save(preview_file(out))
    finished("predict", {"model": str(model), "scene": scene, "out": out}, state="died", error="It was killed.")
    at = opened(PREDICT)
    assert "predict_resume" in keys_of(at) and at.error[0].value == "It was killed."
    assert len(at.get("image")) == 1
    # The model's own colours become those that the classes are shown in.
    scheme, ids = ModelCard.load(model).scheme, np.array([[0, 1], [1, 0]], np.uint8)
    picture = run.as_chosen(scheme.decode(ids), str(model))
    np.testing.assert_array_equal(picture, scheme.coloured("natural").decode(ids))
    assert (picture != scheme.decode(ids)).any() and run.as_chosen(picture, str(out)) is picture


def test_a_paused_run_offers_resume_and_stop(opened, model, city, finished):
    from core.jobs import records

    folder = finished("predict", {"model": str(model), "scene": city / "images" / "sand.png", "out": city / "x"}, state="paused")
    lock = records.worker_lock(folder)
    with lock.acquire():
        at = opened(PREDICT)
    enabled = {button.key: not button.disabled for button in at.button if button.key and button.key.startswith("predict_")}
    assert enabled["predict_resume"] and enabled["predict_stop"] and not enabled["predict_pause"]


def test_all_images_of_a_data_set_and_a_folder_are_one_run(opened, model, city, asked):
    at = in_dataset(opened, city)
    at = sound(at.selectbox(key=f"predict_scene_{city}").select_index(2).run())
    assert start_button(at).label == "Predict all scenes" and "predict_estimate" not in keys_of(at)
    sound(start_button(at).click().run())
    at = in_path(opened, city / "images")
    at = sound(at.radio(key="predict_folder").set_value("many").run())
    sound(start_button(at).click().run())
    images = [str(city / "images" / f"{name}.png") for name in ("lake", "sand")]
    assert [kind for kind, _, _ in asked] == ["predict_batch"] * 2
    assert asked[0][1]["scenes"] == images and asked[1][1]["scenes"] == str(city / "images")


def test_the_table_of_a_batch_names_what_failed_and_its_predictions_can_be_chosen(opened, city, finished, workspace):
    out = workspace.predictions / "batch"
    done = predicted(city / "images" / "lake.png", out / "lake")
    row = {"seconds": 1.0, "windows": 4, "seam_score": 1.0, "warnings": "", "error": None}
    rows = [
        {**row, "scene": str(city / "images" / "lake.png"), "state": "done", "folder": str(done)},
        {**row, "scene": str(city / "bad.png"), "state": "failed", "folder": None, "error": "no image. Expected one. Do so."},
    ]
    write_json(out / RESULTS_FILE, rows)
    (out / TABLE_FILE).write_text("scene,state\n")
    finished("predict_batch", {"model": "net", "scenes": city / "images", "out": out}, {"folder": str(out)})
    at = opened(PREDICT)
    table = at.dataframe[0].value
    assert list(table["scene"]) == ["lake", "bad"] and list(table["state"]) == ["done", "failed"]
    assert table["warnings"][1].startswith("no image") and "1 done, 1 failed" in text_of(at)
    assert at.session_state["gl_selection"].prediction is None or at.session_state["gl_selection"].prediction == done
    assert any("lake · nearest-colour" in option for box in at.selectbox for option in box.options if box.label == "Prediction")


def test_what_was_entered_is_there_after_a_reload_as_far_as_it_can_be(opened, model, city, workspace):
    at = in_path(opened, city / "images" / "sand.png")
    at.selectbox(key="predict_engine").set_value("tensorflow")
    at = sound(at.slider(key="predict_overlap").set_value(25).run())
    stored = json.loads((workspace.root / "recent.json").read_text())
    assert stored["forms"] == {"predict_engine": "tensorflow", "predict_overlap": 25}  # and no default that nobody touched
    stored["forms"] |= {"predict_memory": ["1 TB"], "predict_symmetries": "often"}  # of another version, or by hand
    write_json(workspace.root / "recent.json", stored)
    at = opened(PREDICT)
    assert (at.selectbox(key="predict_engine").value, at.slider(key="predict_overlap").value) == ("tensorflow", 25)
    assert (at.select_slider(key="predict_memory").value, at.toggle(key="predict_symmetries").value) == ("1GiB", False)
    assert not at.exception and not at.error
