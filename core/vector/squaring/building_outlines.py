"""Kernels that propose right-angled borders for the rings of buildings, arc by arc, so that every border stays shared."""

from __future__ import annotations

import numpy as np

from core.compiling import compiled, copy_row
from core.vector.squaring.outline_chains import cuts_of, piece_of
from core.vector.squaring.right_angles import (
    LINE_COLUMNS,
    SAME_PX,
    anchored,
    given_line,
    lines_of_run,
    main_direction,
    mark_farthest,
    refined,
    settle_lines,
    side_moments,
)
from core.vector.tracing.half_arcs import arc_of, begin_of, first_point, is_forwards, last_point, region_of

WALL, RIM = 1, 2
"""Why an arc is fixed: it belongs to a building that was done before, or to the scene's rim."""
LIKE_WALL_DEGREES = 6.0
"""A building turned less than this against the longest wall that it shares stands as that wall does."""
SNAP_PX = 3.0
"""Borders that meet a new outline within this of a corner meet it in the corner."""


@compiled
def find_rings(left, right, following, wanted):
    """Half arcs of each ring of the wanted regions: halves, offsets (K + 1,), and the region of each ring."""
    seen = np.zeros(following.size, np.bool_)
    halves = np.empty(following.size, np.int32)
    offsets = np.zeros(following.size + 1, np.int64)
    region = np.empty(following.size, np.int32)
    rings = p = 0
    for begin in range(following.size):
        own = region_of(begin, left, right)
        if seen[begin] or not wanted[own]:
            continue
        h = begin
        while not seen[h]:
            seen[h] = True
            halves[p] = h
            p += 1
            h = following[h]
        region[rings] = own
        rings += 1
        offsets[rings] = p
    return halves[:p].copy(), offsets[: rings + 1].copy(), region[:rings].copy()


@compiled
def _copy_half(xy, offsets, h, out, p):
    """Append the points of half arc h but its last one; returns the new end of `out`."""
    a, b = offsets[arc_of(h)], offsets[arc_of(h) + 1]
    for m in range(b - a - 1):
        k = a + m if is_forwards(h) else b - 1 - m
        out[p, 0], out[p, 1] = xy[k, 0], xy[k, 1]
        p += 1
    return p


@compiled
def ring_points(halves, ring_offsets, xy, offsets):
    """Closed rings from the points of their half arcs: points and offsets."""
    total = ring_offsets.size - 1
    for h in halves:
        total += offsets[arc_of(h) + 1] - offsets[arc_of(h)] - 1
    out = np.empty((total, 2), np.float64)
    out_offsets = np.zeros(ring_offsets.size, np.int64)
    p = 0
    for ring in range(ring_offsets.size - 1):
        first = p
        for k in range(ring_offsets[ring], ring_offsets[ring + 1]):
            p = _copy_half(xy, offsets, halves[k], out, p)
        copy_row(out, p, out, first)
        p += 1
        out_offsets[ring + 1] = p
    return out, out_offsets


@compiled
def _turned(own, fixed):
    """The half arcs of a ring in their order, with the first fixed one after a free one in front."""
    turn = 0
    for k in range(own.size):
        if fixed[arc_of(own[k])] and not fixed[arc_of(own[k - 1])]:
            turn = k
    order = np.empty(own.size, np.int32)
    for k in range(own.size):
        order[k] = own[(turn + k) % own.size]
    return order


@compiled
def _outline(order, fixed, raw_xy, raw_offsets, xy, offsets):
    """Closed outline of a ring, traced where it is free and as it is now where it is fixed, and the first point of each half arc."""
    points = 1
    for h in order:
        arc = arc_of(h)
        points += (offsets[arc + 1] - offsets[arc] if fixed[arc] else raw_offsets[arc + 1] - raw_offsets[arc]) - 1
    out = np.empty((points, 2), np.float64)
    where = np.empty(order.size + 1, np.int64)
    p = 0
    for k in range(order.size):
        where[k] = p
        # Two calls, because the traced points are whole numbers: numba compiles one for each kind.
        if fixed[arc_of(order[k])]:
            p = _copy_half(xy, offsets, order[k], out, p)
        else:
            p = _copy_half(raw_xy, raw_offsets, order[k], out, p)
            if fixed[arc_of(order[k - 1])]:
                # Where a fixed border ends the junction may have moved.
                before = order[k - 1]
                copy_row(out, where[k], xy, last_point(before, offsets))
    where[order.size] = p
    copy_row(out, p, out, 0)
    return out, where


