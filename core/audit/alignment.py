"""Whether a mask lies where its image shows things, told from outlines in both."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_RADIUS_PX = 24


@dataclass(frozen=True)
class Shift:
    """By how many rows and columns the mask must move to fit, how well it fits then, and how well as it is (-1 to 1).

    `sharpness` says by how many spreads the best place stands out from all others that were tried.
    """

    rows: float
    columns: float
    best: float
    unmoved: float
    sharpness: float


def agreement(grey: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Correlation of image outlines and mask outlines for every move of the mask by up to 24 pixels.

    `grey` float (h, w), `ids` uint8 (h, w) of the same size. Returns float (49, 49); element [24 + r, 24 + c] belongs to
    the mask moved down by r and right by c. Zeros where either has no outlines. Computed as a phase-free
    cross-correlation through the FFT.
    """
    size = 2 * _RADIUS_PX + 1
    outlines = _ranked_gradient(grey)
    borders = np.zeros(ids.shape, np.float32)
    across, down = ids[:, 1:] != ids[:, :-1], ids[1:] != ids[:-1]
    borders[:, 1:] += across
    borders[:, :-1] += across
    borders[1:] += down
    borders[:-1] += down
    if min(ids.shape) <= 2 * size or borders.mean() < 1e-3 or outlines.std() == 0:
        return np.zeros((size, size))
    borders = np.minimum(borders, 1) - np.minimum(borders, 1).mean()
    outlines = outlines - outlines.mean()
    # Padded against wrapping around, to a length that the FFT is quick on.
    shape = [-(-(length + _RADIUS_PX) // 60) * 60 for length in ids.shape]
    product = np.fft.rfft2(outlines, shape) * np.conj(np.fft.rfft2(borders, shape))
    surface = np.fft.irfft2(product, shape)
    moves = np.arange(-_RADIUS_PX, _RADIUS_PX + 1)
    norm = np.sqrt((outlines**2).sum() * (borders**2).sum())
    return surface[np.ix_(moves, moves)] / norm


def best_shift(surface: np.ndarray, *, factor: float = 1.0) -> Shift | None:
    """The best place on an agreement surface, in pixels of the full picture; None where there are no outlines.

    `factor` is the size of the picture over the size of the one the surface was computed on.
    """
    spread = float(surface.std())
    if spread == 0:
        return None
    row, col = np.unravel_index(int(np.argmax(surface)), surface.shape)
    middle = surface.shape[0] // 2
    best = float(surface[row, col])
    return Shift(
        (row - middle) * factor,
        (col - middle) * factor,
        best,
        float(surface[middle, middle]),
        (best - float(np.median(surface))) / spread,
    )


def _ranked_gradient(grey: np.ndarray) -> np.ndarray:
    """Gradient magnitude, its strongest tenth cut off so that a few bright roofs do not drown the rest."""
    rows, cols = np.gradient(grey.astype(np.float32))
    size = np.hypot(rows, cols)
    return np.minimum(size, np.quantile(size, 0.9))
