"""A scene that does not fit its model is refused or named, with the remedy."""

import numpy as np
import pytest
from affine import Affine
from pyproj import CRS

from core.errors import SceneError, SettingsError
from core.geo import GeoRef
from core.prediction.checks import check_scene, resampling_factor
from core.prediction.settings import parse_memory
from core.scenes.opening import scene_of_array
from tests.helpers.standins import make_model


def codes(card, scene):
    return [concern.code for concern in check_scene(card, scene)]


@pytest.fixture
def card(tmp_path):
    statistics = {"mean": [120.0] * 3, "std": [40.0] * 3}
    return make_model(tmp_path, pixel_size_m=0.3, training={"statistics": statistics}).card


def noise(mean=120.0, std=40.0, bands=3, dtype=np.uint8, size=60):
    values = np.random.default_rng(0).normal(mean, std, (size, size, bands))
    return np.clip(values, 0, 255 if dtype == np.uint8 else None).astype(dtype)


def placed(pixel_m):
    return GeoRef(Affine(pixel_m, 0, 325000, 0, -pixel_m, 2788000), CRS.from_epsg(32640))


def test_a_fitting_scene_raises_no_concern(card):
    assert codes(card, scene_of_array(noise(), geo=placed(0.3))) == []


def test_a_file_with_several_outputs_says_which_one_is_taken(tmp_path):
    card = make_model(tmp_path, architecture="file", network={"output": 3}).card
    (concern,) = check_scene(card, scene_of_array(noise()))
    assert concern.code == "output" and "number 4 is taken" in concern.sentence and "--output" in concern.sentence


def test_missing_bands_are_refused_with_the_remedy(card):
    with pytest.raises(SceneError, match=r"1 band in array. Expected at least 3.*Choose a scene with 3 bands, or a model for 1 band"):
        check_scene(card, scene_of_array(noise(bands=1)))


def test_each_misfit_has_its_name(card):
    assert codes(card, scene_of_array(noise(bands=4))) == ["bands"]
    assert codes(card, scene_of_array(noise(dtype=np.uint16))) == ["dtype"]
    assert codes(card, scene_of_array(noise(), geo=placed(1.0))) == ["pixel-size"]
    assert codes(card, scene_of_array(noise(mean=230, std=8))) == ["unlike-training"]
    assert codes(card, scene_of_array(noise(9000, 3000, dtype=np.uint16))) == ["dtype", "value-range", "unlike-training"]
    assert codes(card, scene_of_array(noise(0.5, 0.1, dtype=np.float32))) == ["dtype", "value-range", "unlike-training"]
    assert codes(card, scene_of_array(np.zeros((20, 20, 3), np.uint8), nodata=0)) == ["no-pixels"]
    sentence = check_scene(card, scene_of_array(noise(), geo=placed(1.0)))[0].sentence
    assert "1 m" in sentence and "0.3 m" in sentence and "resampling" in sentence


def test_the_resampling_factor_brings_pixels_to_the_models_size(card):
    # 1 m pixels for a model of 0.3 m: 1 / 0.3 = 3.33 times as many pixels. UTM's scale there differs by less than a thousandth.
    assert resampling_factor(card, scene_of_array(noise(), geo=placed(1.0))) == pytest.approx(1 / 0.3, rel=2e-3)
    assert resampling_factor(card, scene_of_array(noise())) == 1.0


def test_memory_limits_are_read():
    assert parse_memory("1GiB") == parse_memory("1 gb") == parse_memory("1024M") == parse_memory(1 << 30) == 1 << 30
    assert parse_memory("0.5g") == 1 << 29
    for wrong in ("", "lots", "1TB", "10MB", "-1GiB"):
        with pytest.raises(SettingsError):
            parse_memory(wrong)
