"""Boxes as they are asked for, in the coordinates that a layer is stored in."""

from __future__ import annotations

import pytest
from pyproj import CRS, Transformer

from core.publishing.coordinates import CRS84, box_in_storage, lonlat_box, northing_first, uri_of, uris_for

EPSG = "http://www.opengis.net/def/crs/EPSG/0/"
WORLD = (-180.0, -90.0, 180.0, 90.0)


def test_a_crs_is_named_by_its_code_or_not_at_all():
    assert uri_of(CRS.from_epsg(32640)) == f"{EPSG}32640"
    assert uri_of(CRS.from_proj4("+proj=tmerc +lon_0=55 +datum=WGS84")) == CRS84
    assert uris_for(f"{EPSG}4326") == [CRS84, f"{EPSG}4326", f"{EPSG}3857"]


@pytest.mark.parametrize(("code", "first"), [(4326, True), (32640, False), (3857, False), (2193, True), (31467, True)])
def test_axes_stand_as_their_authority_has_them(code, first):
    assert northing_first(CRS.from_epsg(code)) is first


def test_a_box_of_degrees_reaches_beyond_the_line_between_its_corners():
    """Zone 40 has its middle at 57 degrees east: there a parallel runs lowest, between the corners of a box around it."""
    reach = (300000.0, 2600000.0, 700000.0, 3000000.0)
    box = box_in_storage((56.0, 25.0, 58.0, 26.0), CRS84, f"{EPSG}32640", (55.0, 24.0, 59.0, 27.0), reach)
    to_utm = Transformer.from_crs(4326, 32640, always_xy=True)
    (left, corner), (middle, lowest), (right, _) = (to_utm.transform(lon, 25.0) for lon in (56.0, 57.0, 58.0))
    assert middle == pytest.approx(500000) and corner - lowest > 300
    assert box[0] == pytest.approx(left, abs=0.1) and box[2] == pytest.approx(right, abs=0.1)
    assert box[1] == pytest.approx(lowest, abs=1)
    assert box[3] == pytest.approx(to_utm.transform(56.0, 26.0)[1], abs=1)


def test_axes_are_turned_where_either_crs_has_them_so():
    ground, reach = (174.0, -42.0, 176.0, -40.0), (1700000.0, 5400000.0, 1800000.0, 5600000.0)
    straight = box_in_storage((174.5, -41.5, 175.0, -41.0), CRS84, f"{EPSG}2193", ground, reach)
    assert straight == box_in_storage((-41.5, 174.5, -41.0, 175.0), f"{EPSG}4326", f"{EPSG}2193", ground, reach)
    assert 5.4e6 < straight[0] < straight[2] < 5.6e6 and 1.7e6 < straight[1] < straight[3] < 1.8e6  # northing first
    mercator = Transformer.from_crs(4326, 3857, always_xy=True).transform_bounds(174.5, -41.5, 175.0, -41.0)
    assert box_in_storage(mercator, f"{EPSG}3857", f"{EPSG}2193", ground, reach) == pytest.approx(straight, abs=1e-3)


def test_a_box_around_the_world_holds_the_layer_and_one_far_away_lies_beside_it():
    ground, reach = (55.26, 25.17, 55.27, 25.18), (325000.0, 2784000.0, 326000.0, 2786000.0)
    west, south, east, north = box_in_storage(WORLD, CRS84, f"{EPSG}32640", ground, reach)
    assert west < reach[0] and south < reach[1] and east > reach[2] and north > reach[3]
    for far in ((-60.0, -30.0, -50.0, -20.0), (170.0, -90.0, -170.0, 90.0)):
        box = box_in_storage(far, CRS84, f"{EPSG}32640", ground, reach)
        assert box[0] > reach[2] and box[1] > reach[3]
    over = box_in_storage((50.0, 20.0, -170.0, 30.0), CRS84, f"{EPSG}32640", ground, reach)  # from 50 east over 180 to 170 west
    assert over == (west, south, east, north)


def test_a_layer_over_the_antimeridian_is_told_from_west_to_east():
    assert lonlat_box((179.5, -17.0, 180.5, -16.0), CRS.from_epsg(4326)) == (179.5, -17.0, -179.5, -16.0)
    # Zone 60 has its middle at 177 east, 500 km from the zero of its eastings: 900 km lie beyond 180.
    west, south, east, north = lonlat_box((400000.0, 8100000.0, 900000.0, 8200000.0), CRS.from_epsg(32760)) or WORLD
    assert 176 < west < 177 and -180 < east < -179 and -18 < south < north < -16
    assert lonlat_box((1e9, 1e9, 2e9, 2e9), CRS.from_epsg(32640)) is None
