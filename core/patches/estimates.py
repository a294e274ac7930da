"""Classes counted in small blocks, read once from the masks: charts, the audit and patch sliders all build on them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from core.classes import ClassScheme
from core.datasets.datasets import Dataset
from core.datasets.pairs import Pair
from core.errors import MaskError, SceneError
from core.patches.grid import positions, small_gdal_cache
from core.patches.settings import check_grid
from core.progress import OnProgress, ShouldStop, check, report
from core.scenes.resampling import scaled_length
from core.scenes.scene import Window

BLOCK_PX = 16
MOST_PAIRS = 240
"""Of larger data sets only this many scenes are counted, spread evenly over the list."""
_MOST_BLOCKS = 160_000
_BAND_PIXELS = 8 * 2**20
_CODED_PIXELS = 2**20


@dataclass(frozen=True, eq=False)
class BlockSums:
    """Class counts of one mask: `sums[i, j]` holds the pixels of each class above block row i and left of block column j.

    `sums` is int64 (rows + 1, cols + 1, K + 1), the last channel counting what is not labelled. `strangers` counts the
    pixels of each colour or value that is no class.
    """

    height: int
    width: int
    block_px: int
    sums: np.ndarray
    strangers: dict[str, int]

    @property
    def counts(self) -> np.ndarray:
        """Pixels of each class and, last, of those not labelled: int64 (K + 1,)."""
        return self.sums[-1, -1]


@dataclass(frozen=True, eq=False)
class SceneCounts:
    """The class counts of one scene of a data set, and what its size is; `pixel_size_m` is None where not known."""

    name: str
    group: str
    blocks: BlockSums
    bands: int
    dtype: str
    pixel_size_m: float | None

    @property
    def height(self) -> int:
        """Height in pixels."""
        return self.blocks.height

    @property
    def width(self) -> int:
        """Width in pixels."""
        return self.blocks.width

    @property
    def counts(self) -> np.ndarray:
        """Pixels of each class and, last, of those not labelled: int64 (K + 1,)."""
        return self.blocks.counts


@dataclass(frozen=True, eq=False)
class DatasetCounts:
    """What was counted: the scenes, how many the data set has in all, and what could not be read, in sentences."""

    scenes: tuple[SceneCounts, ...]
    pairs: int
    classes: int
    failed: tuple[str, ...] = ()

    @property
    def counts(self) -> np.ndarray:
        """Pixels of each class and of the unlabelled ones over all scenes that were counted, int64 (K + 1,)."""
        return sum((scene.counts for scene in self.scenes), np.zeros(self.classes + 1, np.int64))

    def by_group(self) -> dict[str, np.ndarray]:
        """Class counts of each tile or place, as in `counts`."""
        found: dict[str, np.ndarray] = {}
        for scene in self.scenes:
            found[scene.group] = found.get(scene.group, 0) + scene.counts
        return found


@dataclass(frozen=True, eq=False)
class PatchCounts:
    """How many patches a grid keeps and drops, and how many of the kept ones show each class, int64 (K,)."""

    kept: int
    dropped: int
    with_class: np.ndarray


@small_gdal_cache()
def count_classes(dataset: Dataset, *, on_progress: OnProgress | None = None, should_stop: ShouldStop | None = None) -> DatasetCounts:
    """Count the classes of a data set's scenes in blocks; a scene that cannot be read is named, and the others count."""
    chosen = dataset.pairs
    if len(chosen) > MOST_PAIRS:
        chosen = tuple(chosen[i] for i in np.linspace(0, len(chosen) - 1, MOST_PAIRS).round().astype(int))
    scenes, failed = [], []
    for number, pair in enumerate(chosen):
        check(should_stop)
        report(on_progress, number, len(chosen), f"Reading mask {number + 1} of {len(chosen)}")
        try:
            blocks, image = count_pair_blocks(pair, dataset.scheme), pair.image
        except (SceneError, MaskError) as error:
            failed.append(f"{pair.name}: {error}")
            continue
        scenes.append(SceneCounts(pair.name, pair.group, blocks, image.bands, image.dtype, image.ground_sample_distance_m))
    return DatasetCounts(tuple(scenes), len(dataset.pairs), len(dataset.scheme), tuple(failed))


