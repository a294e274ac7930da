"""Pictures of the same ground, planted: crops that overlap, shifted, resized by up to 2, turned by quarters, in another light."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter, zoom


@dataclass(frozen=True, eq=False)
class Planted:
    """Two crops uint8 (h, w, 3) of one ground; `pixels` of the first lie in the second, the `share` of the smaller one's ground.

    `corner` is the place (row, column) in the first of the ground's first row and column that both show.
    """

    first: np.ndarray
    second: np.ndarray
    pixels: int
    share: float
    scale: float
    quarters: int
    corner: tuple[int, int]


def drawn_ground(seed: int, side: int = 900) -> np.ndarray:
    """A drawn landscape uint8 (side, side, 3): soft fields, roads, and houses with shadows, none like the other."""
    rng = np.random.default_rng(seed)
    picture = np.stack([110 + 40 * _smooth(rng, side, 40), 105 + 35 * _smooth(rng, side, 40), 85 + 30 * _smooth(rng, side, 40)], axis=-1)
    for _ in range(side // 130):
        at, width, bright = rng.integers(0, side, 2), int(rng.integers(6, 14)), rng.integers(60, 130)
        if rng.random() < 0.5:
            picture[at[0] : at[0] + width] = bright
        else:
            picture[:, at[1] : at[1] + width] = bright
    for _ in range(side * side // 1800):
        row, col = rng.integers(0, side, 2)
        height, width = rng.integers(8, 30, 2)
        picture[row + 4 : row + height + 4, col + 4 : col + width + 4] *= 0.6
        picture[row : row + height, col : col + width] = rng.integers(90, 240, 3)
    return np.clip(picture + rng.normal(0, 4, picture.shape), 0, 255).astype(np.uint8)


def plant(ground: np.ndarray, rng: np.random.Generator, *, least_share: float = 0.3, sides: Sequence[int] = (260, 480)) -> Planted:
    """Two crops of a ground that overlap by `least_share` of the smaller or more, the second resized, turned and relit."""
    height, width = ground.shape[:2]
    while True:
        side, scale = rng.integers(*sides), float(2 ** rng.uniform(-1, 1))
        a = [int(side * rng.uniform(0.8, 1.25)) for _ in range(2)]
        b = [int(side / max(scale, 0.75) * rng.uniform(0.8, 1.25)) for _ in range(2)]
        if max(a[0], b[0]) > height or max(a[1], b[1]) > width or min(b) * scale < 130:
            continue
        here = [int(rng.integers(0, whole - own + 1)) for whole, own in zip((height, width), a, strict=True)]
        there = [int(rng.integers(0, whole - own + 1)) for whole, own in zip((height, width), b, strict=True)]
        corner = [max(one, other) for one, other in zip(here, there, strict=True)]
        end = [min(h + i, t + j) for h, i, t, j in zip(here, a, there, b, strict=True)]
        shared = [max(0, stop - start) for start, stop in zip(corner, end, strict=True)]
        share = shared[0] * shared[1] / min(a[0] * a[1], b[0] * b[1])
        if share >= least_share:
            break
    first = ground[here[0] : here[0] + a[0], here[1] : here[1] + a[1]]
    second = ground[there[0] : there[0] + b[0], there[1] : there[1] + b[1]]
    size = tuple(max(1, round(own * scale)) for own in b[::-1])
    second = np.asarray(Image.fromarray(second).resize(size, Image.Resampling.BOX if scale < 1 else Image.Resampling.BICUBIC))
    quarters = int(rng.integers(4))
    relit = in_other_light(np.ascontiguousarray(np.rot90(second, -quarters)), rng)
    place = (corner[0] - here[0], corner[1] - here[1])
    return Planted(np.ascontiguousarray(first), relit, shared[0] * shared[1], share, scale, quarters, place)


def in_other_light(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The picture with another gamma, gain and tint, a slope of brightness and noise."""
    height, width = picture.shape[:2]
    light = (picture / 255) ** rng.uniform(0.6, 1.6)
    slope = 1 + rng.uniform(-0.25, 0.25) * np.linspace(-1, 1, height)[:, None, None]
    slope = slope + rng.uniform(-0.25, 0.25) * np.linspace(-1, 1, width)[:, None]
    light = light * slope * rng.uniform(0.85, 1.15, 3) * rng.uniform(0.6, 1.2) + rng.uniform(-0.1, 0.1)
    return np.clip(255 * (light + rng.normal(0, 0.02, light.shape)), 0, 255).astype(np.uint8)


def _smooth(rng: np.random.Generator, side: int, sigma: float) -> np.ndarray:
    coarse = gaussian_filter(rng.normal(size=(side // 20 + 2,) * 2), sigma / 20)
    field = zoom(coarse, 20, order=1)[:side, :side]
    return field / field.std()
