"""Right angles for buildings, solved on the shared borders: what a building gains or loses, its neighbours lose or gain."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely

from core.compiling import compiled, copy_row
from core.progress import ShouldStop, check
from core.vector.squaring.building_outlines import RIM, WALL, find_rings, propose, ring_points
from core.vector.squaring.crossings import clashing_arcs, jumped_rings
from core.vector.tracing.arcs import Arcs
from core.vector.tracing.simplify import following_halves

OUTLINE_TOLERANCE_PX = 1.5
MIN_IOU = 0.8
SHORTEST_PX = 3.0
SHORTEST_SHARE = 0.12
"""Sides shorter than 3 px, or than this share of the square root of a building's area, are taken for noise."""
LONGEST_ROUNDS = 8


@dataclass(frozen=True)
class Regularized:
    """Points (M, 2) float64 (column, row) and offsets (A + 1,) of all arcs, and which regions (R + 1,) bool got right angles."""

    points: np.ndarray
    offsets: np.ndarray
    regions: np.ndarray


@compiled
def _independent(rings, halves, ring_offsets, start, end, junctions):
    """Rings, of those given, that share no junction with one before them; the others wait for the next round."""
    taken = np.full(junctions, -1, np.int32)
    free = np.zeros(rings.size, np.bool_)
    for n in range(rings.size):
        ring = rings[n]
        own = halves[ring_offsets[ring] : ring_offsets[ring + 1]]
        fine = True
        for h in own:
            for junction in (start[h >> 1], end[h >> 1]):
                if junction >= 0 and taken[junction] >= 0 and taken[junction] != ring:
                    fine = False
        if not fine:
            continue
        free[n] = True
        for h in own:
            for junction in (start[h >> 1], end[h >> 1]):
                if junction >= 0:
                    taken[junction] = ring
    return free


@compiled
def _applied(xy, offsets, start, end, points, at, size, moved_to):
    """All arcs with the proposed points of some, and with moved ends; at: (A,) into `points`, -1 for arcs that stay."""
    arcs = offsets.size - 1
    out_offsets = np.zeros_like(offsets)
    for arc in range(arcs):
        out_offsets[arc + 1] = out_offsets[arc] + (size[arc] if at[arc] >= 0 else offsets[arc + 1] - offsets[arc])
    out = np.empty((out_offsets[-1], 2), np.float64)
    for arc in range(arcs):
        a, b = out_offsets[arc], out_offsets[arc + 1]
        if at[arc] >= 0:
            for k in range(b - a):
                copy_row(out, a + k, points, at[arc] + k)
            continue
        for k in range(b - a):
            out[a + k, 0], out[a + k, 1] = xy[offsets[arc] + k, 0], xy[offsets[arc] + k, 1]
        if start[arc] >= 0:
            if not np.isnan(moved_to[start[arc], 0]):
                copy_row(out, a, moved_to, start[arc])
            if not np.isnan(moved_to[end[arc], 0]):
                copy_row(out, b - 1, moved_to, end[arc])
    return out, out_offsets