def count_pair_blocks(pair: Pair, scheme: ClassScheme, *, on_ids: Callable[[np.ndarray], None] | None = None) -> BlockSums:
    """Count the classes of one mask in blocks of 16 px, of 32 and more in scenes of more than 6,400 px a side.

    Reads bands of rows of 8 Mpx; `on_ids` gets the class ids uint8 (h, w) of each, for what else they are needed for.
    Raises MaskError and SceneError when the mask cannot be read.
    """
    height, width = pair.shape
    block = BLOCK_PX
    while -(-height // block) * -(-width // block) > _MOST_BLOCKS:
        block *= 2
    blocks = np.zeros((-(-height // block), -(-width // block), len(scheme) + 1), np.int64)
    strangers: Counter[str] = Counter()
    step = max(block, _BAND_PIXELS // width // block * block)
    for top in range(0, height, step):
        ids, more = pair.labels_and_strangers(scheme, Window(top, 0, min(step, height - top), width))
        strangers.update(more)
        if on_ids is not None:
            on_ids(ids)
        # Some rows of blocks at a time: the codes take twelve times the memory of the ids.
        few = max(1, _CODED_PIXELS // width // block) * block
        for row in range(0, ids.shape[0], few):
            counted = _in_blocks(ids[row : row + few], block, len(scheme))
            blocks[(top + row) // block :][: len(counted)] = counted
    sums = np.zeros((blocks.shape[0] + 1, blocks.shape[1] + 1, blocks.shape[2]), np.int64)
    sums[1:, 1:] = blocks.cumsum(axis=0).cumsum(axis=1)
    return BlockSums(height, width, block, sums, dict(strangers))


def _in_blocks(ids: np.ndarray, block: int, classes: int) -> np.ndarray:
    rows, cols = -(-ids.shape[0] // block), -(-ids.shape[1] // block)
    place = np.arange(ids.shape[0], dtype=np.int32)[:, None] // block * cols + np.arange(ids.shape[1], dtype=np.int32) // block
    code = place * (classes + 1) + np.minimum(ids, classes)
    return np.bincount(code.ravel(), minlength=rows * cols * (classes + 1)).reshape(rows, cols, classes + 1)


@dataclass(frozen=True)
class Grid:
    """How patches lie: `patch_size` pixels every `stride` of the scene resized by `scale`, and what becomes of the `rim`.

    Kept are those of which `min_labelled` is labelled, where the ids `without` do not count. Raises SettingsError.
    """

    patch_size: int
    stride: int
    min_labelled: float = 0.0
    scale: float = 1.0
    rim: str = "fill"
    without: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        check_grid(self.patch_size, self.stride, self.min_labelled, self.scale)

    def starts(self, length: int) -> np.ndarray:
        """First pixels along a side of `length` pixels, float (n,), as they lie before it is resized."""
        return np.array(positions(scaled_length(length, self.scale), self.patch_size, self.stride, self.rim), float) / self.scale

    @property
    def side(self) -> float:
        """Side of a patch in pixels before resizing."""
        return self.patch_size / self.scale

    def kept(self, counts: np.ndarray) -> np.ndarray:
        """bool (...): which of the patches with class counts (..., K + 1) are kept."""
        labelled = counts[..., :-1].sum(axis=-1)
        counting = labelled - counts[..., list(self.without)].sum(axis=-1)
        return (counting >= self.min_labelled * self.side**2 - 1e-9) & (labelled > 0)


def patch_counts(scenes: Sequence[SceneCounts], grid: Grid) -> PatchCounts:
    """How many patches a grid gives over scenes that were counted, in milliseconds.

    Exact where patch size, stride and the scene's sides are multiples of the block; elsewhere patches are taken to
    begin at the block border before them.
    """
    kept, total, with_class = 0, 0, np.int64(0)
    for scene in scenes:
        # Patches that begin in one block are counted alike: a stride of one pixel costs no more than one of a block.
        (rows, high), (cols, wide) = (
            np.unique((grid.starts(length) // scene.blocks.block_px).astype(int), return_counts=True)
            for length in (scene.height, scene.width)
        )
        times = high[:, None] * wide[None, :]
        counts = _counts_at(scene.blocks, rows, cols, grid.side)
        keep = grid.kept(counts)
        kept += int(times[keep].sum())
        total += int(times.sum())
        with_class = with_class + ((counts[..., :-1] > 0) * (keep * times)[..., None]).sum(axis=(0, 1))
    return PatchCounts(kept, total - kept, np.atleast_1d(with_class))


def grid_counts(blocks: BlockSums, grid: Grid) -> np.ndarray:
    """Class counts of each patch of a grid over one scene, int64 (rows, cols, K + 1)."""
    rows, cols = ((grid.starts(length) // blocks.block_px).astype(int) for length in (blocks.height, blocks.width))
    return _counts_at(blocks, rows, cols, grid.side)


def grid_cells(scene: SceneCounts, grid: Grid) -> list[tuple[int, int, int, bool]]:
    """Patches of one scene as (row, col, size, kept), in pixels before resizing, to be drawn on it."""
    keep = grid.kept(grid_counts(scene.blocks, grid))
    rows, cols = (grid.starts(length).round().astype(int).tolist() for length in (scene.height, scene.width))
    return [(row, col, round(grid.side), bool(keep[i, j])) for i, row in enumerate(rows) for j, col in enumerate(cols)]


def _counts_at(blocks: BlockSums, rows: np.ndarray, cols: np.ndarray, side: float) -> np.ndarray:
    size, sums = max(1, round(side / blocks.block_px)), blocks.sums
    low, right = np.minimum(rows + size, sums.shape[0] - 1), np.minimum(cols + size, sums.shape[1] - 1)
    return sums[np.ix_(low, right)] - sums[np.ix_(rows, right)] - sums[np.ix_(low, cols)] + sums[np.ix_(rows, cols)]
