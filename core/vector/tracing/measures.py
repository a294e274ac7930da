"""Numbers of many rings at once: areas, perimeters, smallest rectangles, and the proof that polygons tile their frame."""

from __future__ import annotations

import numpy as np

from core.compiling import compiled


@compiled
def _smallest_rectangle(xy, begin, stop, deque, hull):
    """Long and short side of the smallest rectangle around the ring xy[begin:stop] (closed, simple).

    Convex hull by Melkman (1987), then the rectangle along each of its edges (Freeman and Shapira 1975).
    """
    n = stop - begin - 1
    corner = begin
    for k in range(begin + 1, begin + n):
        if xy[k, 0] < xy[corner, 0] or (xy[k, 0] == xy[corner, 0] and xy[k, 1] < xy[corner, 1]):
            corner = k
    shift = corner - begin + n - 1
    low, high = n, n - 1
    for step in range(n):
        k = begin + (shift + step) % n
        if step < 2:
            high += 1
            deque[high] = k
            continue
        if step == 2:
            # The ring starts one point before its leftmost corner, so the first three points make a proper turn.
            a, b = deque[low], deque[high]
            turn = (xy[b, 0] - xy[a, 0]) * (xy[k, 1] - xy[a, 1]) - (xy[k, 0] - xy[a, 0]) * (xy[b, 1] - xy[a, 1])
            if turn < 0:
                deque[low], deque[high] = b, a
            high += 1
            deque[high] = k
            low -= 1
            deque[low] = k
            continue
        x, y = xy[k, 0], xy[k, 1]
        a, b = deque[high - 1], deque[high]
        c, d = deque[low], deque[low + 1]
        inside_high = (xy[b, 0] - xy[a, 0]) * (y - xy[a, 1]) - (x - xy[a, 0]) * (xy[b, 1] - xy[a, 1]) >= 0
        inside_low = (xy[d, 0] - xy[c, 0]) * (y - xy[c, 1]) - (x - xy[c, 0]) * (xy[d, 1] - xy[c, 1]) >= 0
        if inside_high and inside_low:
            continue
        while high - low > 1:
            a, b = deque[high - 1], deque[high]
            if (xy[b, 0] - xy[a, 0]) * (y - xy[a, 1]) - (x - xy[a, 0]) * (xy[b, 1] - xy[a, 1]) > 0:
                break
            high -= 1
        high += 1
        deque[high] = k
        while high - low > 1:
            c, d = deque[low], deque[low + 1]
            if (xy[d, 0] - xy[c, 0]) * (y - xy[c, 1]) - (x - xy[c, 0]) * (xy[d, 1] - xy[c, 1]) > 0:
                break
            low += 1
        low -= 1
        deque[low] = k
    corners = high - low
    for k in range(corners):
        hull[k] = deque[low + k]
    best = np.inf
    long_side = short_side = 0.0
    for k in range(corners):
        a, b = hull[k], hull[(k + 1) % corners]
        ux, uy = xy[b, 0] - xy[a, 0], xy[b, 1] - xy[a, 1]
        size = np.hypot(ux, uy)
        if size == 0:
            continue
        ux, uy = ux / size, uy / size
        along_low = along_high = across_high = 0.0
        for m in range(corners):
            dx, dy = xy[hull[m], 0] - xy[a, 0], xy[hull[m], 1] - xy[a, 1]
            along = dx * ux + dy * uy
            along_low, along_high = min(along_low, along), max(along_high, along)
            across_high = max(across_high, abs(dy * ux - dx * uy))
        along = along_high - along_low
        if along * across_high < best:
            best = along * across_high
            long_side, short_side = max(along, across_high), min(along, across_high)
    return long_side, short_side


@compiled
def measure_polygons(xy, offsets, polygons):
    """Area, perimeter (holes included), centroid x and y, and long and short side of the smallest rectangle around it, of each polygon.

    xy: (N, 2) float64 points in one planar unit; offsets, polygons as in `Rings`. Returns (P, 6) float64.
    """
    out = np.zeros((polygons.size - 1, 6))
    longest = 0
    for ring in range(offsets.size - 1):
        longest = max(longest, offsets[ring + 1] - offsets[ring])
    deque = np.empty(2 * longest + 4, np.int64)
    hull = np.empty(longest + 4, np.int64)
    for polygon in range(polygons.size - 1):
        # Sums are taken from the first point on, because coordinates are large beside the shapes.
        ox, oy = xy[offsets[polygons[polygon]], 0], xy[offsets[polygons[polygon]], 1]
        area = perimeter = sum_x = sum_y = 0.0
        for ring in range(polygons[polygon], polygons[polygon + 1]):
            twice = part_x = part_y = 0.0
            for k in range(offsets[ring], offsets[ring + 1] - 1):
                x, y = xy[k, 0] - ox, xy[k, 1] - oy
                u, v = xy[k + 1, 0] - ox, xy[k + 1, 1] - oy
                cross = x * v - u * y
                twice += cross
                part_x += (x + u) * cross
                part_y += (y + v) * cross
                perimeter += np.hypot(u - x, v - y)
            sign = np.sign(twice) * (1.0 if ring == polygons[polygon] else -1.0)
            area += sign * twice / 2
            sum_x += sign * part_x / 6
            sum_y += sign * part_y / 6
        long_side, short_side = _smallest_rectangle(xy, offsets[polygons[polygon]], offsets[polygons[polygon] + 1], deque, hull)
        out[polygon, 0] = area
        out[polygon, 1] = perimeter
        out[polygon, 2] = ox + sum_x / area if area > 0 else ox
        out[polygon, 3] = oy + sum_y / area if area > 0 else oy
        out[polygon, 4] = long_side
        out[polygon, 5] = short_side
    return out


@compiled
def _side_code(bits, a, b):
    """A 64-bit code of the segment between points a and b that changes its sign with its direction."""
    ax, ay, bx, by = bits[a, 0], bits[a, 1], bits[b, 0], bits[b, 1]
    backwards = bx < ax or (bx == ax and by < ay)
    if backwards:
        ax, ay, bx, by = bx, by, ax, ay
    code = np.uint64(0x9E3779B97F4A7C15)
    for word in (ax, ay, bx, by):
        code ^= word
        code *= np.uint64(0xBF58476D1CE4E5B9)
        code ^= code >> np.uint64(29)
        code *= np.uint64(0x94D049BB133111EB)
        code ^= code >> np.uint64(32)
    return np.uint64(0) - code if backwards else code


@compiled
def _code_of_lines(bits, offsets, weight):
    total = np.uint64(0)
    for line in range(offsets.size - 1):
        if weight[line] == 0:
            continue
        part = np.uint64(0)
        for k in range(offsets[line], offsets[line + 1] - 1):
            part += _side_code(bits, k, k + 1)
        total += part if weight[line] > 0 else np.uint64(0) - part
    return total


def boundary_code(xy: np.ndarray, offsets: np.ndarray, weight: np.ndarray) -> int:
    """Sum of a 64-bit code over the directed sides of lines; sides that are walked once in each direction cancel.

    xy: (N, 2) float64. offsets: (L + 1,). weight: (L,) int8 direction of each line, 1, -1, or 0 to leave it out. Equal codes mean
    equal sums of sides (but for a chance of 2 ** -64).
    """
    bits = np.ascontiguousarray(xy, np.float64).view(np.uint64).reshape(-1, 2)
    return int(_code_of_lines(bits, offsets, weight.astype(np.int8)))
