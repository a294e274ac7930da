import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from core.evaluation.certify.answers import NOT_SURE, PointAnswers
from core.prediction.folder.rasters import Prediction
from tests.helpers.predicted import predicted
from tests.pages.conftest import SLOW_S, keys_of, sound, text_of


@pytest.fixture
def folder(workspace, tmp_path):
    """A prediction of bright sand with a dark lake."""
    picture = np.full((70, 90, 3), (200, 178, 150), np.uint8)
    picture[20:50, 30:60] = 40, 82, 95
    Image.fromarray(picture).save(tmp_path / "lake.png")
    return predicted(tmp_path / "lake.png", workspace.predictions / "lake")


@pytest.fixture
def answers(folder, workspace):
    """The points of the prediction, with answers that a test adds."""
    return PointAnswers.open(Prediction.open(folder), workspace.certified)


def answered(answers, person, count, says=None):
    answers = answers.give(100, person)
    for point in answers.given[:count]:
        answers = answers.answer(point, int(answers.points.predicted[point]) if says is None else says, person)
    return answers


def shown(folder, person="Ada") -> AppTest:
    """The tab alone, with a name typed."""

    def page():
        from pathlib import Path

        import streamlit as st

        from ui.label import certify

        certify.tab(Path(st.session_state["folder"]))

    at = AppTest.from_function(page, default_timeout=SLOW_S)
    at.session_state["folder"] = str(folder)
    at = sound(at.run())
    return sound(at.text_input(key="certify_person").set_value(person).run()) if person else at


def bar(at) -> str:
    return at.main.get("progress")[0].proto.text


def test_it_says_what_it_is_and_asks_for_a_name_first(folder):
    at = shown(folder, person="")
    assert "press one key" in text_of(at) and "Type your name" in at.info[0].value
    assert "certify_class_0" not in keys_of(at)


def test_one_key_answers_a_point_and_what_the_map_says_comes_afterwards(folder, answers):
    at = shown(folder)
    assert bar(at) == "0 of 100" and "The map shows" not in text_of(at)
    at = sound(at.button(key="certify_class_4").click().run())
    assert bar(at) == "1 of 100" and "Your last answer: Water. The map shows" in text_of(at)
    at = sound(at.button(key="certify_not_sure").click().run())
    now = answers.read()
    assert [one.class_id for one in now.answers] == [4, NOT_SURE] and {one.person for one in now.answers} == {"Ada"}
    at = sound(at.button(key="certify_undo").click().run())
    assert bar(at) == "1 of 100" and len(now.read().answers) == 1
    keys = {button.key: button.proto.shortcut for button in at.button}
    assert keys["certify_class_0"] == "1" and keys["certify_not_sure"] == "0" and keys["certify_undo"].lower() == "backspace"


def test_from_thirty_answers_on_the_map_is_judged(folder, answers):
    answers = answered(answers, "Ada", 29)
    at = shown(folder)
    assert "appear from 30 sure answers on; there are 29" in at.info[0].value and not at.metric
    answered(answers, "Ada", 48)
    at = shown(folder)
    metrics = {metric.label: (metric.value, metric.delta) for metric in at.metric}
    assert metrics["Right area"][0] == "100.0 %" and metrics["Points answered"] == ("48", "0 not sure")
    assert "About 100 % of this map" in text_of(at)
    assert {"Page for the client", "Points as CSV", "Points as GeoJSON"} <= {button.label for button in at.get("download_button")}


def test_two_people_are_compared_and_one_of_them_counts(folder, answers):
    answers = answered(answered(answers, "Ada", 50), "Bo", 40, says=1)
    at = shown(folder, "Bo")
    assert bar(at) == "40 of 100" and "Ada and Bo both told a class at 40 points" in text_of(at)
    at = sound(at.selectbox(key="certify_first").set_value("Bo").run())
    assert "the answer of Bo counts" in text_of(at)


def test_a_dashboard_that_only_shows_draws_no_points_and_takes_no_answer(folder, workspace, monkeypatch):
    monkeypatch.setenv("GROUNDLINE_READ_ONLY", "1")
    at = shown(folder, person="")
    assert "Nobody has answered" in at.info[0].value and not list(workspace.certified.iterdir())
    monkeypatch.delenv("GROUNDLINE_READ_ONLY")
    answered(PointAnswers.open(Prediction.open(folder), workspace.certified), "Ada", 40)
    monkeypatch.setenv("GROUNDLINE_READ_ONLY", "1")
    at = shown(folder)
    assert all(button.disabled for button in at.button if button.key.startswith("certify_")) and at.metric


def test_without_the_scene_the_answers_are_still_told(folder, answers, tmp_path):
    answered(answers, "Ada", 40)
    (tmp_path / "lake.png").unlink()
    at = shown(folder, person="")
    assert "not where it was" in at.info[0].value and at.metric and "certify_class_0" not in keys_of(at)
