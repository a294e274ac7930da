"""Kernels that turn a skeleton, given as sorted pixels, into a graph of nodes and paths."""

from __future__ import annotations

import numpy as np

from core.compiling import compiled

ROW_STEP = np.array([-1, 0, 0, 1, -1, -1, 1, 1])
COL_STEP = np.array([0, -1, 1, 0, -1, 1, -1, 1])


@compiled
def _pixel_at(rows, cols, row_start, first_row, r, c):
    """Number of the skeleton pixel at (r, c), or -1; pixels are in reading order, row r begins at row_start[r - first_row]."""
    if r < first_row or r - first_row + 1 >= row_start.size:
        return -1
    low, high = row_start[r - first_row], row_start[r - first_row + 1]
    at = low + np.searchsorted(cols[low:high], c)
    return at if at < high and cols[at] == c else -1


@compiled
def neighbours_of(rows, cols):
    """Neighbours (N, 8) int64 of each pixel, -1 for none; a diagonal one counts where no two straight steps lead there."""
    n = rows.size
    out = np.full((n, 8), -1, np.int64)
    if n == 0:
        return out
    first = rows[0]
    row_start = np.searchsorted(rows, np.arange(first, rows[n - 1] + 2))
    for k in range(n):
        for d in range(8):
            other = _pixel_at(rows, cols, row_start, first, rows[k] + ROW_STEP[d], cols[k] + COL_STEP[d])
            if other < 0:
                continue
            if d >= 4:
                by_row = _pixel_at(rows, cols, row_start, first, rows[k] + ROW_STEP[d], cols[k])
                by_col = _pixel_at(rows, cols, row_start, first, rows[k], cols[k] + COL_STEP[d])
                if by_row >= 0 or by_col >= 0:
                    continue
            out[k, d] = other
    return out


@compiled
def trace_paths(near):
    """Walk from node to node (pixels with other than two neighbours), and round loops without one.

    Returns pixels of all paths and offsets; both ends of a path are nodes, or one pixel of a loop. A lone pixel is no path.
    """
    n = near.shape[0]
    degree = np.zeros(n, np.int64)
    for k in range(n):
        for d in range(8):
            degree[k] += near[k, d] >= 0
    walked = np.zeros((n, 8), np.bool_)
    # Each step is walked once, and each path has one pixel more than steps.
    pixels = np.empty(degree.sum() + 1, np.int64)
    offsets = np.zeros(degree.sum() + 2, np.int64)
    paths = p = 0
    seen = np.zeros(n, np.bool_)
    for loops in range(2):
        for k in range(n):
            if (loops == 0 and degree[k] == 2) or (loops == 1 and (degree[k] != 2 or seen[k])):
                continue
            for d in range(8):
                if near[k, d] < 0 or walked[k, d] or (loops == 1 and seen[k]):
                    continue
                pixels[p] = k
                p += 1
                at, towards = k, d
                while True:
                    walked[at, towards] = True
                    before, at = at, near[at, towards]
                    seen[at] = True
                    pixels[p] = at
                    p += 1
                    # The way back: the walk has used it up as well.
                    back = 0
                    for e in range(8):
                        if near[at, e] == before:
                            back = e
                    walked[at, back] = True
                    if degree[at] != 2 or at == k:
                        break
                    for e in range(8):
                        if near[at, e] >= 0 and e != back:
                            towards = e
                paths += 1
                offsets[paths] = p
    return pixels[:p].copy(), offsets[: paths + 1].copy()
