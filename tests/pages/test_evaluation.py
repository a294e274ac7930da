import io
import shutil
import zipfile
from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from core.evaluation.result import Evaluation
from core.evaluation.writing import write_all
from core.jobs import records
from core.model_store.cards import ModelCard
from core.verbs import registry
from tests.evaluation.conftest import make_dataset, run
from tests.helpers.standins import SCHEME
from tests.pages.conftest import SLOW_S, keys_of, sound, text_of
from ui.evaluate import files
from ui.evaluate.tab import _SECTIONS

TRAIN = "pages/3_Train.py"


@pytest.fixture(scope="session")
def measured(tmp_path_factory) -> Evaluation:
    """Six scenes, the stand-in network, and a part of one label drawn wrongly."""

    def spoil(number, ids):
        if number == 2:
            ids[60:100, 5:30] = 2
        return ids

    root = tmp_path_factory.mktemp("measured")
    return run(root, make_dataset(root, change=spoil), folder=root / "evaluation", polygons=["middle"], pictures=5)


@pytest.fixture
def kept(workspace, finished, measured, tmp_path):
    """`kept("name", scenes="validation", split="group")`: that evaluation in the workspace, with the job that wrote it and its model."""
    card = ModelCard(name="tiny", architecture="unet", scheme=SCHEME, bands=(1, 2, 3), patch_size=32)
    (workspace.models / "tiny").mkdir()
    card.save(workspace.models / "tiny")
    (workspace.models / "tiny" / "model.keras").write_bytes(b"dummy")
    (tmp_path / "stripes").mkdir()

    def keep(name, **changes):
        out = workspace.evaluations / name
        shutil.copytree(measured.folder, out)
        saved = replace(measured, folder=out, **changes)
        write_all(saved, out)
        finished("evaluate", {"model": str(workspace.models / "tiny"), "dataset": tmp_path / "stripes", "out": out}, {"folder": str(out)})
        return saved

    return keep


def tab(section="Classes") -> AppTest:
    """The tab alone, with a section open."""

    def page():
        from ui.evaluate import tab as evaluation_view

        evaluation_view.tab()

    at = AppTest.from_function(page, default_timeout=SLOW_S)
    at.session_state["evaluation_section"] = section
    return sound(at.run())


def metrics(at) -> dict[str, str]:
    return {metric.label: metric.value for metric in at.metric}


def test_without_an_evaluation_the_tab_says_what_it_does_and_starts_one(opened, workspace, finished, monkeypatch):
    asked = []
    monkeypatch.setattr("ui.jobs_view.start", lambda kind, request, title=None: asked.append((kind, request, title)))
    at = opened(TRAIN)
    at.session_state["train_tab"] = "Evaluation"
    at = sound(at.run())
    assert "which labels look wrong" in text_of(at)
    at = sound(at.button(key="evaluation_start").click().run())
    ((kind, request, title),) = asked
    assert kind == "evaluate" and registry.complete(kind, request)["scenes"] == request["scenes"]
    assert request["overlap"] == 0.5 and request["patches"] is None and "on" in title


def test_a_running_evaluation_shows_its_progress_and_can_be_stopped(workspace, finished, tmp_path):
    request = {"model": "sample-town", "dataset": tmp_path, "out": tmp_path / "out"}
    folder = finished("evaluate", request, state="running", done=300, total=1000, message="predicting one")
    with records.worker_lock(folder):
        at = tab()
        assert "30 % · Predicting one" in [bar.proto.text for bar in at.main.get("progress")]
        sound(at.button(key="evaluation_stop").click().run())
        assert records.read_control(folder) == "stop"


def test_a_failed_evaluation_says_why(workspace, finished, tmp_path):
    finished("evaluate", {"model": "sample-town", "dataset": tmp_path}, state="failed", error="no masks in city. Expected at least one.")
    at = tab()
    assert [error.value for error in at.error] == ["No masks in city. Expected at least one."]
    assert "evaluation_dismiss" in keys_of(at)


def test_the_headline_tells_scores_intervals_and_what_they_were_measured_on(kept):
    saved = kept("one", scenes="test", split="group")
    at = tab()
    assert metrics(at)["Mean IoU"] == f"{saved.confusion.mean_iou:.3f}"
    low, high = saved.intervals.of("mean_iou")
    assert next(one for one in at.metric if one.label == "Mean IoU").delta == f"{low:.3f} to {high:.3f}"
    assert "Measured on scenes held out from training: 6 scenes" in text_of(at) and "Not seen in training" in text_of(at)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"scenes": "validation", "split": "group"}, "Chose the epoch"),
        ({"scenes": "validation", "split": "random"}, "Too high: seen in training"),
        ({"scenes": "train", "split": "group"}, "Too high: seen in training"),
        ({"scenes": "all", "split": ""}, "Training scenes not known"),
    ],
)
def test_the_badge_says_how_much_a_score_is_worth(kept, changes, words):
    kept("one", **changes)
    assert words in text_of(tab("Downloads"))


@pytest.mark.parametrize("section", _SECTIONS)
def test_every_section_draws(kept, section):
    kept("one", scenes="validation", split="group")
    at = tab(section)
    assert not at.error
    drawn = {"Worst patches": at.image, "Label errors": at.image, "Scenes": at.dataframe, "Downloads": at.get("download_button")}
    assert drawn.get(section) or at.get("plotly_chart") or at.info


