"""What is proven valid is valid; what could be invalid is never proven, and little that is valid is left to Shapely."""

from __future__ import annotations

import numpy as np
import pytest
import shapely

from core.vector.tracing.validity import proven_valid

BOX = [(0, 0), (8, 0), (8, 8), (0, 8), (0, 0)]
NOTCHED = [(0, 0), (4, 0), (2, 1), (0, 4), (0, 0)]
INNER = [(1, 1), (1, 3), (3, 3), (3, 1), (1, 1)]
OTHER = [(5, 5), (5, 6), (6, 6), (5, 5)]


def proven(*polygons):
    """What `proven_valid` says of polygons, each a list of closed rings."""
    rings = [np.array(ring, float) for polygon in polygons for ring in polygon]
    offsets = np.concatenate([[0], np.cumsum([len(ring) for ring in rings])])
    counts = np.concatenate([[0], np.cumsum([len(polygon) for polygon in polygons])])
    return proven_valid(np.vstack(rings), offsets, counts).tolist()


def moved(ring, x, y):
    return [(a + x, b + y) for a, b in ring]


def star(corners, step):
    angles = 2 * np.pi * step * np.arange(corners + 1) / corners
    return list(zip(5 + 4 * np.cos(angles), 5 + 4 * np.sin(angles), strict=True))


def test_simple_rings_and_their_holes_are_proven():
    on_the_way = [(0, 0), (2, 0), (4, 0), (4, 4), (0, 0)]  # a point in the middle of a side
    assert proven([BOX], [BOX[::-1]], [NOTCHED], [on_the_way], [star(40, 1)]) == [True] * 5
    corner = [(0, 0), (2, 1), (1, 2), (0, 0)]
    assert proven([BOX, corner], [BOX, INNER, moved(INNER, 2, 2)], [BOX, corner[::-1], moved(INNER, 1, 0)]) == [True] * 3  # touching
    assert proven([BOX, INNER], [BOX, INNER[::-1], OTHER], [moved(BOX, 325000.25, 2786000.75)]) == [True] * 3


@pytest.mark.parametrize(
    "polygon",
    [
        [[(0, 0), (4, 4), (4, 0), (0, 4), (0, 0)]],  # a bow
        [star(5, 2)],  # turns left at every corner, but goes round twice
        [[(0, 0), (4, 0), (2, 0), (0, 0)]],  # flat
        [[(0, 0), (4, 0), (4, 4), (4, 0), (0, 0)]],  # there and back
        [[(0, 0), (4, 0), (0, 0)]],  # no area
        [[(0, 0), (4, 0), (4, 0), (4, 4), (0, 0)]],  # a point twice: valid, and left to Shapely
        [[(0, 0), (4, 0), (4, 4), (2, 0), (0, 4), (0, 0)]],  # a corner on another side
        [BOX, moved(BOX, 20, 0)],  # a hole elsewhere
        [INNER, BOX],  # a hole around all
        [BOX, moved(INNER, 6, 0)],  # a hole across the rim
        [BOX, moved(INNER, -1, 0)],  # a hole along the rim
        [BOX, [(1, 1), (1, 7), (7, 7), (7, 1), (1, 1)], OTHER],  # a hole in a hole
        [BOX, OTHER, [(1, 1), (1, 7), (7, 7), (7, 1), (1, 1)]],  # the other way round
        [BOX, INNER, moved(INNER, 1, 1)],  # holes across each other
        [BOX, [(0, 0), (2, 1), (8, 8), (1, 2), (0, 0)]],  # a hole that cuts it in two
        [BOX, [(1, 1), (4, 1), (4, 4), (1, 1)], [(4, 1), (6, 1), (4, 4), (4, 1)]],  # holes with a side in common
        [BOX, [(0, 4), (3, 4), (3, 5), (0, 4)], [(3, 4), (8, 4), (8, 3), (3, 4)]],  # two in a row from rim to rim
        [BOX, INNER, [(3, 3), (2, 2.5), (2.5, 2), (3, 3)]],  # a hole in a hole that it touches
        [BOX, [(3, 3), (2, 2.5), (2.5, 2), (3, 3)], INNER],  # the other way round
        [BOX, [(8, 8), (10, 9), (9, 10), (8, 8)]],  # a hole outside that touches
        [BOX, [(8, 8), (6, 9), (9, 6), (8, 8)]],  # one that goes through a corner
        [BOX, [(0, 3), (4, 3), (4, 5), (0, 3)]],  # a corner on a side where the other ring has none: valid, and left to Shapely
        [[(0, 0), (8, 0), (8, np.nan), (0, 8), (0, 0)]],
        [[(0, 0), (8, 0), (8, np.inf), (0, 8), (0, 0)]],
        [star(90, 1)],  # longer than is tried
    ],
)
def test_what_could_be_invalid_is_not_proven(polygon):
    assert proven([BOX], polygon, [BOX]) == [True, False, True]


