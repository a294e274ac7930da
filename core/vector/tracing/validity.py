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
def _share_an_end_alone(xy, a, b):
    """Whether sides a and b have one end in common, and certainly nothing beside it."""
    for k in (a, a + 1):
        for m in (b, b + 1):
            vx, vy = xy[k, 0], xy[k, 1]
            if vx == xy[m, 0] and vy == xy[m, 1]:
                p, q = 2 * a + 1 - k, 2 * b + 1 - m
                px, py, qx, qy = xy[p, 0], xy[p, 1], xy[q, 0], xy[q, 1]
                return _turn(px, py, vx, vy, qx, qy) != 0 or (px - vx) * (qx - vx) + (py - vy) * (qy - vy) < 0
    return False


@compiled
def _is_left(xy, before, at, after, k):
    """Whether point k lies on the left of the border that goes through three points."""
    ax, ay, vx, vy, bx, by = xy[before, 0], xy[before, 1], xy[at, 0], xy[at, 1], xy[after, 0], xy[after, 1]
    x, y = xy[k, 0], xy[k, 1]
    first, second = _turn(ax, ay, vx, vy, x, y) > 0, _turn(vx, vy, bx, by, x, y) > 0
    way = _turn(ax, ay, vx, vy, bx, by)
    return (first and second) if way > 0 else ((first or second) if way < 0 else first)


@compiled
def _touch_and_part(xy, offsets, ring, a, other, b, parent):
    """Whether two rings that meet in point a of the one and b of the other do not cross there, and did not meet before by any way round.

    Rings that meet in a circle cut the polygon in two. `parent`: of each ring, another one that it hangs together with, or itself.
    """
    before = a - 1 if a > offsets[ring] else offsets[ring + 1] - 2
    behind = b - 1 if b > offsets[other] else offsets[other + 1] - 2
    if _is_left(xy, before, a, a + 1, behind) != _is_left(xy, before, a, a + 1, b + 1):
        return False
    while parent[ring] != ring:
        ring = parent[ring]
    while parent[other] != other:
        other = parent[other]
    parent[other] = ring
    return ring != other


@compiled
def _is_inside(xy, k, begin, end):
    """1 where point k lies in the ring of points begin to end (the first one again), 0 where not, -1 where it may lie on it."""
    x, y = xy[k, 0], xy[k, 1]
    inside = 0
    for m in range(begin, end):
        ay, by = xy[m, 1], xy[m + 1, 1]
        if xy[m, 0] == x and ay == y:
            return -1
        if (ay > y) != (by > y):
            side = _turn(xy[m, 0], ay, xy[m + 1, 0], by, x, y)
            if side == 0:
                return -1
            inside ^= (side > 0) == (by > ay)
    return inside


@compiled
def _is_proven(xy, offsets, first, last, parent):
    """Whether the rings first to last - 1 certainly are a valid polygon."""
    for ring in range(first, last):
        parent[ring] = ring
        if offsets[ring + 1] - offsets[ring] < 4:
            return False
    for ring in range(first, last):
        begin, end = offsets[ring], offsets[ring + 1] - 1
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
                    if of == ring or not _share_an_end_alone(xy, a, b):
                        return False
                    meet = xy[a, 0] == xy[b, 0] and xy[a, 1] == xy[b, 1]
                    if meet and not _touch_and_part(xy, offsets, ring, a, of, b, parent):
                        return False
    # No ring crosses another: one point of each that lies on no other says where all of it lies.
    for hole in range(first + 1, last):
        for ring in range(first, last):
            if ring == hole:
                continue
            where = -1
            for k in range(offsets[hole], offsets[hole + 1] - 1):
                where = _is_inside(xy, k, offsets[ring], offsets[ring + 1] - 1)
                if where >= 0:
                    break
            if where != (ring == first):
                return False
    return True


@compiled
def proven_valid(xy, offsets, polygons):
    """Polygons (P,) bool that certainly are valid.

    No two sides meet but in the corner between them, or in a corner of each where two rings touch; rings that touch each other do so in no
    circle; holes lie in the outer ring alone. xy: (N, 2) float64 points. offsets, polygons as in `Rings`, each ring with its first point
    again at its end. False says nothing: a polygon may have more points than are tried, or be one that rounding leaves in doubt.
    """
    parent = np.empty(offsets.size, np.int64)
    out = np.zeros(polygons.size - 1, np.bool_)
    for polygon in range(polygons.size - 1):
        first, last = polygons[polygon], polygons[polygon + 1]
        out[polygon] = offsets[last] - offsets[first] <= _MOST_POINTS and _is_proven(xy, offsets, first, last, parent)
    return out
