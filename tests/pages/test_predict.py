import io

import numpy as np
import pytest
from PIL import Image

from core.classes import DUBAI
from core.jobs.jobs import Job
from core.model_store.cards import ModelCard
from core.prediction.folder.rasters import Prediction
from tests.helpers.predicted import predicted
from tests.pages.conftest import keys_of, sound, text_of

PREDICT = "pages/4_Predict.py"


@pytest.fixture
def model(workspace):
    folder = workspace.models / "net"
    folder.mkdir()
    card = ModelCard(
        name="Net", architecture="unet", scheme=DUBAI, bands=(1, 2, 3), patch_size=64, metrics={"validation": {"mean_iou": 0.71}}
    )
    card.save(folder)
    (folder / "model.keras").write_bytes(b"dummy")
    return folder


@pytest.fixture
def city(tmp_path):
    """One scene of 150 x 130 pixels with its mask: bright sand, a dark lake."""
    ids = np.ones((150, 130), np.uint8)
    ids[40:90, 30:100] = 4
    colours = np.array([[0, 0, 0], [200, 178, 150], [0, 0, 0], [0, 0, 0], [40, 82, 95]], np.uint8)
    for part, picture in (("images", colours[ids]), ("masks", DUBAI.decode(ids))):
        (tmp_path / "city" / part).mkdir(parents=True)
        Image.fromarray(picture).save(tmp_path / "city" / part / "lake.png")
    return tmp_path / "city"


def choose_path(at, path):
    at.segmented_control(key="predict_source").set_value("path").run()
    return sound(at.text_input(key="predict_path").set_value(str(path)).run())


def test_empty_predict_page_offers_the_sample(opened):
    at = opened(PREDICT)
    assert "Nothing predicted yet" in text_of(at)
    assert "try_sample" in keys_of(at)


def test_a_path_with_nothing_and_a_file_that_is_no_image_are_one_plain_line_each(opened, model, tmp_path):
    at = choose_path(opened(PREDICT), "/nowhere/scene.tif")
    assert len(at.error) == 1 and at.error[0].value.startswith("Nothing at") and "\n" not in at.error[0].value
    (tmp_path / "notes.tif").write_text("no image")
    at = choose_path(opened(PREDICT), tmp_path / "notes.tif")
    assert len(at.error) == 1 and "notes.tif" in at.error[0].value and "\n" not in at.error[0].value


def test_a_model_that_is_gone_leads_back_to_another(opened, model, workspace):
    from core.files import write_json

    write_json(workspace.root / "recent.json", {"current": {"model": str(workspace.models / "gone")}, "recent": {}})
    at = opened(PREDICT)
    assert at.session_state["gl_selection"].model is not None
    assert not at.error


def test_the_sample_scene_and_a_model_start_a_job(opened, model, town, finished, workspace, monkeypatch):
    from core.files import write_json

    write_json(workspace.root / "recent.json", {"current": {"model": str(model)}, "recent": {}})  # whichever models ship
    asked = {}

    def start(kind, request, *, title=None):
        asked.update(kind=kind, request=request, title=title)
        request = request | {"out": workspace.predictions / "town"}
        return Job(finished(kind, request, state="failed", error="found this. Expected that. Do so."))

    monkeypatch.setattr("ui.jobs_view.start", start)
    at = opened(PREDICT)
    at = sound(next(box for box in at.selectbox if box.label == "Model").set_value(str(model)).run())  # whichever fits better
    assert "Mean IoU 0.71" in text_of(at)
    at.slider(key="predict_overlap").set_value(25)
    at.toggle(key="predict_symmetries").set_value(True)
    at = sound(at.button(key="predict_start").click().run())
    request = asked["request"]
    assert asked["kind"] == "predict" and request["scene"] == town / "images" / "town_whole.tif"
    assert (request["overlap"], request["symmetries"], request["patch_size"]) == (0.25, 8, None)
    assert [error.value for error in at.error] == ["Found this. Expected that. Do so."]
    at = sound(at.button(key="predict_dismiss").click().run())
    assert not at.error


