"""Length and width of long shapes, against hand-worked values and against their centre lines."""

from __future__ import annotations

import numpy as np
import pytest

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
