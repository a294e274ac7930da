"""The Label page: beginning, choosing, accepting, deleting; the canvas itself is tested in a browser and by its routes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.classes import DUBAI
from core.labelling.projects.painting import STARTS
from core.labelling.projects.project import LabelProject
from core.model_store.cards import ModelCard
from tests.helpers.predicted import predicted
from tests.pages.conftest import keys_of, sound, text_of
from ui.label import open as sessions

LABEL = "pages/2_Label.py"


@pytest.fixture
def bare(workspace) -> Path:
    """An image of 60 x 80 pixels without a mask, in a folder that the dashboard may open."""
    path = workspace.uploads / "field.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8)).save(path)
    return path


@pytest.fixture
def project(workspace, bare):
    made = LabelProject.create(workspace.labelling / "field", bare, STARTS["Land cover"])
    yield made
    sessions.close(made.folder)


@pytest.fixture(autouse=True)
def closed(workspace):
    yield
    for folder in workspace.labelling.iterdir():
        sessions.close(folder)


def test_nothing_labelled_yet_offers_the_form_with_the_sample(opened):
    at = opened(LABEL)
    assert "Nothing labelled yet" in text_of(at)
    assert not at.button(key="label_begin").disabled  # the sample's largest scene is proposed
    assert "begin with the sample town" in text_of(at) and "use_sample" not in keys_of(at)


def test_a_bare_image_is_begun_with_classes_to_start_from(opened, workspace, bare):
    at = opened()
    at.session_state["gl_label_scene"] = str(bare)
    at = sound(at.switch_page(LABEL).run())
    assert "80 × 60 px, 3 bands of uint8" in text_of(at)
    at.selectbox(key="label_classes_True").set_value("Water").run()
    at = sound(at.button(key="label_begin").click().run())
    made = LabelProject.open(workspace.labelling / "field")
    assert made.labels.scheme.names == ("Water", "Land") and made.scene_path == bare and made.model is None
    assert "label_accept" in keys_of(at)
    assert "Nothing labelled yet" not in text_of(at)


def test_a_second_project_of_a_scene_gets_a_name_of_its_own(opened, workspace, bare, project):
    at = opened()
    at.session_state["gl_label_scene"] = str(bare)
    at = sound(at.switch_page(LABEL).run())
    sound(at.button(key="label_begin").click().run())
    assert sorted(folder.name for folder in workspace.labelling.iterdir()) == ["field", "field-2"]


def test_a_path_outside_the_allowed_folders_is_refused_in_one_line(opened, monkeypatch, tmp_path):
    monkeypatch.setenv("GROUNDLINE_ROOTS", str(tmp_path / "elsewhere"))
    at = opened()
    at.session_state["gl_label_scene"] = "/etc/hostname"
    at = at.switch_page(LABEL).run()
    assert any("lies outside the folders" in one.value for one in at.error)
    assert at.button(key="label_begin").disabled


@pytest.fixture
def model(workspace):
    folder = workspace.models / "net"
    folder.mkdir()
    ModelCard(name="nearest-colour", architecture="unet", scheme=DUBAI, bands=(1, 2, 3), patch_size=64).save(folder)
    (folder / "model.keras").write_bytes(b"dummy")
    return folder


def test_a_model_brings_its_classes_and_its_answer_is_made_first(opened, workspace, bare, model, monkeypatch, finished):
    asked = []

    def start(kind, request, *, title=None):
        asked.append((kind, request))
        finished(kind, {**request, "model": str(request["model"]), "scene": str(request["scene"])}, state="queued")

    monkeypatch.setattr("ui.jobs_view.start", start)
    at = opened()
    at.session_state["gl_label_scene"] = str(bare)
    at = sound(at.switch_page(LABEL).run())
    at.selectbox(key="label_model").set_value(str(model)).run()
    sound(at.button(key="label_begin").click().run())
    made = LabelProject.open(workspace.labelling / "field")
    assert made.labels.scheme.names == DUBAI.names and made.of_model == (0, 1, 2, 3, 4) and made.prediction is None
    ((kind, request),) = asked
    assert kind == "predict" and request["out"] == made.folder / "model-answer"

    predicted(bare, made.folder / "model-answer")
    sound(at.run())
    assert LabelProject.open(made.folder).prediction == made.folder / "model-answer"


def test_a_prediction_of_the_scene_by_the_model_is_taken_as_it_is(opened, workspace, bare, model):
    folder = predicted(bare, workspace.predictions / "field")
    at = opened()
    at.session_state["gl_label_scene"] = str(bare)
    at = sound(at.switch_page(LABEL).run())
    at.selectbox(key="label_model").set_value(str(model)).run()
    sound(at.button(key="label_begin").click().run())
    assert LabelProject.open(workspace.labelling / "field").prediction == folder


def test_accepting_asks_for_a_prediction_and_a_data_set(opened, workspace, project, monkeypatch):
    asked = []
    monkeypatch.setattr("ui.jobs_view.start", lambda kind, request, *, title=None: asked.append((kind, request)))
    at = opened(LABEL)
    at.radio(key="label_agreed").set_value("painted").run()
    sound(at.button(key="label_accept").click().run())
    ((kind, request),) = asked
    assert kind == "accept" and request["agreed"] == "painted" and request["project"] == project.folder
    assert request["dataset"] == workspace.root / "labels" / "field-painted"


def test_what_came_of_it_leads_to_training_from_the_model(opened, workspace, bare, model, finished):
    LabelProject.create(workspace.labelling / "field", bare, STARTS["Water"], model=str(model), of_model=2)
    project = LabelProject.open(workspace.labelling / "field")
    project.start_from(predicted(bare, workspace.predictions / "start"))
    prediction = predicted(bare, workspace.predictions / "field")
    dataset = workspace.root / "labels" / "field-painted"
    for part in ("images", "masks"):
        (dataset / part).mkdir(parents=True)
        Image.fromarray(np.zeros((60, 80, 3) if part == "images" else (60, 80), np.uint8)).save(dataset / part / "field.png")
    request = {"project": str(project.folder), "dataset": str(dataset), "out": str(prediction)}
    finished("accept", request, {"folder": str(prediction), "dataset": str(dataset), "labelled": {"Roof": 1200, "Grass": 30}})
    at = opened(LABEL)
    assert "1,230 pixels labelled (Roof 1,200 and Grass 30)" in text_of(at)
    at = sound(at.button(key="label_to_train").click().run())
    assert at.session_state["gl_selection"].dataset == dataset
    # The model takes patches of 64 px; two of 32 px lie beside each other in 60.
    assert (at.number_input(key="patch_size").value, at.number_input(key="patch_stride").value) == (32, 16)
    assert at.session_state["train_from_model"] == str(model)


def test_a_project_goes_to_the_trash(opened, workspace, project):
    at = opened(LABEL)
    at = sound(at.button(key="label_delete").click().run())
    assert not list(workspace.labelling.iterdir())
    assert "Nothing labelled yet" in text_of(at)


def test_a_scene_that_is_gone_says_so_in_one_line(opened, bare, project):
    bare.unlink()
    at = opened(LABEL)
    assert any("field.png" in one.value for one in at.error)


def test_a_dashboard_that_only_shows_begins_and_accepts_nothing(opened, project, monkeypatch):
    monkeypatch.setenv("GROUNDLINE_READ_ONLY", "1")
    at = opened(LABEL)
    assert all(at.button(key=key).disabled for key in ("label_begin", "label_accept", "label_delete"))


def test_certifying_waits_for_an_accepted_answer(opened, project):
    at = opened()
    at.session_state["label_tab"] = "Certify"
    at = sound(at.switch_page(LABEL).run())
    assert "Nothing accepted yet" in text_of(at)
