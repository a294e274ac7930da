"""Kernels that turn a pixel outline into straight sides along two axes or their diagonals."""

from __future__ import annotations

import numpy as np

from core.compiling import compiled, copy_row

ALONG, ACROSS, RISING, FALLING, GIVEN = 0, 1, 2, 3, 4
"""Kinds of lines: along the main axis, across it, its two diagonals, and lines that are given and stay."""
DIAGONAL_DEGREES = 13.0
"""How far from 45 degrees off the axes a side may run to count as a diagonal."""
DIAGONAL_LENGTHS = 4.0
"""A diagonal is kept when it is this many times as long as other sides must be: corners of predictions are rounded, walls seldom are."""
LINE_COLUMNS = 10
SAME_PX = 0.5
"""Corners nearer to each other than this are one."""


@compiled
def mark_farthest(xy, first, last, tolerance, keep, stack):
    """Mark the points that Douglas and Peucker (1973) keep between two kept ones, in `keep`; `stack` is room for as many numbers."""
    stack[0], stack[1] = first, last
    depth = 2
    while depth > 0:
        depth -= 2
        a, b = stack[depth], stack[depth + 1]
        dx, dy = xy[b, 0] - xy[a, 0], xy[b, 1] - xy[a, 1]
        size = dx * dx + dy * dy
        worst, at = tolerance * tolerance, -1
        for k in range(a + 1, b):
            px, py = xy[k, 0] - xy[a, 0], xy[k, 1] - xy[a, 1]
            along = px * dx + py * dy
            if along <= 0:
                off = np.float64(px * px + py * py)
            elif along >= size:
                off = np.float64((px - dx) ** 2 + (py - dy) ** 2)
            else:
                # Without a division before the square, points that are equally far stay so, and the first of them is kept.
                off = np.float64(px * dy - py * dx) ** 2 / size
            if off > worst:
                worst, at = off, k
        if at >= 0:
            keep[at] = True
            stack[depth], stack[depth + 1] = a, at
            stack[depth + 2], stack[depth + 3] = at, b
            depth += 4


@compiled
def main_direction(angles, lengths):
    """Direction, modulo 90 degrees, that most of the length runs along: a circular mean of four times the angle, twice.

    Long sides count by the square of their length, and in the second pass those within 15 degrees of the first answer only.
    """
    direction = 0.0
    for turn in range(2):
        c = s = 0.0
        for k in range(angles.size):
            if turn == 1:
                off = (angles[k] - direction + np.pi / 4) % (np.pi / 2) - np.pi / 4
                if abs(off) > np.pi / 12:
                    continue
            c += lengths[k] ** 2 * np.cos(4 * angles[k])
            s += lengths[k] ** 2 * np.sin(4 * angles[k])
        if c != 0 or s != 0:
            direction = np.arctan2(s, c) / 4
    return direction


@compiled
def side_moments(xy, a, b):
    """Length, and first and second moments of the outline from point a to point b: (weight, x, y, xx, xy, yy)."""
    w = mx = my = xx = mixed = yy = 0.0
    for k in range(a, b):
        dx, dy = xy[k + 1, 0] - xy[k, 0], xy[k + 1, 1] - xy[k, 1]
        px, py = (xy[k + 1, 0] + xy[k, 0]) / 2, (xy[k + 1, 1] + xy[k, 1]) / 2
        size = np.hypot(dx, dy)
        w += size
        mx += size * px
        my += size * py
        xx += size * (px * px + dx * dx / 12)
        mixed += size * (px * py + dx * dy / 12)
        yy += size * (py * py + dy * dy / 12)
    return w, mx, my, xx, mixed, yy


@compiled
def _kind(dx, dy):
    """Kind of a side with this direction in the frame of the main axis."""
    off = np.degrees(np.arctan2(dy, dx)) % 180.0
    if abs(off - 45.0) < DIAGONAL_DEGREES:
        return RISING
    if abs(off - 135.0) < DIAGONAL_DEGREES:
        return FALLING
    return ACROSS if 45.0 < off < 135.0 else ALONG


@compiled
def _set_line(lines, k, kind, u, v, du, dv, weight, su, sv):
    """Line k: kind, unit normal, offset, weight, direction of walk, where it starts, and its first length."""
    root = np.sqrt(0.5)
    if kind == ALONG:
        nu, nv, tu, tv = 0.0, 1.0, 1.0, 0.0
    elif kind == ACROSS:
        nu, nv, tu, tv = 1.0, 0.0, 0.0, 1.0
    elif kind == RISING:
        nu, nv, tu, tv = -root, root, root, root
    elif kind == FALLING:
        nu, nv, tu, tv = root, root, root, -root
    else:
        size = np.hypot(du, dv)
        tu, tv = du / size, dv / size
        nu, nv = -tv, tu
    sign = 1.0 if du * tu + dv * tv >= 0 else -1.0
    lines[k, 0] = kind
    lines[k, 1], lines[k, 2] = nu, nv
    lines[k, 3] = nu * u + nv * v
    lines[k, 4] = weight
    lines[k, 5], lines[k, 6] = sign * tu, sign * tv
    lines[k, 7], lines[k, 8] = su, sv
    lines[k, 9] = abs(du * tu + dv * tv)


