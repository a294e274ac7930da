"""Simplifying and rounding arcs: what goes, what stays, and how far a border may move."""

from __future__ import annotations

import numpy as np
import pytest
import shapely

from core.errors import SettingsError
from core.vector.tracing.heap import rise, sink
from core.vector.tracing.polygons import build_polygons, build_rings
from core.vector.tracing.simplify import simplify_arcs
from tests.helpers.rasters import random_raster, trace


def lines(arcs, points, offsets):
    return [shapely.LineString(points[offsets[k] : offsets[k + 1]]) for k in range(offsets.size - 1)]


def polygons(raster, tolerance, smooth=0):
    arcs = trace(raster)
    points, offsets = simplify_arcs(arcs, tolerance, smooth=smooth)
    rings = build_rings(arcs, points, offsets, np.ones(arcs.regions.classes.size, bool))
    shapes = build_polygons(rings, rings.xy)
    return dict(zip(arcs.regions.classes[1:].tolist(), shapes, strict=True))


def test_nothing_to_do_returns_the_traced_points():
    arcs = trace(random_raster(4))
    points, offsets = simplify_arcs(arcs, 0)
    assert points is arcs.xy and offsets is arcs.offsets


def test_a_diagonal_staircase_becomes_one_line():
    raster = np.tril(np.ones((12, 12), np.uint8))
    arcs = trace(raster)
    points, offsets = simplify_arcs(arcs, 0.5)
    inner = int(np.flatnonzero((arcs.left > 0) & (arcs.right > 0))[0])
    # The stairs run between the junctions (1, 0) and (12, 11) on the frame; the middles of their sides lie on a line 0.35 px beside them.
    assert sorted(points[offsets[inner] : offsets[inner + 1]].tolist()) == [[1, 0], [12, 11]]


def test_a_long_shallow_staircase_becomes_one_line_at_one_pixel():
    raster = np.zeros((8, 100), np.uint8)
    for col in range(100):
        raster[: 1 + col // 20, col] = 1
    arcs = trace(raster)
    _, offsets = simplify_arcs(arcs, 1.0)
    inner = int(np.flatnonzero((arcs.left > 0) & (arcs.right > 0))[0])
    assert offsets[inner + 1] - offsets[inner] == 2


def test_douglas_peucker_is_that_of_geos_where_nothing_is_in_the_way():
    checked = 0
    for seed in range(30):
        # Two regions only: left and right of one wandering border from rim to rim.
        steps = np.random.default_rng(seed).integers(-2, 3, 60).cumsum()
        raster = (np.arange(200)[None] < (100 + steps)[:, None]).astype(np.uint8)
        arcs = trace(raster)
        # No whole tolerances: whether a point that lies just as far stays is left to rounding.
        for tolerance in (1.03, 2.47):
            simple = lines(arcs, *simplify_arcs(arcs, tolerance, method="douglas-peucker"))
            for arc, before in enumerate(lines(arcs, arcs.xy, arcs.offsets)):
                if arcs.left[arc] and arcs.right[arc]:
                    expected = shapely.simplify(before, tolerance, preserve_topology=False)
                    # Points that a crossing would have put back are the only ones beside those of GEOS.
                    assert {tuple(xy) for xy in expected.coords} <= {tuple(xy) for xy in simple[arc].coords}
                    assert shapely.hausdorff_distance(before, simple[arc]) <= tolerance + 1e-9
                    checked += len(expected.coords) == len(simple[arc].coords)
    assert checked > 40


def test_an_unknown_way_to_simplify_is_refused():
    with pytest.raises(SettingsError, match="visvalingam or douglas-peucker"):
        simplify_arcs(trace(random_raster(4)), 1.0, method="fastest")


def test_corners_of_a_building_stay():
    raster = np.zeros((20, 20), np.uint8)
    raster[4:14, 5:15] = 1
    # Cutting a corner of a 10 x 10 square moves the border by 7 px; at a tolerance of 2 nothing may go.
    assert polygons(raster, 2.0)[1].equals(shapely.box(5, 4, 15, 14))


@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (2, 2), (1, 4)])
def test_an_island_keeps_four_corners_at_any_tolerance(shape):
    raster = np.zeros((10, 10), np.uint8)
    raster[4 : 4 + shape[0], 4 : 4 + shape[1]] = 1
    assert polygons(raster, 100.0)[1].equals(shapely.box(4, 4, 4 + shape[1], 4 + shape[0]))


def test_a_loop_may_lose_the_corner_it_started_at():
    raster = np.zeros((30, 30), np.uint8)
    raster[10:20, 10:20] = 1
    raster[9, 14] = 1
    # The bump of one pixel on the upper side holds the loop's first point; half a pixel before its corners the border lies 1 px off.
    assert polygons(raster, 1.0)[1].equals(shapely.box(10, 10, 20, 20))


@pytest.mark.parametrize("tolerance", [0.5, 1.0, 2.5])
def test_no_border_moves_farther_than_it_may(tolerance):
    for seed in range(40):
        arcs = trace(np.kron(random_raster(seed), np.ones((2, 2), np.uint8)))
        simple = lines(arcs, *simplify_arcs(arcs, tolerance))
        for before, after in zip(lines(arcs, arcs.xy, arcs.offsets), simple, strict=True):
            # The middles of pixel sides keep the tolerance; corners stand out from them by half a pixel at most.
            middles = before.segmentize(1.0)
            xy = shapely.get_coordinates(middles)
            middle = shapely.points((xy[1:] + xy[:-1]) / 2)
            assert shapely.distance(middle, after).max() <= tolerance + 0.25
            assert shapely.hausdorff_distance(before, after) <= tolerance + 0.75


def test_the_frame_keeps_its_corners():
    for seed in range(20):
        raster = random_raster(seed)
        height, width = raster.shape
        points, _ = simplify_arcs(trace(raster), 30.0, smooth=2)
        assert {(0, 0), (width, 0), (0, height), (width, height)} <= {tuple(point) for point in points.tolist()}


def test_rounding_a_corner_follows_the_parabola():
    raster = np.zeros((20, 20), np.uint8)
    raster[5:15, 5:15] = 1
    rounded = polygons(raster, 0, 4)[1]
    # Each corner of the square becomes a parabola from (10, 5) over the control point (5, 5) to (5, 10). Of the triangle of 12.5 px2
    # a third, 25/6, lies outside of it; its 16 chords cut off another (25/3) / 16 squared.
    assert rounded.area == pytest.approx(100 - 4 * (25 / 6 + 25 / 3 / 256), rel=1e-12)
    assert rounded.bounds == (5, 5, 15, 15)


@pytest.mark.parametrize("seed", range(5))
def test_a_heap_gives_numbers_by_size_and_equal_ones_by_number(seed):
    random = np.random.default_rng(seed)
    given = [(int(size), number) for number, size in enumerate(random.integers(0, 20, 200))]
    random.shuffle(given)
    sizes, numbers = np.empty(len(given), np.int64), np.empty(len(given), np.int64)
    for queued, (size, number) in enumerate(given):
        rise(sizes, numbers, queued, size, number)
    taken = []
    for queued in range(len(given) - 1, -1, -1):
        taken.append((int(sizes[0]), int(numbers[0])))
        sink(sizes, numbers, queued, 0, sizes[queued], numbers[queued])
    assert taken == sorted(given)
