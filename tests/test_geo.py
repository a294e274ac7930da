"""GeoRef: where pixels lie and how large they are."""

import numpy as np
import pytest
from affine import Affine
from pyproj import CRS

from core.errors import SettingsError
from core.geo import GeoRef, authalic_sine, local_utm, metres_per_unit, on_earth

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


LOCAL = 'LOCAL_CS["site",UNIT["metre",1],AXIS["Easting",EAST],AXIS["Northing",NORTH]]'
LOCAL_FEET = 'LOCAL_CS["site",UNIT["foot",0.3048],AXIS["Easting",EAST],AXIS["Northing",NORTH]]'
ENGINEERING = 'ENGCRS["Site",EDATUM["Mark"],CS[Cartesian,2],AXIS["x",east,ORDER[1]],AXIS["y",north,ORDER[2]],LENGTHUNIT["metre",1]]'
EARTH_M2 = 510.0656e12  # WGS84


@pytest.mark.parametrize(("wkt", "metres"), [(LOCAL, 1), (LOCAL_FEET, 0.3048), (ENGINEERING, 1)])
def test_a_local_crs_has_metres_and_no_place(wkt, metres):
    geo = GeoRef(Affine(0.05, 0, 10, 0, -0.1, 50), CRS.from_user_input(wkt))
    assert geo.local and not geo.georeferenced and geo.units == "m" and geo.lonlat(0, 0) is None
    assert geo.pixel_size() == pytest.approx((0.1 * metres, 0.05 * metres))
    assert geo.pixel_area_m2(7, 9) == pytest.approx(0.005 * metres**2)
    assert geo.mean_pixel_area_m2(100, 100) == pytest.approx(0.005 * metres**2)


def test_a_turned_local_grid_keeps_the_size_of_its_pixels():
    geo = GeoRef(Affine.rotation(30) * Affine.scale(2, -3), CRS.from_user_input(LOCAL))
    assert geo.pixel_size() == pytest.approx((3, 2)) and geo.pixel_area_m2() == pytest.approx(6)


def test_other_planets_and_unknown_units_have_no_metres_to_tell():
    moon = CRS.from_proj4("+proj=longlat +R=1737400 +no_defs")
    assert metres_per_unit(moon) is None
    unknown = CRS.from_user_input('LOCAL_CS["x",UNIT["unknown",1],AXIS["E",EAST],AXIS["N",NORTH]]')
    assert GeoRef(Affine.scale(2, -2), unknown).units == "px" and GeoRef(Affine.scale(2, -2), unknown).pixel_size() is None


def test_feet_heights_and_datum_ties_keep_the_unit_of_x_and_y():
    assert metres_per_unit(CRS.from_epsg(2263)) == pytest.approx(0.3048006)  # New York, US feet
    assert metres_per_unit(CRS.from_epsg(7405)) == 1  # British grid and heights
    assert metres_per_unit(CRS.from_proj4("+proj=tmerc +lon_0=9 +ellps=bessel +towgs84=600,70,400 +units=m")) == 1
    assert metres_per_unit(CRS.from_epsg(4326)) is None
    assert all(on_earth(CRS.from_epsg(code)) for code in (2263, 7405, 4326, 3031, 4979))


def test_a_transform_without_crs_is_kept_until_somebody_names_it():
    geo = GeoRef(Affine(0.5, 0, 652_000, 0, -0.5, 6_862_000))
    assert geo.unnamed and not GeoRef.pixels().unnamed
    assert (geo.units, geo.xy(120, 160), geo.pixel_area_m2()) == ("px", (652_080, 6_861_940), None)
    assert "no CRS is known" in geo.coordinates and "pixels" in GeoRef.pixels().coordinates
    named = geo.named(CRS.from_epsg(2154))
    assert named.units == "m" and named.lonlat(0, 0) == pytest.approx((2.3458, 48.8562), abs=1e-4)
    with pytest.raises(SettingsError, match=r"the corner 652000, 6.862e\+06 in WGS 84. Expected coordinates that this CRS holds"):
        geo.named(CRS.from_epsg(4326))
    with pytest.raises(SettingsError, match="pixels without a transform"):
        GeoRef.pixels().named(CRS.from_epsg(2154))
    with pytest.raises(SettingsError, match="coordinates in WGS 84 / UTM zone 40N"):
        UTM.named(CRS.from_epsg(2154))


@pytest.mark.parametrize(
    ("transform", "height", "width"),
    [
        (Affine(1, 0, -180, 0, -1, 90), 180, 360),
        (Affine(1, 0, -180, 0, 1, -90), 180, 360),
        (Affine(1, 0, -0.5, 0, -1, 90.5), 181, 360),
        (Affine(10, 0, 0, 0, -10, 90), 18, 36),
        (Affine(360, 0, -180, 0, -180, 90), 1, 1),
        (Affine(0, 1, -180, -1, 0, 90), 360, 180),
    ],
    ids=["degree", "south-up", "by cell middles", "ten degrees, 0 to 360", "one pixel", "rows eastwards"],
)
def test_the_pixels_of_a_world_raster_are_the_earth(transform, height, width):
    geo = GeoRef(transform, CRS.from_epsg(4326))
    assert geo.mean_pixel_area_m2(height, width) * height * width == pytest.approx(EARTH_M2, rel=1e-5)
    if width == 36:
        assert sum(geo.pixel_area_m2(row, 7) for row in range(18)) * 36 == pytest.approx(EARTH_M2, rel=1e-5)


def test_a_cell_of_ten_degrees_lies_between_its_parallels_and_not_between_geodesics():
    # Between 50 and 60 N, 10 degrees wide: from Snyder's q (1987, 3-12) on WGS84.
    geo = GeoRef(Affine(10, 0, 0, 0, -10, 60), CRS.from_epsg(4326))
    assert geo.pixel_area_m2() == pytest.approx(710_961e6, rel=1e-3)


def test_polar_and_mercator_rasters_are_measured_on_the_ellipsoid():
    cap = GeoRef(Affine(25_000, 0, -1e6, 0, -25_000, 1e6), CRS.from_epsg(3031))
    # Polar stereographic, true at 71 S: at the pole lengths are 0.9728 of those on the ground.
    assert cap.pixel_area_m2(39, 39) == pytest.approx(25_000**2 / 0.97277**2, rel=1e-3)
    assert cap.mean_pixel_area_m2(80, 80) == pytest.approx(25_000**2 / 0.97277**2, rel=3e-2)
    side = 20_037_508.342789244
    world = GeoRef(Affine(2 * side / 8, 0, -side, 0, -2 * side / 8, side), CRS.from_epsg(3857))
    share = float(authalic_sine(np.array([85.0511287798]))[0])
    assert world.mean_pixel_area_m2(8, 8) * 64 == pytest.approx(EARTH_M2 * share, rel=1e-5)
