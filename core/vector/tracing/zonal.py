"""Statistics of rasters over the regions that arcs enclose: the pixels of each region before any border is simplified."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from core.compiling import compiled, copy_row
from core.progress import OnProgress, ShouldStop, check, report
from core.vector.tracing.arcs import Arcs
from core.vector.tracing.sources import LabelSource, full_scale

BAND_PIXELS = 1 << 20
LOW_SHARE = 0.1
_FIRST_COUNTS = 256


@dataclass(frozen=True)
class Zonal:
    """Of each region (R + 1,), entry 0 being the outside; None where the source has no such raster.

    low_confidence: the 10th percentile of the confidence, 0 to 1. margin: the mean of the largest probability minus the second, 0 to 1.
    second_class: int32, the class with the second largest mean probability, -1 where there is none.
    """

    low_confidence: np.ndarray | None
    margin: np.ndarray | None
    second_class: np.ndarray | None


def zonal(arcs: Arcs, source: LabelSource, *, on_progress: OnProgress | None = None, should_stop: ShouldStop | None = None) -> Zonal:
    """Read the rasters of a source once more by bands of rows.

    Beside a band, memory is 2 KiB for each region that the band's last row crosses where confidence is bytes, and one value for each pixel
    of the raster where it is anything else. arcs: of the source, merged or not, but not simplified. The percentile is the one of
    `numpy.percentile` (linear). Raises Cancelled.
    """
    if source.confidence_rows is None:
        return Zonal(None, None, None)
    pixels = arcs.regions.pixels
    count, classes = pixels.size, len(source.scheme)
    lows: _Counted | _Sorted | None = None
    margin_sum = None if source.margin_rows is None else np.zeros(count)
    class_sums = None if source.probability_rows is None else np.zeros((count, classes))
    regions_of = region_rows(arcs)
    step = max(1, BAND_PIXELS // arcs.width)
    for row in range(0, arcs.height, step):
        check(should_stop)
        until = min(row + step, arcs.height)
        regions = regions_of(row, until)
        values = np.ascontiguousarray(source.confidence_rows(row, until))
        if lows is None:
            lows = _Counted(pixels, LOW_SHARE) if values.dtype == np.uint8 else _Sorted(pixels, LOW_SHARE, values.dtype)
        lows.add(values, regions)
        if margin_sum is not None:
            _add_values(np.ascontiguousarray(source.margin_rows(row, until)), regions, margin_sum)
        if class_sums is not None:
            _add_bands(np.ascontiguousarray(source.probability_rows(row, until)), regions, class_sums)
        report(on_progress, until, arcs.height, "reading confidence")
    held = np.maximum(pixels, 1)
    second = None
    if class_sums is not None:
        second = np.argsort(-class_sums, axis=1, kind="stable")[:, 1].astype(np.int32) if classes > 1 else np.full(count, -1, np.int32)
        second[class_sums.sum(1) == 0] = -1
    assert lows is not None, "arcs of a raster without rows"
    low = lows.percentiles() / full_scale(values.dtype)
    return Zonal(low, None if margin_sum is None else margin_sum / held / full_scale(np.uint8), second)


class _Counted:
    """A percentile of the bytes of each region, which are counted and not kept: a region has counts from its first pixel to its last."""

    def __init__(self, pixels: np.ndarray, share: float):
        self._pixels, self._share = pixels, share
        self._left, self._out = pixels.copy(), np.full(pixels.size, np.nan)
        self._place, self._counts = np.full(pixels.size, -1, np.int32), np.zeros((_FIRST_COUNTS, 256), np.int64)
        self._free, self._top = np.arange(_FIRST_COUNTS, dtype=np.int32), _FIRST_COUNTS

    @property
    def rows(self) -> int:
        """Regions that have been counted at once, and as many again at most."""
        return len(self._counts)

    def add(self, values: np.ndarray, regions: np.ndarray) -> None:
        """Count the bytes of a band (h, w) that belong to its regions (h, w)."""
        self._counts, self._free, self._top = _count_in(
            values, regions, self._pixels, self._left, self._place, self._counts, self._free, self._top, self._share, self._out
        )

    def percentiles(self) -> np.ndarray:
        """The percentile of each region (R + 1,) whose pixels have all been there, NaN of others."""
        return self._out


class _Sorted:
    """As `_Counted` of values of any type, all of which are kept."""

    def __init__(self, pixels: np.ndarray, share: float, dtype: np.dtype):
        self._starts, self._share = np.concatenate([[0], np.cumsum(pixels)]), share
        self._filled, self._values = self._starts[:-1].copy(), np.empty(self._starts[-1], dtype)

    def add(self, values: np.ndarray, regions: np.ndarray) -> None:
        """Keep the values of a band (h, w)."""
        _sort_in(values, regions, self._filled, self._values)

    def percentiles(self) -> np.ndarray:
        """The percentile of each region (R + 1,)."""
        return _percentiles(self._values, self._starts, self._share)


def region_rows(arcs: Arcs) -> Callable[[int, int], np.ndarray]:
    """A function that gives the number of the region of each pixel of some rows, int32 (rows, width), of arcs that are not simplified.

    Asked from above to below, it looks only at arcs that reach into the rows, so that all bands together take time by the points.
    """
    low, high = _row_ranges(arcs.xy, arcs.offsets)
    order = np.argsort(low, kind="stable").astype(np.int32)
    begins = low[order]
    reached, passed, near = 0, 0, order[:0]

    def read(row: int, until: int) -> np.ndarray:
        nonlocal reached, passed, near
        if row < passed:  # asked anew from above
            reached, near = 0, order[:0]
        next_one = int(np.searchsorted(begins, until))
        near = np.concatenate([near, order[reached:next_one]])
        near = near[high[near] > row]
        reached, passed = max(reached, next_one), row
        regions = np.zeros((until - row, arcs.width), np.int32)
        _fill_band(arcs.xy, arcs.offsets, arcs.left, arcs.right, near, low, high, row, regions)
        return regions

    return read


@compiled
def _row_ranges(xy, offsets):
    """First and last row of the points of each arc."""
    arcs = offsets.size - 1
    low, high = np.empty(arcs, np.int32), np.empty(arcs, np.int32)
    for arc in range(arcs):
        low[arc] = high[arc] = xy[offsets[arc], 1]
        for k in range(offsets[arc] + 1, offsets[arc + 1]):
            low[arc] = min(low[arc], xy[k, 1])
            high[arc] = max(high[arc], xy[k, 1])
    return low, high


@compiled
def _fill_band(xy, offsets, left, right, near, low, high, first_row, regions):
    """Fill regions (h, w) int32, 0 at first: each upright side of the arcs `near` says whose the pixel on its right is, the rest follow."""
    height, width = regions.shape
    for arc in near:
        if high[arc] <= first_row or low[arc] >= first_row + height:
            continue
        for k in range(offsets[arc], offsets[arc + 1] - 1):
            col = xy[k, 0]
            if col != xy[k + 1, 0] or col == width:
                continue
            a, b = xy[k, 1], xy[k + 1, 1]
            # Rows go down: on the way south the pixel to the east is on the left.
            region = left[arc] if b > a else right[arc]
            for row in range(max(min(a, b), first_row), min(max(a, b), first_row + height)):
                regions[row - first_row, col] = region
    for row in range(height):
        here = regions[row, 0]
        for col in range(1, width):
            if regions[row, col] == 0:
                regions[row, col] = here
            else:
                here = regions[row, col]


@compiled
def _sort_in(values, regions, filled, out):
    """Append the values of a band to the stretch of `out` that belongs to their region."""
    for row in range(values.shape[0]):
        for col in range(values.shape[1]):
            region = regions[row, col]
            out[filled[region]] = values[row, col]
            filled[region] += 1


@compiled
def _add_values(values, regions, sums):
    for row in range(values.shape[0]):
        for col in range(values.shape[1]):
            sums[regions[row, col]] += values[row, col]


@compiled
def _add_bands(values, regions, sums):
    for row in range(values.shape[0]):
        for col in range(values.shape[1]):
            region = regions[row, col]
            for band in range(values.shape[2]):
                sums[region, band] += values[row, col, band]


@compiled
def _percentile_of_counts(counts, n, share):
    """As `_percentiles`, of n bytes that are counted."""
    at = share * (n - 1)
    below = int(at)
    above = min(below + 1, n - 1)
    low, held = 0, counts[0]
    while held <= below:
        low += 1
        held += counts[low]
    high = low
    while held <= above:
        high += 1
        held += counts[high]
    return low + np.float64(high - low) * (at - below)


@compiled
def _count_in(values, regions, pixels, left, place, counts, free, top, share, out):
    """Count the bytes of a band by region: each has a row of `counts` (N, 256), zero at first, from its first pixel to its last one.

    left: pixels that are still to come. place: each region's row of `counts`, -1 for none yet. free[:top]: rows that nobody has. out takes
    the linear percentile of a region whose last pixel was there. Returns counts, free and top, larger where there were too few.
    """
    height, width = values.shape
    for row in range(height):
        col = 0
        while col < width:
            region = regions[row, col]
            here = place[region]
            if here < 0:
                if top == 0:
                    room = counts.shape[0]
                    more = np.zeros((2 * room, 256), np.int64)
                    free = np.empty(2 * room, np.int32)
                    for k in range(room):
                        copy_row(more, k, counts, k)
                        free[k] = room + k
                    counts = more
                    top = room
                top -= 1
                here = free[top]
                place[region] = here
            first = col
            while col < width and regions[row, col] == region:
                counts[here, values[row, col]] += 1
                col += 1
            left[region] -= col - first
            if left[region] == 0:
                out[region] = _percentile_of_counts(counts[here], pixels[region], share)
                for value in range(256):
                    counts[here, value] = 0
                free[top] = here
                top += 1
    return counts, free, top


@compiled
def _percentiles(values, starts, share):
    """The linear percentile of each stretch values[starts[k]:starts[k + 1]], which is sorted in place; NaN for an empty one."""
    out = np.full(starts.size - 1, np.nan)
    for k in range(starts.size - 1):
        n = starts[k + 1] - starts[k]
        if n == 0:
            continue
        part = values[starts[k] : starts[k + 1]]
        part.sort()
        at = share * (n - 1)
        below = int(at)
        above = min(below + 1, n - 1)
        low, high = np.float64(part[below]), np.float64(part[above])
        out[k] = low + (high - low) * (at - below)
    return out
