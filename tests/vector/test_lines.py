"""Centre lines: lengths and widths of known roads, shared nodes, topology, and blocks without seams."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from affine import Affine
from pyproj import CRS
from scipy import ndimage

from core.classes import DUBAI
from core.geo import GeoRef
from core.vector.centre_lines.lines import centre_lines, line_frame
from core.vector.vectorize import vectorize

UTM = GeoRef(Affine(0.5, 0, 325000, 0, -0.5, 2784000), CRS.from_epsg(32640))


def drawn(mask, *, block_px=2048, geo=None):
    network = centre_lines(lambda r0, c0, r1, c1: mask[r0:r1, c0:c1], *mask.shape, block_px=block_px)
    return line_frame(network, geo or GeoRef.pixels(), height=mask.shape[0], width=mask.shape[1])


def loops(frame):
    """Independent loops and components of the graph of lines."""
    parent = {}

    def root(node):
        while parent.setdefault(node, node) != node:
            node = parent[node]
        return node

    extra = 0
    for a, b in zip(frame.from_node, frame.to_node, strict=True):
        if root(a) == root(b):
            extra += 1
        parent[root(a)] = root(b)
    return extra, len({root(node) for node in parent})


@pytest.mark.parametrize("width", [1, 2, 7, 8, 12])
def test_a_straight_road_has_its_length_and_width(width):
    mask = np.zeros((60, 200), bool)
    mask[20 : 20 + width, 30:180] = True
    road = drawn(mask)
    assert road.length_px.tolist() == [pytest.approx(150, abs=0.5)]
    assert road.width_px.tolist() == [pytest.approx(width, abs=0.1)]
    assert (road.from_node.tolist(), road.to_node.tolist()) == ([1], [2])


@pytest.mark.parametrize("degrees", [17, 30, 45])
def test_a_slanted_road_has_its_length_and_width(degrees):
    rows, cols = np.indices((170, 200)) + 0.5
    angle = np.deg2rad(degrees)
    u = (cols - 100) * np.cos(angle) + (rows - 85) * np.sin(angle)
    v = (rows - 85) * np.cos(angle) - (cols - 100) * np.sin(angle)
    road = drawn((np.abs(u) < 60) & (np.abs(v) < 5))
    assert road.length_px.tolist() == [pytest.approx(120, rel=0.015)]
    assert road.width_px.tolist() == [pytest.approx(10, abs=0.8)]


def test_a_ring_is_one_line_that_ends_where_it_starts():
    rows, cols = np.indices((160, 160)) + 0.5
    radius = np.hypot(rows - 80, cols - 80)
    road = drawn((radius > 56) & (radius < 64))
    assert len(road) == 1 and road.from_node.iloc[0] == road.to_node.iloc[0]
    assert road.length_px.iloc[0] == pytest.approx(2 * np.pi * 60, rel=0.01)
    assert road.width_px.iloc[0] == pytest.approx(8, abs=0.4)
    assert road.geometry.iloc[0].is_closed and road.geometry.iloc[0].is_simple


@pytest.mark.parametrize("arms", [3, 4])
def test_a_crossing_is_one_node_with_its_arms(arms):
    mask = np.zeros((160, 200), bool)
    mask[76:84, 20:180] = True
    mask[10 : 150 if arms == 4 else 80, 96:104] = True
    roads = drawn(mask)
    assert len(roads) == arms
    nodes, count = np.unique(roads[["from_node", "to_node"]].to_numpy(), return_counts=True)
    assert sorted(count.tolist()) == [1] * arms + [arms]
    crossing = nodes[count == arms][0]
    ends = [line.coords[0 if start == crossing else -1] for line, start in zip(roads.geometry, roads.from_node, strict=True)]
    assert len(set(ends)) == 1
    assert np.hypot(ends[0][0] - 100, ends[0][1] + 80) < 1
    # From the middle of the crossing: 80 px to the left and right, 70 px up (and down).
    assert sorted(roads.length_px.round()) == pytest.approx([70] * (arms - 2) + [80, 80], abs=1)


def test_a_road_out_of_the_scene_ends_on_its_rim():
    mask = np.zeros((40, 120), bool)
    mask[16:24] = True
    road = drawn(mask)
    assert road.length_px.tolist() == [pytest.approx(120, abs=0.01)]
    assert road.total_bounds[[0, 2]].tolist() == [0, 120]


def test_a_bump_on_a_road_is_no_side_road_but_a_lane_is_one():
    mask = np.zeros((100, 200), bool)
    mask[50:60, 10:190] = True
    mask[45:50, 95:105] = True
    assert len(drawn(mask)) == 1
    mask[20:50, 98:104] = True
    assert len(drawn(mask)) == 3


def test_components_and_loops_are_those_of_the_mask():
    some = 0
    for seed in range(24):
        noise = ndimage.gaussian_filter(np.random.default_rng(seed).random((120, 140)), 3)
        mask = np.abs(noise - np.median(noise)) < 0.6 * noise.std()
        # Specks whose line would be no longer than it is wide have none.
        numbers, _count = ndimage.label(mask, np.ones((3, 3)))
        mask &= (np.bincount(numbers.ravel()) > 150)[numbers]
        components = ndimage.label(mask, np.ones((3, 3)))[1]
        holes = ndimage.label(np.pad(~mask, 1, constant_values=True))[1] - 1
        assert loops(drawn(mask)) == (holes, components)
        some += holes
    assert some > 200


def test_blocks_leave_no_seam():
    for seed in range(24):
        sigma = (1.5, 2, 3, 4)[seed % 4]
        noise = ndimage.gaussian_filter(np.random.default_rng(seed).random((110, 130)), sigma)
        mask = np.abs(noise - np.median(noise)) < (0.3, 0.5, 0.7)[seed % 3] * noise.std()
        whole, parts = drawn(mask), drawn(mask, block_px=(37, 64)[seed % 2])
        assert len(whole) > 10 and whole.equals(parts)


def test_an_empty_mask_and_a_speck_have_no_line():
    mask = np.zeros((20, 30), bool)
    for row in (None, 10):
        if row is not None:
            mask[row : row + 2, 8:10] = True
        frame = drawn(mask, geo=UTM)
        assert len(frame) == 0
        assert list(frame.columns) == ["id", "length_m", "width_m", "from_node", "to_node", "geometry"]


def test_a_layer_has_centre_lines_in_metres():
    ids = np.ones((120, 160), np.uint8)
    ids[50:60, 20:140] = 2
    result = vectorize(ids, scheme=DUBAI, geo=UTM, centre_lines=True)
    frame = result.lines.frame
    # 120 x 10 pixels of 0.5 m; the plane of the UTM zone is 0.04 % shorter at its middle, and a little longer here.
    assert (frame.class_name.tolist(), frame.id.tolist()) == (["Road"], [1])
    assert frame.length_m.iloc[0] == pytest.approx(60, rel=2e-3)
    assert frame.width_m.iloc[0] == pytest.approx(5, rel=0.02)
    assert shapely.get_coordinates(frame.geometry)[:, 1] == pytest.approx(2784000 - 27.5, abs=0.26)
    assert result.summary()["network_m"] == {"Road": pytest.approx(60, rel=2e-3)}
    assert vectorize(ids, scheme=DUBAI, geo=UTM).lines is None
    named = vectorize(ids, scheme=DUBAI, geo=UTM, centre_lines=["Road", "Land"]).lines
    assert named.frame.id.tolist() == list(range(1, len(named.frame) + 1)) and set(named.frame.class_name) == {"Road", "Land"}
