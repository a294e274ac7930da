"""Each way to scale values against plain NumPy, as the tutorials write it."""

import numpy as np
import pytest
from sklearn.preprocessing import MinMaxScaler

from core.errors import ModelError, SettingsError
from core.model_store.cards import ModelCard, describe
from core.model_store.normalisation import SEAMS, WAYS, check_way, normalise, read_normalisation
from core.patches.statistics import image_limits, percentiles
from core.scenes.opening import scene_of_array
from tests.helpers.standins import SCHEME

RGB = np.random.default_rng(0).integers(0, 256, (5, 8, 6, 3), dtype=np.uint8)
STATISTICS = {"mean": [90.0, 80.0, 70.0], "std": [9.0, 8.0, 0.0], "max": [250.0, 200.0, 0.0]}


def min_max_scaler(patch):
    """As the tutorials write it."""
    return MinMaxScaler().fit_transform(patch.reshape(-1, patch.shape[-1])).reshape(patch.shape)


def card(normalisation, **more):
    return ModelCard("toy", "unet", SCHEME, (1, 2, 3), normalisation=normalisation, **more)


def test_min_max_of_each_patch_is_the_tutorials_loop():
    batch = RGB.copy()
    batch[2, :, :, 1] = 7  # a band without contrast
    rule = read_normalisation("patch")
    loop = np.stack([min_max_scaler(patch) for patch in batch])
    np.testing.assert_allclose(normalise(batch, rule), loop, atol=1e-6)
    np.testing.assert_allclose(normalise(batch[0], rule), loop[0], atol=1e-6)
    together = np.stack([min_max_scaler(patch.reshape(-1, 1)).reshape(patch.shape) for patch in batch])
    np.testing.assert_allclose(normalise(batch, read_normalisation("patch-together")), together, atol=1e-6)


def test_pixels_without_a_value_do_not_change_a_patchs_range():
    patch = RGB[0].astype(np.float32)
    patch[0, 0] = np.nan
    whole = np.array([band[np.isfinite(band)] for band in patch.reshape(-1, 3).T])
    wanted = (patch - whole.min(1)) / (whole.max(1) - whole.min(1))
    np.testing.assert_allclose(normalise(patch, read_normalisation("patch")), np.nan_to_num(wanted), atol=1e-6)
    assert (normalise(np.full((4, 4, 3), np.nan, np.float32), read_normalisation("patch")) == 0).all()


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "float32"])
def test_percentiles_read_in_pieces_are_numpys_of_the_whole(dtype):
    rng = np.random.default_rng(1)
    pixels = rng.normal(100, 40, (5003, 3)).clip(0, 255) if dtype == "uint8" else rng.normal(300, 900, (5003, 3))
    pixels = pixels.clip(0, None).astype(dtype) if dtype == "uint16" else pixels.astype(dtype)
    found = percentiles(lambda: np.array_split(pixels, 7), 3, (2, 98, 50))
    np.testing.assert_allclose(found, np.percentile(pixels.astype(np.float64), (2, 98, 50), axis=0), rtol=1e-12)


def test_percentiles_of_no_pixel_are_0_and_1():
    assert percentiles(lambda: [np.full((5, 2), np.nan)], 2, (2, 98)).tolist() == [[0, 0], [1, 1]]


def test_the_limits_of_a_scene_leave_out_its_nodata(monkeypatch):
    monkeypatch.setattr("core.patches.statistics._PIECE_PX", 16)
    image = np.random.default_rng(2).integers(1, 4000, (45, 70, 3), dtype=np.uint16)
    image[:9] = 0
    found = image_limits(scene_of_array(image, nodata=0), (3, 1), low=2, high=98)
    np.testing.assert_allclose(found, np.percentile(image[9:].reshape(-1, 3), (2, 98), axis=0)[:, [2, 0]], rtol=1e-12)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("none", RGB),
        ("divide", RGB / 255),
        ("divide=10000", RGB / 10000),
        ("divide=1,2,4", RGB / np.array([1, 2, 4])),
        ("maximum", RGB / np.array([250, 200, 1])),
        ("standard", (RGB - np.array([90, 80, 70.0])) / np.array([9, 8, 1e-6])),
        ("standard=1,2,3,4,5,6", (RGB - np.array([1, 2, 3.0])) / np.array([4, 5, 6])),
        ("caffe", RGB - np.array([123.68, 116.779, 103.939])),
        ("symmetric", RGB / 127.5 - 1),
        ("torch", (RGB / 255 - np.array([0.485, 0.456, 0.406])) / np.array([0.229, 0.224, 0.225])),
    ],
)
def test_a_word_means_what_it_says_and_comes_back_from_the_card(text, wanted, tmp_path):
    before = card(read_normalisation(text, bands=3, statistics=STATISTICS))
    before.save(tmp_path)
    after = ModelCard.load(tmp_path)
    assert after == before and SEAMS not in (tmp_path / "README.md").read_text()
    np.testing.assert_allclose(after.normalise(RGB), wanted, rtol=1e-5, atol=1e-5)


def test_a_stretch_by_image_needs_the_images_limits(tmp_path):
    before = card(read_normalisation("image=1,99"))
    before.save(tmp_path)
    after = ModelCard.load(tmp_path)
    assert after == before and after.by_image and "1 to 99 % stretch" in describe(after)
    limits = np.array([[10, 0, 50], [200, 100, 50.0]])
    wanted = np.clip((RGB - limits[0]) / [190, 100, 1], 0, 1)
    np.testing.assert_allclose(after.normalise(RGB, limits), wanted, atol=1e-6)


def test_scaling_by_the_patch_is_warned_of_in_the_card():
    assert SEAMS in describe(card({"kind": "patch", "bands": "each"}))
    assert "min-max of each patch, band by band" in describe(card({"kind": "patch", "bands": "each"}))


@pytest.mark.parametrize("text", [way.word for way in WAYS] + ["divide=10000", "image=0,100", "standard=1,2"])
def test_every_word_is_taken(text):
    assert check_way(text) == text


@pytest.mark.parametrize(
    "text", ["magic", "divide=0", "divide=x", "image=98,2", "image=2", "standard=1,2,3", "standard=1,0", "patch=2", ""]
)
def test_a_word_that_means_nothing_is_refused(text):
    with pytest.raises(SettingsError, match="normalisation"):
        check_way(text)


def test_imagenets_ways_are_for_three_bands_and_statistics_are_asked_for():
    with pytest.raises(SettingsError, match="12 bands"):
        read_normalisation("torch", bands=12)
    with pytest.raises(SettingsError, match="without numbers"):
        read_normalisation("maximum", bands=12)


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "patch"},
        {"kind": "image", "low": 98, "high": 2},
        {"kind": "divide", "divisor": [1, 2]},
        {"kind": "divide", "divisor": [1, 2, 0]},
    ],
)
def test_a_card_with_half_a_rule_is_refused(wrong):
    with pytest.raises(ModelError, match="normalisation"):
        card(wrong)
