"""Which changed borders cross or touch others, or have jumped over them: what keeps a coverage a coverage."""

from __future__ import annotations

import numpy as np

from core.compiling import compiled

CELL_PX = 16.0
CLOSE_PX = 1e-6
"""What lies nearer than this counts as touching: coordinates of a CRS have fewer digits than pixels."""
SHORTEST_PX = 1e-3


@compiled
def _cells(low, high):
    return int(np.floor(low / CELL_PX)), int(np.floor(high / CELL_PX))


@compiled
def _side_cells(xy, k):
    """Rows and columns of the cells under the box around the side from point k to the next one."""
    r0, r1 = _cells(min(xy[k, 1], xy[k + 1, 1]), max(xy[k, 1], xy[k + 1, 1]))
    c0, c1 = _cells(min(xy[k, 0], xy[k + 1, 0]), max(xy[k, 0], xy[k + 1, 0]))
    return r0, r1, c0, c1


@compiled
def _turn(a, b, c):
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


@compiled
def _same(a, b):
    return a[0] == b[0] and a[1] == b[1]


@compiled
def _size(a, b):
    return np.hypot(b[0] - a[0], b[1] - a[1])


@compiled
def _folded(tip, a, b):
    """Whether the sides from `tip` to a and to b lie on each other."""
    along = (a[0] - tip[0]) * (b[0] - tip[0]) + (a[1] - tip[1]) * (b[1] - tip[1])
    return along > 0 and abs(_turn(tip, a, b)) <= CLOSE_PX * max(_size(tip, a), _size(tip, b))


@compiled
def _clash(a, b, c, d):
    """Whether the sides ab and cd have more in common than one end."""
    if _same(a, c):
        return _same(b, d) or _folded(a, b, d)
    if _same(a, d):
        return _same(b, c) or _folded(a, b, c)
    if _same(b, c):
        return _folded(b, a, d)
    if _same(b, d):
        return _folded(b, a, c)
    for axis in range(2):
        if max(a[axis], b[axis]) + CLOSE_PX < min(c[axis], d[axis]) or max(c[axis], d[axis]) + CLOSE_PX < min(a[axis], b[axis]):
            return False
    one, two = _turn(a, b, c), _turn(a, b, d)
    three, four = _turn(c, d, a), _turn(c, d, b)
    slack = CLOSE_PX * _size(a, b)
    if (one > slack and two > slack) or (one < -slack and two < -slack):
        return False
    slack = CLOSE_PX * _size(c, d)
    return not ((three > slack and four > slack) or (three < -slack and four < -slack))


@compiled
def clashing_arcs(xy, offsets, changed, rows, cols):
    """Arcs (A,) bool that cross or touch a changed arc other than in a common end, leave the scene, or have a side of no length.

    changed: (A,) bool. rows, cols: size of the scene in pixels.
    """
    high, wide = int(rows / CELL_PX) + 1, int(cols / CELL_PX) + 1
    arcs = offsets.size - 1
    bad = np.zeros(arcs, np.bool_)
    count = np.zeros(high * wide + 1, np.int64)
    owner = np.empty(0, np.int32)
    entry = np.empty(0, np.int64)
    for fill in range(2):
        for arc in range(arcs):
            if not changed[arc]:
                continue
            for k in range(offsets[arc], offsets[arc + 1] - 1):
                r0, r1, c0, c1 = _side_cells(xy, k)
                if r0 < 0 or c0 < 0 or r1 >= high or c1 >= wide or _size(xy[k], xy[k + 1]) < SHORTEST_PX:
                    bad[arc] = True
                if r0 < 0 or c0 < 0 or r1 >= high or c1 >= wide:
                    continue
                for r in range(r0, r1 + 1):
                    for c in range(c0, c1 + 1):
                        cell = r * wide + c
                        if fill == 0:
                            count[cell + 1] += 1
                        else:
                            count[cell] -= 1
                            entry[count[cell]] = k
                            owner[count[cell]] = arc
        if fill == 0:
            count = np.cumsum(count)
            entry = np.empty(count[-1], np.int64)
            owner = np.empty(count[-1], np.int32)
            # Filling counts each cell down from its end to its beginning.
            count = np.append(count[1:], count[-1])
    for arc in range(arcs):
        for k in range(offsets[arc], offsets[arc + 1] - 1):
            r0, r1, c0, c1 = _side_cells(xy, k)
            if r0 < 0 or c0 < 0 or r1 >= high or c1 >= wide:
                continue
            for r in range(r0, r1 + 1):
                for c in range(c0, c1 + 1):
                    cell = r * wide + c
                    for e in range(count[cell], count[cell + 1]):
                        m = entry[e]
                        if m != k and _clash(xy[k], xy[k + 1], xy[m], xy[m + 1]):
                            bad[arc] = True
                            bad[owner[e]] = True
    return bad


