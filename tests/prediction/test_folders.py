import numpy as np
from PIL import Image

from core.prediction.folder.rasters import Prediction, prediction_folders
from core.workspace import Workspace
from tests.helpers.predicted import predicted


def made(folder, out):
    folder.mkdir(exist_ok=True)
    picture = np.full((60, 80, 3), (200, 178, 150), np.uint8)
    picture[20:40] = (40, 82, 95)
    Image.fromarray(picture).save(folder / "lake.png")
    return predicted(folder / "lake.png", out)


def test_counts_by_class_and_confidence_are_those_of_the_whole_raster(tmp_path):
    prediction = Prediction.open(made(tmp_path / "scene", tmp_path / "prediction"))
    counts = prediction.confidence_counts()
    labels, confidence = prediction.labels(), prediction.confidence()
    assert counts.shape == (len(prediction.scheme), 256) and counts.sum() == labels.size
    for class_id in np.unique(labels):
        assert np.array_equal(counts[class_id], np.bincount(confidence[labels == class_id], minlength=256))


def test_single_ones_those_of_a_batch_and_of_a_sample_are_found_but_none_that_is_being_written(tmp_path):
    workspace = Workspace(tmp_path / "workspace")
    places = [workspace.predictions / "one", workspace.predictions / "batch" / "scene", workspace.layers / "demo" / "prediction"]
    for place in [*places, workspace.predictions / ".half"]:
        place.mkdir(parents=True)
        (place / "prediction.json").write_text("{}", encoding="utf-8")
    assert sorted(prediction_folders(workspace)) == sorted(places)