@compiled
def _farthest(xy, size):
    best, at = -1.0, 0
    for k in range(1, size):
        off = (xy[k, 0] - xy[0, 0]) ** 2 + (xy[k, 1] - xy[0, 1]) ** 2
        if off > best:
            best, at = off, k
    return at


@compiled
def _from_a_corner(xy):
    """A closed outline from the point on that lies farthest from its first one, which is more likely a corner."""
    size = xy.shape[0] - 1
    shift = _farthest(xy, size)
    out = np.empty_like(xy)
    for k in range(size + 1):
        copy_row(out, k, xy, (shift + k) % size)
    return out


@compiled
def _kept_points(xy, order, where, fixed, closed, tolerance):
    """Points of an outline that its simplified form keeps, and whether each side between them is free, a given WALL, or the scene's RIM."""
    size = xy.shape[0] - 1
    keep = np.zeros(size + 1, np.bool_)
    given = np.zeros(size + 1, np.uint8)
    stack = np.empty(2 * size + 8, np.int64)
    keep[0] = keep[size] = True
    if closed:
        middle = _farthest(xy, size)
        keep[middle] = True
        mark_farthest(xy, 0, middle, tolerance, keep, stack)
        mark_farthest(xy, middle, size, tolerance, keep, stack)
    k = 0
    while k < order.size and not closed:
        first = k
        if fixed[arc_of(order[k])]:
            keep[where[k] : where[k + 1] + 1] = True
            given[where[k] : where[k + 1]] = fixed[arc_of(order[k])]
            k += 1
            continue
        while k < order.size and not fixed[arc_of(order[k])]:
            k += 1
        keep[where[first]] = keep[where[k]] = True
        mark_farthest(xy, where[first], where[k], tolerance, keep, stack)
    kept = np.flatnonzero(keep)
    return kept, given[kept]


@compiled
def _with_end(chain, xy, k, at):
    """A chain that begins (at 0) or ends (at its size) with point k of xy, in place of its own end where that is the same place."""
    size = chain.shape[0]
    end = 0 if at == 0 else size - 1
    if np.hypot(chain[end, 0] - xy[k, 0], chain[end, 1] - xy[k, 1]) < SAME_PX:
        copy_row(chain, end, xy, k)
        return chain
    out = np.empty((size + 1, 2), np.float64)
    for m in range(size):
        copy_row(out, m if m < at else m + 1, chain, m)
    copy_row(out, at, xy, k)
    return out


@compiled
def _chain(corners, count, closed, direction, xy, a, b, slides):
    """Corners of a run in pixels: a closed ring, or the chain from outline point a to outline point b.

    slides: (2,) whether the ends a and b may lie elsewhere on the line that they are on; if not, the chain begins or ends with them.
    """
    c, s = np.cos(direction), np.sin(direction)
    low = 0 if closed else 1
    out = np.empty((count + 1 if closed else count - 1, 2), np.float64)
    for m in range(low, count):
        out[m - low, 0] = c * corners[m, 0] - s * corners[m, 1]
        out[m - low, 1] = s * corners[m, 0] + c * corners[m, 1]
    if closed:
        copy_row(out, count, out, 0)
        return out
    if not slides[0]:
        out = _with_end(out, xy, a, np.int64(0))
    if not slides[1]:
        out = _with_end(out, xy, b, out.shape[0])
    size = xy.shape[0] - 1
    for axis in range(2):
        # Along the scene's rim one coordinate stays what it is, to the last bit.
        if xy[a, axis] == xy[a - 1 if a > 0 else size - 1, axis]:
            out[0, axis] = xy[a, axis]
        if xy[b, axis] == xy[b + 1 if b < size else 1, axis]:
            out[-1, axis] = xy[b, axis]
    return out


@compiled
def _may_move(half, junction, own, fixed, xy, offsets, x, y, slides):
    """Whether the borders of others that end at a junction may have their end moved to (x, y); a fixed one only along itself."""
    for direction in range(4):
        h = half[4 * junction + direction]
        if h < 0 or not fixed[arc_of(h)] or (arc_of(own) == arc_of(h)).any():
            continue
        a = first_point(h, offsets)
        b = a + 1 if is_forwards(h) else a - 1
        dx, dy = xy[b, 0] - xy[a, 0], xy[b, 1] - xy[a, 1]
        if not slides or abs(dx * (y - xy[a, 1]) - dy * (x - xy[a, 0])) > 1e-7 * np.hypot(dx, dy):
            return False
    return True