@compiled
def _inside(ring, a, b, x, y):
    """Whether a point lies in the closed ring of points a to b - 1, by the number of sides to its right."""
    inside = False
    for k in range(a, b - 1):
        if (ring[k, 1] > y) != (ring[k + 1, 1] > y):
            at = ring[k, 0] + (y - ring[k, 1]) / (ring[k + 1, 1] - ring[k, 1]) * (ring[k + 1, 0] - ring[k, 0])
            if x < at:
                inside = not inside
    return inside


@compiled
def jumped_rings(old, old_offsets, new, new_offsets, xy, new_xy, offsets, new_arc_offsets, own_arcs, own_offsets, rows, cols):
    """Rings (K,) bool that have some other border on another side than before.

    old, new: closed rings with their offsets. xy and new_xy with offsets and new_arc_offsets: all arcs before and after; the middle of
    the first side of each stands for it. own_arcs with own_offsets: the arcs of each ring, sorted, which are passed over.
    """
    rings = old_offsets.size - 1
    high, wide = int(rows / CELL_PX) + 1, int(cols / CELL_PX) + 1
    arcs = offsets.size - 1
    count = np.zeros(high * wide + 2, np.int64)
    cell_of = np.empty(arcs, np.int64)
    for arc in range(arcs):
        k = offsets[arc]
        r, c = int((xy[k, 1] + xy[k + 1, 1]) / 2 / CELL_PX), int((xy[k, 0] + xy[k + 1, 0]) / 2 / CELL_PX)
        cell_of[arc] = r * wide + c
        count[cell_of[arc] + 2] += 1
    count = np.cumsum(count)
    entry = np.empty(arcs, np.int64)
    for arc in range(arcs):
        entry[count[cell_of[arc] + 1]] = arc
        count[cell_of[arc] + 1] += 1
    bad = np.zeros(rings, np.bool_)
    for ring in range(rings):
        a, b, c, d = old_offsets[ring], old_offsets[ring + 1], new_offsets[ring], new_offsets[ring + 1]
        # One more cell all round: an end that moved takes the middle of its side with it.
        r0, r1 = _cells(min(old[a:b, 1].min(), new[c:d, 1].min()), max(old[a:b, 1].max(), new[c:d, 1].max()))
        c0, c1 = _cells(min(old[a:b, 0].min(), new[c:d, 0].min()), max(old[a:b, 0].max(), new[c:d, 0].max()))
        own = own_arcs[own_offsets[ring] : own_offsets[ring + 1]]
        for r in range(max(0, r0 - 1), min(high - 1, r1 + 1) + 1):
            for col in range(max(0, c0 - 1), min(wide - 1, c1 + 1) + 1):
                cell = r * wide + col
                for e in range(count[cell], count[cell + 1]):
                    arc = entry[e]
                    at = np.searchsorted(own, arc)
                    if at < own.size and own[at] == arc:
                        continue
                    k, m = offsets[arc], new_arc_offsets[arc]
                    before = _inside(old, a, b, (xy[k, 0] + xy[k + 1, 0]) / 2, (xy[k, 1] + xy[k + 1, 1]) / 2)
                    after = _inside(new, c, d, (new_xy[m, 0] + new_xy[m + 1, 0]) / 2, (new_xy[m, 1] + new_xy[m + 1, 1]) / 2)
                    if before != after:
                        bad[ring] = True
    return bad
