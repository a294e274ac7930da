"""Where the patches of a scene lie, and in which strips and bands they are worked off."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np

from core.errors import SettingsError
from core.model_store.cards import MIN_PATCH_PX
from core.prediction.settings import PatchSize, check_overlap, sides
from core.scenes.resampling import Taps, taps
from core.scenes.scene import Window


@dataclass(frozen=True)
class Strip:
    """Columns col..col_stop - 1 of the scene, the network columns they need, and the patches that touch those."""

    col: int
    col_stop: int
    net_col: int
    net_stop: int
    col_starts: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class BlendPlan:
    """The patches of one scene, or those that a region of it needs.

    Lengths are in pixels of the network's grid (the scene resized by `scale`) unless they say scene. Patches of `patch_height` x
    `patch_width`, `row_step` and `col_step` apart, begin at `row_starts` x `col_starts`; the first and last ones reach beyond the
    scene, where it is reflected. Output is made for `region`, of the scene, from the same patches as the whole scene's would be.
    """

    height: int
    width: int
    region: Window
    patch_height: int
    patch_width: int
    row_step: int
    col_step: int
    symmetries: int
    scale: float
    row_starts: tuple[int, ...]
    col_starts: tuple[int, ...]
    strips: tuple[Strip, ...]
    strip_width: int | None
    row_taps: tuple[Taps, Taps] | None
    col_taps: tuple[Taps, Taps] | None

    @property
    def net_height(self) -> int:
        """Rows of the network's grid."""
        return self.row_taps[0].length if self.row_taps else self.height

    @property
    def net_width(self) -> int:
        """Columns of the network's grid."""
        return self.col_taps[0].length if self.col_taps else self.width

    @property
    def windows(self) -> int:
        """Patches to look at, those that two strips share counted twice."""
        return len(self.rows_touching(self.region.row)) * sum(len(strip.col_starts) for strip in self.strips)

    def net_rows(self, row: int) -> tuple[int, int]:
        """First row of the network's grid that the region needs from its scene row `row` on, and one past the last."""
        return self.row_taps[1].needed(row, self.region.row_stop) if self.row_taps else (row, self.region.row_stop)

    def rows_touching(self, row: int) -> tuple[int, ...]:
        """First rows of the patches that the region needs from its scene row `row` on."""
        low, high = self.net_rows(row)
        return tuple(start for start in self.row_starts if start < high and start + self.patch_height > low)

    def tapers(self) -> tuple[np.ndarray, np.ndarray]:
        """Weights of a patch's rows, float32 (patch_height,), and of its columns (patch_width,), positive everywhere.

        A raised cosine taken at pixel centres; the outer product of the two has the symmetries of the patch.
        """
        return _taper(self.patch_height), _taper(self.patch_width)

    def weight_sums(self) -> tuple[np.ndarray, np.ndarray]:
        """Sum of the weights on each row and each column of the network's grid, float64, positive everywhere."""
        return tuple(
            _weight_sum(taper, starts, length)
            for taper, starts, length in zip(
                self.tapers(), (self.row_starts, self.col_starts), (self.net_height, self.net_width), strict=True
            )
        )


def plan_blend(
    height: int,
    width: int,
    *,
    patch_size: PatchSize,
    overlap: float = 0.5,
    symmetries: int = 1,
    scale: float = 1.0,
    strip_width: int | None = None,
    region: Window | None = None,
) -> BlendPlan:
    """Lay patches of `patch_size` over a scene of height x width pixels.

    Neighbouring patches share the fraction `overlap` of their height or width. `scale` resizes the scene before the network.
    `strip_width` limits the columns of the network's grid held at once; all of them when None. `region`
    limits the output to a part of the scene. Raises SettingsError for settings out of range.
    """
    patch_height, patch_width = sides(patch_size)
    _check(min(patch_height, patch_width), overlap, symmetries, scale)
    row_step, col_step = (max(1, round(length * (1 - overlap))) for length in (patch_height, patch_width))
    net_height, net_width = (max(1, round(length * scale)) for length in (height, width))
    resized = (net_height, net_width) != (height, width)
    row_taps = (taps(height, net_height), taps(net_height, height)) if resized else None
    col_taps = (taps(width, net_width), taps(net_width, width)) if resized else None
    row_starts, col_starts = _starts(net_height, patch_height, row_step), _starts(net_width, patch_width, col_step)
    region = region or Window(0, 0, height, width)
    strips = _strips(region, width / net_width, patch_width, col_step, col_starts, col_taps, strip_width)
    patches = (patch_height, patch_width, row_step, col_step, symmetries, scale, row_starts, col_starts)
    return BlendPlan(height, width, region, *patches, strips, strip_width, row_taps, col_taps)


def _check(patch_size: int, overlap: float, symmetries: int, scale: float) -> None:
    if patch_size < MIN_PATCH_PX:
        raise SettingsError(f"a patch of {patch_size} px", expected=f"at least {MIN_PATCH_PX} px", do="Choose larger patches")
    check_overlap(overlap)
    if symmetries not in (1, 8):
        raise SettingsError(
            f"{symmetries} symmetries", expected="1 or 8", do="Choose 1, or 8 for the mean over turned and mirrored patches"
        )
    if not 0.01 <= scale <= 16:
        raise SettingsError(f"a scale of {scale:g}", expected="a factor from 0.01 to 16", do="Check the pixel size")


def _starts(length: int, size: int, step: int) -> tuple[int, ...]:
    # The rim of the scene is kept (size - step) / 2 away from the patches' rims, as the worst placed inner pixel is.
    margin = (size - step) // 2
    count = max(1, math.ceil((length + 2 * margin - size) / step) + 1)
    first = -(((count - 1) * step + size - length) // 2)
    return tuple(first + i * step for i in range(count))


def _strips(region, ratio, size, step, col_starts, col_taps, strip_width) -> tuple[Strip, ...]:
    def touching(col: int, stop: int) -> tuple[int, int, tuple[int, ...]]:
        net_col, net_stop = col_taps[1].needed(col, stop) if col_taps else (col, stop)
        return net_col, net_stop, tuple(start for start in col_starts if start < net_stop and start + size > net_col)

    needed = touching(region.col, region.col_stop)[2]
    per_strip = len(needed) if strip_width is None else max(1, (strip_width - (size - step)) // step)
    inner = (math.ceil(start * ratio) for start in needed[per_strip::per_strip])
    bounds = [region.col, *(col for col in inner if region.col < col < region.col_stop), region.col_stop]
    return tuple(Strip(col, stop, *touching(col, stop)) for col, stop in itertools.pairwise(bounds))


def _taper(length: int) -> np.ndarray:
    places = (np.arange(length) + 0.5) / length
    return (0.5 - 0.5 * np.cos(2 * np.pi * places)).astype(np.float32)


def _weight_sum(taper: np.ndarray, starts: tuple[int, ...], length: int) -> np.ndarray:
    total = np.zeros(length)
    for start in starts:
        low, high = max(0, start), min(length, start + len(taper))
        total[low:high] += taper[low - start : high - start]
    return total
