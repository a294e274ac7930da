"""GeoRef: where pixels lie and how large they are."""

import pytest
from affine import Affine
from pyproj import CRS

from core.errors import SettingsError
from core.geo import GeoRef, local_utm

UTM = GeoRef(Affine(0.3, 0, 325000, 0, -0.3, 2785000), CRS.from_epsg(32640))


def test_without_crs_coordinates_are_pixels_and_y_runs_up():
    geo = GeoRef.pixels()
    assert geo.xy(3, 5) == (5, -3)
    assert geo.units == "px" and geo.pixel_size() is None and geo.pixel_area_m2() is None and geo.lonlat(0, 0) is None
    sized = GeoRef.pixels(pixel_size_m=0.5)
    assert sized.units == "m" and sized.pixel_size() == (0.5, 0.5) and sized.pixel_area_m2() == 0.25


def test_a_window_begins_where_its_first_pixel_lies():
    # 10 columns right: 325000 + 10 * 0.3; 20 rows down: 2785000 - 20 * 0.3
    assert UTM.window(20, 10).xy(0, 0) == pytest.approx((325003.0, 2784994.0))
    assert UTM.window(20, 10).xy(1, 1) == pytest.approx(UTM.xy(21, 11))


def test_scaling_keeps_the_corners():
    half = UTM.scaled(0.5)
    assert half.xy(50, 100) == pytest.approx(UTM.xy(100, 200))
    assert GeoRef.pixels(pixel_size_m=0.3).scaled(0.5).pixel_size_m == pytest.approx(0.6)
    assert UTM.scaled(0.5, 0.25).xy(50, 50) == pytest.approx(UTM.xy(100, 200))


def test_pixels_are_measured_on_the_ellipsoid():
    # In UTM a length is off by the scale factor, at most 0.04 % near the middle of the zone.
    assert UTM.pixel_size(0, 0) == pytest.approx((0.3, 0.3), rel=5e-4)
    assert UTM.pixel_area_m2() == pytest.approx(0.09, rel=1e-3)
    # One degree at the equator: 111.320 km east, 110.574 km north (WGS84).
    degree = GeoRef(Affine(1, 0, 0, 0, -1, 0.5), CRS.from_epsg(4326))
    assert degree.pixel_size(0, 0) == pytest.approx((110574, 111320), rel=1e-3)


def test_utm_zone_of_a_place():
    assert local_utm(55.27, 25.2).to_epsg() == 32640  # Dubai
    assert local_utm(-70.0, -33.0).to_epsg() == 32719  # Santiago
    assert local_utm(179.99, 1).to_epsg() == 32660 and local_utm(180, 1).to_epsg() == 32660
    assert local_utm(0, 89).to_epsg() == 5041 and local_utm(0, -89).to_epsg() == 5042


def test_a_scene_placed_by_its_corner_lies_there_in_metres():
    placed = GeoRef.placed(25.2, 55.3, pixel_size_m=0.5)
    assert placed.epsg == 32640
    assert placed.lonlat(0, 0) == pytest.approx((55.3, 25.2), abs=1e-9)
    assert placed.pixel_area_m2() == pytest.approx(0.25, rel=1e-3)
    assert placed.lonlat(100, 0)[1] < 25.2 and placed.lonlat(0, 100)[0] > 55.3
    assert GeoRef.placed(-33.9, 18.4, pixel_size_m=1).epsg == 32734
    with pytest.raises(SettingsError):
        GeoRef.placed(91, 0, pixel_size_m=1)
