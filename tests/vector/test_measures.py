"""Length and width of long shapes, against hand-worked values and against their centre lines."""

from __future__ import annotations

import numpy as np
import pytest
import shapely

from core.vector.tracing.measures import convex_polygons
from core.vector.vectorize import vectorize


def long_shape(raster, simplify):
    result = vectorize(raster, min_area=0, simplify=simplify, centre_lines=[1])
    frame = result.layer.frame
    return frame[frame.class_id == 1].iloc[0], result.lines.frame


def test_a_crossing_is_as_long_as_its_centre_lines():
    raster = np.zeros((160, 200), np.uint8)
    raster[76:84, 20:180] = raster[10:150, 96:104] = 1
    road, lines = long_shape(raster, 0)
    # 160 x 8 and 140 x 8 pixels less the 64 that they share are 2336; the perimeter is that of the box around them, 600.
    # 292 x 8 = 2336 and 2 (292 + 8) = 600.
    assert (road.area_px, road.perimeter_px) == (2336, 600)
    assert (road.length_px, road.width_px) == (pytest.approx(292), pytest.approx(8))
    # The centre lines go on through the crossing: 160 + 140.
    assert lines.length_px.sum() == pytest.approx(300, abs=1)


def test_a_bent_slanted_road_is_as_long_as_its_centre_line():
    rows, cols = np.indices((220, 260)) + 0.5
    middle = 110 + 60 * np.sin(cols / 40)
    slope = 60 / 40 * np.cos(cols / 40)
    raster = ((np.abs(rows - middle) < 5 * np.hypot(1, slope)) & (cols > 10) & (cols < 250)).astype(np.uint8)
    road, lines = long_shape(raster, 1.0)
    x = np.arange(10, 250, 0.01)
    arc = np.hypot(0.01, np.diff(110 + 60 * np.sin(x / 40))).sum()
    assert road.length_px == pytest.approx(arc, rel=0.03)
    assert road.width_px == pytest.approx(10, rel=0.05)
    # The road is cut off aslant, and its line goes on to the far side of each cut.
    assert lines.length_px.sum() == pytest.approx(arc, rel=0.05)
    assert lines.width_px.mean() == pytest.approx(10, rel=0.06)


def test_a_ring_road_is_as_long_as_its_middle():
    rows, cols = np.indices((160, 160)) + 0.5
    radius = np.hypot(rows - 80, cols - 80)
    road, lines = long_shape(((radius > 56) & (radius < 64)).astype(np.uint8), 1.0)
    assert road.length_px == pytest.approx(2 * np.pi * 60, rel=0.03)
    assert road.width_px == pytest.approx(8, rel=0.04)
    assert lines.length_px.sum() == pytest.approx(2 * np.pi * 60, rel=0.01)


def convex(*polygons):
    """What `convex_polygons` says of polygons, each a list of closed rings."""
    rings = [np.array(ring, float) for polygon in polygons for ring in polygon]
    offsets = np.concatenate([[0], np.cumsum([len(ring) for ring in rings])])
    counts = np.concatenate([[0], np.cumsum([len(polygon) for polygon in polygons])])
    return convex_polygons(np.vstack(rings), offsets, counts).tolist()


def test_convex_polygons_are_told_from_all_that_could_be_invalid():
    box = [(0, 0), (4, 0), (4, 4), (0, 4), (0, 0)]
    bow = [(0, 0), (4, 4), (4, 0), (0, 4), (0, 0)]
    # Turns left at every corner, but goes round twice.
    star = [(5 + 4 * np.cos(0.8 * np.pi * k), 5 + 4 * np.sin(0.8 * np.pi * k)) for k in range(5)]
    flat = [(0, 0), (4, 0), (2, 0), (0, 0)]
    back = [(0, 0), (4, 0), (4, 4), (4, 0), (0, 0)]
    notched = [(0, 0), (4, 0), (2, 1), (0, 4), (0, 0)]
    hole = [(1, 1), (1, 2), (2, 2), (1, 1)]
    assert convex([box], [box[::-1]], [box[:3] + box[:1]]) == [True, True, True]
    assert convex([bow], [[*star, star[0]]], [flat], [back], [notched], [box, hole]) == [False] * 6


def test_what_is_called_convex_is_valid_and_its_own_hull():
    rng = np.random.default_rng(3)
    rings = []
    for corners in rng.integers(3, 7, 4000):
        ring = rng.integers(0, 5, (corners, 2))
        rings.append(np.vstack([ring, ring[:1]]))
    polygons = np.array([shapely.Polygon(ring) for ring in rings])
    found = np.array(convex(*([ring] for ring in rings)))
    assert shapely.is_valid(polygons[found]).all()
    assert shapely.equals(polygons[found], shapely.convex_hull(polygons[found])).all()
    # None with a corner at each of its points is passed over.
    hulls = shapely.convex_hull(polygons)
    sharp = shapely.is_valid(polygons) & shapely.equals(polygons, hulls)
    sharp &= shapely.get_num_coordinates(hulls) == shapely.get_num_coordinates(polygons)
    assert found[sharp].all() and sharp.sum() > 300
