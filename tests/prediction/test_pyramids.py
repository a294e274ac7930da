"""Overviews: halved by hand, and consistent with each other in the finished files."""

import numpy as np
import pytest
import rasterio

from core.prediction.blend.kernels import halve, quantise
from core.prediction.predict import predict
from core.scenes.opening import scene_of_array
from tests.helpers.standins import make_engine, make_model


def test_halving_averages_what_is_there():
    # Two classes of a 3 x 3 picture: the second row of the left block is empty, the last row and column stand alone.
    first = np.array([[10, 20, 30], [0, 0, 50], [1, 2, 255]], np.uint8)
    second = np.array([[40, 80, 9], [0, 0, 11], [3, 3, 0]], np.uint8)
    out = np.empty((2, 2, 2), np.uint8)
    halve(np.stack([first, second], axis=1), out)
    # (10 + 20) / 2 = 15, (30 + 50) / 2 = 40, (1 + 2) / 2 = 1.5 -> 2, 255 alone; (40 + 80) / 2 = 60, (9 + 11) / 2 = 10, 3, 0
    np.testing.assert_array_equal(out[:, 0], [[15, 40], [2, 255]])
    np.testing.assert_array_equal(out[:, 1], [[60, 10], [3, 0]])


def test_bytes_keep_the_winner():
    # 0.5001 and 0.4999 both round to 128 of 255 (127.53, 127.47 + 0.5): the loser gets 127.
    values = np.array([[[0.4999, 0.5001], [1.0, 0.0], [0.3, 0.7]]], np.float32)
    out, labels = np.empty((1, 2, 3), np.uint8), np.empty((1, 3), np.uint8)
    quantise(values, np.array([[True, True, False]]), out, labels)
    np.testing.assert_array_equal(out[0], [[127, 255, 0], [128, 0, 0]])
    np.testing.assert_array_equal(labels, [[1, 0, 255]])


@pytest.mark.parametrize("classes", [3, 4])
def test_overviews_of_all_files_belong_together(tmp_path, classes):
    from core.classes import ClassScheme

    scheme = ClassScheme(tuple("abcd"[:classes]), tuple((i, i, i) for i in range(classes)))
    model = make_model(tmp_path / "model", scheme=scheme)
    image = np.random.default_rng(0).integers(0, 255, (301, 533, 3), dtype=np.uint8)
    image[:130, :140] = 255

    def network(patches):
        scores = np.concatenate([patches, 1 - patches[..., :1]], axis=-1)[..., :classes] + 0.01
        return (scores / scores.sum(axis=-1, keepdims=True)).astype(np.float32)

    predict(model, scene_of_array(image, nodata=255), tmp_path / "out", engine=make_engine(model, network))

    def overview(name, level):
        with rasterio.open(tmp_path / "out" / f"{name}.tif", overview_level=level) as file:
            return file.read(), file.dataset_mask()

    for level, shape in ((0, (151, 267)), (1, (76, 134))):
        probabilities, mask = overview("probabilities", level)
        assert probabilities.shape == (classes, *shape)
        empty = (probabilities == 0).all(axis=0)
        np.testing.assert_array_equal(mask == 0, empty)
        assert empty[: 130 >> (level + 1), : 140 >> (level + 1)].all() and not empty[130 >> level :].any()
        labels = overview("labels", level)[0][0]
        np.testing.assert_array_equal(labels, np.where(empty, 255, probabilities.argmax(axis=0)))
        np.testing.assert_array_equal(overview("confidence", level)[0][0], probabilities.max(axis=0))
    with rasterio.open(tmp_path / "out/probabilities.tif") as file:
        assert rasterio.enums.ColorInterp.alpha not in file.colorinterp
        full = file.read().transpose(1, 2, 0)
    # An inner pixel of the first overview is the mean of its four, to the nearest byte.
    assert np.abs(full[200:202, 200:202].astype(float).mean(axis=(0, 1)) - overview("probabilities", 0)[0][:, 100, 100]).max() <= 0.5
