"""What is accepted is written in the project's own classes: as a prediction, and as a data set of what was painted and agreed to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.datasets.datasets import open_dataset
from core.errors import InputError
from core.labelling.projects.accept import accept
from core.labelling.projects.project import LabelProject
from core.prediction.folder.rasters import Prediction
from tests.helpers.predicted import COLOURS, predicted

SIZE = (96, 160)


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    """Roof on the left half and sea on the right, in the colours that the stand-in model knows."""
    pixels = np.empty((*SIZE, 3), np.float32)
    pixels[:, :80], pixels[:, 80:] = COLOURS[0], COLOURS[4]
    pixels += np.random.default_rng(0).normal(0, 3, pixels.shape)
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(tmp_path / "halves.png")
    return tmp_path / "halves.png"


def box(class_id: int, left: int, top: int, right: int, bottom: int) -> dict:
    ring = [[left, top], [right, top], [right, bottom], [left, bottom], [left, top]]
    return {"class": class_id, "geometry": {"type": "Polygon", "coordinates": [ring]}}


def labels_of(dataset: Path) -> np.ndarray:
    opened = open_dataset(dataset)
    (pair,) = opened.pairs
    return pair.labels(opened.scheme)


def test_an_answer_of_strokes_alone(tmp_path, scene):
    project = LabelProject.create(tmp_path / "p", scene, (("House", "#FF0000"), ("Pool", "#0000FF"), ("Unused", "#00FF00")))
    project.do({"do": "paint", "shapes": [box(0, 10, 10, 30, 30), box(1, 100, 10, 120, 30)]})
    made = accept(project, tmp_path / "prediction", tmp_path / "data")
    prediction = Prediction.open(made.prediction)
    assert prediction.scheme.names == ("House", "Pool", "Unused") and prediction.card_name == "strokes"
    answer = prediction.labels()
    assert (answer[:, :72] == 0).all() and (answer[:, 88:] == 1).all()
    assert np.array_equal(labels_of(tmp_path / "data"), answer)
    assert made.labels.painted == {"House": 400, "Pool": 400}


def test_classes_that_were_renamed_moved_and_merged_are_written_as_they_are_now(tmp_path, scene):
    started = predicted(scene, tmp_path / "start", blur_px=1)
    classes = [("Building", "#3C1098"), ("Land", "#8429F6"), ("Road", "#6EC1E4"), ("Vegetation", "#FEDD3A"), ("Water", "#E2A929")]
    project = LabelProject.create(tmp_path / "p", scene, classes, model="net", prediction=started, of_model=5)
    rows = [(4, "Sea", "#0000FF"), (0, "Roof", "#FF0000"), (9, "Car", "#00FF00"), (1, "Ground", "#8429F6")]
    project.do({"do": "classes", "classes": [dict(zip(("id", "name", "colour"), row, strict=True)) for row in rows], "merge": {2: 1, 3: 1}})
    project.do({"do": "area", "area": box(0, 0, 0, 160, 48)["geometry"]})
    project.do({"do": "paint", "shapes": [box(9, 20, 10, 30, 20), box(4, 120, 10, 130, 20), box(0, 50, 10, 60, 20)]})
    made = accept(project, tmp_path / "prediction", tmp_path / "data", agreed="painted")
    prediction = Prediction.open(made.prediction)
    assert prediction.scheme.names == ("Sea", "Roof", "Car", "Ground")
    answer = prediction.labels()
    assert (answer[60:, :80] == 1).all() and (answer[60:, 80:] == 0).all()  # outside the area: the model's, in the project's classes
    assert answer[15, 25] in (1, 2) and (answer[:48, 100:] == 0).all()
    labels = labels_of(tmp_path / "data")
    assert {name: int((labels == k).sum()) for k, name in enumerate(open_dataset(tmp_path / "data").scheme.names)} == {
        "Sea": 100,
        "Roof": 100,
        "Car": 100,
        "Ground": 0,
    }
    assert (labels == 255).sum() == labels.size - 300


def test_only_places_that_were_agreed_to_are_labelled_beside_the_strokes(tmp_path, scene):
    project = LabelProject.create(tmp_path / "p", scene, (("House", "#FF0000"), ("Pool", "#0000FF")))
    project.do({"do": "paint", "shapes": [box(0, 10, 10, 30, 30), box(1, 100, 10, 120, 30)]})
    with pytest.raises(InputError, match="no place that was agreed to"):
        accept(project, tmp_path / "prediction", tmp_path / "data", agreed="agreed")
    project.do({"do": "agree", "window": [50, 0, 20, 40]})
    accept(project, tmp_path / "prediction", tmp_path / "data", agreed="agreed")
    labels = labels_of(tmp_path / "data")
    assert (labels != 255).sum() == 400 + 400 + 20 * 40
    assert (labels[50:70, :40] == 0).all()


def test_one_class_alone_is_refused_and_leaves_nothing(tmp_path, scene):
    project = LabelProject.create(tmp_path / "p", scene, (("House", "#FF0000"), ("Pool", "#0000FF")))
    project.do({"do": "paint", "shapes": [box(0, 10, 10, 30, 30)]})
    with pytest.raises(InputError):
        accept(project, tmp_path / "prediction", tmp_path / "data")
    assert not (tmp_path / "prediction").exists() and not (tmp_path / "data").exists()
