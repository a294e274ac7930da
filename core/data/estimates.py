"""How many patches a grid would give, fast enough for a slider: from coarse summed-area tables of the masks."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np

from core.data.datasets import Dataset
from core.data.grid import ScaledPair, check_grid, positions
from core.data.palettes import spread
from core.data.resample import scaled_length
from core.errors import MaskError, SceneError
from core.progress import OnProgress, ShouldStop, check, report

_CELL_PX = 8
_MOST_CELLS = 160
_MOST_PAIRS = 240
_KEPT_DATASETS = 2


@dataclass(frozen=True)
class PatchCounts:
    """How many patches a grid keeps and drops, in how many of them each class shows, and how many each group has.

    `looked_at` of `pairs` scenes were counted; where it is fewer, the numbers are scaled up.
    """

    kept: int
    dropped: int
    classes: dict[str, int]
    groups: dict[str, int]
    looked_at: int
    pairs: int


@dataclass(frozen=True, eq=False)
class _Table:
    """Class pixels above and to the left of each corner of a cell: float32 (rows + 1, cols + 1, K)."""

    group: str
    shape: tuple[int, int]
    row_edges: np.ndarray
    col_edges: np.ndarray
    sums: np.ndarray


def patch_counts(
    dataset: Dataset,
    *,
    patch_size: int = 256,
    stride: int = 256,
    min_labelled: float = 0.05,
    scale: float = 1.0,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> PatchCounts:
    """Estimate how many patches a grid gives.

    The first call reads the masks (240 of them at most, spread over the data set); later ones for the same data take
    milliseconds. Class pixels are taken to be spread evenly inside cells of 8 pixels (more in large scenes), so that
    patches right at the limit may be counted on the wrong side. Raises SettingsError for a grid that makes no sense.
    """
    check_grid(patch_size, stride, min_labelled, scale)
    tables = _tables(dataset, on_progress, should_stop)
    kept = dropped = 0
    classes = np.zeros(len(dataset.scheme), np.int64)
    groups: dict[str, int] = {}
    for table in tables:
        counts = _patches(table, patch_size, stride, scale)
        labelled = counts.sum(axis=1)
        good = (labelled >= min_labelled * (patch_size / scale) ** 2 * (1 - 1e-6)) & (labelled > 0.5)
        kept += int(good.sum())
        dropped += int((~good).sum())
        classes += np.count_nonzero(counts[good] > 0.5, axis=0)
        groups[table.group] = groups.get(table.group, 0) + int(good.sum())
    factor = len(dataset.pairs) / max(1, len(tables))
    return PatchCounts(
        round(kept * factor),
        round(dropped * factor),
        {name: round(int(n) * factor) for name, n in zip(dataset.scheme.names, classes, strict=True)},
        {group: round(n * factor) for group, n in groups.items()},
        len(tables),
        len(dataset.pairs),
    )


def _patches(table: _Table, patch_size: int, stride: int, scale: float) -> np.ndarray:
    """Class pixels in each patch of the grid, float (patches, K), in pixels of the unresized scene."""
    bands = table.sums
    for axis, edges in ((0, table.row_edges), (1, table.col_edges)):
        length = int(edges[-1])
        starts = np.array(positions(scaled_length(length, scale), patch_size, stride))
        low = _between(bands, edges, np.minimum(starts / scale, length), axis)
        high = _between(bands, edges, np.minimum((starts + patch_size) / scale, length), axis)
        bands = high - low
    return bands.reshape(-1, bands.shape[-1])


def _between(sums: np.ndarray, edges: np.ndarray, at: np.ndarray, axis: int) -> np.ndarray:
    """Values of a summed table at places between its edges, linear."""
    place = np.interp(at, edges, np.arange(len(edges)))
    low = np.minimum(place.astype(int), len(edges) - 2)
    part = (place - low).astype(np.float32)
    part = part[:, None, None] if axis == 0 else part[None, :, None]
    return np.take(sums, low, axis) * (1 - part) + np.take(sums, low + 1, axis) * part


_cache: OrderedDict[str, tuple[_Table, ...]] = OrderedDict()
_lock = threading.Lock()


def _tables(dataset: Dataset, on_progress: OnProgress | None, should_stop: ShouldStop | None) -> tuple[_Table, ...]:
    key = dataset.digest
    with _lock:
        if key in _cache:
            _cache.move_to_end(key)
            return _cache[key]
    tables = []
    chosen = spread(dataset.pairs, _MOST_PAIRS)
    for i, pair in enumerate(chosen):
        check(should_stop)
        report(on_progress, i, len(chosen), f"Counting classes in {pair.name}")
        try:
            tables.append(_table(ScaledPair(pair, dataset.scheme), pair.group, len(dataset.scheme)))
        except (SceneError, MaskError):
            # The audit names what cannot be read; an estimate goes on without it.
            continue
    with _lock:
        _cache[key] = tuple(tables)
        while len(_cache) > _KEPT_DATASETS:
            _cache.popitem(last=False)
    return tuple(tables)


def _table(reader: ScaledPair, group: str, classes: int) -> _Table:
    height, width = reader.shape
    cell = max(_CELL_PX, -(-max(height, width) // _MOST_CELLS))
    row_edges = np.append(np.arange(0, height, cell), height)
    col_edges = np.append(np.arange(0, width, cell), width)
    sums = np.zeros((len(row_edges), len(col_edges), classes), np.float32)
    step = max(1, 2**22 // (width * cell))
    for first in range(0, len(row_edges) - 1, step):
        last = min(first + step, len(row_edges) - 1)
        ids = reader.labels(int(row_edges[first]), int(row_edges[last]))
        starts = row_edges[first:last] - row_edges[first]
        for class_id in range(classes):
            # reduceat adds up what lies between one edge and the next
            by_row = np.add.reduceat((ids == class_id).astype(np.float32), starts, axis=0)
            sums[first + 1 : last + 1, 1:, class_id] = np.add.reduceat(by_row, col_edges[:-1], axis=1)
    return _Table(group, (height, width), row_edges, col_edges, sums.cumsum(axis=0).cumsum(axis=1))
