"""Kernels that chain arcs where a junction is none any more: at the seams of bands, and after regions were merged."""

from __future__ import annotations

import numpy as np

from core.compiling import compiled, copy_row
from core.vector.tracing.half_arcs import arc_of, end_of, is_forwards, last_point, region_of


@compiled
def arc_lengths(xy, offsets):
    """Length of each arc in pixels; steps run along the grid, so it is a whole number."""
    length = np.zeros(offsets.size - 1, np.int64)
    for arc in range(length.size):
        for k in range(offsets[arc] + 1, offsets[arc + 1]):
            length[arc] += abs(xy[k, 0] - xy[k - 1, 0]) + abs(xy[k, 1] - xy[k - 1, 1])
    return length


@compiled
def _leaving(half, junction, wanted):
    for direction in range(4):
        if half[4 * junction + direction] == wanted:
            return direction
    return -1


@compiled
def _copy_half(xy, offsets, h, out, p, skip):
    """Append the points of half arc h but its last one and the first `skip`; returns the new end of `out`."""
    begin, stop = offsets[arc_of(h)], offsets[arc_of(h) + 1]
    if is_forwards(h):
        for k in range(begin + skip, stop - 1):
            out[p, 0] = xy[k, 0]
            out[p, 1] = xy[k, 1]
            p += 1
    else:
        for k in range(stop - 1 - skip, begin, -1):
            out[p, 0] = xy[k, 0]
            out[p, 1] = xy[k, 1]
            p += 1
    return p


@compiled
def _onward(half, left, right, junction, h):
    """The other living half arc at a junction where only two are left, and whether the border goes straight on there."""
    back = _leaving(half, junction, h ^ 1)
    for direction in range(4):
        other = half[4 * junction + direction]
        if other >= 0 and direction != back and left[arc_of(other)] != right[arc_of(other)]:
            return other, direction == (back + 2) & 3
    return -1, False


@compiled
def join_arcs(xy, offsets, left, right, start, end, first, last, half):
    """Drop arcs with one region on both sides and chain the rest through junctions where only two are left."""
    arcs = left.size
    junctions = half.size // 4
    degree = np.zeros(junctions, np.uint8)
    number = np.full(junctions, -1, np.int32)
    kept = 0
    for junction in range(junctions):
        for direction in range(4):
            h = half[4 * junction + direction]
            if h >= 0 and left[arc_of(h)] != right[arc_of(h)]:
                degree[junction] += 1
        if degree[junction] >= 3:
            number[junction] = kept
            kept += 1
    seen = np.zeros(arcs, np.bool_)
    out = np.empty_like(xy)
    out_offsets = np.zeros(arcs + 1, np.int64)
    out_left = np.empty(arcs, np.int32)
    out_right = np.empty(arcs, np.int32)
    out_start = np.full(arcs, -1, np.int32)
    out_end = np.full(arcs, -1, np.int32)
    out_first = np.zeros(arcs, np.int8)
    out_last = np.zeros(arcs, np.int8)
    n = 0
    p = np.int64(0)  # numbers that are told to others are int64 from the first on: each other type, a literal too, is compiled again
    for junction in range(junctions):
        if degree[junction] < 3:
            continue
        for direction in range(4):
            h = np.int64(half[4 * junction + direction])
            if h < 0 or seen[arc_of(h)] or left[arc_of(h)] == right[arc_of(h)]:
                continue
            out_left[n] = region_of(h, left, right)
            out_right[n] = region_of(h ^ 1, left, right)
            out_start[n] = number[junction]
            out_first[n] = direction
            skip = np.int64(0)
            while True:
                seen[arc_of(h)] = True
                p = _copy_half(xy, offsets, h, out, p, skip)
                there = end_of(h, start, end)
                k = last_point(h, offsets)
                straight = False
                if degree[there] < 3:
                    onward, straight = _onward(half, left, right, there, h)
                if not straight:
                    out[p, 0] = xy[k, 0]
                    out[p, 1] = xy[k, 1]
                    p += 1
                if degree[there] >= 3:
                    out_end[n] = number[there]
                    out_last[n] = (_leaving(half, there, h ^ 1) + 2) & 3
                    break
                skip = np.int64(1)
                h = np.int64(onward)
            n += 1
            out_offsets[n] = p
    opened = n
    for arc in range(arcs):
        if seen[arc] or left[arc] == right[arc]:
            continue
        seen[arc] = True
        begin = p
        if start[arc] < 0:
            for k in range(offsets[arc], offsets[arc + 1]):
                out[p, 0] = xy[k, 0]
                out[p, 1] = xy[k, 1]
                p += 1
            out_left[n] = left[arc]
            out_right[n] = right[arc]
        else:
            h = 2 * arc
            while True:
                seen[arc_of(h)] = True
                p = _copy_half(xy, offsets, h, out, p, np.int64(1))
                there = end_of(h, start, end)
                k = last_point(h, offsets)
                h, straight = _onward(half, left, right, there, h)
                if not straight:
                    out[p, 0] = xy[k, 0]
                    out[p, 1] = xy[k, 1]
                    p += 1
                if h == 2 * arc:
                    break
            # Start a loop as the tracer does: at its upper left corner, eastwards.
            points = p - begin
            loop = out[begin:p].copy()
            corner = 0
            for k in range(1, points):
                if loop[k, 1] < loop[corner, 1] or (loop[k, 1] == loop[corner, 1] and loop[k, 0] < loop[corner, 0]):
                    corner = k
            step = 1 if loop[(corner + 1) % points, 1] == loop[corner, 1] else -1
            for k in range(points + 1):
                copy_row(out, begin + k, loop, (corner + step * k) % points)
            p += 1
            out_left[n] = left[arc] if step == 1 else right[arc]
            out_right[n] = right[arc] if step == 1 else left[arc]
        out_last[n] = 3
        n += 1
        out_offsets[n] = p
    points = out[:p]
    if 4 * p < 3 * out.shape[0]:
        points = points.copy()  # otherwise the copy would take more than what it sets free
    return (
        points,
        out_offsets[: n + 1].copy(),
        out_left[:n].copy(),
        out_right[:n].copy(),
        out_start[:n].copy(),
        out_end[:n].copy(),
        out_first[:n].copy(),
        out_last[:n].copy(),
        kept,
        opened,
    )


@compiled
def take_arcs(xy, offsets, order):
    """Points and offsets of arcs in another order; the first offset is 0."""
    out = np.empty_like(xy)
    out_offsets = np.zeros(order.size + 1, np.int64)
    p = 0
    for n in range(order.size):
        for k in range(offsets[order[n]], offsets[order[n] + 1]):
            out[p, 0] = xy[k, 0]
            out[p, 1] = xy[k, 1]
            p += 1
        out_offsets[n + 1] = p
    return out, out_offsets
