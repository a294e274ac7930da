"""Kernels that follow the borders of one band of rows, from junction to junction."""

from __future__ import annotations

import numpy as np

from core.compiling import compiled

STEP_ROW = np.array([0, 1, 0, -1])
STEP_COL = np.array([1, 0, -1, 0])
EXITS = np.array([bin(code).count("1") for code in range(16)], np.uint8)
VISITED = 16
JUNCTION = 32


@compiled
def corner_codes(ids, is_first, is_last):
    """Code every corner of a band; returns codes (h + 1, w + 1) uint8 and the numbers of bends, junctions and junction exits."""
    rows, cols = ids.shape[0] - 1, ids.shape[1] - 1
    codes = np.zeros((rows, cols), np.uint8)
    bends = junctions = exits = 0
    for i in range(rows):
        seam_above = i == 0 and not is_first
        seam_below = i == rows - 1 and not is_last
        b, d = ids[i, 0], ids[i + 1, 0]
        for j in range(cols):
            a, c = b, d
            b, d = ids[i, j + 1], ids[i + 1, j + 1]
            if a == b and a == c and c == d:
                continue
            code = 0
            if seam_below:
                # The corners of this row belong to the next band; here they only end what comes down from above.
                if a != b:
                    code = 8 | JUNCTION
            else:
                if b != d:
                    code |= 1
                if c != d:
                    code |= 2
                if a != c:
                    code |= 4
                if a != b:
                    code |= 8
                if EXITS[code] >= 3:
                    code |= JUNCTION
                if seam_above and code & 8:
                    code = (code & ~8) | JUNCTION
            codes[i, j] = code
            if code & JUNCTION:
                junctions += 1
                exits += EXITS[code & 15]
            elif code != 0 and code != 5 and code != 10:
                bends += 1
    return codes, bends, junctions, exits


@compiled
def _beside(ids, i, j, direction):
    """Regions on the left and on the right of the step that leaves corner (i, j) in `direction`."""
    if direction == 0:
        return ids[i, j + 1], ids[i + 1, j + 1]
    if direction == 1:
        return ids[i + 1, j + 1], ids[i + 1, j]
    if direction == 2:
        return ids[i + 1, j], ids[i, j]
    return ids[i, j], ids[i, j + 1]


@compiled
def _junction_at(row_start, cols, i, j):
    low, high = row_start[i], row_start[i + 1] - 1
    while low < high:
        middle = (low + high) >> 1
        if cols[middle] < j:
            low = middle + 1
        else:
            high = middle
    return low


@compiled
def _follow(codes, row, col, direction, xy, p):
    """Walk a border from a corner to the next junction or, on a loop, back to where it began; its points go into `xy` from p on.

    Returns p behind the last one, the corner where it ends, and the direction in which it came there.
    """
    first_row, first_col = row, col
    xy[p, 0], xy[p, 1] = col, row
    p += 1
    while True:
        row += STEP_ROW[direction]
        col += STEP_COL[direction]
        at = codes[row, col]
        if at == 5 or at == 10:
            continue
        xy[p, 0], xy[p, 1] = col, row
        p += 1
        if at & JUNCTION:
            break
        codes[row, col] |= VISITED
        if row == first_row and col == first_col:
            break
        onward = (at & 15) & ~(1 << ((direction + 2) & 3))
        direction = 0 if onward == 1 else (1 if onward == 2 else (2 if onward == 4 else 3))
    return p, row, col, direction


@compiled
def trace_band(ids, codes, bends, junctions, exits):
    """Follow all borders of a band; junction numbers are those of the band, in reading order. `codes` is used up."""
    rows, cols = codes.shape
    row_start = np.zeros(rows + 1, np.int64)
    junction_col = np.empty(junctions, np.int32)
    junction_row = np.empty(junctions, np.int32)
    n = 0
    for i in range(rows):
        for j in range(cols):
            if codes[i, j] & JUNCTION:
                junction_col[n] = j
                junction_row[n] = i
                n += 1
        row_start[i + 1] = n
    walked = np.zeros(junctions * 4, np.bool_)
    room = exits // 2 + bends // 4 + 16
    xy = np.empty((bends + exits + bends // 4 + 16, 2), np.int32)
    offsets = np.zeros(room + 1, np.int64)
    left = np.empty(room, np.int32)
    right = np.empty(room, np.int32)
    start = np.full(room, -1, np.int32)
    end = np.full(room, -1, np.int32)
    first = np.zeros(room, np.int8)
    last = np.zeros(room, np.int8)
    arc = 0
    p = 0
    for here in range(junctions):
        i, j = np.int64(junction_row[here]), np.int64(junction_col[here])
        code = codes[i, j]
        for leaving in range(4):
            if not (code >> leaving) & 1 or walked[4 * here + leaving]:
                continue
            left[arc], right[arc] = _beside(ids, i, j, leaving)
            p, row, col, direction = _follow(codes, i, j, leaving, xy, p)
            there = _junction_at(row_start, junction_col, row, col)
            start[arc], end[arc] = here, there
            first[arc], last[arc] = leaving, direction
            walked[4 * here + leaving] = True
            walked[4 * there + ((direction + 2) & 3)] = True
            arc += 1
            offsets[arc] = p
    for i in range(rows):
        for j in range(cols):
            # In reading order the first unvisited corner of a loop is its upper left one, and the loop starts eastwards.
            if codes[i, j] == 3:
                left[arc], right[arc] = _beside(ids, i, j, 0)
                p, row, col, direction = _follow(codes, i, j, 0, xy, p)
                last[arc] = direction
                arc += 1
                offsets[arc] = p
    return (
        xy[:p].copy(),
        offsets[: arc + 1].copy(),
        left[:arc].copy(),
        right[:arc].copy(),
        start[:arc].copy(),
        end[:arc].copy(),
        first[:arc].copy(),
        last[:arc].copy(),
        junction_row,
        junction_col,
    )


@compiled
def half_arcs(start, end, first, last, junctions):
    """Table of the half arcs that leave each junction in each direction."""
    half = np.full(junctions * 4, -1, np.int32)
    for arc in range(start.size):
        if start[arc] >= 0:
            half[4 * start[arc] + first[arc]] = 2 * arc
            half[4 * end[arc] + ((last[arc] + 2) & 3)] = 2 * arc + 1
    return half
