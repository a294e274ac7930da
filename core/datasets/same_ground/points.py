"""Points of a picture that are found again in another of the same ground: where they lie, how large, and what is around them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from core.scenes.scene import Scene

COARSE_PX = 640
MOST_POINTS = 800
_FEWEST_PX = 48
_SIGMA, _LAYERS = 1.6, 3
_LEAST_CONTRAST = 0.0015
_EDGE = 12.0  # ratio of the curvatures beyond which it is an edge, and no point
_CELLS, _BINS, _SAMPLES = 4, 8, 16
_RIM_PX = 8  # too near to the border to be described


@dataclass(frozen=True, eq=False)
class Points:
    """Points of one picture, the strongest first.

    `places` float32 (n, 2): row and column in pixels of the image; `sizes` float32 (n,): in pixels of the image; `around` uint8
    (n, 4, 4, 8): outlines by direction in 4 x 4 fields around each; `factor` is the image's size over that of the picture looked at.
    """

    places: np.ndarray
    sizes: np.ndarray
    around: np.ndarray
    factor: float = 1.0

    def __len__(self) -> int:
        return len(self.sizes)


NO_POINTS = Points(np.zeros((0, 2), np.float32), np.zeros(0, np.float32), np.zeros((0, _CELLS, _CELLS, _BINS), np.uint8))


def points_of(image: Scene) -> Points:
    """The points of an image, looked at with at most 640 pixels a side; none of one with fewer than 48.

    Extrema of differences of Gaussians (Lowe 2004), with upright surroundings: aerial images lie north up, or are turned by
    quarters, by which 4 x 4 fields and 8 directions only change places. All points are described at once, in a fifth of the time
    that scikit-image's SIFT takes.
    """
    if min(image.shape) < _FEWEST_PX:
        return NO_POINTS
    grey, valid, factor = coarse(image)
    layers = list(_layers(grey))
    places = np.concatenate([np.column_stack([one.rows, one.cols]) * one.step for one in layers] or [np.zeros((0, 2))])
    strength = np.concatenate([one.strength for one in layers] or [np.zeros(0)])
    inside = np.minimum(places.astype(int), np.array(grey.shape) - 1)
    chosen = _spread_evenly(np.where(valid[inside[:, 0], inside[:, 1]], strength, 0), places, grey.shape)
    if not len(chosen):
        return NO_POINTS
    layer = np.repeat(np.arange(len(layers)), [len(one.rows) for one in layers])[chosen]
    number = (
        np.arange(len(places)) - np.repeat(np.cumsum([0, *(len(one.rows) for one in layers[:-1])]), [len(one.rows) for one in layers])
    )[chosen]
    sizes, around = np.zeros(len(chosen), np.float32), np.zeros((len(chosen), _CELLS, _CELLS, _BINS), np.uint8)
    for k in np.unique(layer):
        own, one = layer == k, layers[k]
        sizes[own] = one.sigma * one.step
        around[own] = _describe(one.level, one.rows[number[own]], one.cols[number[own]], one.sigma)
    return Points(((places[chosen] + 0.5) * factor).astype(np.float32), (sizes * factor).astype(np.float32), around, factor)


def coarse(image: Scene) -> tuple[np.ndarray, np.ndarray, float]:
    """An image in grey, float32 (h, w) from 0 to 1, where it is valid, bool (h, w), and the image's size over the picture's."""
    factor = max(1.0, max(image.shape) / COARSE_PX)
    shape = (max(1, round(image.height / factor)), max(1, round(image.width / factor)))
    bands = tuple(range(1, min(image.bands, 3) + 1))
    grey = np.nan_to_num(image.read(bands=bands, out_shape=shape).astype(np.float32)).mean(axis=2)
    valid = image.valid(out_shape=shape)
    if not valid.any():
        return np.zeros(shape, np.float32), valid, factor
    low, high = np.percentile(grey[valid], (1, 99))
    grey = np.clip((grey - low) / max(high - low, 1e-9), -0.2, 1.2)
    return np.where(valid, grey, 0.5).astype(np.float32), valid, factor


def turned(around: np.ndarray, quarters: int) -> np.ndarray:
    """The surroundings (n, 4, 4, 8) as they are in the picture turned by quarters against the clock."""
    return np.roll(np.rot90(around, quarters, axes=(1, 2)), 2 * quarters, axis=3)


@dataclass(frozen=True, eq=False)
class _Layer:
    """The extrema of one size: rows and columns (n,) in `level`, a picture made smaller `step` times and blurred by `sigma`."""

    level: np.ndarray
    step: int
    sigma: float
    rows: np.ndarray
    cols: np.ndarray
    strength: np.ndarray


def _layers(grey: np.ndarray) -> Iterator[_Layer]:
    """The extrema of a picture, size by size."""
    from scipy.ndimage import gaussian_filter  # here, for pages import this module when they open

    step, base = 1, gaussian_filter(grey, np.sqrt(_SIGMA**2 - 0.25))
    while min(base.shape) >= 32:
        levels = [base]
        for k in range(1, _LAYERS + 2):
            before, now = (_SIGMA * 2 ** (n / _LAYERS) for n in (k - 1, k))
            levels.append(gaussian_filter(levels[-1], np.sqrt(now**2 - before**2), truncate=3))
        differences = np.diff(np.stack(levels), axis=0)
        for k, rows, cols in _peaks(differences):
            yield _Layer(levels[k], step, _SIGMA * 2 ** (k / _LAYERS), rows, cols, np.abs(differences[k, rows, cols]))
        base, step = levels[_LAYERS][::2, ::2], 2 * step


def _peaks(differences: np.ndarray):
    """For each inner layer of differences (5, h, w) its number, and rows and columns of what stands out in place and size."""
    size = np.abs(differences)
    # The largest of 3 x 3 by slices, in a third of the time that SciPy's filter takes; the rim is left out, so it needs no rule there.
    wide = size[:, _RIM_PX - 1 : 1 - _RIM_PX, _RIM_PX - 1 : 1 - _RIM_PX]
    tall = np.maximum(np.maximum(wide[:, :-2], wide[:, 1:-1]), wide[:, 2:])
    around = np.maximum(np.maximum(tall[..., :-2], tall[..., 1:-1]), tall[..., 2:])
    inner = wide[:, 1:-1, 1:-1]
    for k in range(1, len(differences) - 1):
        d = differences[k]
        rows, cols = np.nonzero((inner[k] >= around[k - 1 : k + 2].max(axis=0)) & (inner[k] > _LEAST_CONTRAST))
        rows, cols = rows + _RIM_PX, cols + _RIM_PX
        centre = d[rows, cols]
        down = d[rows + 1, cols] + d[rows - 1, cols] - 2 * centre
        right = d[rows, cols + 1] + d[rows, cols - 1] - 2 * centre
        both = (d[rows + 1, cols + 1] - d[rows + 1, cols - 1] - d[rows - 1, cols + 1] + d[rows - 1, cols - 1]) / 4
        curved = down * right - both**2
        good = (curved > 0) & ((down + right) ** 2 * _EDGE < (_EDGE + 1) ** 2 * curved)
        yield k, rows[good], cols[good]


def _describe(level: np.ndarray, rows: np.ndarray, cols: np.ndarray, sigma: float) -> np.ndarray:
    """Surroundings uint8 (n, 4, 4, 8) of points of one level: the outlines in 16 x 16 samples, by place and direction."""
    down, right = np.gradient(level)
    steps = (np.arange(_SAMPLES) - (_SAMPLES - 1) / 2) * (3 * sigma * _CELLS / _SAMPLES)
    r = np.clip(np.rint(rows[:, None] + steps).astype(int), 0, level.shape[0] - 1)
    c = np.clip(np.rint(cols[:, None] + steps).astype(int), 0, level.shape[1] - 1)
    gy, gx = down[r[:, :, None], c[:, None, :]], right[r[:, :, None], c[:, None, :]]
    weight = np.exp(-(steps**2) / (2 * (6 * sigma) ** 2)).astype(np.float32)
    size = np.hypot(gy, gx) * weight[:, None] * weight
    angle = np.arctan2(-gy, gx) * np.float32(_BINS / (2 * np.pi))
    # How far the direction is from each of the eight, the shorter way round.
    away = np.abs(angle[..., None] - np.arange(-_BINS // 2, _BINS // 2, dtype=np.float32))
    away = np.roll(np.minimum(away, _BINS - away), _BINS // 2, axis=-1)
    directions = np.maximum(0, 1 - away) * size[..., None]
    # How far each sample belongs to each field, along one side.
    near = np.maximum(0, 1 - np.abs((np.arange(_SAMPLES) + 0.5) / _CELLS - 0.5 - np.arange(_CELLS)[:, None])).astype(np.float32)
    fields = np.einsum("ar,nrcd,bc->nabd", near, directions, near, optimize=True)
    flat = fields.reshape(len(rows), _CELLS * _CELLS * _BINS)
    flat = np.minimum(flat, 0.2 * np.linalg.norm(flat, axis=1, keepdims=True))
    # Roots of shares (Arandjelovic and Zisserman 2012): a strong outline does not drown the others.
    flat = np.sqrt(flat / np.maximum(flat.sum(axis=1, keepdims=True), 1e-9))
    return np.minimum(255, np.rint(512 * flat)).astype(np.uint8).reshape(fields.shape)


def _spread_evenly(strength: np.ndarray, places: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Positions of at most 800 points, the strongest of each of 8 x 8 fields in turn, so that none crowds out a corner."""
    cell = (places[:, 0] * 8 // shape[0]).astype(int) * 8 + (places[:, 1] * 8 // shape[1]).astype(int)
    order = np.lexsort((-strength, cell))
    first = np.r_[0, np.flatnonzero(np.diff(cell[order])) + 1]
    rank = np.arange(len(order)) - np.repeat(first, np.diff(np.r_[first, len(order)]))
    turn = np.lexsort((-strength[order], rank))
    kept = order[turn]
    return kept[strength[kept] > 0][:MOST_POINTS]
