"""Right angles for buildings: corners, angles, guards, and a coverage without gap or overlap."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import shapely
from affine import Affine
from pyproj import CRS

from core.classes import DUBAI
from core.errors import Cancelled
from core.geo import GeoRef
from core.vector.squaring.regularize import regularize_arcs
from core.vector.tracing.arcs import merge_small_regions
from core.vector.tracing.polygons import build_polygons, build_rings
from core.vector.tracing.simplify import simplify_arcs
from core.vector.vectorize import vectorize
from tests.helpers.rasters import trace


def squared(raster, *, classes=(1,), minimum=4, tolerance=1.0, smooth=0, **settings):
    """Polygons of all regions, their classes, and which regions got right angles (both without the outside)."""
    arcs = merge_small_regions(trace(raster), minimum, 255)
    points, offsets = simplify_arcs(arcs, tolerance, smooth=smooth)
    made = regularize_arcs(arcs, points, offsets, np.isin(arcs.regions.classes, classes), **settings)
    rings = build_rings(arcs, made.points, made.offsets, np.ones(arcs.regions.classes.size, bool))
    return build_polygons(rings, rings.xy), arcs.regions.classes[1:], made.regions[1:]


def assert_coverage(polygons, area):
    assert shapely.is_valid(polygons).all()
    assert shapely.coverage_is_valid(polygons)
    assert shapely.area(polygons).sum() == pytest.approx(area, rel=1e-12)
    assert shapely.union_all(polygons).area == pytest.approx(area, rel=1e-9)


def frame_of(shape, degrees, centre):
    """Coordinates of pixel middles along and across a direction."""
    rows, cols = np.indices(shape) + 0.5
    angle = np.deg2rad(degrees)
    x, y = cols - centre[0], rows - centre[1]
    return x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)


def rotated_box(shape, degrees, centre, half_length, half_width):
    u, v = frame_of(shape, degrees, centre)
    return (np.abs(u) < half_length) & (np.abs(v) < half_width)


def corner_cosines(polygon):
    xy = np.array(polygon.exterior.coords)
    sides = np.diff(xy, axis=0)
    sides /= np.hypot(*sides.T)[:, None]
    return np.abs((sides * np.roll(sides, 1, axis=0)).sum(axis=1))


@pytest.mark.parametrize("degrees", [0, 12, 27, 45, 71])
def test_a_noisy_turned_rectangle_gets_its_four_corners_back(degrees):
    rng = np.random.default_rng(degrees)
    box = rotated_box((90, 90), degrees, (45, 44), 26, 14)
    rim = box ^ rotated_box((90, 90), degrees, (45, 44), 25, 13)
    raster = (box & ~(rim & (rng.random(box.shape) < 0.3))).astype(np.uint8)
    polygons, classes, done = squared(raster)
    assert_coverage(polygons, raster.size)
    building = polygons[classes == 1][0]
    assert done[classes == 1].all()
    assert len(building.exterior.coords) == 5
    assert corner_cosines(building).max() < 1e-6
    # 52 x 28 pixels were drawn, and a third of the outermost ones taken away.
    xy = np.array(building.exterior.coords)
    sides = sorted(np.hypot(*np.diff(xy, axis=0).T))
    assert sides[0] == pytest.approx(28, abs=1.5) and sides[3] == pytest.approx(52, abs=1.5)
    turn = np.degrees(np.arctan2(*(xy[1] - xy[0])[::-1])) - degrees
    assert abs((turn + 45) % 90 - 45) < 1.0


def test_an_l_shape_gets_six_right_angles():
    u, v = frame_of((100, 100), 20, (50, 50))
    raster = (((np.abs(u) < 30) & (np.abs(v) < 28)) & ~((u > 2) & (v > 0))).astype(np.uint8)
    polygons, classes, _ = squared(raster)
    assert_coverage(polygons, raster.size)
    building = polygons[classes == 1][0]
    assert len(building.exterior.coords) == 7
    assert corner_cosines(building).max() < 1e-6
    assert building.area == pytest.approx(60 * 56 - 28 * 28, rel=0.01)


def test_a_long_wall_at_45_degrees_stays_and_a_cut_corner_goes():
    cut = np.ones((60, 60), bool)
    rows, cols = np.indices(cut.shape)
    raster = np.zeros((80, 80), np.uint8)
    raster[10:70, 10:70] = cut & (rows + cols >= 36)
    assert len(squared(raster)[0][1].exterior.coords) == 6
    raster[10:70, 10:70] = cut & (rows + cols >= 6)
    polygons = squared(raster)[0]
    assert len(polygons[1].exterior.coords) == 5 and polygons[1].area == pytest.approx(3600, rel=0.01)


def test_a_courtyard_stands_as_its_building_does():
    raster = (rotated_box((120, 120), 33, (60, 60), 45, 40) & ~rotated_box((120, 120), 33, (60, 60), 18, 15)).astype(np.uint8)
    polygons, classes, _ = squared(raster)
    assert_coverage(polygons, raster.size)
    building = polygons[classes == 1][0]
    hole = shapely.Polygon(building.interiors[0])
    assert len(hole.exterior.coords) == 5 and corner_cosines(hole).max() < 1e-6
    outer, inner = (np.diff(np.array(ring.coords)[:2], axis=0)[0] for ring in (building.exterior, building.interiors[0]))
    parallel = (outer @ inner) / np.hypot(*outer) / np.hypot(*inner)
    assert min(abs(parallel), 1 - abs(parallel)) < 1e-9


def test_a_disc_is_no_building():
    u, v = frame_of((60, 60), 0, (30, 30))
    raster = (np.hypot(u, v) < 20).astype(np.uint8)
    # A square overlaps the disc by 82 % at best (side 1.77 r: the disc's corners and the square's are left over).
    polygons, _, done = squared(raster, min_iou=0.9)
    assert not done.any()
    plain = squared(raster, classes=())[0]
    assert shapely.equals(polygons, plain).all()


def houses(degrees, *parts):
    """A raster of buildings 1, 2, ..., each a box (u0, u1, v0, v1) of one turned frame."""
    u, v = frame_of((100, 140), degrees, (70, 50))
    raster = np.zeros(u.shape, np.uint8)
    for number, (u0, u1, v0, v1) in enumerate(parts, 1):
        raster[(u >= u0) & (u < u1) & (v >= v0) & (v < v1)] = number
    return raster


TURNS = [0, 7, 15, 30, 52, 80]


def assert_squared(raster, count):
    """All buildings got right angles (to 2 degrees, where two neighbours' corners fix a wall), and nothing but them."""
    polygons, classes, done = squared(raster, classes=tuple(range(1, count + 1)))
    assert_coverage(polygons, raster.size)
    assert done[classes > 0].all()
    buildings = [polygons[classes == number][0] for number in range(1, count + 1)]
    for building in buildings:
        cosines = corner_cosines(building)
        assert np.minimum(cosines, 1 - cosines).max() < np.sin(np.deg2rad(2))
    return buildings


@pytest.mark.parametrize("degrees", TURNS)
def test_a_row_of_equal_houses_is_four_rectangles(degrees):
    buildings = assert_squared(houses(degrees, *((u, u + 20, -14, 14) for u in (-40, -20, 0, 20))), 4)
    for building in buildings:
        assert len(building.exterior.coords) == 5
        assert building.area == pytest.approx(20 * 28, rel=0.04)
    for one, two in itertools.pairwise(buildings):
        assert shapely.intersection(one, two).length == pytest.approx(28, abs=1.5)


@pytest.mark.parametrize("degrees", TURNS)
def test_a_narrow_building_stands_square_on_a_wider_ones_wall(degrees):
    wide, narrow = assert_squared(houses(degrees, (-40, 40, 0, 25), (-12, 12, -20, 0)), 2)
    # The wider one has two points more on its straight wall, where the narrow one's walls end.
    assert (len(wide.exterior.coords), len(narrow.exterior.coords)) == (7, 5)
    assert (corner_cosines(wide) > 1 - 1e-9).sum() == 2
    assert shapely.intersection(wide, narrow).length == pytest.approx(24, abs=1.5)


@pytest.mark.parametrize("degrees", TURNS)
def test_houses_that_share_a_corner_or_stand_out_are_squared(degrees):
    flush = assert_squared(houses(degrees, (-40, 40, 0, 25), (16, 40, -20, 0)), 2)
    assert [len(building.exterior.coords) for building in flush] == [6, 5]
    uneven = assert_squared(houses(degrees, *((u, u + 20, -14, 8 + 5 * (k % 2)) for k, u in enumerate((-40, -20, 0, 20)))), 4)
    assert [building.area for building in uneven] == [pytest.approx(20 * depth, rel=0.05) for depth in (22, 27, 22, 27)]


def test_what_a_building_loses_its_neighbours_get():
    raster = np.zeros((80, 80), np.uint8)
    raster[:, 40:] = 2
    raster[rotated_box(raster.shape, 10, (40, 40), 22, 15)] = 1
    polygons, classes, done = squared(raster)
    assert_coverage(polygons, raster.size)
    assert done[classes == 1].all() and len(polygons) == 3
    building = shapely.get_coordinates(polygons[classes == 1][0])
    # The border between the two grounds still ends at the building, in points of all three.
    for ground in (0, 2):
        shared = {tuple(xy) for xy in shapely.get_coordinates(polygons[classes == ground][0])} & {tuple(xy) for xy in building}
        assert len(shared) >= 4


def test_a_building_cut_by_the_rim_keeps_the_rim():
    raster = rotated_box((60, 70), 25, (4, 30), 24, 12).astype(np.uint8)
    polygons, classes, done = squared(raster)
    assert_coverage(polygons, raster.size)
    building = polygons[classes == 1][0]
    assert done[classes == 1].all() and building.bounds[0] == 0
    # Three walls at right angles, and the rim that cuts them off.
    assert len(building.exterior.coords) in (5, 6)
    assert (corner_cosines(building) < 1e-6).sum() >= 2


@pytest.mark.parametrize("smooth", [0, 2])
def test_any_raster_keeps_its_coverage(smooth):
    some = 0
    for seed in range(120):
        rng = np.random.default_rng(seed)
        raster = rng.integers(0, 3, rng.integers(2, 10, 2)).astype(np.uint8)
        raster = np.kron(raster, np.ones((7, 6), np.uint8))
        raster = np.where(rng.random(raster.shape) < 0.03, rng.integers(0, 3, raster.shape), raster).astype(np.uint8)
        # With no guard on the overlap, what keeps the coverage is the check of crossings alone.
        polygons, _classes, done = squared(raster, classes=(1, 2)[: 1 + seed % 2], min_iou=(0.0, 0.8)[seed % 2], smooth=smooth)
        assert_coverage(polygons, raster.size)
        some += int(done.sum())
    assert some > 200


def test_a_layer_squares_the_classes_that_are_asked_for():
    raster = np.ones((90, 90), np.uint8)
    raster[rotated_box(raster.shape, 27, (45, 44), 26, 14)] = 0
    geo = GeoRef(Affine(0.5, 0, 325000, 0, -0.5, 2784000), CRS.from_epsg(32640))
    for choice, corners in ((True, 5), (["Building"], 5), (False, 9), (["Water"], 9)):
        result = vectorize(raster, scheme=DUBAI, geo=geo, simplify=0.5, regularize=choice)
        frame = result.layer.frame
        building = frame[frame.class_name == "Building"].geometry.iloc[0]
        assert (len(building.exterior.coords) == 5) == (corners == 5)
        assert (result.invalid, result.gap_area, result.overlap_area) == (0, 0, 0)
        assert result.layer.made["regularized"]["polygons"] == (1 if corners == 5 else 0)
    assert frame.area_m2.sum() == pytest.approx(90 * 90 / 4, rel=1e-6)


def test_stopping_raises_cancelled():
    with pytest.raises(Cancelled):
        squared(rotated_box((30, 30), 5, (15, 15), 9, 6).astype(np.uint8), should_stop=lambda: True)
