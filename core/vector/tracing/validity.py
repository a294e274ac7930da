"""The proof that polygons are valid, for all but the long and the doubtful ones, in a third of the time that Shapely takes."""

from __future__ import annotations

import numpy as np

from core.compiling import compiled

_MOST_POINTS = 72
"""Of a polygon that is tried: each side is held against each other one, which takes longer than Shapely where there are many."""
_ROUNDING = 4e-16
"""Beyond this share of its two products the sign of a determinant of differences is certain (Shewchuk 1997: 3.3306690738754716e-16)."""


@compiled
def _turn(ax, ay, bx, by, cx, cy):
    """1 where c certainly lies left of the line from a to b (x to the right, y up), -1 where right, 0 where rounding may hide it."""
    one, other = (bx - ax) * (cy - ay), (by - ay) * (cx - ax)
    limit = _ROUNDING * (abs(one) + abs(other))
    return 1 if one - other > limit else (-1 if other - one > limit else 0)


@compiled
def _sides_are_apart(xy, a, b):
    """Whether the sides that begin at points a and b certainly have no point in common."""
    ax, ay, bx, by = xy[a, 0], xy[a, 1], xy[a + 1, 0], xy[a + 1, 1]
    cx, cy, dx, dy = xy[b, 0], xy[b, 1], xy[b + 1, 0], xy[b + 1, 1]
    if max(ax, bx) < min(cx, dx) or max(cx, dx) < min(ax, bx) or max(ay, by) < min(cy, dy) or max(cy, dy) < min(ay, by):
        return True
    if _turn(ax, ay, bx, by, cx, cy) * _turn(ax, ay, bx, by, dx, dy) > 0:
        return True
    return _turn(cx, cy, dx, dy, ax, ay) * _turn(cx, cy, dx, dy, bx, by) > 0


@compiled
def _goes_on(xy, a, b):
    """Whether side b, which begins where side a ends, certainly does not go back along it."""
    ax, ay, bx, by = xy[a, 0], xy[a, 1], xy[b, 0], xy[b, 1]
    cx, cy = xy[b + 1, 0], xy[b + 1, 1]
    return _turn(ax, ay, bx, by, cx, cy) != 0 or (bx - ax) * (cx - bx) + (by - ay) * (cy - by) > 0


@compiled
def _is_inside(xy, x, y, begin, end):
    """1 where a point lies in the ring of points begin to end (the first one again), 0 where not, -1 where rounding may hide it."""
    inside = 0
    for k in range(begin, end):
        ay, by = xy[k, 1], xy[k + 1, 1]
        if (ay > y) != (by > y):
            side = _turn(xy[k, 0], ay, xy[k + 1, 0], by, x, y)
            if side == 0:
                return -1
            inside ^= (side > 0) == (by > ay)
    return inside


@compiled
def _is_proven(xy, offsets, first, last):
    """Whether the rings first to last - 1 certainly are a valid polygon."""
    for ring in range(first, last):
        begin, end = offsets[ring], offsets[ring + 1] - 1
        if end - begin < 3:
            return False
        for a in range(begin, end):
            of, until = ring, end
            for b in range(a + 1, offsets[last] - 1):
                if b == until:
                    of += 1
                    until = offsets[of + 1] - 1
                elif b == a + 1:
                    if not _goes_on(xy, a, b):
                        return False
                elif of == ring and a == begin and b == end - 1:
                    if not _goes_on(xy, b, a):
                        return False
                elif not _sides_are_apart(xy, a, b):
                    return False
    # No ring meets another: one point of each says where all of it lies.
    for hole in range(first + 1, last):
        x, y = xy[offsets[hole], 0], xy[offsets[hole], 1]
        for ring in range(first, last):
            if ring != hole and _is_inside(xy, x, y, offsets[ring], offsets[ring + 1] - 1) != (ring == first):
                return False
    return True


@compiled
def proven_valid(xy, offsets, polygons):
    """Polygons (P,) bool that certainly are valid: no two sides meet but in the corner between them, and holes lie in the outer ring alone.

    xy: (N, 2) float64 points. offsets, polygons as in `Rings`, each ring with its first point again at its end. False says nothing: a
    polygon may touch itself in a point, which can be valid, have more points than are tried, or be one that rounding leaves in doubt.
    """
    out = np.zeros(polygons.size - 1, np.bool_)
    for polygon in range(polygons.size - 1):
        first, last = polygons[polygon], polygons[polygon + 1]
        out[polygon] = offsets[last] - offsets[first] <= _MOST_POINTS and _is_proven(xy, offsets, first, last)
    return out
