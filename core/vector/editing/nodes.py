"""Corners that cutting borders at each other has left where no border ends or turns any more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import shapely

_OFF_PX = 1e-6
"""How far from the side that it lies on, in pixels, a corner may be by rounding."""

Corner = tuple[float, float]


def without_nodes(shapes: Iterable[shapely.Polygon], kept: set[Corner], pixel: float) -> list[shapely.Polygon]:
    """Polygons of one coverage without the corners that turn in none of them; those in `kept` stay. `pixel` is the size of one."""
    shapes = list(shapes)
    straight: dict[Corner, bool] = {}
    for shape in shapes:
        for before, corner, after in _corners(shape):
            if corner not in kept:
                straight[corner] = straight.get(corner, True) and _off(before, corner, after) < _OFF_PX * pixel
    gone = {corner for corner, is_straight in straight.items() if is_straight}
    return [_without(shape, gone) for shape in shapes]


def corners_of(shapes: Iterable[shapely.Geometry]) -> set[Corner]:
    """All corners of some geometries."""
    return {(x, y) for x, y in shapely.get_coordinates(np.array([*shapes], object)).tolist()}


def _rings(shape: shapely.Polygon) -> list[list[Corner]]:
    """The rings of a polygon, rim first, none of them closed."""
    return [[(x, y) for x, y in ring.coords[:-1]] for ring in (shape.exterior, *shape.interiors)]


def _corners(shape: shapely.Polygon) -> Iterator[tuple[Corner, Corner, Corner]]:
    """Each corner of a polygon between those before and after it."""
    for ring in _rings(shape):
        yield from zip([ring[-1], *ring[:-1]], ring, [*ring[1:], ring[0]], strict=True)


def _off(before: Corner, corner: Corner, after: Corner) -> float:
    """How far a corner lies from the side between its neighbours."""
    return shapely.distance(shapely.Point(corner), shapely.LineString([before, after]))


def _without(shape: shapely.Polygon, gone: set[Corner]) -> shapely.Polygon:
    rings = _rings(shape)
    left = [[corner for corner in ring if corner not in gone] for ring in rings]
    return shape if left == rings else shapely.Polygon(left[0], left[1:])