@compiled
def _crossing(lines, a, b):
    """Where lines a and b cross, and the sine of the angle between them."""
    sine = lines[a, 1] * lines[b, 2] - lines[a, 2] * lines[b, 1]
    if abs(sine) < 1e-9:
        return 0.0, 0.0, 0.0
    u = (lines[a, 3] * lines[b, 2] - lines[a, 2] * lines[b, 3]) / sine
    v = (lines[a, 1] * lines[b, 3] - lines[a, 3] * lines[b, 1]) / sine
    return u, v, abs(sine)


@compiled
def _drop_line(lines, count, k):
    for m in range(k, count - 1):
        copy_row(lines, m, lines, m + 1)
    return count - 1


@compiled
def _connect(lines, count, closed, shortest):
    """Make lines that follow each other cross: parallel ones near each other become one, others get a short side between them."""
    k = 0
    while k < count and count > 2:
        if k == count - 1 and not closed:
            break
        n = (k + 1) % count
        sine = abs(lines[k, 1] * lines[n, 2] - lines[k, 2] * lines[n, 1])
        if sine > 0.17:
            k += 1
            continue
        if lines[k, 0] == GIVEN and lines[n, 0] == GIVEN:
            k += 1
            continue
        step = lines[k, 1] * lines[n, 7] + lines[k, 2] * lines[n, 8] - lines[k, 3]
        if lines[k, 0] == lines[n, 0]:
            step = lines[n, 3] - lines[k, 3]
        if abs(step) < shortest:
            if lines[n, 0] == GIVEN:
                count = _drop_line(lines, count, k)
                k = max(0, k - 1)
                continue
            if lines[k, 0] != GIVEN:
                weight = lines[k, 4] + lines[n, 4]
                lines[k, 3] = (lines[k, 3] * lines[k, 4] + lines[n, 3] * lines[n, 4]) / weight
                lines[k, 4] = weight
                lines[k, 9] += lines[n, 9]
            count = _drop_line(lines, count, n)
            if n < k:
                k -= 1
            continue
        # A side across both, through the point where one ended and the other began.
        su, sv = lines[n, 7], lines[n, 8]
        free = k if lines[k, 0] != GIVEN else n
        kind = int(lines[free, 0])
        other = ACROSS if kind == ALONG else (ALONG if kind == ACROSS else (FALLING if kind == RISING else RISING))
        sign = 1.0 if step >= 0 else -1.0
        if count == lines.shape[0]:
            return 0
        for m in range(count, k + 1, -1):
            copy_row(lines, m, lines, m - 1)
        count += 1
        _set_line(lines, k + 1, other, su, sv, sign * lines[k, 1], sign * lines[k, 2], abs(step), su, sv)
        lines[k + 1, 9] = abs(step)
        k += 2
    return count


@compiled
def _corners(lines, count, closed, out):
    """Corner k lies between the line before k and line k; returns False when two lines do not cross. An open chain has no corner 0."""
    for k in range(0 if closed else 1, count):
        before = k - 1 if k > 0 else count - 1
        u, v, sine = _crossing(lines, before, k)
        if sine < 0.17:
            return False
        out[k, 0], out[k, 1] = u, v
    return True


@compiled
def settle_lines(lines, count, closed, shortest, corners):
    """Merge and drop lines until every side is at least `shortest` long; returns how many are left, 0 for no such outline.

    An open chain begins and ends with a given line. corners: (room, 2), filled as `_corners` says.
    """
    count = _connect(lines, count, closed, shortest)
    for _ in range(4 * lines.shape[0]):
        if count < (4 if closed else 3) or not _corners(lines, count, closed, corners):
            return 0
        worst, at = 1.0, -1
        for k in range(0 if closed else 1, count if closed else count - 1):
            n = (k + 1) % count
            size = (corners[n, 0] - corners[k, 0]) * lines[k, 5] + (corners[n, 1] - corners[k, 1]) * lines[k, 6]
            size /= shortest * (DIAGONAL_LENGTHS if lines[k, 0] == RISING or lines[k, 0] == FALLING else 1.0)
            if size < worst:
                worst, at = size, k
        if at < 0:
            return count
        before, after = (at - 1) % count, (at + 1) % count
        near = abs(lines[after, 3] - lines[before, 3]) < shortest
        parallel = near and lines[before, 0] == lines[after, 0] and lines[before, 0] != GIVEN and before != after
        if parallel and lines[before, 5] * lines[after, 5] + lines[before, 6] * lines[after, 6] < 0:
            # A spike: the side that it goes out on and the one it comes back on are nearly the same line.
            shorter = before if lines[before, 9] < lines[after, 9] else after
            high, low = max(at, shorter), min(at, shorter)
            count = _drop_line(lines, count, high)
            count = _drop_line(lines, count, low)
        elif parallel:
            weight = lines[before, 4] + lines[after, 4]
            lines[before, 3] = (lines[before, 3] * lines[before, 4] + lines[after, 3] * lines[after, 4]) / weight
            lines[before, 4] = weight
            lines[before, 9] += lines[after, 9]
            high, low = max(at, after), min(at, after)
            count = _drop_line(lines, count, high)
            count = _drop_line(lines, count, low)
        else:
            count = _drop_line(lines, count, at)
        count = _connect(lines, count, closed, shortest)
    return 0


