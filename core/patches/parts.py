"""The parts of a split, and how good an assignment to them is."""

from __future__ import annotations

import numpy as np

PARTS = ("train", "validation", "test")
TRAIN, VALIDATION, TEST = 0, 1, 2
DROPPED = -1
"""Too little of the patch is labelled."""
GUARD = -2
"""The patch lies in the guard band between blocks."""
LEFT_OVER = -3
"""More patches of its part than the counts ask for."""


def part_score(assigned: np.ndarray, patches: np.ndarray, counts: np.ndarray, targets: np.ndarray) -> tuple[int, int, float]:
    """How far an assignment is from what is wanted; smaller is better.

    `assigned` is int (G,): the part of each group; `patches` int (G,) and `counts` int (G, K) say how many patches and
    class pixels it has; `targets` float (3,) are the shares of the patches that the parts should get. Compared in
    turn: parts that are wanted and empty, classes that a part lacks, and the distance from the wanted shares plus
    half the distance between the parts' class mixes and that of the whole.
    """
    wanted = np.flatnonzero(targets > 0)
    member = assigned[None, :] == wanted[:, None]
    sizes = member @ patches
    pixels = member.astype(np.int64) @ counts
    present = counts.sum(axis=0) > 0
    lacking = int(np.count_nonzero((pixels == 0) & present[None, :]))
    share = sizes / max(1, patches.sum())
    mix = pixels / np.maximum(1, pixels.sum(axis=1, keepdims=True))
    whole = counts.sum(axis=0) / max(1, counts.sum())
    distance = float(np.abs(share - targets[wanted]).sum() + 0.5 * np.abs(mix - whole).sum(axis=1).mean())
    return int(np.count_nonzero(sizes == 0)), lacking, round(distance, 9)
