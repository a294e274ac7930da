"""Arcs to polygons: rings are walked once, and all polygons are built in one call."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from affine import Affine

from core.compiling import compiled
from core.vector.tracing.arcs import Arcs
from core.vector.tracing.half_arcs import arc_of, is_forwards, region_of
from core.vector.tracing.simplify import following_halves


@dataclass(frozen=True)
class Rings:
    """Rings of the wanted regions, the outer ring of each first, in pixel space.

    xy: (N, 2) float64 (column, row), each ring closed. offsets: (rings + 1,) int64 into xy. polygons: (P + 1,) int64 into the rings.
    regions: (P,) int64 region of each polygon, increasing. areas_px: (R + 1,) float64 area of every region of the raster, wanted or
    not, from its rings.
    """

    xy: np.ndarray
    offsets: np.ndarray
    polygons: np.ndarray
    regions: np.ndarray
    areas_px: np.ndarray


@compiled
def _walk_rings(xy, offsets, left, right, following, wanted):
    halves = following.size
    seen = np.zeros(halves, np.bool_)
    begins = np.empty(halves, np.int32)
    region_at = np.empty(halves, np.int32)
    outer = np.empty(halves, np.bool_)
    areas = np.zeros(wanted.size, np.float64)
    rings = 0
    points = 0
    for begin in range(halves):
        if seen[begin]:
            continue
        region = region_of(begin, left, right)
        h = begin
        n = 0
        twice = 0.0
        # Sums are taken from the ring's first point on: exact on the pixel grid, and precise after smoothing.
        ox, oy = np.float64(xy[offsets[arc_of(begin)], 0]), np.float64(xy[offsets[arc_of(begin)], 1])
        while not seen[h]:
            seen[h] = True
            arc = arc_of(h)
            n += offsets[arc + 1] - offsets[arc] - 1
            part = 0.0
            for k in range(offsets[arc], offsets[arc + 1] - 1):
                part += (xy[k, 0] - ox) * (xy[k + 1, 1] - oy) - (xy[k + 1, 0] - ox) * (xy[k, 1] - oy)
            twice += part if is_forwards(h) else -part
            h = following[h]
        # With the region on the left and rows going down, an outer ring has a negative sum.
        areas[region] -= twice / 2
        if not wanted[region]:
            continue
        begins[rings] = begin
        region_at[rings] = region
        outer[rings] = twice < 0
        rings += 1
        points += n + 1
    place = np.zeros(wanted.size + 1, np.int64)
    for ring in range(rings):
        place[region_at[ring] + 1] += 1
    for region in range(wanted.size):
        place[region + 1] += place[region]
    polygons = place.copy()
    order = np.empty(rings, np.int64)
    for holes in range(2):
        for ring in range(rings):
            if outer[ring] == (holes == 0):
                order[place[region_at[ring]]] = ring
                place[region_at[ring]] += 1
    out = np.empty((points, 2), np.float64)
    out_offsets = np.zeros(rings + 1, np.int64)
    p = 0
    for n in range(rings):
        begin = begins[order[n]]
        first = p
        h = begin
        while True:
            arc = arc_of(h)
            if is_forwards(h):
                for k in range(offsets[arc], offsets[arc + 1] - 1):
                    out[p, 0] = xy[k, 0]
                    out[p, 1] = xy[k, 1]
                    p += 1
            else:
                for k in range(offsets[arc + 1] - 1, offsets[arc], -1):
                    out[p, 0] = xy[k, 0]
                    out[p, 1] = xy[k, 1]
                    p += 1
            h = following[h]
            if h == begin:
                break
        out[p, 0] = out[first, 0]
        out[p, 1] = out[first, 1]
        p += 1
        out_offsets[n + 1] = p
    return out, out_offsets, polygons, areas


def build_rings(arcs: Arcs, xy: np.ndarray, offsets: np.ndarray, wanted: np.ndarray) -> Rings:
    """Assemble the rings of the regions with wanted[region] (R + 1,) bool, from points as `simplify_arcs` returns them."""
    wanted = wanted.copy()
    wanted[0] = False
    points, ring_offsets, polygons, areas = _walk_rings(xy, offsets, arcs.left, arcs.right, following_halves(arcs), wanted)
    regions = np.flatnonzero(wanted)
    return Rings(points, ring_offsets, np.append(polygons[regions], polygons[-1]), regions, areas)


def build_polygons(rings: Rings, points: np.ndarray) -> np.ndarray:
    """Shapely polygons (P,) of the rings; `points` are `rings.xy` in the coordinates that the polygons should have."""
    return shapely.from_ragged_array(shapely.GeometryType.POLYGON, points, (rings.offsets, rings.polygons))


@compiled
def _apply(xy, a, b, c, d, e, f):
    out = np.empty(xy.shape, np.float64)
    for k in range(xy.shape[0]):
        x, y = xy[k, 0], xy[k, 1]
        out[k, 0] = a * x + b * y + c
        out[k, 1] = d * x + e * y + f
    return out


def transformed(xy: np.ndarray, transform: Affine) -> np.ndarray:
    """Apply an affine transform to points (N, 2) of any real type; equal points stay equal to the last bit."""
    return _apply(np.ascontiguousarray(xy), *(float(number) for number in transform[:6]))