@compiled
def _ring_direction(xy, kept, given, moments, known):
    """The direction of the region's outer ring, or that of this ring when it is not known (NaN) yet."""
    if not np.isnan(known):
        return known
    sizes = np.empty(kept.size - 1, np.float64)
    angles = np.empty(kept.size - 1, np.float64)
    for k in range(kept.size - 1):
        dx, dy = xy[kept[k + 1], 0] - xy[kept[k], 0], xy[kept[k + 1], 1] - xy[kept[k], 1]
        # The scene's rim says nothing of how a building stands.
        sizes[k], angles[k] = 0.0 if given[k] else np.hypot(dx, dy), np.arctan2(dy, dx)
    direction = main_direction(angles, sizes)
    for _ in range(2):
        direction = refined(xy, kept, given, moments, direction)
    longest = 0.0
    wall = direction
    for k in range(kept.size - 1):
        dx, dy = xy[kept[k + 1], 0] - xy[kept[k], 0], xy[kept[k + 1], 1] - xy[kept[k], 1]
        off = (np.arctan2(dy, dx) - direction + np.pi / 4) % (np.pi / 2) - np.pi / 4
        if given[k] == WALL and np.hypot(dx, dy) > longest and abs(off) < np.deg2rad(LIKE_WALL_DEGREES):
            longest, wall = np.hypot(dx, dy), direction + off
    return wall


@compiled
def _run_chain(xy, kept, moments, direction, closed, a, b, slides, shortest):
    """The right-angled form of an outline from point a to point b (of the whole ring when closed), or nothing; slides: see `_chain`."""
    size = xy.shape[0] - 1
    lines = np.empty((2 * kept.size + 8, LINE_COLUMNS), np.float64)
    corners = np.empty((2 * kept.size + 8, 2), np.float64)
    if not closed:
        given_line(lines, 0, xy[a - 1 if a > 0 else size - 1], xy[a], direction)
    count = lines_of_run(xy, kept, moments, direction, not closed, lines)
    if not closed:
        given_line(lines, count, xy[b], xy[b + 1 if b < size else 1], direction)
        count += 1
    count = settle_lines(lines, count, closed, shortest, corners)
    if count > 0 and not closed:
        count = anchored(lines, count, corners, shortest, xy[a], xy[b], slides, direction)
    if count == 0:
        return np.empty((0, 2), np.float64)
    return _chain(corners, count, closed, direction, xy, a, b, slides)


