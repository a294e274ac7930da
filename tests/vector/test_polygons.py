"""Polygons from arcs: valid, without gap or overlap, at any tolerance."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from affine import Affine
from rasterio.features import rasterize

from core.vector.tracing.arcs import merge_small_regions
from core.vector.tracing.polygons import build_polygons, build_rings, transformed
from core.vector.tracing.simplify import simplify_arcs
from tests.helpers.rasters import random_raster, trace


def coverage(raster, tolerance=0.0, smooth=0, *, minimum=0, transform=None, method="visvalingam", band_rows=None):
    """Polygons of all regions, and their classes."""
    arcs = merge_small_regions(trace(raster, band_rows=band_rows), minimum, 255)
    points, offsets = simplify_arcs(arcs, tolerance, smooth=smooth, method=method)
    rings = build_rings(arcs, points, offsets, np.ones(arcs.regions.classes.size, bool))
    return build_polygons(rings, transformed(rings.xy, transform or Affine.identity())), arcs.regions


def assert_coverage(polygons, area):
    assert shapely.is_valid(polygons).all(), shapely.is_valid_reason(polygons[~shapely.is_valid(polygons)])[:3]
    assert shapely.coverage_is_valid(polygons)
    assert shapely.area(polygons).sum() == pytest.approx(area, rel=1e-9)
    assert shapely.union_all(polygons).area == pytest.approx(area, rel=1e-9)


def burn(polygons, classes, shape):
    return rasterize(zip(polygons, classes.tolist(), strict=True), out_shape=shape, fill=254, dtype="uint8", transform=Affine.identity())


def test_outlines_burnt_back_are_the_raster():
    for seed in range(200):
        raster = random_raster(seed)
        polygons, regions = coverage(raster)
        assert_coverage(polygons, raster.size)
        np.testing.assert_array_equal(shapely.area(polygons), regions.pixels[1:])
        np.testing.assert_array_equal(burn(polygons, regions.classes[1:], raster.shape), raster)


@pytest.mark.parametrize("tolerance", [0.6, 1.0, 3.0, 50.0])
@pytest.mark.parametrize("smooth", [0, 2])
def test_simplified_and_smoothed_polygons_still_tile_the_frame(tolerance, smooth):
    for seed in range(60):
        raster = random_raster(seed + 1000)
        polygons, regions = coverage(raster, tolerance, smooth, minimum=(0, 4)[seed % 2])
        assert_coverage(polygons, raster.size)
        assert len(polygons) == regions.classes.size - 1


def test_douglas_peucker_keeps_the_coverage():
    for seed in range(120):
        raster = np.kron(random_raster(seed + 2000), np.ones((1 + seed % 3, 2), np.uint8))
        tolerance = (0.6, 1.0, 3.0, 50.0)[seed % 4]
        polygons, regions = coverage(raster, tolerance, (0, 2)[seed % 2], minimum=(0, 4)[seed % 2], method="douglas-peucker")
        assert_coverage(polygons, raster.size)
        assert len(polygons) == regions.classes.size - 1


def test_blocks_give_the_polygons_of_the_whole():
    for seed in range(100):
        raster = random_raster(seed + 3000)
        settings = {"tolerance": (0, 1.0, 2.5)[seed % 3], "smooth": seed % 2, "minimum": (0, 5)[seed % 2]}
        whole, regions = coverage(raster, **settings)
        parts, same = coverage(raster, **settings, band_rows=1 + seed % 4)
        assert shapely.equals_exact(whole, parts, tolerance=0).all()
        np.testing.assert_array_equal(regions.pixels, same.pixels)


def test_smoothing_alone_keeps_the_coverage():
    for seed in range(40):
        raster = random_raster(seed + 5000)
        assert_coverage(coverage(raster, 0, 1 + seed % 4)[0], raster.size)


def test_long_borders_on_a_larger_raster():
    rng = np.random.default_rng(5)
    low = rng.random((12, 12))
    raster = (np.kron(low, np.ones((20, 20))) * 4 + rng.random((240, 240)) * 0.8).astype(np.uint8)
    for tolerance in (0.7, 2, 8):
        polygons, _ = coverage(raster, tolerance, 1)
        assert_coverage(polygons, raster.size)


def test_simplifying_takes_points_away():
    stairs = np.tril(np.ones((12, 12), np.uint8))
    plain, simple = coverage(stairs)[0], coverage(stairs, 1.0)[0]
    # The staircase between the two triangles has 2 * 11 + 1 points; half-pixel triangles of area 1/2 <= 1 are cut off.
    assert shapely.get_num_coordinates(plain).sum() > 2 * shapely.get_num_coordinates(simple).sum()


def test_a_hole_an_island_in_it_and_a_hole_in_that():
    raster = np.zeros((9, 9), np.uint8)
    raster[1:8, 1:8] = 1
    raster[2:7, 2:7] = 0
    raster[3:6, 3:6] = 1
    raster[4, 4] = 2
    polygons, regions = coverage(raster)
    assert_coverage(polygons, 81)
    # Frame 81 - 49, ring 49 - 25, ring 25 - 9, ring 9 - 1, middle 1.
    assert shapely.area(polygons).tolist() == [32, 24, 16, 8, 1]
    assert shapely.get_num_interior_rings(polygons).tolist() == [1, 1, 1, 1, 0]
    assert regions.classes[1:].tolist() == [0, 1, 0, 1, 2]


def test_pixels_that_touch_diagonally_are_two_polygons():
    polygons, _ = coverage(np.array([[1, 0], [0, 1]], np.uint8))
    assert_coverage(polygons, 4)
    assert len(polygons) == 4


def test_a_region_that_touches_itself_in_a_point_has_a_hole():
    raster = np.array([[1, 1, 1, 0], [1, 0, 1, 0], [1, 1, 0, 0], [0, 0, 0, 0]], np.uint8)
    # The 1s surround the pixel (1, 1); it touches the outer zeros in one point only.
    polygons, regions = coverage(raster)
    assert_coverage(polygons, 16)
    ones = polygons[regions.classes[1:] == 1][0]
    assert (ones.area, len(ones.interiors)) == (7, 1)


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1)])
def test_one_class_is_one_rectangle(shape):
    for tolerance in (0, 5):
        polygons, _ = coverage(np.full(shape, 3, np.uint8), tolerance, 1)
        assert_coverage(polygons, shape[0] * shape[1])
        assert shapely.get_num_coordinates(polygons).tolist() == [5]


def test_a_checkerboard_keeps_every_pixel():
    raster = (np.indices((64, 64)).sum(axis=0) % 2).astype(np.uint8)
    for tolerance in (0, 10):
        polygons, _ = coverage(raster, tolerance)
        assert len(polygons) == 4096
        assert_coverage(polygons, 4096)


def test_a_rotated_transform_keeps_the_coverage():
    transform = Affine.translation(325000, 2784000) * Affine.rotation(31) * Affine.scale(0.3, -0.3)
    polygons, _ = coverage(random_raster(33), 1.0, 1, transform=transform)
    assert_coverage(polygons, random_raster(33).size * 0.09)
    # Column 2, row 1 by hand: rotation of (0.6, -0.3) by 31 degrees, then the shift.
    cos, sin = np.cos(np.deg2rad(31)), np.sin(np.deg2rad(31))
    expected = [325000 + 0.6 * cos + 0.3 * sin, 2784000 + 0.6 * sin - 0.3 * cos]
    np.testing.assert_allclose(transformed(np.array([[2.0, 1.0]]), transform)[0], expected, rtol=0, atol=1e-6)


def test_unwanted_regions_are_traced_but_not_built():
    raster = np.array([[0, 255, 1]], np.uint8)
    arcs = trace(raster)
    rings = build_rings(arcs, arcs.xy, arcs.offsets, arcs.regions.classes != 255)
    assert rings.regions.tolist() == [1, 3]
    assert shapely.area(build_polygons(rings, rings.xy)).tolist() == [1, 1]
    assert rings.areas_px.tolist() == [-3, 1, 1, 1]
