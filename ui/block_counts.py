"""One reading of a data set's masks, kept so that charts and patch sliders answer at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.data.datasets import Dataset
from core.data.grid import positions
from core.errors import GroundlineError
from core.progress import OnProgress, report
from core.scene import Window
from ui.kept import keep

BLOCK_PX = 16
MAX_PAIRS = 240
"""Of larger data sets only this many scenes are read, spread evenly over the list; the pages say so."""


@dataclass(frozen=True, eq=False)
class SceneCounts:
    """The class counts of one scene: `sums[i, j]` holds the pixels of each class above block row i and left of block column j.

    `sums` is int32 (rows + 1, cols + 1, K + 1) over blocks of 16 px, the last channel counting what is not labelled.
    """

    name: str
    group: str
    height: int
    width: int
    sums: np.ndarray

    @property
    def counts(self) -> np.ndarray:
        """Pixels of each class and, last, of those not labelled: int (K + 1,)."""
        return self.sums[-1, -1]


@dataclass(frozen=True, eq=False)
class DatasetCounts:
    """What was read: the scenes, how many the data set has in all, and the files that could not be read."""

    scenes: tuple[SceneCounts, ...]
    pairs: int
    failed: tuple[str, ...] = ()

    @property
    def counts(self) -> np.ndarray:
        """Pixels of each class and of the unlabelled ones over all scenes that were read, int64 (K + 1,)."""
        return np.sum([scene.counts for scene in self.scenes], axis=0, dtype=np.int64)

    def by_group(self) -> dict[str, np.ndarray]:
        """Class counts of each tile or place, as in `counts`."""
        found: dict[str, np.ndarray] = {}
        for scene in self.scenes:
            found[scene.group] = found.get(scene.group, 0) + scene.counts.astype(np.int64)
        return found


@dataclass(frozen=True, eq=False)
class PatchPreview:
    """How many patches a grid gives: kept and dropped ones, and how many of the kept ones hold each class, int (K,)."""

    kept: int
    dropped: int
    with_class: np.ndarray


def count_blocks(dataset: Dataset, on_progress: OnProgress | None = None) -> DatasetCounts:
    """Count the classes of a data set's scenes in blocks of 16 px; scenes that cannot be read are named, not fatal."""
    chosen = dataset.pairs
    if len(chosen) > MAX_PAIRS:
        chosen = tuple(chosen[i] for i in np.linspace(0, len(chosen) - 1, MAX_PAIRS).round().astype(int))
    scenes, failed = [], []
    for number, pair in enumerate(chosen):
        report(on_progress, number, len(chosen), f"Reading mask {number + 1} of {len(chosen)}")
        try:
            height, width = pair.shape
            sums = _block_sums(pair, dataset, height, width)
        except GroundlineError as error:
            failed.append(f"{pair.name}: {error}")
            continue
        scenes.append(SceneCounts(pair.name, pair.group, height, width, sums))
    return DatasetCounts(tuple(scenes), len(dataset.pairs), tuple(failed))


def preview(scenes: Sequence[SceneCounts], *, patch_size: int, stride: int, min_labelled: float) -> PatchPreview:
    """Patches of a grid (`patch_size` and `stride` are multiples of 16 px) that are labelled by `min_labelled` or more.

    Exact but for the last patch of a row or column, which is moved to the next block border.
    """
    kept, total, with_class = 0, 0, np.int64(0)
    for scene in scenes:
        counts = grid_counts(scene, patch_size, stride)
        labelled = counts[..., :-1].sum(axis=2)
        keep = (labelled >= min_labelled * patch_size**2 - 1e-9) & (labelled > 0)
        kept += int(keep.sum())
        total += keep.size
        with_class = with_class + (counts[keep][:, :-1] > 0).sum(axis=0)
    return PatchPreview(kept, total - kept, np.atleast_1d(with_class))


def grid_counts(scene: SceneCounts, patch_size: int, stride: int) -> np.ndarray:
    """Class counts of each patch of a grid over one scene, int (rows, cols, K + 1)."""
    size = patch_size // BLOCK_PX
    rows, cols = (np.array(positions(length, patch_size, stride)) // BLOCK_PX for length in (scene.height, scene.width))
    low, left = np.minimum(rows + size, scene.sums.shape[0] - 1), np.minimum(cols + size, scene.sums.shape[1] - 1)
    sums = scene.sums
    return sums[np.ix_(low, left)] - sums[np.ix_(rows, left)] - sums[np.ix_(low, cols)] + sums[np.ix_(rows, cols)]


def grid_cells(scene: SceneCounts, *, patch_size: int, stride: int, min_labelled: float) -> list[tuple[int, int, int, bool]]:
    """Patches of one scene as (row, col, size, kept), for the viewer."""
    counts = grid_counts(scene, patch_size, stride)[..., :-1].sum(axis=2)
    keep = (counts >= min_labelled * patch_size**2 - 1e-9) & (counts > 0)
    rows, cols = (positions(length, patch_size, stride) for length in (scene.height, scene.width))
    return [(row, col, patch_size, bool(keep[i, j])) for i, row in enumerate(rows) for j, col in enumerate(cols)]


def of(dataset: Dataset) -> DatasetCounts:
    """The class counts of a data set, read once and shown with their progress while they are read."""
    return keep("counts", dataset.digest, lambda tell: count_blocks(dataset, tell), words="Reading masks", most=4)


def _block_sums(pair, dataset: Dataset, height: int, width: int) -> np.ndarray:
    classes = len(dataset.scheme)
    rows, cols = -(-height // BLOCK_PX), -(-width // BLOCK_PX)
    blocks = np.zeros((rows, cols, classes + 1), np.int32)
    step = max(BLOCK_PX, 2**24 // max(1, width) // BLOCK_PX * BLOCK_PX)  # bands of rows of at most 16 Mpx
    col_of = np.arange(width) // BLOCK_PX
    for top in range(0, height, step):
        ids = pair.labels(dataset.scheme, Window(top, 0, min(step, height - top), width))
        row_of = (top + np.arange(ids.shape[0])) // BLOCK_PX - top // BLOCK_PX
        count = int(row_of[-1]) + 1
        code = (row_of[:, None] * cols + col_of) * (classes + 1) + np.minimum(ids, classes)
        found = np.bincount(code.ravel(), minlength=count * cols * (classes + 1))
        blocks[top // BLOCK_PX : top // BLOCK_PX + count] = found.reshape(count, cols, classes + 1)
    sums = np.zeros((rows + 1, cols + 1, classes + 1), np.int32)
    sums[1:, 1:] = blocks.cumsum(axis=0).cumsum(axis=1)
    return sums