def test_corners_that_rounding_may_hide_are_left_to_shapely():
    """A hair from the side, at coordinates of millions of metres: whatever is said, it is never that it is valid when it is not."""
    x, y = 325000.0, 2786000.0
    for hair in np.concatenate([[0.0], 2.0 ** -np.arange(10, 60)]):
        ring = [(x, y), (x + 3, y + 1), (x + 3, y + 4), (x + 1.5, y + 0.5 + hair), (x, y + 4), (x, y)]
        for side in (ring, ring[::-1]):
            if proven([side]) == [True]:
                assert shapely.is_valid(shapely.Polygon(side))
    assert proven([[(x, y), (x + 3, y + 1), (x + 3, y + 4), (x + 1.5, y + 0.501), (x, y + 4), (x, y)]]) == [True]


@pytest.mark.parametrize("grid", [5, 9, 40])
def test_random_rings_that_are_proven_are_valid_and_few_valid_ones_are_left(grid):
    rng = np.random.default_rng(grid)
    rings = []
    for corners in rng.integers(3, 9, 6000):
        ring = rng.integers(0, grid, (corners, 2)) * 0.5 + (325000.25, 2786000.75)
        rings.append(np.vstack([ring, ring[:1]]))
    valid = shapely.is_valid([shapely.Polygon(ring) for ring in rings])
    found = np.array(proven(*([ring] for ring in rings)))
    assert valid[found].all()
    # Only a point that comes twice in a row is valid and not proven.
    twice = np.array([(np.diff(ring, axis=0) == 0).all(axis=1).any() for ring in rings])
    assert found[valid & ~twice].all() and found.sum() > 500


def test_random_rings_with_holes_that_are_proven_are_valid():
    rng = np.random.default_rng(5)
    outer = [(0, 0), (30, 0), (30, 30), (15, 18), (0, 30), (0, 0)]
    polygons = []
    for holes in rng.integers(1, 4, 4000):
        made = []
        for _ in range(holes):
            ring = rng.integers(0, 9, (rng.integers(3, 5), 2)) + rng.integers(0, 26, 2)
            made.append(np.vstack([ring, ring[:1]]))
        polygons.append([outer, *made])
    valid = shapely.is_valid([shapely.Polygon(rings[0], rings[1:]) for rings in polygons])
    found = np.array(proven(*polygons))
    assert valid[found].all() and found.sum() > 300
    assert found.sum() > 0.8 * valid.sum()  # the others have a corner on a side, where there is no point


def test_polygons_of_random_pixels_are_proven_where_they_are_valid():
    """Diagonal pixels: rings that touch in corners, in trees and in circles."""
    rng = np.random.default_rng(6)
    polygons, touching = [], 0
    for _ in range(800):
        outer = [(-1, -1), (8, -1), (8, 8), (-1, 8), (-1, -1)] if rng.random() < 0.5 else [(0, 0), (7, 0), (7, 7), (0, 7), (0, 0)]
        cells = np.argwhere(rng.random((7, 7)) < 0.22)
        holes = [[(x, y), (x, y + 1), (x + 1, y + 1), (x + 1, y), (x, y)] for x, y in cells]
        alone = [hole for k, hole in enumerate(holes) if not any(np.abs(cells[k] - cell).sum() == 1 for cell in cells)]
        ring = [(float(a), float(b)) for a, b in outer]
        if outer[0] == (0, 0):  # the outer ring has a point at each corner that a hole can touch
            ring = [(float(a), 0.0) for a in range(8)] + [(7.0, float(b)) for b in range(1, 8)]
            ring += [(float(a), 7.0) for a in range(6, -1, -1)] + [(0.0, float(b)) for b in range(6, -1, -1)]
        polygons.append([ring, *alone])
        touching += any((np.abs(np.array(a[0]) - b[0]) == 1).all() for a in alone for b in alone)
    valid = shapely.is_valid([shapely.Polygon(rings[0], rings[1:]) for rings in polygons])
    found = np.array(proven(*polygons))
    assert valid[found].all() and touching > 300 and (~valid).sum() > 100
    small = np.array([sum(len(ring) for ring in rings) <= 72 for rings in polygons])
    assert found[valid & small].all() and found.sum() > 300
