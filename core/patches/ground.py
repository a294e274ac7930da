"""Ground that patches cover, as rectangles in pixels of a scene: how much of it two parts share, and which patches touch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_AT_ONCE = 512


@dataclass(frozen=True, eq=False)
class Ground:
    """Rectangles of one scene: first and past-the-last rows and columns, int64 (n,)."""

    top: np.ndarray
    left: np.ndarray
    bottom: np.ndarray
    right: np.ndarray

    @classmethod
    def together(cls, several: Sequence[Ground]) -> Ground:
        """Rectangles of one scene behind each other."""
        return cls(*(np.concatenate([getattr(one, side) for one in several]) for side in ("top", "left", "bottom", "right")))

    def __len__(self) -> int:
        return len(self.top)

    def only(self, chosen: np.ndarray) -> Ground:
        """Those chosen by a mask bool (n,) or by positions int (m,)."""
        return Ground(self.top[chosen], self.left[chosen], self.bottom[chosen], self.right[chosen])

    def touches(self, other: Ground) -> np.ndarray:
        """bool (n,): True for each rectangle that has a pixel in common with one of `other`."""
        found = np.zeros(len(self), bool)
        for start in range(0, len(other), _AT_ONCE):
            some = other.only(np.arange(start, min(start + _AT_ONCE, len(other))))
            rows = (self.top[:, None] < some.bottom) & (some.top < self.bottom[:, None])
            cols = (self.left[:, None] < some.right) & (some.left < self.right[:, None])
            found |= (rows & cols).any(axis=1)
        return found


def shared_pixels(ground: Ground, part: np.ndarray) -> int:
    """Pixels that rectangles of two or more parts cover; `part` is int (n,) from 0 to 2."""
    if len(np.unique(part)) < 2:
        return 0
    # Between neighbouring edges every pixel is covered alike, so whole rectangles are counted at once.
    rows, cols = np.unique(np.concatenate([ground.top, ground.bottom])), np.unique(np.concatenate([ground.left, ground.right]))
    seen = np.zeros((len(rows) - 1, len(cols) - 1), np.uint8)
    top, bottom, left, right = (
        np.searchsorted(edges, value)
        for edges, value in ((rows, ground.top), (rows, ground.bottom), (cols, ground.left), (cols, ground.right))
    )
    for i in range(len(ground)):
        seen[top[i] : bottom[i], left[i] : right[i]] |= np.uint8(1 << int(part[i]))
    areas = np.diff(rows)[:, None] * np.diff(cols)[None, :]
    return int(areas[np.isin(seen, (3, 5, 6, 7))].sum())