@compiled
def _beyond(lines, k, corner, end):
    """How far a corner lies from a fixed end along given line k, in the direction of its walk."""
    return (corner[0] - end[0]) * lines[k, 5] + (corner[1] - end[1]) * lines[k, 6]


@compiled
def anchored(lines, count, corners, shortest, a, b, slides, direction):
    """Let an open chain begin and end in points a and b (column, row) where it may not slide; returns its number of lines, 0 for failure.

    A side that would meet the given line less than `shortest` from the end is moved to the end itself; farther off, the corner stays
    where it lies beyond the given wall, which is then drawn out to it.
    """
    c, s = np.cos(direction), np.sin(direction)
    first, last = np.array([c * a[0] + s * a[1], c * a[1] - s * a[0]]), np.array([c * b[0] + s * b[1], c * b[1] - s * b[0]])
    at_first, at_last = lines[1, 1] * first[0] + lines[1, 2] * first[1], lines[count - 2, 1] * last[0] + lines[count - 2, 2] * last[1]
    move_first = not slides[0] and abs(_beyond(lines, 0, corners[1], first)) < shortest
    move_last = not slides[1] and abs(_beyond(lines, count - 1, corners[count - 1], last)) < shortest
    if move_first:
        lines[1, 3] = at_first
    if move_last:
        kept = lines[count - 2, 3]
        lines[count - 2, 3] = at_last
        # One side between two fixed ends goes through the outer one, so that the other wall is drawn out and not cut.
        if count == 3 and not slides[0] and (not _corners(lines, count, False, corners) or _beyond(lines, 0, corners[1], first) < -SAME_PX):
            lines[1, 3] = kept
    if not _corners(lines, count, False, corners):
        return 0
    if not slides[0] and _beyond(lines, 0, corners[1], first) < -SAME_PX:
        return 0
    if not slides[1] and _beyond(lines, count - 1, corners[count - 1], last) > SAME_PX:
        return 0
    return count


@compiled
def lines_of_run(xy, kept, moments, direction, given, lines):
    """Lines of the free sides of an outline between kept points, in the frame of `direction`; returns their number.

    kept: (S + 1,) points that end the S sides. moments: (S, 6) of the sides. given: whether lines[0] is taken by a given line.
    """
    c, s = np.cos(direction), np.sin(direction)
    count = 1 if given else 0
    for k in range(kept.size - 1):
        a, b = kept[k], kept[k + 1]
        dx, dy = xy[b, 0] - xy[a, 0], xy[b, 1] - xy[a, 1]
        du, dv = c * dx + s * dy, -s * dx + c * dy
        w = moments[k, 0]
        mx, my = moments[k, 1] / w, moments[k, 2] / w
        _set_line(
            lines,
            count,
            _kind(du, dv),
            c * mx + s * my,
            -s * mx + c * my,
            du,
            dv,
            w,
            c * xy[a, 0] + s * xy[a, 1],
            -s * xy[a, 0] + c * xy[a, 1],
        )
        count += 1
    return count


@compiled
def given_line(lines, k, a, b, direction):
    """Make line k the one from point a to point b, which is given."""
    c, s = np.cos(direction), np.sin(direction)
    u, v = c * a[0] + s * a[1], -s * a[0] + c * a[1]
    du, dv = c * b[0] + s * b[1] - u, -s * b[0] + c * b[1] - v
    _set_line(lines, k, GIVEN, u, v, du, dv, 1.0, u, v)


@compiled
def refined(xy, kept, given, moments, direction):
    """Turn `direction` so that the outline scatters least about its sides (principal axis of the sides' own second moments)."""
    c, s = np.cos(direction), np.sin(direction)
    across = along = mixed = 0.0
    for k in range(kept.size - 1):
        a, b = kept[k], kept[k + 1]
        dx, dy = xy[b, 0] - xy[a, 0], xy[b, 1] - xy[a, 1]
        kind = _kind(c * dx + s * dy, -s * dx + c * dy)
        if kind > ACROSS or given[k]:
            continue
        w = moments[k, 0]
        mx, my = moments[k, 1] / w, moments[k, 2] / w
        xx, yy, xym = moments[k, 3] - w * mx * mx, moments[k, 5] - w * my * my, moments[k, 4] - w * mx * my
        uu = c * c * xx + 2 * c * s * xym + s * s * yy
        vv = s * s * xx - 2 * c * s * xym + c * c * yy
        uv = (c * c - s * s) * xym + c * s * (yy - xx)
        along += uu if kind == ALONG else vv
        across += vv if kind == ALONG else uu
        mixed += uv if kind == ALONG else -uv
    turn = 0.5 * np.arctan2(2 * mixed, along - across)
    return direction + turn if abs(turn) < 0.2 else direction
