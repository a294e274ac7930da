"""Splitting inside scenes: strips of patches with a guard band between them."""

from __future__ import annotations

from itertools import product

import numpy as np

from core.patches.counting import PatchTable
from core.patches.parts import GUARD, TEST, TRAIN, VALIDATION, part_score


def block_parts(
    table: PatchTable, free: np.ndarray, fractions: tuple[float, float], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Part of each patch, int8 (N,), cut scene by scene; which patches, bool (N,), lie in scenes too small to be cut; and
    sentences for the user. Meaningful where `free`.

    Each scene is cut along its rows or its columns. Validation (and test) take strips at its ends, training the rest;
    patches nearer than one patch size to another part's are left out. Of all cuts of a scene the one is taken that
    brings the parts nearest to having every class, and to their shares.
    """
    result = np.full(len(table), TRAIN, np.int8)
    targets = np.array([1 - sum(fractions), *fractions])
    classes = table.counts.shape[1] - 1
    patches, counts = np.zeros(3, np.int64), np.zeros((3, classes), np.int64)
    uncut, unguarded = np.zeros(len(table), bool), 0
    for pair in np.unique(table.pair[free]):
        here = np.flatnonzero((table.pair == pair) & free)
        cuts, guarded = _cuts(table, here, fractions)
        if not cuts:
            uncut[here] = True
            continue
        unguarded += not guarded
        best, best_score = cuts[0], None
        for i in rng.permutation(len(cuts)):
            own_patches, own_counts = _tally(table, here, cuts[i])
            score = part_score(np.arange(3), patches + own_patches, counts + own_counts, targets)
            lost = np.count_nonzero(cuts[i] == GUARD) / len(here)
            score = (*score[:2], score[2] + 0.1 * lost)
            if best_score is None or score < best_score:
                best, best_score = cuts[i], score
        result[here] = best
        own_patches, own_counts = _tally(table, here, best)
        patches, counts = patches + own_patches, counts + own_counts
    notes = []
    if unguarded:
        notes.append(f"Too small for a guard band between the parts: {unguarded} of {len(np.unique(table.pair[free]))} scenes.")
    return result, uncut, notes


def _cuts(table: PatchTable, here: np.ndarray, fractions: tuple[float, float]) -> tuple[list[np.ndarray], bool]:
    """All cuts of one scene, each int8 (n,) over its patches, and whether they have a guard band."""
    for guard_px in (table.patch_size, 0):
        cuts = []
        for axis, flipped in product((table.row[here], table.col[here]), (False, True)):
            cut = _cut(axis, table.patch_size, fractions, guard_px=guard_px, flipped=flipped)
            if cut is not None:
                cuts.append(cut)
        if cuts:
            return cuts, guard_px > 0
    return [], False


def _cut(start: np.ndarray, size: int, fractions: tuple[float, float], *, guard_px: int, flipped: bool) -> np.ndarray | None:
    """Strips along one axis: validation first, training in the middle, test last; the other way round when `flipped`.

    `start` int (n,) is the first pixel of each patch along the axis. None when a wanted part would be empty.
    """
    # Flipped coordinates let one rule serve both directions: the last patch becomes the first.
    start = start if not flipped else start.max() - start
    lines = np.unique(start)
    cut = np.full(len(start), TRAIN, np.int8)
    low, high = -1, None
    if fractions[0] > 0:
        number = max(1, round(fractions[0] * len(lines)))
        low = lines[min(number, len(lines)) - 1]
        cut[start <= low] = VALIDATION
    if fractions[1] > 0:
        number = max(1, round(fractions[1] * len(lines)))
        high = lines[-min(number, len(lines))]
        cut[start >= high] = TEST
    train = cut == TRAIN
    if low >= 0:
        cut[train & (start < low + size + guard_px)] = GUARD
    if high is not None:
        cut[train & (start + size + guard_px > high)] = GUARD
    wanted = {TRAIN} | ({VALIDATION} if fractions[0] > 0 else set()) | ({TEST} if fractions[1] > 0 else set())
    between = high is None or low < 0 or low + size + guard_px <= high
    return cut if between and wanted <= set(cut.tolist()) else None


def _tally(table: PatchTable, here: np.ndarray, cut: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    patches = np.array([np.count_nonzero(cut == part) for part in (TRAIN, VALIDATION, TEST)])
    counts = np.stack([table.counts[here[cut == part], :-1].sum(axis=0) for part in (TRAIN, VALIDATION, TEST)])
    return patches, counts