def test_a_finished_prediction_shows_viewer_shares_scores_and_downloads(opened, workspace, city, finished):
    scene = city / "images" / "lake.png"
    folder = predicted(scene, workspace.predictions / "lake")
    finished("predict", {"model": "net", "scene": scene}, {"folder": str(folder)})
    at = opened()
    at.text_input(key="home_path").set_value(str(city))
    at.button(key="home_open").click().run()
    at = sound(at.switch_page(PREDICT).run())
    assert at.session_state["gl_selection"].prediction == folder
    assert at.get("bidi_component")
    table = at.dataframe[0].value
    assert table["pixels"].sum() == 150 * 130 and table["class"].tolist() == list(DUBAI.names)  # nothing is unsure without a threshold
    said = at.get("bidi_component")[0].proto
    assert "green is right, red is wrong" in str(said)
    assert table.loc[table["class"] == "Water", "pixels"].item() == pytest.approx(50 * 70, rel=0.2)
    assert not at.metric  # scores read the whole mask: they are counted when their tab is opened
    at.session_state["predict_tab_True"] = "Scores"
    at = sound(at.run())
    shown = {metric.label: metric.value for metric in at.metric}
    assert float(shown["Accuracy"]) > 0.9 and shown["Labelled pixels"] == "19,500"
    assert {button.key for button in at.get("download_button")} == {
        "download_labels",
        "download_confidence",
        "download_probabilities",
        "download_png",
    }


def test_a_link_opens_the_prediction_that_it_names(opened, workspace, city):
    for name in ("first", "second"):
        predicted(city / "images" / "lake.png", workspace.predictions / name)
    at = opened()
    at.query_params["prediction"] = "predictions/first"
    at = sound(at.switch_page(PREDICT).run())
    assert at.session_state["gl_selection"].prediction == workspace.predictions / "first"
    chosen = next(box for box in at.selectbox if box.label == "Prediction")
    at = sound(chosen.set_value(workspace.predictions / "second").run())  # from now on the user's choice counts
    assert at.session_state["gl_selection"].prediction == workspace.predictions / "second"
    assert at.query_params["prediction"] in ("predictions/second", ["predictions/second"])


def test_a_prediction_without_a_mask_has_no_scores(opened, workspace, tmp_path):
    path = tmp_path / "alone.png"
    Image.fromarray(np.full((80, 70, 3), 150, np.uint8)).save(path)
    predicted(path, workspace.predictions / "alone")
    at = opened(PREDICT)
    assert not at.metric and at.get("bidi_component")


def test_the_picture_holds_class_ids_and_their_colours(workspace, city):
    from ui.predict.downloads import label_png
    from ui.viewer.viewer import ViewerState

    prediction = Prediction.open(predicted(city / "images" / "lake.png", workspace.predictions / "lake"))
    picture = Image.open(io.BytesIO(label_png(prediction, ViewerState(0.0, 0.6))))
    assert picture.mode == "P" and picture.size == (130, 150)
    assert np.array_equal(np.asarray(picture), prediction.labels())
    assert picture.convert("RGB").getpixel((65, 65)) == DUBAI.natural().colours[4]


def test_a_map_of_measured_values_is_shown_with_its_range_and_its_model_is_no_model_of_classes(opened, workspace, city):
    from core.files import write_json
    from core.model_store.importing import Answers, import_model
    from core.prediction.predict import predict
    from tests.helpers.measuring import write_measuring

    model = import_model(write_measuring(city / "net.onnx"), workspace.models / "heights", Answers())
    with Image.open(city / "images" / "lake.png") as opened_image:
        pixels = np.asarray(opened_image.convert("RGB")) / 255
    heights = pixels @ [2.0, -1.0, 0.5] - 0.25
    predict(model, city / "images" / "lake.png", workspace.predictions / "lake", memory="8GiB")
    # As a row of a batch chooses it.
    write_json(workspace.root / "recent.json", {"current": {"prediction": str(workspace.predictions / "lake")}, "recent": {}})
    at = opened(PREDICT)
    (box,) = [box for box in at.selectbox if box.label == "Map of measured values"]
    assert box.options[0].startswith("lake · Height, m · net · ") and at.get("bidi_component")
    shown = {metric.label: float(metric.value) for metric in at.metric}
    assert shown == pytest.approx({"Least": heights.min(), "Mean": heights.mean(), "Largest": heights.max()}, abs=1e-3)
    assert "**Height, m**" in text_of(at) and "The colours run between the values that 2 % of the pixels lie below" in text_of(at)
    assert "download_measured" in str([button.proto for button in at.get("download_button")])
    at = sound(next(box for box in at.selectbox if box.label == "Model").set_value(str(model.folder)).run())
    assert "measures Height, m" in text_of(at)
    assert not at.error and not [one.value for one in at.text if "cannot be read" in one.value]
    label = sound(at.switch_page("pages/2_Label.py").run())
    for choice in label.selectbox:
        assert "net" not in choice.options
