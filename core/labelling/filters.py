"""What a pixel looks like together with what lies around it: colour, edges and texture at several scales.

The filters are those of trainable segmentation (Arganda-Carreras et al. 2017; scikit-image's `multiscale_basic_features`). Each scale
works on block means of half the resolution of the one before, where the wide filters of the coarse ones cost next to nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.ndimage import gaussian_filter1d

LEVELS = 5
BLURS = (2, 4)
"""Levels at which a model's answer is looked at too: what it says around a pixel."""
CELL_PX = 2 ** (LEVELS - 1)
"""Side of a block of the coarsest scale; tiles and their margins are whole numbers of it."""
MARGIN_PX = 6 * CELL_PX
"""How far around a tile pixels count."""
_REACH_CELLS = 6
_SIGMA, _CUT = 1.0, 3.0


def described(bands: np.ndarray) -> np.ndarray:
    """Features float32 (h, w, F) of a tile from its standardised bands float32 (h + 2 margins, w + 2 margins, C).

    The bands themselves; then of each scale the smoothed bands, their slope and their standard deviation in the neighbourhood, of all
    bands together, and both curvatures of their mean.
    """
    own = bands[MARGIN_PX:-MARGIN_PX, MARGIN_PX:-MARGIN_PX]
    return np.concatenate([own, *_by_scale(bands, range(LEVELS), _of_scale)], axis=-1)


def blurred(bands: np.ndarray) -> np.ndarray:
    """The bands of a tile, given as for `described`, smoothed over some 4 and some 16 pixels: float32 (h, w, 2 C)."""
    return np.concatenate(_by_scale(bands, BLURS, _smoothed), axis=-1)


def count_of(bands: int) -> int:
    """How many features `described` gives of so many bands."""
    return bands + LEVELS * (bands + 4)


def _by_scale(bands: np.ndarray, levels: Sequence[int], how: Callable[[np.ndarray], np.ndarray]) -> list[np.ndarray]:
    """What `how` makes of a tile's cells at some levels, at the resolution of the tile."""
    height, width = (size - 2 * MARGIN_PX for size in bands.shape[:2])
    found = []
    for level in range(max(levels) + 1):
        bands = _halved(bands) if level else bands
        if level in levels:
            spare = (MARGIN_PX >> level) - _REACH_CELLS
            cells = bands[spare : bands.shape[0] - spare, spare : bands.shape[1] - spare]
            found.append(_enlarged(how(cells), 2**level, height, width))
    return found


def _of_scale(cells: np.ndarray) -> np.ndarray:
    """Features (h, w, C + 4) of one scale, of its cells (h, w, C)."""
    smooth = _smoothed(cells)
    rows, cols = np.gradient(smooth, axis=(0, 1))
    slope = np.sqrt((np.square(rows) + np.square(cols)).sum(axis=-1))
    spread = np.sqrt(np.maximum(_smoothed(np.square(cells)) - np.square(smooth), 0).sum(axis=-1))
    grey = smooth.mean(axis=-1)
    down, across = np.gradient(grey)
    (down_down, down_across), across_across = np.gradient(down), np.gradient(across, axis=1)
    middle, half = (down_down + across_across) / 2, np.hypot((down_down - across_across) / 2, down_across)
    return np.concatenate([smooth, np.stack([slope, spread, middle + half, middle - half], axis=-1)], axis=-1)


def _smoothed(cells: np.ndarray) -> np.ndarray:
    once = gaussian_filter1d(cells, _SIGMA, axis=0, truncate=_CUT, mode="nearest")
    return gaussian_filter1d(once, _SIGMA, axis=1, truncate=_CUT, mode="nearest")


def _halved(cells: np.ndarray) -> np.ndarray:
    return (cells[0::2, 0::2] + cells[1::2, 0::2] + cells[0::2, 1::2] + cells[1::2, 1::2]) / 4


def _enlarged(cells: np.ndarray, factor: int, height: int, width: int) -> np.ndarray:
    """Bilinear values (height, width, F) of the pixels of a tile, from cells that lie around it by `_REACH_CELLS`."""
    if factor == 1:
        return cells[_REACH_CELLS:-_REACH_CELLS, _REACH_CELLS:-_REACH_CELLS]
    rows = _between(cells, factor, height)
    return _between(rows.swapaxes(0, 1), factor, width).swapaxes(0, 1)


def _between(cells: np.ndarray, factor: int, length: int) -> np.ndarray:
    """Linear values along the first axis, at the pixels' centres."""
    place = (np.arange(length) + 0.5) / factor - 0.5 + _REACH_CELLS
    before = np.floor(place).astype(int)
    share = (place - before).astype(np.float32)[:, None, None]
    return cells[before] * (1 - share) + cells[before + 1] * share
