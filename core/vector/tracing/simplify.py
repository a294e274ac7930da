"""Fewer or rounder points on arcs, with every border still shared and no two borders crossing."""

from __future__ import annotations

import numpy as np

from core.compiling import compiled
from core.errors import SettingsError
from core.vector.settings import METHODS
from core.vector.squaring.right_angles import mark_farthest
from core.vector.tracing.arcs import Arcs
from core.vector.tracing.half_arcs import arc_of, region_of
from core.vector.tracing.heap import rise, sink


@compiled
def _following_halves(left, right, start, end, first, last, half):
    """The half arc that follows each half arc on the border of the region on its left; a loop follows itself.

    Where four borders meet the walk turns right first, away from its own region, so that a region that touches itself in a point gets an
    outer ring and a hole, both valid, instead of one ring that touches itself.
    """
    following = np.empty(2 * left.size, np.int32)
    for arc in range(left.size):
        for side in range(2):
            h = 2 * arc + side
            following[h] = h
            if start[arc] < 0:
                continue
            junction = end[arc] if side == 0 else start[arc]
            direction = last[arc] if side == 0 else (first[arc] + 2) & 3
            region = left[arc] if side == 0 else right[arc]
            for turn in (1, 0, 3):
                other = half[4 * junction + ((direction + turn) & 3)]
                if other < 0:
                    continue
                if region_of(other, left, right) == region:
                    following[h] = other
                    break
    return following


def following_halves(arcs: Arcs) -> np.ndarray:
    """(2 A,) int32: the half arc that comes next on the border of the region on the left of each half arc."""
    return _following_halves(arcs.left, arcs.right, arcs.start, arcs.end, arcs.first, arcs.last, arcs.half)


@compiled
def _fewest_points(left, right, start, end, following):
    """Points that each arc must keep, and the other arc of each ring of two arcs that it is part of (-1 for none), for its left and right.

    A loop keeps four corners: three would do, but a pixel or a short strip should stay a rectangle. A ring of two arcs keeps three.
    """
    fewest = np.full(left.size, 2, np.int32)
    mates = np.full((left.size, 2), -1, np.int32)
    for arc in range(left.size):
        if left[arc] == 0 or right[arc] == 0:
            # The scene's rim has points at its corners only; cutting one off would open a gap at the frame.
            fewest[arc] = 1 << 30
        elif start[arc] == end[arc]:
            fewest[arc] = 5
        else:
            for side in range(2):
                h = 2 * arc + side
                if following[following[h]] == h:
                    mates[arc, side] = arc_of(following[h])
    return fewest, mates


@compiled
def _mark_points(xy, stride, rows):
    """One bit for each corner of the pixel grid: set where an arc has a point."""
    bits = np.zeros((stride * rows >> 3) + 1, np.uint8)
    for k in range(xy.shape[0]):
        index = np.int64(xy[k, 1]) * stride + xy[k, 0]
        bits[index >> 3] |= np.uint8(1 << (index & 7))
    return bits


