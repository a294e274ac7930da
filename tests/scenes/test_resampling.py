from __future__ import annotations

import numpy as np
import pytest

from core.scenes.resampling import resize_image, resize_labels, resize_valid, scaled_length, taps


def whole(shape: tuple[int, int], factor: float):
    height, width = (scaled_length(side, factor) for side in shape)
    return taps(shape[0], height), taps(shape[1], width)


def test_half_size_is_the_mean_of_four():
    pixels = np.array([[0, 2, 10, 10], [4, 2, 10, 11]], np.uint8)[..., None]
    # (0 + 2 + 4 + 2) / 4 = 2, (10 + 10 + 10 + 11) / 4 = 10.25
    np.testing.assert_array_equal(resize_image(pixels, *whole((2, 4), 0.5))[..., 0], [[2, 10]])


def test_two_thirds_shares_a_pixel_by_area():
    pixels = np.array([[3.0, 6.0, 12.0]], np.float32)[..., None]
    # 3 pixels to 2: each takes 1.5; (3 + 6 / 2) / 1.5 = 4 and (6 / 2 + 12) / 1.5 = 10
    result = resize_image(pixels, taps(1, 1), taps(3, 2))
    np.testing.assert_allclose(result[..., 0], [[4, 10]], rtol=1e-6)


def test_twice_the_size_is_bilinear_between_centres():
    pixels = np.array([[0.0, 4.0]], np.float32)[..., None]
    # centres of the four lie at 0.25, 0.75, 1.25, 1.75 of two pixels: -0.25 (held at 0), 0.25, 0.75, 1.25 (held at 1)
    result = resize_image(pixels, taps(1, 1), taps(2, 4))
    np.testing.assert_allclose(result[..., 0], [[0, 1, 3, 4]], rtol=1e-6)


def test_invalid_pixels_lend_nothing():
    pixels = np.array([[8.0, np.nan], [4.0, np.nan]], np.float32)[..., None]
    valid = np.isfinite(pixels[..., 0])
    assert resize_image(pixels, *whole((2, 2), 0.5), valid=valid)[0, 0, 0] == 6
    assert resize_valid(valid, *whole((2, 2), 0.5))[0, 0]  # exactly half
    valid[0, 0] = False
    assert not resize_valid(valid, *whole((2, 2), 0.5))[0, 0]


def test_labels_go_by_the_larger_area():
    ids = np.array([[1, 1, 255, 255], [1, 2, 255, 3]], np.uint8)
    np.testing.assert_array_equal(resize_labels(ids, *whole((2, 4), 0.5)), [[1, 255]])
    # two against two: the lower id
    np.testing.assert_array_equal(resize_labels(np.array([[5, 4], [4, 5]], np.uint8), *whole((2, 2), 0.5)), [[4]])


@pytest.mark.parametrize("factor", [0.125, 0.3, 0.77, 1.0, 1.7, 3.0])
def test_bands_of_rows_give_the_same_as_the_whole(factor):
    rng = np.random.default_rng(1)
    pixels, ids = rng.integers(0, 256, (37, 53, 2)).astype(np.uint8), rng.integers(0, 4, (37, 53)).astype(np.uint8)
    height, width = scaled_length(37, factor), scaled_length(53, factor)
    rows, cols = whole((37, 53), factor)
    image, labels = [], []
    for start in range(0, height, 5):
        stop = min(height, start + 5)
        first, last = rows.needed(start, stop)
        band = rows.part(start, stop)
        image.append(resize_image(pixels[first:last], band, taps(53, width)))
        labels.append(resize_labels(ids[first:last], band, taps(53, width)))
    np.testing.assert_array_equal(np.concatenate(image), resize_image(pixels, rows, cols))
    np.testing.assert_array_equal(np.concatenate(labels), resize_labels(ids, rows, cols))
    assert rows.share.sum(axis=1) == pytest.approx(np.ones(height), abs=1e-6)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (11, 13), (37, 53), (38, 7), (64, 101), (111, 53)])
def test_the_compiled_applier_and_that_in_numpy_agree(height, width):
    from core.prediction.blend.resizing import resize_cols, resize_rows

    pixels = np.random.default_rng(2).random((37, 53, 3), np.float32)
    rows, cols = taps(37, height), taps(53, width)
    expected = resize_image(pixels, rows, cols)
    np.testing.assert_allclose(resize_cols(resize_rows(pixels, 0, rows, 0, height), 0, cols, 0, width), expected, rtol=1e-5)
    start, stop = height // 3, height // 3 + max(1, height // 2)
    first, last = rows.needed(start, stop)
    part = resize_cols(resize_rows(pixels[first:last], first, rows, start, stop), 0, cols, 0, width)
    np.testing.assert_allclose(part, expected[start:stop], rtol=1e-5)
    assert rows.ready(last) >= stop and rows.ready(last - 1) < stop