def test_pages_of_patches_go_on_where_the_last_one_ended(kept):
    kept("one", scenes="validation", split="group")
    at = tab("Worst patches")
    assert "**1 ·" in text_of(at) and "**4 ·" in text_of(at) and "**5 ·" not in text_of(at)
    at = sound(next(one for one in at.segmented_control if one.label == "Page").set_value(1).run())
    assert "**5 ·" in text_of(at) and "**4 ·" not in text_of(at)


def test_the_planted_label_error_is_named_with_its_place(kept):
    kept("one", scenes="validation", split="group")
    words = text_of(tab("Label errors"))
    assert "labelled Bright, model" in words and "sure of Dark** · s2 · row 60, column 5" in words


def test_label_errors_without_a_picture_are_listed_as_well(kept, measured):
    found = tuple(replace(measured.label_errors[0], row=60 + number, picture=None) for number in range(3))
    kept("one", scenes="validation", split="group", label_errors=found)
    words = text_of(tab("Label errors"))
    assert "**3 regions**" in words and all(f"row {60 + number}," in words for number in range(3))
    assert words.count("No pictures of this one") == 3


def test_a_threshold_is_answered_from_the_histogram(kept):
    saved = kept("one", scenes="validation", split="group")
    at = tab("Thresholds")
    at.selectbox(key="evaluation_threshold_class").set_value("Middle")
    at = at.run()
    at = sound(at.slider(key="evaluation_threshold_Middle").set_value(0.8).run())
    now = saved.thresholds("Middle").at(0.8)
    assert (metrics(at)["Precision"], metrics(at)["Recall"]) == (f"{now['precision']:.3f}", f"{now['recall']:.3f}")
    at = sound(at.button(key="evaluation_threshold_best").click().run())
    assert at.slider(key="evaluation_threshold_Middle").value == round(saved.thresholds("Middle").best, 2)


def test_the_temperature_goes_into_the_card_from_validation_scenes_only(kept, workspace):
    kept("first", scenes="test", split="group")
    assert "evaluation_store" not in keys_of(tab("Confidence"))
    saved = kept("second", scenes="validation", split="group")
    at = sound(tab("Confidence").button(key="evaluation_store").click().run())
    assert ModelCard.load(workspace.models / "tiny").temperature == pytest.approx(saved.calibration.temperature, abs=1e-4)
    assert "holds this temperature" in "\n".join(one.value for one in tab("Confidence").success)
    assert not at.error


def test_two_evaluations_are_compared_and_their_map_is_made(kept, workspace, finished, monkeypatch):
    kept("one", scenes="validation", split="group")
    assert "Nothing to compare with yet" in "\n".join(one.value for one in tab("Compare").info)
    kept("two", scenes="validation", split="group", model="other")
    at = tab("Compare")
    assert ": +0.000 (95 %: +0.000 to +0.000). That may be chance." in text_of(at)

    def at_once(kind, request, title=None):
        out = workspace.evaluations / "compared"
        finished(kind, {**request, "out": out}, registry.run(kind, {**request, "out": out}))

    monkeypatch.setattr("ui.jobs_view.start", at_once)
    at = sound(at.button(key="evaluation_map_start").click().run())
    assert len(at.image) == 3
    scene = next(box for box in at.selectbox if box.label == "Scene")
    assert all(option.endswith("differ in 0.0 %") for option in scene.options)


def test_the_optimistic_score_is_one_click_away_and_then_beside_the_honest_one(kept, workspace, finished, tmp_path, monkeypatch):
    kept("honest", scenes="validation", split="group")
    assert "in one click" in "\n".join(one.value for one in tab("Honest?").info)
    (tmp_path / "patches").mkdir()
    request = {"prepared": tmp_path / "patches", "out": workspace.models / "tiny", "settings": {"epochs": 3, "name": "tiny"}}
    finished("train", request)
    asked = {}
    monkeypatch.setattr("ui.jobs_view.start", lambda kind, request, title=None: asked.update(kind=kind, **registry.complete(kind, request)))
    sound(tab("Honest?").button(key="evaluation_random").click().run())
    assert asked["kind"] == "random_split" and asked["prepared"] == str(tmp_path / "patches")
    assert asked["settings"] == {"epochs": 3, "name": "tiny, random split"}
    assert asked["model"] != str(workspace.models / "tiny") and asked["patches"].startswith(str(workspace.prepared))
    optimistic = kept("leaked", scenes="validation", split="random", settings={"random_patches_only": True})
    shown = metrics(tab("Honest?"))
    assert shown["Mean IoU, random patches"] == f"{optimistic.confusion.mean_iou:.3f}" and shown["Difference"] == "+0.000"


def test_the_tables_come_as_one_zip(kept, workspace):
    kept("one", scenes="validation", split="group")
    with zipfile.ZipFile(io.BytesIO(files.zipped(workspace.evaluations / "one"))) as archive:
        names = archive.namelist()
        assert names == sorted(f"{name}.csv" for name in files._TABLES)
        assert archive.read("confusion.csv").startswith(b"truth,Dark,Middle,Bright")


def test_the_tab_is_on_the_train_page(opened, kept):
    kept("one", scenes="validation", split="group")
    at = opened(TRAIN)
    at.session_state["train_tab"] = "Evaluation"
    assert "Mean F1" in metrics(sound(at.run()))
