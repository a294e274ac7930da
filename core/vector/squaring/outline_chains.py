"""Kernels that cut a new outline into the arcs that share it."""

from __future__ import annotations

import numpy as np

from core.compiling import compiled, copy_row


@compiled
def _nearest(chain, begin, x, y):
    """Nearest place to (x, y) on a chain of points from piece `begin` on: piece, x and y."""
    best, at, bx, by = np.inf, begin, 0.0, 0.0
    for k in range(begin, chain.shape[0] - 1):
        dx, dy = chain[k + 1, 0] - chain[k, 0], chain[k + 1, 1] - chain[k, 1]
        long = dx * dx + dy * dy
        t = 0.0 if long == 0 else min(1.0, max(0.0, ((x - chain[k, 0]) * dx + (y - chain[k, 1]) * dy) / long))
        px, py = chain[k, 0] + t * dx, chain[k, 1] + t * dy
        off = (px - x) ** 2 + (py - y) ** 2
        if off < best:
            best, at, bx, by = off, k, px, py
    return at, bx, by


@compiled
def _at_corner(chain, piece, x, y, snap, closed):
    """The corner within `snap` of a place on a chain, or the place itself: piece, x and y. The ends of an open chain are no corners."""
    best, at = snap, -1
    for k in range(piece, piece + 2):
        if not closed and (k == 0 or k == chain.shape[0] - 1):
            continue
        off = np.hypot(chain[k, 0] - x, chain[k, 1] - y)
        if off < best:
            best, at = off, k
    if at < 0:
        return piece, x, y
    return (0 if closed and at == chain.shape[0] - 1 else at), chain[at, 0], chain[at, 1]


@compiled
def cuts_of(chain, closed, places, snap):
    """Cut a chain at the places nearest to the junctions `places` (m, 2) between its arcs, in their order, or at a corner within `snap`.

    At a corner, because the walls of two buildings that meet should meet where one of them ends, and not a sliver beside it. A closed chain
    starts at the first place. Returns the chain, and the piece, x and y of the m + 1 cuts, or of none where places come
    in another order on the chain.
    """
    arcs = places.shape[0]
    n = chain.shape[0]
    if closed:
        piece, x, y = _at_corner(chain, *_nearest(chain, 0, places[0, 0], places[0, 1]), snap, True)
        spun = np.empty((n + 1, 2), np.float64)
        spun[0, 0], spun[0, 1] = x, y
        for m in range(n - 1):
            copy_row(spun, m + 1, chain, (piece + 1 + m) % (n - 1))
        copy_row(spun, n, spun, 0)
        chain = spun
        n += 1
    cuts = np.empty((arcs + 1, 3), np.float64)
    cuts[0, 0], cuts[0, 1], cuts[0, 2] = 0, chain[0, 0], chain[0, 1]
    cuts[arcs, 0], cuts[arcs, 1], cuts[arcs, 2] = n - 2, chain[n - 1, 0], chain[n - 1, 1]
    for m in range(1, arcs):
        before = int(cuts[m - 1, 0])
        near, near_x, near_y = _nearest(chain, before, places[m, 0], places[m, 1])
        px, py = chain[before, 0], chain[before, 1]
        gone = (cuts[m - 1, 1] - px) ** 2 + (cuts[m - 1, 2] - py) ** 2
        piece, x, y = _at_corner(chain, near, near_x, near_y, snap, False)
        if piece == before and (x - px) ** 2 + (y - py) ** 2 <= gone:
            # The cut before has that corner.
            piece, x, y = near, near_x, near_y
        if piece == before and (x - px) ** 2 + (y - py) ** 2 <= gone:
            return chain, cuts[:0]
        cuts[m, 0], cuts[m, 1], cuts[m, 2] = piece, x, y
    return chain, cuts


@compiled
def piece_of(chain, cuts, m, backwards):
    """Points of the m-th arc of a cut chain, in the arc's own direction."""
    low, high = int(cuts[m, 0]) + 1, int(cuts[m + 1, 0]) + 1
    out = np.empty((high - low + 2, 2), np.float64)
    out[0, 0], out[0, 1] = cuts[m, 1], cuts[m, 2]
    p = 1
    for k in range(low, high):
        if (chain[k] != out[p - 1]).any() and (chain[k] != cuts[m + 1, 1:]).any():
            copy_row(out, p, chain, k)
            p += 1
    out[p, 0], out[p, 1] = cuts[m + 1, 1], cuts[m + 1, 2]
    p += 1
    return out[:p][::-1].copy() if backwards else out[:p].copy()
