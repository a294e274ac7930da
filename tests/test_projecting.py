"""Geometries brought to another CRS: over Greenwich, the antimeridian and the poles, and with sides that bend."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from pyproj import CRS
from shapely.geometry import LineString, MultiPolygon, Point, Polygon, box

from core.geo import authalic_sine
from core.projecting import LONLAT, moved, within_180

SOUTH, NORTH, MERCATOR = CRS.from_epsg(3031), CRS.from_epsg(3995), CRS.from_epsg(3857)
WORLD = 20_037_508.342789244


def to_degrees(*shapes, crs=SOUTH) -> np.ndarray:
    geometry = np.empty(len(shapes), object)
    geometry[:] = shapes
    return within_180(moved(geometry, crs, LONLAT))


def area_km2(geometry) -> float:
    """Area on the ellipsoid of polygons in degrees, whose sides are straight in degrees."""
    fine = shapely.segmentize(geometry, 0.5)
    total = 0.0
    for part in shapely.get_parts(fine):
        for ring, sign in ((part.exterior, 1), *((hole, -1) for hole in part.interiors)):
            lon, lat = np.array(ring.coords).T
            height = authalic_sine(lat)
            total += sign * abs(np.sum(np.radians(np.diff(lon)) * (height[1:] + height[:-1]) / 2))
    return total * 510.0656e6 / (4 * np.pi)


@pytest.mark.parametrize("side", [2e5, 2e3, 20.0])
@pytest.mark.parametrize(("crs", "pole"), [(SOUTH, -90), (NORTH, 90), (CRS.from_epsg(5041), 90), (CRS.from_epsg(32661), 90)])
def test_a_polygon_that_holds_the_pole_is_closed_along_it(crs, pole, side):
    # A square around the pole, in a CRS whose pole is at 0, 0 or at 2000 km, 2000 km.
    middle = 2e6 if crs.to_epsg() in (5041, 32661) else 0.0
    square = box(middle - side / 2, middle - side / 2, middle + side / 2, middle + side / 2)
    cap = to_degrees(square, crs=crs)[0]
    assert cap.is_valid and cap.geom_type == "Polygon"
    west, south, east, north = cap.bounds
    assert (west, east) == (-180, 180) and (north if pole > 0 else south) == pole
    scale = {3031: 0.97277, 3995: 0.97277}.get(crs.to_epsg(), 0.994)
    assert area_km2(cap) == pytest.approx(side**2 / 1e6 / scale**2, rel=5e-3)


def test_rings_around_a_pole_that_do_not_hold_it_stay_a_ring():
    ring = box(-2e5, -2e5, 2e5, 2e5).difference(box(-1e5, -1e5, 1e5, 1e5))
    found = to_degrees(ring)[0]
    assert found.is_valid and found.bounds[0] == -180 and found.bounds[2] == 180
    assert found.bounds[1] > -90
    assert area_km2(found) == pytest.approx(120_000 / 0.97277**2, rel=5e-3)


@pytest.mark.parametrize("turned", [False, True])
def test_a_side_or_corner_at_the_pole_needs_no_longitude(turned):
    half, quarter = box(0, -1e5, 1e5, 1e5), box(0, 0, 1e5, 1e5)
    shapes = [shapely.affinity.rotate(shape, 180, origin=(0, 0)) if turned else shape for shape in (half, quarter)]
    found = to_degrees(*shapes)
    assert shapely.is_valid(found).all()
    assert [area_km2(shape) for shape in found] == pytest.approx([20_000 / 0.97277**2, 10_000 / 0.97277**2], rel=1e-2)


def test_four_squares_that_meet_at_the_pole_cover_what_one_covers():
    whole, *parts = to_degrees(box(-1e5, -1e5, 1e5, 1e5), *(box(x, y, x + 1e5, y + 1e5) for x in (-1e5, 0) for y in (-1e5, 0)))
    assert sum(shape.area for shape in parts) == pytest.approx(whole.area, rel=2e-3)  # their sides get points of their own
    assert shapely.union_all(parts).symmetric_difference(whole).area < 2e-3 * whole.area


def test_a_layer_over_greenwich_and_the_antimeridian_tears_no_polygon():
    shapes = [box(x * 1e6, -5e5, (x + 1) * 1e6, 5e5) for x in range(-20, 20)]
    found = to_degrees(*shapes, crs=MERCATOR)
    assert np.ptp(shapely.bounds(found)[:, [0, 2]], axis=1).max() < 9.1
    over = to_degrees(box(-5e5, 0, 5e5, 1e6), crs=MERCATOR)[0]
    assert over.bounds[0] == pytest.approx(-over.bounds[2]) and over.geom_type == "Polygon"


def test_a_polygon_round_the_whole_earth_stays_as_wide():
    belt = to_degrees(box(-WORLD, -1e6, WORLD, 1e6), crs=MERCATOR)[0]
    assert belt.bounds[0] == pytest.approx(-180) and belt.bounds[2] == pytest.approx(180)
    assert belt.area == pytest.approx(360 * (belt.bounds[3] - belt.bounds[1]))


def test_a_polygon_over_the_antimeridian_is_cut_there_with_its_hole():
    crs = CRS.from_epsg(3832)  # Mercator of the Pacific: longitude 150 is at 0
    shape = box(3e6, -5e5, 4e6, 5e5).difference(box(3.3e6, -1e5, 3.4e6, 1e5))
    found = to_degrees(shape, crs=crs)[0]
    assert found.geom_type == "MultiPolygon" and found.is_valid
    west, _, east, _ = found.bounds
    assert (west, east) == (-180, 180)
    assert found.area == pytest.approx(moved(np.array([shape], object), CRS.from_epsg(3395), LONLAT)[0].area, rel=1e-9)


def test_lines_over_the_antimeridian_and_the_pole_are_cut():
    over = to_degrees(LineString([(3.2e6, 0), (3.5e6, 0)]), crs=CRS.from_epsg(3832))[0]
    assert over.geom_type == "MultiLineString" and over.bounds[0] == -180 and over.bounds[2] == 180
    through = to_degrees(LineString([(-1e5, 3e4), (1e5, -3e4)]))[0]
    assert through.bounds[1] == pytest.approx(-90, abs=0.1)


def test_long_sides_bend_and_short_ones_get_no_points():
    utm = CRS.from_epsg(32633)
    short, long = box(4e5, 5e6, 4e5 + 300, 5e6 + 300), box(1e5, 6e6, 9e5, 6.8e6)
    found = moved(np.array([short, long], object), utm, LONLAT)
    assert shapely.get_num_coordinates(found[0]) == 5 and shapely.get_num_coordinates(found[1]) > 5
    middle = moved(np.array([Point(5e5, 6.8e6)], object), utm, LONLAT)[0]
    assert found[1].bounds[3] == pytest.approx(middle.y, abs=1e-3)  # the upper side is highest in its middle


def test_neighbours_get_the_same_points_on_the_side_that_they_share():
    utm = CRS.from_epsg(32633)
    one, other = box(1e5, 6e6, 9e5, 6.4e6), Polygon([(1e5, 6.4e6), (1e5, 6.8e6), (9e5, 6.8e6), (9e5, 6.4e6)])
    found = moved(np.array([one, other], object), utm, LONLAT)
    assert found[0].intersection(found[1]).area < 1e-9
    assert shapely.union_all(found).area == pytest.approx(found[0].area + found[1].area, rel=1e-9)


def test_what_lies_beyond_a_crs_becomes_infinite():
    globe = CRS.from_proj4("+proj=ortho +lat_0=40 +lon_0=10 +ellps=WGS84")
    found = moved(np.array([box(6.2e6, 6.2e6, 6.4e6, 6.4e6)], object), globe, LONLAT)
    assert not np.isfinite(shapely.bounds(found)).any()


def test_degrees_from_0_to_360_and_beyond_the_poles_are_brought_within_180_and_90():
    nad = CRS.from_epsg(4269)
    shape = MultiPolygon([box(170, 80, 190, 90.5), box(350, 0, 360, 10)])
    found = to_degrees(shape, crs=nad)[0]
    assert found.bounds == pytest.approx((-180, 0, 180, 90), abs=1e-6)
    assert found.area == pytest.approx(20 * 10 + 10 * 10, rel=1e-6)
    beyond = within_180(np.array([box(0, 89, 1, 90.5)], object))[0]
    assert beyond.bounds == (0, 89, 1, 90)


def jagged(rng: np.random.Generator) -> Polygon:
    """A random outline of up to 2000 km with a hole, near the pole: it holds the pole or not, and crosses 180 many times."""
    corners = int(rng.integers(5, 60))
    angle, reach = np.sort(rng.uniform(0, 2 * np.pi, corners)), rng.uniform(2e5, 2e6, corners)
    outline = rng.uniform(-1e6, 1e6, 2) + np.column_stack([reach * np.cos(angle), reach * np.sin(angle)])
    middle = outline.mean(axis=0)
    whole, hole = Polygon(outline), Polygon(middle + 0.3 * (outline - middle))
    return whole.difference(hole) if whole.is_valid and hole.is_valid else whole.buffer(0)


@pytest.mark.parametrize("crs", [SOUTH, NORTH])
def test_jagged_outlines_around_a_pole_keep_their_area(crs):
    plane = CRS.from_proj4(f"+proj=laea +lat_0={90 if crs is NORTH else -90} +lon_0=0 +datum=WGS84")
    rng = np.random.default_rng(7)
    shapes = np.array([jagged(rng) for _ in range(20)], object)
    flat = moved(shapely.segmentize(shapes, 10_000), crs, plane)
    for shape, found in zip(flat, to_degrees(*shapes, crs=crs), strict=True):
        assert found.is_valid and found.bounds[0] >= -180 and found.bounds[2] <= 180
        assert area_km2(found) == pytest.approx(shape.area / 1e6, rel=5e-3)
