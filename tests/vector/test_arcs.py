"""Tracing: regions, seams between bands, and the minimum mapping unit."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from rasterio.features import rasterize
from scipy import ndimage

from core.errors import Cancelled
from core.vector.tracing import arcs as arcs_module
from core.vector.tracing.arcs import merge_small_regions, trace_arcs
from core.vector.tracing.components import compact
from core.vector.tracing.polygons import build_polygons, build_rings
from tests.helpers.rasters import random_raster, trace

FIELDS = ("xy", "offsets", "left", "right", "start", "end", "first", "last", "half")


def assert_same(one, other):
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
    for name in ("classes", "pixels", "edge"):
        np.testing.assert_array_equal(getattr(one.regions, name), getattr(other.regions, name), err_msg=name)


def outlines(arcs):
    wanted = np.ones(arcs.regions.classes.size, bool)
    rings = build_rings(arcs, arcs.xy, arcs.offsets, wanted)
    return build_polygons(rings, rings.xy)


def test_regions_are_those_of_scipy_with_four_neighbours():
    for seed in range(60):
        raster = random_raster(seed)
        regions = trace(raster).regions
        expected = sorted(
            (int(value), int(pixels))
            for value in np.unique(raster)
            for pixels in np.bincount(ndimage.label(raster == value)[0].ravel())[1:]
        )
        assert sorted(zip(regions.classes[1:].tolist(), regions.pixels[1:].tolist(), strict=True)) == expected


def test_two_pixels_share_one_arc():
    arcs = trace(np.array([[0, 1]], np.uint8))
    # Junctions are the two ends of the border between the pixels; arcs: round the left pixel, down the middle, round the right pixel.
    assert arcs.left.size == 3
    middle = [k for k in range(3) if arcs.left[k] and arcs.right[k]]
    assert len(middle) == 1
    a, b = arcs.offsets[middle[0]], arcs.offsets[middle[0] + 1]
    assert arcs.xy[a:b].tolist() == [[1, 0], [1, 1]]


def test_an_island_is_one_loop_that_starts_at_its_upper_left_corner():
    raster = np.zeros((4, 5), np.uint8)
    raster[1:3, 2:4] = 1
    arcs = trace(raster)
    loop = int(np.flatnonzero((arcs.start < 0) & (arcs.left > 0) & (arcs.right > 0))[0])
    # Eastwards from (column 2, row 1); the island has 2 x 2 pixels, so corners at columns 2 and 4, rows 1 and 3.
    assert arcs.xy[arcs.offsets[loop] : arcs.offsets[loop + 1]].tolist() == [[2, 1], [4, 1], [4, 3], [2, 3], [2, 1]]


def test_bands_do_not_change_the_arcs():
    for seed in range(150):
        raster = random_raster(seed)
        whole = trace(raster)
        for rows in {1, 2, 1 + seed % raster.shape[0]}:
            assert_same(trace(raster, band_rows=rows), whole)


def test_numbers_of_regions_may_be_put_together_after_any_band(monkeypatch):
    whole = [trace(random_raster(seed)) for seed in range(80)]
    monkeypatch.setattr(arcs_module, "COMPACTED_FROM", 2)
    monkeypatch.setattr(arcs_module, "BLOCK_ENTRIES", 3)  # arrays of the bands lie across blocks, too
    put_together = []
    monkeypatch.setattr(arcs_module, "compact", lambda *given: put_together.append(given) or compact(*given))
    for seed, one in enumerate(whole):
        assert_same(trace(random_raster(seed), band_rows=1), one)
    assert len(put_together) > 2 * len(whole)


def test_wide_ids_trace_like_narrow_ones():
    raster = random_raster(7)
    assert_same(trace(raster.astype(np.int32)), trace(raster))
    assert trace(raster.astype(np.uint16) + 60000).regions.classes[1:].min() >= 60000


def test_confidence_sums_are_the_plain_sums():
    raster = random_raster(12)
    confidence = np.random.default_rng(3).random(raster.shape)
    arcs = trace_arcs(lambda a, b: raster[a:b], *raster.shape, confidence_rows=lambda a, b: confidence[a:b], band_rows=3)
    assert arcs.regions.confidence_sum.size == arcs.regions.classes.size
    for value in np.unique(raster):
        assert arcs.regions.confidence_sum[arcs.regions.classes == value].sum() == pytest.approx(
            confidence[raster == value].sum(), abs=1e-9
        )


def test_stopping_raises_cancelled():
    with pytest.raises(Cancelled):
        trace_arcs(lambda a, b: np.zeros((b - a, 4), np.uint8), 8, 4, should_stop=lambda: True)


def test_a_small_area_joins_the_neighbour_with_most_border():
    raster = np.array(
        [
            [1, 1, 1, 2, 2],
            [1, 1, 3, 2, 2],
            [1, 1, 3, 3, 2],
            [1, 1, 1, 2, 2],
        ],
        np.uint8,
    )
    # The three pixels of 3 share with 1: left of (1,2), top of (1,2), left of (2,2), below (2,2) = 4 sides,
    # with 2: right of (1,2), top of (2,3), right of (2,3), below (2,3) = 4 sides.
    # A tie: region 1 has 10 pixels, region 2 has 7, so 10 + 3 and 7.
    merged = merge_small_regions(trace(raster), 4, 255)
    assert merged.regions.classes[1:].tolist() == [1, 2]
    assert merged.regions.pixels[1:].tolist() == [13, 7]


def test_neighbours_of_one_class_become_one_region_through_a_merged_area():
    raster = np.array([[1, 2, 1], [1, 2, 1], [3, 3, 3]], np.uint8)
    # 2 has 2 pixels; it shares 2 sides with each 1 and 1 side with 3; both 1 then touch.
    merged = merge_small_regions(trace(raster), 2.5, 255)
    assert merged.regions.pixels[1:].tolist() == [6, 3]


def test_merging_goes_on_until_areas_are_large_enough():
    raster = np.arange(16, dtype=np.uint8).reshape(4, 4)
    merged = merge_small_regions(trace(raster), 5, 255)
    assert merged.regions.pixels[1:].min() >= 5
    assert merged.regions.pixels.sum() == 16


def test_ignored_areas_are_filled_only_when_enclosed():
    raster = np.ones((5, 6), np.uint8)
    raster[2, 2] = 255
    raster[0, 5] = 255
    merged = merge_small_regions(trace(raster), 4, 255)
    assert merged.regions.classes[1:].tolist() == [1, 255]
    assert merged.regions.pixels[1:].tolist() == [29, 1]


def test_a_small_area_joins_ignored_ground_only_without_another_neighbour():
    raster = np.full((5, 7), 255, np.uint8)
    raster[2, 1] = 1
    raster[1, 4], raster[2, 4:6], raster[3, 4:6] = 1, 2, 2
    merged = merge_small_regions(trace(raster), 4, 255)
    # The lonely 1 becomes ignored; the other 1 touches ignored ground on 3 sides and the 2 below it on one, and joins the 2: 4 + 1 pixels.
    assert sorted(zip(merged.regions.classes[1:].tolist(), merged.regions.pixels[1:].tolist(), strict=True)) == [(2, 5), (255, 30)]


def test_merged_arcs_are_those_of_the_merged_raster():
    for seed in range(120):
        raster = random_raster(seed)
        merged = merge_small_regions(trace(raster, band_rows=5), (3, 10, 1000)[seed % 3], 255)
        # The polygons of the merged arcs, burnt back, are the merged raster; tracing it afresh must give the same arcs.
        shapes = zip(outlines(merged), merged.regions.classes[1:].tolist(), strict=True)
        burnt = rasterize(shapes, out_shape=raster.shape, fill=254, dtype="uint8", transform=Affine.identity())
        assert not (burnt == 254).any()
        assert_same(merged, trace(burnt))
