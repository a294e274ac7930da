import numpy as np
import pytest
from affine import Affine
from PIL import Image
from pyproj import CRS

from core.errors import SceneError
from core.geo import GeoRef
from core.scenes import ownplace
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


def test_a_browser_finds_places_in_the_scenes_own_coordinates():
    """At odd places of 2 km x 3 km in UTM within a millimetre; by the transform where the file names no CRS; not where the map says it."""

    def worked_out(told, x, y):
        u, v = ((at - middle) / half for at, middle, half in zip((x, y), told["middle"], told["half"], strict=True))
        return [sum(weight * u**a * v**b for weight, (a, b) in zip(axis, told["powers"], strict=True)) for axis in told["axes"]]

    utm = GeoRef(Affine(0.5, 0, 325000, 0, -0.5, 2786000), CRS.from_epsg(32640))
    told = ownplace.of(utm, 4000, 6000)
    assert worked_out(told, *utm.lonlat(1234.5, 77.25)) == pytest.approx([325000 + 77.25 / 2, 2786000 - 1234.5 / 2], abs=1e-3)
    assert (told["names"], told["digits"]) == (["E", "N"], 2)
    unnamed = GeoRef(Affine(2, 0, 500, 0, -2, 900))
    assert worked_out(ownplace.of(unnamed, 100, 200), 30, 10) == pytest.approx([560, 880])
    assert ownplace.of(GeoRef.pixels(), 10, 10) is None
    assert ownplace.of(GeoRef(Affine(1e-5, 0, 55, 0, -1e-5, 25), CRS.from_epsg(4326)), 10, 10) is None
    assert ownplace.of(GeoRef(Affine(5000, 0, 166000, 0, -5000, 9000000), CRS.from_epsg(32640)), 1700, 134) is None  # a whole zone
