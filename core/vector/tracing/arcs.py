"""Label raster to arcs: every border between two regions is traced once, from junction to junction.

Corners of the pixel grid carry a code of the borders that leave them (1 east, 2 south, 4 west, 8 north). Corners with three or four borders
are junctions. An arc runs between junctions, or is a loop; it knows the region on its left and on its right. The raster is read in bands of
rows; arcs that cross a seam are joined afterwards, and the result does not depend on the bands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from core.progress import OnProgress, ShouldStop, check
from core.vector.tracing.components import compact, count_band, label_band, merge_small, sum_band
from core.vector.tracing.joining import arc_lengths, join_arcs, take_arcs
from core.vector.tracing.tracing import corner_codes, half_arcs, trace_band

BAND_PIXELS = 1 << 21
BLOCK_ENTRIES = 1 << 23
"""Entries of the blocks that the arrays of all bands are put together in."""
COMPACTED_FROM = 1 << 20
"""Numbers given to beginnings of regions from which on those that turned out to be one are put together, each time they have doubled."""


@dataclass(frozen=True)
class ArcRegions:
    """The 4-connected regions of a raster; entry 0 of every array is the outside.

    classes: (R + 1,) class id. pixels: (R + 1,) int64. edge: (R + 1,) bool, touches the raster's rim.
    confidence_sum: (R + 1,) float64 sum of the confidence raster over the region's pixels, or None.
    """

    classes: np.ndarray
    pixels: np.ndarray
    edge: np.ndarray
    confidence_sum: np.ndarray | None


@dataclass(frozen=True)
class Arcs:
    """Borders of a label raster on the grid of pixel corners.

    xy: (N, 2) int32 (column, row) of the points of all arcs. offsets: (A + 1,) int64, arc a holds xy[offsets[a]:offsets[a + 1]].
    left, right: (A,) int32 region beside the arc in its direction, seen with rows going down; 0 is the outside.
    start, end: (A,) int32 junctions, -1 for a loop. first, last: (A,) int8 direction of the first and last step (0 E, 1 S, 2 W, 3 N).
    half: (4 J,) int32: the half arc that leaves junction j in direction d is half[4 j + d]: 2 a forwards, 2 a + 1 backwards, -1 none.
    """

    xy: np.ndarray
    offsets: np.ndarray
    left: np.ndarray
    right: np.ndarray
    start: np.ndarray
    end: np.ndarray
    first: np.ndarray
    last: np.ndarray
    half: np.ndarray
    height: int
    width: int
    regions: ArcRegions


def _joined(parts: list, height: int, width: int, regions: ArcRegions) -> Arcs:
    """Join arcs as `join_arcs` does and put the loops in reading order, so that the answer does not depend on how the pieces were cut.

    parts: what `join_arcs` takes; emptied, so that what nobody else holds is free as soon as it is joined.
    """
    xy, offsets, left, right, start, end, first, last, junctions, opened = join_arcs(*parts)
    parts.clear()
    begin = int(offsets[opened])
    corners = xy[offsets[opened:-1]]
    order = np.lexsort((corners[:, 0], corners[:, 1]))
    loops, places = take_arcs(xy[begin:], offsets[opened:] - begin, order)
    xy[begin:], offsets[opened:] = loops, places + begin
    for each in (left, right, first, last):
        each[opened:] = each[opened:][order]
    half = half_arcs(start, end, first, last, junctions)
    return Arcs(xy, offsets, left, right, start, end, first, last, half, height, width, regions)


class _Column:
    """Arrays put one after the other, in blocks so large that the system gets them back whole.

    Kept as they come, the thousands of arrays of a vast scene leave holes among what lives longer, which nothing else fits into.
    """

    def __init__(self) -> None:
        self._blocks: list[np.ndarray] = []
        self.size = 0

    def add(self, part: np.ndarray) -> None:
        """Put an array behind the others."""
        done = 0
        while done < len(part):
            used = self.size % BLOCK_ENTRIES
            if used == 0:
                self._blocks.append(np.empty((BLOCK_ENTRIES, *part.shape[1:]), part.dtype))
            count = min(len(part) - done, BLOCK_ENTRIES - used)
            self._blocks[-1][used : used + count] = part[done : done + count]
            done, self.size = done + count, self.size + count

    def renumber(self, number: np.ndarray) -> None:
        """Put number[k] in the place of each k."""
        for index, block in enumerate(self._blocks):
            filled = block[: self.size - index * BLOCK_ENTRIES]
            filled[:] = number[filled]

    def whole(self, first: np.ndarray) -> np.ndarray:
        """`first` and behind it all that was added, which is let go of."""
        whole = np.empty((len(first) + self.size, *first.shape[1:]), first.dtype)
        whole[: len(first)] = first
        begin = len(first)
        for index, block in enumerate(self._blocks):
            count = min(BLOCK_ENTRIES, self.size - index * BLOCK_ENTRIES)
            whole[begin : begin + count] = block[:count]
            self._blocks[index] = block[:0].copy()
            begin += count
        return whole


def _grown(array, size):
    """Return `array` with room for `size` entries, new ones zero."""
    if array.size >= size:
        return array
    grown = np.zeros(max(size, array.size * 3 // 2), array.dtype)
    grown[: array.size] = array
    return grown


def _of_regions(number, regions, classes, pixels, sums):
    """Class, pixels and sum of each region, from those of the numbers that its beginnings were given; `number` (N,) says whose each is.

    Sums that nobody asked for, of fewer than N entries, stay what they are.
    """
    count = number.size
    counted = np.flatnonzero(pixels[:count])
    of_regions = np.zeros(regions + 1, classes.dtype)
    of_regions[number[counted]] = classes[counted]
    if sums.size >= count:
        sums = np.bincount(number, weights=sums[:count], minlength=regions + 1)
    return of_regions, np.bincount(number, weights=pixels[:count], minlength=regions + 1).astype(np.int64), sums


def trace_arcs(
    read_rows: Callable[[int, int], np.ndarray],
    height: int,
    width: int,
    *,
    confidence_rows: Callable[[int, int], np.ndarray] | None = None,
    band_rows: int | None = None,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> Arcs:
    """Trace the borders of a label raster, band of rows by band of rows; memory beside the arcs and regions themselves is that of one band.

    read_rows(r0, r1) gives the class ids (r1 - r0, width) of some integer type. confidence_rows likewise gives numbers of any real
    type, whose sum over each region is kept. The answer is the same for every `band_rows`. Raises Cancelled.
    """
    band_rows = band_rows or max(16, BAND_PIXELS // width)
    parent = np.zeros(1, np.int32)
    classes = np.zeros(1, np.int32)
    pixels = np.zeros(1, np.int64)
    sums = np.zeros(1, np.float64)
    count, compacted = 1, COMPACTED_FROM // 2
    columns = [_Column() for _ in range(8)]
    junction_rows, junction_cols, numbered = _Column(), _Column(), 0
    above_ids = np.zeros(width + 2, np.int32)
    above = np.zeros(width, np.uint8)
    for row in range(0, height, band_rows):
        check(should_stop)
        until = min(row + band_rows, height)
        band = np.ascontiguousarray(read_rows(row, until))
        if band.dtype != np.uint8:
            band = band.astype(np.int32)
        ids = np.zeros((until - row + 2, width + 2), np.int32)
        ids[0] = above_ids
        parent = _grown(parent, count + band.size)
        count = label_band(band, above.astype(band.dtype), ids, parent, count)
        classes, pixels = _grown(classes, count), _grown(pixels, count)
        count_band(band, ids, classes, pixels)
        if confidence_rows is not None:
            sums = _grown(sums, count)
            sum_band(np.ascontiguousarray(confidence_rows(row, until)), ids, sums)
        codes, bends, junctions, exits = corner_codes(ids, row == 0, until == height)
        xy, offsets, left, right, start, end, first, last, rows, cols = trace_band(ids, codes, bends, junctions, exits)
        xy[:, 1] += row
        owned = rows.size if until == height else int(np.searchsorted(rows, until - row))
        for ends in (start, end):
            # A junction on the lower seam gets its number from the next band.
            ends[ends >= owned] = -2
            ends[ends >= 0] += numbered
        numbered += owned
        junction_rows.add(rows[:owned] + row)
        junction_cols.add(cols[:owned])
        for column, part in zip(columns, (xy, offsets[1:] + columns[0].size, left, right, start, end, first, last), strict=True):
            column.add(part)
        above_ids, above = ids[-2].copy(), band[-1].copy()
        if count > 2 * compacted and until < height:
            # A winding region gets several numbers, which meet further down: there are ten times as many as regions.
            number, regions = compact(parent, count)
            for column in columns[2:4]:
                column.renumber(number)
            above_ids = number[above_ids]
            classes, pixels, sums = _of_regions(number, regions, classes, pixels, sums)
            parent, count = np.arange(regions + 1, dtype=np.int32), regions + 1
            compacted = max(count, COMPACTED_FROM // 2)
        if on_progress:
            on_progress(until, height, "tracing borders")
    number, regions = compact(parent, count)
    # The arrays of the last band say of what kind those of all are.
    offsets = columns[1].whole(np.zeros(1, np.int64))
    xy, left, right, start, end, first, last = (
        columns[k].whole(part[:0]) for k, part in ((0, xy), (2, left), (3, right), (4, start), (5, end), (6, first), (7, last))
    )
    single = band_rows >= height
    if not single:
        keys = junction_rows.whole(rows[:0]).astype(np.int64) * (width + 1) + junction_cols.whole(cols[:0])
        for ends, points in ((start, offsets[:-1]), (end, offsets[1:] - 1)):
            cut = np.flatnonzero(ends == -2)
            at = xy[points[cut]].astype(np.int64)
            ends[cut] = np.searchsorted(keys, at[:, 1] * (width + 1) + at[:, 0])
    left, right = number[left], number[right]
    classes, pixels, sums = _of_regions(number, regions, classes, pixels, sums)
    edge = np.zeros(regions + 1, bool)
    edge[left[right == 0]] = edge[right[left == 0]] = True
    table = ArcRegions(classes, pixels, edge, None if confidence_rows is None else sums)
    half = half_arcs(start, end, first, last, numbered)
    if single:
        return Arcs(xy, offsets, left, right, start, end, first, last, half, height, width, table)
    parts = [xy, offsets, left, right, start, end, first, last, half]
    del xy, offsets, left, right, start, end, first, last, half
    return _joined(parts, height, width, table)


def merge_small_regions(arcs: Arcs, minimum_px: float, ignored_id: int, of_classes: Mapping[int, float] | None = None) -> Arcs:
    """Apply a minimum mapping unit of `minimum_px` pixels, or of that of its class id in `of_classes`; no region below it is left if it has
    a neighbour (see components.merge_small)."""
    regions = arcs.regions
    least = np.full(max(int(regions.classes.max()), ignored_id, *(of_classes or (0,))) + 1, float(minimum_px))
    for class_id, pixels in (of_classes or {}).items():
        least[class_id] = pixels
    if not (regions.pixels[1:] < least[regions.classes[1:]]).any():
        return arcs
    length = arc_lengths(arcs.xy, arcs.offsets)
    group, classes, groups = merge_small(arcs.left, arcs.right, length, regions.classes, regions.pixels, regions.edge, least, ignored_id)
    left, right = group[arcs.left], group[arcs.right]
    edge = np.zeros(groups + 1, bool)
    edge[group[regions.edge.nonzero()[0]]] = True
    sums = regions.confidence_sum
    table = replace(
        regions,
        classes=classes,
        pixels=np.bincount(group, weights=regions.pixels, minlength=groups + 1).astype(np.int64),
        edge=edge,
        confidence_sum=None if sums is None else np.bincount(group, weights=sums, minlength=groups + 1),
    )
    parts = [arcs.xy, arcs.offsets, left, right, arcs.start, arcs.end, arcs.first, arcs.last, arcs.half]
    return _joined(parts, arcs.height, arcs.width, table)
