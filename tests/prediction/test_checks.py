"""A scene that does not fit its model is refused or named, with the remedy."""

import numpy as np
import pytest
from affine import Affine
from pyproj import CRS

from core.classes import ClassScheme
from core.errors import SceneError, SettingsError
from core.geo import GeoRef
from core.prediction.checks import check_patch, check_scene, resampling_factor
from core.prediction.fitting import best_fitting, why_fitting
from core.prediction.settings import parse_memory
from core.scenes.opening import open_scene, scene_of_array
from core.scenes.rescaling import rescale_to_bytes
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
    assert codes(card, scene_of_array(noise(9000, 3000, dtype=np.uint16))) == ["dtype"]
    assert codes(card, scene_of_array(noise(0.5, 0.1, dtype=np.float32))) == ["dtype"]
    assert codes(card, scene_of_array(noise(mean=2, std=1))) == ["value-range", "unlike-training"]
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


def test_other_values_of_another_type_are_one_sentence(card):
    (concern,) = check_scene(card, scene_of_array(noise(9000, 3000, dtype=np.uint16)))
    assert "this scene is of uint16, with values unlike" in concern.sentence and concern.sentence.endswith("; rescale the file to uint8.")


def test_a_patch_larger_than_its_scene_says_how_much_is_filled():
    scene = scene_of_array(noise(size=60))
    assert check_patch((60, 60), scene) == [] and check_patch((120, 120), scene, 2.0) == []
    (concern,) = check_patch((120, 80), scene)  # 60 / 120 of the rows and 60 / 80 of the columns: 3 / 8 are the scene's own
    assert concern.code == "patch-size" and "80 × 120 px" in concern.sentence and "62 % of what" in concern.sentence
    (resized,) = check_patch((80, 80), scene, 0.5)
    assert "the scene of 30 × 30 px, as it is resized for the model:" in resized.sentence


def test_a_scene_of_16_bits_becomes_one_of_8_between_its_percentiles(tmp_path):
    values = np.linspace(1000, 5000, 100 * 100).reshape(100, 100, 1).repeat(2, axis=2).astype(np.uint16)
    values[0, 0] = 0
    values[..., 1] *= 2
    rescale_to_bytes(scene_of_array(values, geo=placed(0.5), nodata=0), tmp_path / "small.tif")
    small = open_scene(tmp_path / "small.tif")
    assert (small.dtype, small.bands, small.nodata, small.geo.crs) == ("uint8", 2, 0, placed(0.5).crs)
    assert not small.valid()[0, 0] and small.valid().sum() == 100 * 100 - 1
    pixels = small.read()
    assert pixels[0, 1].tolist() == [1, 1] and pixels[-1, -1].tolist() == [255, 255]
    np.testing.assert_allclose(pixels[50, 0], 128, atol=1)  # the middle of the values, whatever a band's scale is


def test_the_model_that_fits_a_scene_is_found_by_bands_then_classes_then_pixels(tmp_path):
    def card(name, bands, classes, pixel_m):
        scheme = ClassScheme(tuple(classes), tuple((n, n, n) for n in range(len(classes))))
        return make_model(tmp_path / name, bands=bands, scheme=scheme, pixel_size_m=pixel_m).card

    rgb, four, coarse, other = (
        card("rgb", (1, 2, 3), ("Road", "Water"), 0.3),
        card("four", (1, 2, 3, 4), ("Road", "Water"), 0.3),
        card("coarse", (1, 2, 3), ("Road", "Water"), 10.0),
        card("other", (1, 2, 3), ("Car", "Roof"), 0.3),
    )
    unknown = card("unknown", (1, 2, 3), ("Road", "Water"), None)
    cards = {"other": other, "coarse": coarse, "unknown": unknown, "four": four, "rgb": rgb}
    scene = scene_of_array(noise(), geo=placed(0.3))
    assert best_fitting(cards, scene, ("road", "Water")) == best_fitting(cards, scene, ("road", "Water"), now="coarse") == "rgb"
    assert best_fitting({"coarse": coarse, "unknown": unknown}, scene) == "unknown"
    assert best_fitting(cards, scene, now="other") == "other"  # its classes are not known to be wrong
    assert best_fitting(cards, scene_of_array(noise(bands=4), geo=placed(0.3)), ("Car",)) == "four"
    assert best_fitting({}, scene, now="gone") is None
    assert why_fitting(rgb, scene, ("Road", "Water", "Tree")) == "3 bands, pixels of 0.3 m and 2 of 3 classes of the data set"
    assert why_fitting(coarse, scene, ("Road",)) == "3 bands and 1 class of the data set"
    assert why_fitting(four, scene, ()) == "pixels of 0.3 m"