@compiled
def _propose_ring(own, raw_xy, raw_offsets, xy, offsets, start, end, half, fixed, tolerance, known, shortest):
    """New points of the free arcs of one ring and new places of their junctions.

    Returns the points (n, 2), arcs (m, 2) of arc and number of points, moves (j, 3) of junction, x and y, and the ring's direction;
    there are no arcs when no right-angled outline was found.
    """
    points = np.empty((0, 2), np.float64)
    arcs = np.empty((own.size, 2), np.int64)
    moves = np.empty((own.size + 1, 3), np.float64)
    done = moved = 0
    order = _turned(own, fixed)
    closed = not fixed[arc_of(order[0])]
    ring, where = _outline(order, fixed, raw_xy, raw_offsets, xy, offsets)
    whole = _from_a_corner(ring) if closed else ring
    kept, given = _kept_points(whole, order, where, fixed, closed, tolerance)
    moments = np.empty((kept.size - 1, 6), np.float64)
    for k in range(kept.size - 1):
        # One by one: a row that is given at once takes two seconds to compile, see `copy_row`.
        sums = side_moments(whole, kept[k], kept[k + 1])
        moments[k, 0], moments[k, 1], moments[k, 2], moments[k, 3], moments[k, 4], moments[k, 5] = sums
    direction = _ring_direction(whole, kept, given, moments, known)
    k = 0
    while k < order.size:
        first = k
        if fixed[arc_of(order[k])]:
            k += 1
            continue
        while k < order.size and not fixed[arc_of(order[k])]:
            k += 1
        a, b = where[first], where[k]
        low, high = (0, kept.size - 1) if closed else (np.searchsorted(kept, a), np.searchsorted(kept, b))
        slides = np.ones(2, np.bool_)
        for m in range(0 if closed else 2):
            # One pixel along the wall, to see whether the borders of others that end there run along it.
            at, beside = (a, a - 1 if a > 0 else ring.shape[0] - 2) if m == 0 else (b, b + 1 if b < ring.shape[0] - 1 else 1)
            dx, dy = ring[at, 0] - ring[beside, 0], ring[at, 1] - ring[beside, 1]
            length = np.hypot(dx, dy)
            h = order[first] if m == 0 else order[k % order.size]
            slides[m] = _may_move(
                half, begin_of(h, start, end), own, fixed, xy, offsets, ring[at, 0] + dx / length, ring[at, 1] + dy / length, True
            )
        chain = _run_chain(whole, kept[low : high + 1], moments[low:high], direction, closed, a, b, slides, shortest)
        if chain.shape[0] < 2:
            return points, arcs[:0], moves[:0], direction
        loop = closed and start[arc_of(order[0])] < 0
        places = np.empty((k - first, 2), np.float64)
        for m in range(k - first):
            copy_row(places, m, ring, where[first + m])
        chain, cuts = cuts_of(chain, closed and not loop, places, SNAP_PX)
        if cuts.shape[0] == 0:
            return points, arcs[:0], moves[:0], direction
        for m in range(k - first):
            h = order[first + m]
            piece = piece_of(chain, cuts, m, not is_forwards(h))
            points = np.concatenate((points, piece))
            arcs[done, 0], arcs[done, 1] = arc_of(h), piece.shape[0]
            done += 1
        for m in range(0 if loop else (k - first if closed else k - first + 1)):
            h = order[(first + m) % order.size]
            junction = begin_of(h, start, end)
            at_wall = not closed and (m == 0 or m == k - first)
            if not _may_move(half, junction, own, fixed, xy, offsets, cuts[m, 1], cuts[m, 2], at_wall):
                return points, arcs[:0], moves[:0], direction
            moves[moved, 0], moves[moved, 1], moves[moved, 2] = junction, cuts[m, 1], cuts[m, 2]
            moved += 1
    return points, arcs[:done], moves[:moved], direction


@compiled
def propose(
    rings, halves, ring_offsets, region, raw_xy, raw_offsets, xy, offsets, start, end, half, fixed, tolerance, directions, shortest
):
    """Right-angled borders for the given rings, the outer ring of each region before its holes.

    fixed: (A,) uint8 arcs that stay: WALL or RIM, 0 for the others. directions: (R + 1,) float64, NaN where not known yet; filled.
    shortest: (R + 1,) shortest side in pixels.
    Returns points (n, 2), pieces (m, 3) of ring, arc and number of points, and moves (j, 4) of ring, junction, x and y.
    """
    room = 4096
    points = np.empty((room, 2), np.float64)
    pieces = np.empty((halves.size, 3), np.int64)
    moves = np.empty((halves.size + rings.size, 4), np.float64)
    n = m = j = 0
    for ring in rings:
        own = halves[ring_offsets[ring] : ring_offsets[ring + 1]]
        free = 0
        for h in own:
            free += not fixed[arc_of(h)]
        if free == 0:
            continue
        found, arcs, moved, direction = _propose_ring(
            own, raw_xy, raw_offsets, xy, offsets, start, end, half, fixed, tolerance, directions[region[ring]], shortest[region[ring]]
        )
        directions[region[ring]] = direction
        if arcs.shape[0] == 0:
            continue
        while n + found.shape[0] > points.shape[0]:
            points = np.concatenate((points, np.empty_like(points)))
        for k in range(found.shape[0]):
            copy_row(points, n, found, k)
            n += 1
        for k in range(arcs.shape[0]):
            pieces[m, 0], pieces[m, 1], pieces[m, 2] = ring, arcs[k, 0], arcs[k, 1]
            m += 1
        for k in range(moved.shape[0]):
            moves[j, 0], moves[j, 1], moves[j, 2], moves[j, 3] = ring, moved[k, 0], moved[k, 1], moved[k, 2]
            j += 1
    return points[:n].copy(), pieces[:m].copy(), moves[:j].copy()
