"""Statistics of rasters over the regions that arcs enclose: the pixels of each region before any border is simplified."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from core.compiling import compiled
from core.progress import ShouldStop, check
from core.vector.tracing.arcs import Arcs
from core.vector.tracing.sources import LabelSource, full_scale

BAND_PIXELS = 1 << 20
LOW_SHARE = 0.1


@dataclass(frozen=True)
class Zonal:
    """Of each region (R + 1,), entry 0 being the outside; None where the source has no such raster.

    low_confidence: the 10th percentile of the confidence, 0 to 1. margin: the mean of the largest probability minus the second, 0 to 1.
    second_class: int32, the class with the second largest mean probability, -1 where there is none.
    """

    low_confidence: np.ndarray | None
    margin: np.ndarray | None
    second_class: np.ndarray | None


def zonal(arcs: Arcs, source: LabelSource, *, should_stop: ShouldStop | None = None) -> Zonal:
    """Read the rasters of a source once more by bands of rows; beside a band, memory is that of one confidence value for each pixel.

    arcs: of the source, merged or not, but not simplified. The percentile is the one of `numpy.percentile` (linear). Raises Cancelled.
    """
    if source.confidence_rows is None:
        return Zonal(None, None, None)
    pixels = arcs.regions.pixels
    count, classes = pixels.size, len(source.scheme)
    starts = np.concatenate([[0], np.cumsum(pixels)])
    sorted_values, filled = None, starts[:-1].copy()
    margin_sum = None if source.margin_rows is None else np.zeros(count)
    class_sums = None if source.probability_rows is None else np.zeros((count, classes))
    regions_of = region_rows(arcs)
    step = max(1, BAND_PIXELS // arcs.width)
    for row in range(0, arcs.height, step):
        check(should_stop)
        until = min(row + step, arcs.height)
        regions = regions_of(row, until)
        values = np.ascontiguousarray(source.confidence_rows(row, until))
        if sorted_values is None:
            sorted_values = np.empty(arcs.height * arcs.width, values.dtype)
        _sort_in(values, regions, filled, sorted_values)
        if margin_sum is not None:
            _add_values(np.ascontiguousarray(source.margin_rows(row, until)), regions, margin_sum)
        if class_sums is not None:
            _add_bands(np.ascontiguousarray(source.probability_rows(row, until)), regions, class_sums)
    held = np.maximum(pixels, 1)
    second = None
    if class_sums is not None:
        second = np.argsort(-class_sums, axis=1, kind="stable")[:, 1].astype(np.int32) if classes > 1 else np.full(count, -1, np.int32)
        second[class_sums.sum(1) == 0] = -1
    assert sorted_values is not None, "arcs of a raster without rows"
    percentiles = _percentiles_of_bytes if sorted_values.dtype == np.uint8 else _percentiles
    low = percentiles(sorted_values, starts, LOW_SHARE) / full_scale(sorted_values.dtype)
    return Zonal(low, None if margin_sum is None else margin_sum / held / full_scale(np.uint8), second)


def region_rows(arcs: Arcs) -> Callable[[int, int], np.ndarray]:
    """A function that gives the number of the region of each pixel of some rows, int32 (rows, width), of arcs that are not simplified."""
    ranges = _row_ranges(arcs.xy, arcs.offsets)

    def read(row: int, until: int) -> np.ndarray:
        regions = np.zeros((until - row, arcs.width), np.int32)
        _fill_band(arcs.xy, arcs.offsets, arcs.left, arcs.right, *ranges, row, regions)
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
def _fill_band(xy, offsets, left, right, low, high, first_row, regions):
    """Fill regions (h, w) int32, 0 at first: every upright side of an arc says whose the pixel on its right is, the rest follow."""
    height, width = regions.shape
    for arc in range(offsets.size - 1):
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
def _percentiles_of_bytes(values, starts, share):
    """As `_percentiles`, of uint8 values that are counted: a tenth of the time of sorting them, and nothing moves."""
    out = np.full(starts.size - 1, np.nan)
    counts = np.zeros(256, np.int64)
    for k in range(starts.size - 1):
        n = starts[k + 1] - starts[k]
        if n == 0:
            continue
        for p in range(starts[k], starts[k + 1]):
            counts[values[p]] += 1
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
        out[k] = low + np.float64(high - low) * (at - below)
        for p in range(starts[k], starts[k + 1]):
            counts[values[p]] = 0
    return out


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
