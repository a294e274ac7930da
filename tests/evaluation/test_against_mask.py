"""A prediction in its folder against a mask, counted by hand."""

import numpy as np
import pytest

from core.datasets.masks.encodings import IDS
from core.datasets.pairs import Pair
from core.errors import SceneError
from core.evaluation.against_mask import count_against
from core.prediction.folder.rasters import Prediction
from core.scenes.opening import scene_of_array
from tests.helpers.predicted import predicted


def mask_of(ids, root):
    return Pair("m", root, root, "", IDS, image_opener=lambda: scene_of_array(ids), mask_opener=lambda: scene_of_array(ids))


def test_the_mask_is_counted_class_by_class(town, tmp_path):
    prediction = Prediction.open(predicted(town / "images" / "villas.tif", tmp_path / "p"))
    labels = prediction.labels()
    truth = labels.copy()
    truth[:3, :10] = 255  # 30 pixels without a label
    truth[10:12, :50] = (labels[10:12, :50] + 1) % 5  # 100 pixels of the next class

    found = count_against(prediction, mask_of(truth, tmp_path), prediction.scheme)

    expected = np.zeros((5, 5), int)
    for row, column in zip(truth.ravel(), labels.ravel(), strict=True):
        if row != 255:
            expected[row, column] += 1
    assert np.array_equal(found.counts, expected)
    assert found.pixels == labels.size - 30
    assert found.accuracy == pytest.approx(1 - 100 / (labels.size - 30))


def test_a_mask_of_another_size_is_refused(town, tmp_path):
    prediction = Prediction.open(predicted(town / "images" / "villas.tif", tmp_path / "p"))
    with pytest.raises(SceneError, match=r"a mask of 7 x 9 pixels \(height x width\).*Expected the size of the prediction"):
        count_against(prediction, mask_of(np.zeros((7, 9), np.uint8), tmp_path), prediction.scheme)