class _Rings:
    """The rings of the wanted regions: half arcs, their region, the traced outline, and its area (negative for holes)."""

    def __init__(self, arcs: Arcs, wanted: np.ndarray) -> None:
        self.halves, self.offsets, self.region = find_rings(arcs.left, arcs.right, following_halves(arcs), wanted)
        self.traced, self.traced_offsets = ring_points(self.halves, self.offsets, arcs.xy, arcs.offsets)
        x, y = self.traced[:, 0], self.traced[:, 1]
        steps = x * np.roll(y, -1) - np.roll(x, -1) * y
        steps[self.traced_offsets[1:] - 1] = 0
        self.areas = -np.add.reduceat(steps, self.traced_offsets[:-1]) / 2 if len(steps) else np.empty(0)

    def polygons(self, rings: np.ndarray, xy: np.ndarray, offsets: np.ndarray) -> np.ndarray:
        """Shapely polygons of some rings, filled, from closed rings."""
        take = np.concatenate([np.arange(offsets[r], offsets[r + 1]) for r in rings])
        sizes = np.concatenate([[0], np.cumsum(offsets[rings + 1] - offsets[rings])])
        return shapely.from_ragged_array(shapely.GeometryType.POLYGON, xy[take], (sizes, np.arange(len(rings) + 1)))

    def subset(self, rings: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Half arcs and offsets of some rings."""
        halves = [self.halves[self.offsets[r] : self.offsets[r + 1]] for r in rings]
        return np.concatenate(halves), np.concatenate([[0], np.cumsum([part.size for part in halves])])


def regularize_arcs(
    arcs: Arcs,
    points: np.ndarray,
    offsets: np.ndarray,
    wanted: np.ndarray,
    *,
    min_iou: float = MIN_IOU,
    should_stop: ShouldStop | None = None,
) -> Regularized:
    """Give the wanted regions (R + 1,) bool right angles, where their outline overlaps the traced one by `min_iou` or more.

    points, offsets: the arcs as `simplify_arcs` returns them. Each building has one direction, the circular mean of its sides' angles
    modulo 90 degrees, refined to where the traced outline scatters least about the sides; sides run along it, across it, or along its
    diagonals. Only shared borders are replaced and junctions moved along them, so neighbours fit by construction. A ring keeps its
    simplified form where the new one would overlap the traced one by less, cross or touch another border, or jump over one. The scene's
    rim stays, and so does a wall shared with a larger building that was done before. Raises Cancelled.
    """
    points = points.astype(np.float64)
    done = np.zeros(wanted.size, bool)
    wanted = wanted.copy()
    wanted[0] = False
    rings = _Rings(arcs, wanted)
    fixed = np.where((arcs.left == 0) | (arcs.right == 0), RIM, 0).astype(np.uint8)
    directions = np.full(wanted.size, np.nan)
    shortest = np.maximum(SHORTEST_PX, SHORTEST_SHARE * np.sqrt(arcs.regions.pixels))
    # Outer rings before holes, whose direction they give; then the larger ones first.
    waiting = np.lexsort((-np.abs(rings.areas), rings.areas < 0))
    for _ in range(LONGEST_ROUNDS):
        if waiting.size == 0:
            break
        check(should_stop)
        free = _independent(waiting, rings.halves, rings.offsets, arcs.start, arcs.end, arcs.half.size // 4)
        points, offsets, accepted = _one_round(arcs, rings, waiting[free], points, offsets, fixed, directions, shortest, min_iou)
        for ring in accepted:
            own = rings.halves[rings.offsets[ring] : rings.offsets[ring + 1]] >> 1
            fixed[own] = np.maximum(fixed[own], WALL)
        done[rings.region[accepted[rings.areas[accepted] > 0]]] = True
        waiting = waiting[~free]
    return Regularized(points, offsets, done)


@dataclass(frozen=True)
class _Trial:
    """All arcs with the proposals of some rings: arcs that were replaced (A,) bool, junctions that moved (J + 1,) bool, and those rings."""

    points: np.ndarray
    offsets: np.ndarray
    replaced: np.ndarray
    moved: np.ndarray
    halves: np.ndarray
    half_offsets: np.ndarray

    def outlines(self) -> tuple[np.ndarray, np.ndarray]:
        """The closed rings, and their offsets."""
        return ring_points(self.halves, self.half_offsets, self.points, self.offsets)


def _one_round(
    arcs: Arcs,
    rings: _Rings,
    chosen: np.ndarray,
    points: np.ndarray,
    offsets: np.ndarray,
    fixed: np.ndarray,
    directions: np.ndarray,
    shortest: np.ndarray,
    min_iou: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points and offsets with the rings that could be squared, and these rings; those that fail go until none does."""
    found, pieces, moves = propose(
        chosen,
        rings.halves,
        rings.offsets,
        rings.region,
        arcs.xy,
        arcs.offsets,
        points,
        offsets,
        arcs.start,
        arcs.end,
        arcs.half,
        fixed,
        OUTLINE_TOLERANCE_PX,
        directions,
        shortest,
    )
    begins = np.concatenate([[0], np.cumsum(pieces[:, 2])])[:-1].astype(np.int64)

    def attempt(candidates: np.ndarray) -> _Trial:
        at, size = np.full(fixed.size, -1, np.int64), np.zeros(fixed.size, np.int64)
        use = np.isin(pieces[:, 0], candidates)
        at[pieces[use, 1]], size[pieces[use, 1]] = begins[use], pieces[use, 2]
        moved_to = np.full((arcs.half.size // 4, 2), np.nan)
        own = moves[np.isin(moves[:, 0], candidates)]
        moved_to[own[:, 1].astype(int)] = own[:, 2:]
        new, new_offsets = _applied(points, offsets, arcs.start, arcs.end, found, at, size, moved_to)
        # One entry more, for the -1 of loops.
        return _Trial(new, new_offsets, at >= 0, np.append(~np.isnan(moved_to[:, 0]), False), *rings.subset(candidates))

    candidates = np.unique(pieces[:, 0])
    if candidates.size:
        candidates = candidates[_alike(rings, candidates, attempt(candidates), min_iou)]
    while candidates.size:
        trial = attempt(candidates)
        bad = _clashing(arcs, trial, points, offsets)
        if not bad.any():
            return trial.points, trial.offsets, candidates
        candidates = candidates[~bad]
    return points, offsets, candidates


def _alike(rings: _Rings, candidates: np.ndarray, trial: _Trial, min_iou: float) -> np.ndarray:
    """Candidates (n,) bool whose new ring is valid and overlaps the traced one enough."""
    fresh = rings.polygons(np.arange(candidates.size), *trial.outlines())
    traced = rings.polygons(candidates, rings.traced, rings.traced_offsets)
    fine = shapely.is_valid(fresh) & shapely.is_valid(traced)
    common = shapely.area(shapely.intersection(fresh[fine], traced[fine]))
    fine[fine] = common >= min_iou * (shapely.area(fresh[fine]) + shapely.area(traced[fine]) - common)
    return fine


def _clashing(arcs: Arcs, trial: _Trial, points: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Rings (n,) bool of a trial whose borders cross, touch or have jumped over another border."""
    ends = np.column_stack([trial.moved[arcs.start], trial.moved[arcs.end]])
    clash = clashing_arcs(trial.points, trial.offsets, trial.replaced | ends.any(axis=1), arcs.height, arcs.width)
    # An arc clashes for the rings that it belongs to and for those that have moved one of its ends.
    hit = np.zeros(trial.moved.size, bool)
    hit[arcs.start[clash & ends[:, 0]]] = True
    hit[arcs.end[clash & ends[:, 1]]] = True
    own = (trial.halves >> 1).astype(np.int64)
    at_fault = clash[own] | hit[arcs.start[own]] | hit[arcs.end[own]]
    ring_of = np.repeat(np.arange(trial.half_offsets.size - 1), np.diff(trial.half_offsets))
    bad = np.zeros(trial.half_offsets.size - 1, bool)
    bad[ring_of[at_fault]] = True
    old, old_offsets = ring_points(trial.halves, trial.half_offsets, points, offsets)
    closed, closed_offsets = trial.outlines()
    own = own[np.lexsort((own, ring_of))]
    return bad | jumped_rings(
        old,
        old_offsets,
        closed,
        closed_offsets,
        points,
        trial.points,
        offsets,
        trial.offsets,
        own,
        trial.half_offsets,
        arcs.height,
        arcs.width,
    )