@compiled
def _triangle_is_free(bits, stride, ax, ay, bx, by, cx, cy, scale):
    """Whether the closed triangle abc holds no marked corner beside a, b and c; its coordinates are `scale` times those of the grid."""
    low, high = min(ay, by, cy), max(ay, by, cy)
    for y in range(-((-low) // scale), high // scale + 1):
        ys = y * scale
        x_low, x_high = np.int64(1 << 60), np.int64(-(1 << 60))
        for side in range(3):
            if side == 0:
                px, py, qx, qy = ax, ay, bx, by
            elif side == 1:
                px, py, qx, qy = bx, by, cx, cy
            else:
                px, py, qx, qy = cx, cy, ax, ay
            if qy < py:
                px, py, qx, qy = qx, qy, px, py
            if py == qy or ys < py or ys > qy:
                continue
            over = px * (qy - py) + (ys - py) * (qx - px)
            under = (qy - py) * scale
            x_low = min(x_low, -((-over) // under))
            x_high = max(x_high, over // under)
        for x in range(x_low, x_high + 1):
            index = y * stride + x
            if (bits[index >> 3] >> (index & 7)) & 1:
                xs = x * scale
                if not ((xs == ax and ys == ay) or (xs == bx and ys == by) or (xs == cx and ys == cy)):
                    return False
    return True


@compiled
def _twice_area(xy, a, b, c):
    ax, ay = np.int64(xy[a, 0]), np.int64(xy[a, 1])
    return abs((xy[b, 0] - ax) * (xy[c, 1] - ay) - (xy[c, 0] - ax) * (xy[b, 1] - ay))


@compiled
def _is_near(px, py, ax, ay, cx, cy, limit):
    """Whether point p lies within the square root of `limit` of the segment from a to c."""
    dx, dy = cx - ax, cy - ay
    px, py = px - ax, py - ay
    size = dx * dx + dy * dy
    along = px * dx + py * dy
    if along <= 0:
        return px * px + py * py <= limit
    if along >= size:
        return (px - dx) * (px - dx) + (py - dy) * (py - dy) <= limit
    across = np.float64(px * dy - py * dx)
    return across * across <= limit * size


@compiled
def _corner_is_near(xy, k, a, c, begin, stop, limit):
    """Whether the border on both sides of original point k, half a pixel from it, lies within the tolerance of the segment from a to c.

    Half a pixel, because the corners of a pixel staircase stand out from the border that it stands for. `limit` is 4 tolerance squared.
    """
    x, y = np.int64(xy[k, 0]), np.int64(xy[k, 1])
    ax, ay = 2 * np.int64(xy[a, 0]), 2 * np.int64(xy[a, 1])
    cx, cy = 2 * np.int64(xy[c, 0]), 2 * np.int64(xy[c, 1])
    for side in range(2):
        other = (k - 1 if k > begin else stop - 2) if side == 0 else k + 1
        px, py = 2 * x + np.sign(xy[other, 0] - x), 2 * y + np.sign(xy[other, 1] - y)
        if not _is_near(px, py, ax, ay, cx, cy, limit):
            return False
    return True


@compiled
def _all_near(xy, a, c, begin, stop, limit):
    """Whether the original border between a and c lies within the tolerance of the segment; loops go on past their end."""
    k = a
    while True:
        k += 1
        if k == stop - 1 and c < k:
            k = begin
        if k == c:
            return True
        if not _corner_is_near(xy, k, a, c, begin, stop, limit):
            return False


@compiled
def _farthest_points(xy, offsets, start, tolerance_px):
    """Points (N,) bool that Douglas and Peucker (1973) keep of each arc; a loop is cut at the point farthest from its first one."""
    keep = np.zeros(xy.shape[0], np.bool_)
    stack = np.empty(2 * int((offsets[1:] - offsets[:-1]).max()) + 8, np.int64)
    for arc in range(offsets.size - 1):
        begin, end = offsets[arc], offsets[arc + 1] - 1
        keep[begin] = keep[end] = True
        middle = begin
        if start[arc] < 0:
            best = 0
            for k in range(begin + 1, end):
                off = (xy[k, 0] - xy[begin, 0]) ** 2 + (xy[k, 1] - xy[begin, 1]) ** 2
                if off > best:
                    best, middle = off, k
            keep[middle] = True
            mark_farthest(xy, begin, middle, tolerance_px, keep, stack)
        mark_farthest(xy, middle, end, tolerance_px, keep, stack)
    return keep


@compiled
def _drop_points(xy, offsets, start, fewest, mates, tolerance_px, bits, stride, chosen):
    """Drop points, the smallest triangle first, while the border stays within the tolerance and the triangle holds no other point.

    chosen: (N,) bool points that stay, which then decides in place of the tolerance; or nothing (0,).
    """
    keep = np.ones(xy.shape[0], np.bool_)
    limit = 4 * tolerance_px * tolerance_px
    left_of = offsets[1:] - offsets[:-1]
    # A heap for all arcs: a point that goes leaves one place and takes two.
    longest = left_of.max() if left_of.size else 0
    areas, numbers = np.empty(2 * longest + 2, np.int64), np.empty(2 * longest + 2, np.int64)
    # Of the points of one arc, counted from its first: for those of all arcs they would take three times as much as the arcs themselves.
    previous, following, area = np.empty(longest, np.int64), np.empty(longest, np.int64), np.empty(longest, np.int64)
    for arc in range(offsets.size - 1):
        begin, stop = offsets[arc], offsets[arc + 1]
        closed = start[arc] < 0
        points = stop - begin
        least = fewest[arc]
        for side in range(2):
            if mates[arc, side] >= 0:
                # The two arcs share their ends: three corners are five points.
                least = max(least, 5 - left_of[mates[arc, side]])
        if points <= least:
            continue
        for k in range(points):
            previous[k], following[k] = begin + k - 1, begin + k + 1
        if closed:
            # The last point of a loop repeats the first; it goes round without it.
            previous[0] = stop - 2
            following[points - 2] = begin
        queued = np.int64(0)  # a literal would have `sink` compiled once more
        for k in range(begin if closed else begin + 1, stop - 1):
            area[k - begin] = _twice_area(xy, previous[k - begin], k, following[k - begin])
            if not chosen[k] if chosen.size else _corner_is_near(xy, k, previous[k - begin], following[k - begin], begin, stop, limit):
                areas[queued], numbers[queued] = area[k - begin], k
                queued += 1
        for hole in range((queued >> 1) - 1, -1, -1):
            sink(areas, numbers, queued, hole, areas[hole], numbers[hole])
        while queued > 0 and points > least:
            size, k = areas[0], numbers[0]
            queued -= 1
            sink(areas, numbers, queued, np.int64(0), areas[queued], numbers[queued])
            if not keep[k] or area[k - begin] != size:
                continue
            a, c = previous[k - begin], following[k - begin]
            ax, ay = np.int64(xy[a, 0]), np.int64(xy[a, 1])
            bx, by = np.int64(xy[k, 0]), np.int64(xy[k, 1])
            cx, cy = np.int64(xy[c, 0]), np.int64(xy[c, 1])
            # Between its first neighbours a point is in the queue because it is near.
            fresh = a == k - 1 and c == k + 1
            if chosen.size == 0 and not fresh and not _all_near(xy, a, c, begin, stop, limit):
                continue
            # A point between its neighbours on one line can go; other borders cannot run along there. The smallest triangle, of half a
            # pixel, holds no corner of the grid beside its own (Pick 1899).
            if size > 1 and not _triangle_is_free(bits, stride, ax, ay, bx, by, cx, cy, 1):
                continue
            keep[k] = False
            points -= 1
            index = by * stride + bx
            bits[index >> 3] &= np.uint8(255 ^ (1 << (index & 7)))
            following[a - begin] = c
            previous[c - begin] = a
            for near in (a, c):
                if not closed and (near == begin or near == stop - 1):
                    continue
                area[near - begin] = _twice_area(xy, previous[near - begin], near, following[near - begin])
                if (
                    not chosen[near]
                    if chosen.size
                    else _corner_is_near(xy, near, previous[near - begin], following[near - begin], begin, stop, limit)
                ):
                    rise(areas, numbers, queued, area[near - begin], near)
                    queued += 1
        left_of[arc] = points
    out = np.empty((keep.sum() + offsets.size, 2), np.int32)
    out_offsets = np.zeros_like(offsets)
    p = 0
    for arc in range(offsets.size - 1):
        first = p
        closed = start[arc] < 0
        for k in range(offsets[arc], offsets[arc + 1] - (1 if closed else 0)):
            if keep[k]:
                out[p, 0] = xy[k, 0]
                out[p, 1] = xy[k, 1]
                p += 1
        if closed:
            out[p, 0] = out[first, 0]
            out[p, 1] = out[first, 1]
            p += 1
        out_offsets[arc + 1] = p
    return out[:p].copy(), out_offsets


@compiled
def _round_corners(xy, offsets, left, right, start, bits, stride, steps):
    """Replace each corner by a curve from the middle of its first side to the middle of its second one, where no other point is inside."""
    out = np.empty((xy.shape[0] * (steps + 1) + offsets.size, 2), np.float64)
    out_offsets = np.zeros_like(offsets)
    p = 0
    for arc in range(offsets.size - 1):
        begin, stop = offsets[arc], offsets[arc + 1]
        closed = start[arc] < 0
        rim = left[arc] == 0 or right[arc] == 0
        first = p
        for k in range(begin, stop - 1 if closed else stop):
            ends = (k == begin or k == stop - 1) and not closed
            a = k - 1 if k > begin else stop - 2
            c = k + 1 if k < stop - 1 else k
            if not ends and not rim:
                bx, by = np.int64(xy[k, 0]) * 2, np.int64(xy[k, 1]) * 2
                ax, ay = np.int64(xy[k, 0]) + xy[a, 0], np.int64(xy[k, 1]) + xy[a, 1]
                cx, cy = np.int64(xy[k, 0]) + xy[c, 0], np.int64(xy[k, 1]) + xy[c, 1]
                if _triangle_is_free(bits, stride, ax, ay, bx, by, cx, cy, 2):
                    for step in range(steps + 1):
                        t = step / steps
                        x = ((1 - t) * (1 - t) * ax + 2 * t * (1 - t) * bx + t * t * cx) / 2
                        y = ((1 - t) * (1 - t) * ay + 2 * t * (1 - t) * by + t * t * cy) / 2
                        if p == first or out[p - 1, 0] != x or out[p - 1, 1] != y:
                            out[p, 0] = x
                            out[p, 1] = y
                            p += 1
                    continue
            out[p, 0] = xy[k, 0]
            out[p, 1] = xy[k, 1]
            p += 1
        if closed and (out[p - 1, 0] != out[first, 0] or out[p - 1, 1] != out[first, 1]):
            out[p, 0] = out[first, 0]
            out[p, 1] = out[first, 1]
            p += 1
        out_offsets[arc + 1] = p
    return out[:p].copy(), out_offsets


def simplify_arcs(arcs: Arcs, tolerance_px: float, *, smooth: int = 0, method: str = "visvalingam") -> tuple[np.ndarray, np.ndarray]:
    """Simplify every arc once, then round its corners; returns points (M, 2) (column, row), int32 or float64, and offsets (A + 1,).

    method: a key of METHODS; "douglas-peucker" drops all points that are not among the farthest, as far as the rule below lets it.
    tolerance_px: how far the traced border may lie from the simplified one (the bound of Douglas and Peucker 1973), where the last half
    pixel before each corner of a pixel staircase does not count. Within it, points go in the order of Visvalingam and Whyatt (1993),
    the smallest triangle with its neighbours first. A point stays when its triangle holds any other point: borders then never cross or
    touch, and no ring turns over. Junctions and the scene's rim stay.
    smooth: each corner becomes 2 ** smooth pieces of the quadratic B-spline that Chaikin's corner cutting (1974) tends to, 0
    leaves it. The curve lies in the triangle between the corner and the middles of its two sides; the corner stays when that triangle
    holds another point, so smoothed borders do not cross either. Raises SettingsError for an unknown method.
    """
    if method not in METHODS:
        raise SettingsError(f"no way to simplify named {method!r}", expected=" or ".join(METHODS), do="Choose one of them")
    xy, offsets = arcs.xy, arcs.offsets
    if tolerance_px <= 0 and smooth <= 0:
        return xy, offsets
    stride = arcs.width + 1
    bits = _mark_points(xy, stride, arcs.height + 1)
    if tolerance_px > 0:
        fewest, mates = _fewest_points(arcs.left, arcs.right, arcs.start, arcs.end, following_halves(arcs))
        chosen = np.empty(0, bool) if method == "visvalingam" else _farthest_points(xy, offsets, arcs.start, float(tolerance_px))
        xy, offsets = _drop_points(xy, offsets, arcs.start, fewest, mates, float(tolerance_px), bits, stride, chosen)
    if smooth > 0:
        xy, offsets = _round_corners(xy, offsets, arcs.left, arcs.right, arcs.start, bits, stride, 2**smooth)
    return xy, offsets
