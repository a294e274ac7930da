import numpy as np
import pytest
from PIL import Image

from core.errors import SceneError
from core.geo import GeoRef
from core.scenes.opening import open_scene
from core.scenes.placing import write_placed


def test_a_placed_scene_has_the_same_pixels_in_its_place(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (23, 31, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "plain.png")
    geo = GeoRef.placed(25.2, 55.3, pixel_size_m=0.5)
    placed = open_scene(write_placed(tmp_path / "plain.png", tmp_path / "placed.vrt", geo))
    np.testing.assert_array_equal(placed.read(), pixels)
    assert placed.geo.epsg == 32640 and placed.geo.transform.almost_equals(geo.transform, 1e-6)
    assert placed.geo.lonlat(0, 0) == pytest.approx((55.3, 25.2), abs=1e-9)
    assert not open_scene(tmp_path / "plain.png").geo.georeferenced  # the file itself is as it was


def test_what_is_no_raster_cannot_be_placed(tmp_path):
    (tmp_path / "words.txt").write_text("no raster")
    with pytest.raises(SceneError, match=r"words\.txt"):
        write_placed(tmp_path / "words.txt", tmp_path / "placed.vrt", GeoRef.placed(0, 0, pixel_size_m=1))
    assert not (tmp_path / "placed.vrt").exists()
