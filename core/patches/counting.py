"""How many pixels of each class lie in each patch of a grid, read from the masks alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from core.datasets.datasets import Dataset
from core.datasets.pairs import Pair
from core.patches.grid import ScaledPair, class_counts, pad_labels, positions, slabs
from core.patches.settings import check_grid
from core.progress import OnProgress, ShouldStop, check, report

try:
    from patchify import patchify
except ImportError:
    # patchify 0.2.3 declares numpy < 2, so a plain `pip install .` cannot ask for it; start.py installs it all the same.
    patchify = None


@dataclass(frozen=True, eq=False)
class PatchTable:
    """Every patch of a grid over a data set, whether it is kept or not, pair by pair and row by row.

    `pair`, `row` and `col` are int (N,): the pair's position in the data set and the first pixel in the resized
    scene. `counts` is int64 (N, K + 1): pixels of each class, the last for those not labelled (and those made up by
    padding). `shapes` gives the (height, width) of each resized scene, `rim` what becomes of its rim.
    """

    patch_size: int
    stride: int
    scale: float
    pair: np.ndarray
    row: np.ndarray
    col: np.ndarray
    counts: np.ndarray
    shapes: tuple[tuple[int, int], ...]
    rim: str = "fill"

    def __len__(self) -> int:
        return len(self.pair)

    @property
    def labelled_fraction(self) -> np.ndarray:
        """Share of labelled pixels of each patch, float (N,)."""
        return self.counts[:, :-1].sum(axis=1) / float(self.patch_size**2)

    def kept(self, min_labelled: float, *, without: Sequence[int] = ()) -> np.ndarray:
        """bool (N,): True for patches of which at least `min_labelled` is labelled (and never for wholly unlabelled ones).

        The classes `without`, by their ids, do not count as labelled.
        """
        fraction = self.labelled_fraction
        return (fraction - self.counts[:, list(without)].sum(axis=1) / float(self.patch_size**2) >= min_labelled - 1e-12) & (fraction > 0)


def patch_table(
    dataset: Dataset,
    *,
    patch_size: int,
    stride: int,
    scale: float = 1.0,
    rim: str = "fill",
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> PatchTable:
    """Count the classes in every patch of a grid over all scenes.

    Raises SettingsError for a grid that makes no sense, MaskError for a mask of another size than its image.
    """
    check_grid(patch_size, stride, 0.0, scale)
    pairs, rows, cols, counts, shapes = [], [], [], [], []
    for i, pair in enumerate(dataset.pairs):
        check(should_stop)
        report(on_progress, i, len(dataset.pairs), f"Counting classes in {pair.name}")
        places, own = count_pair(pair, dataset, patch_size=patch_size, stride=stride, scale=scale, rim=rim)
        pairs.append(np.full(len(places), i))
        rows.append(places[:, 0])
        cols.append(places[:, 1])
        counts.append(own)
        shapes.append(ScaledPair(pair, dataset.scheme, scale).shape)
    report(on_progress, len(dataset.pairs), len(dataset.pairs), "Classes counted")
    return PatchTable(
        patch_size,
        stride,
        scale,
        np.concatenate(pairs),
        np.concatenate(rows),
        np.concatenate(cols),
        np.concatenate(counts),
        tuple(shapes),
        rim,
    )


def count_pair(
    pair: Pair, dataset: Dataset, *, patch_size: int, stride: int, scale: float, rim: str = "fill"
) -> tuple[np.ndarray, np.ndarray]:
    """First rows and columns int (n, 2) of a scene's patches, and their class counts int64 (n, K + 1)."""
    reader = ScaledPair(pair, dataset.scheme, scale)
    height, width = reader.shape
    classes = len(dataset.scheme)
    places, counts = [], []
    for slab in slabs((height, width), patch_size, stride, bytes_per_pixel=8 if scale == 1.0 else 16, rim=rim):
        ids = reader.labels(slab.start, slab.stop)
        for row in slab.patch_rows:
            band = pad_labels(ids[row - slab.start : row - slab.start + patch_size], patch_size)
            for col, patch in zip(positions(width, patch_size, stride, rim), cut_row(band, patch_size, stride, rim), strict=True):
                places.append((row, col))
                counts.append(class_counts(patch, classes))
    return np.array(places, dtype=np.int64).reshape(-1, 2), np.array(counts, dtype=np.int64).reshape(-1, classes + 1)


def cut_row(band: np.ndarray, patch_size: int, stride: int, rim: str = "fill") -> np.ndarray:
    """Patches of a band of rows (patch_size, w) or (patch_size, w, bands), at `positions(w, patch_size, stride, rim)`.

    Returns (patches, patch_size, patch_size[, bands]): patchify's view of the band and, where it leaves columns over, one
    more patch that ends at the last column.
    """
    window = (patch_size, patch_size, *band.shape[2:])
    patches = (patchify or _views)(band, window, step=stride).reshape(-1, *window)
    if len(positions(band.shape[1], patch_size, stride, rim)) > len(patches):
        patches = np.concatenate([patches, band[None, :, -patch_size:]])
    return patches


def _views(image: np.ndarray, patch_size: tuple[int, ...], step: int) -> np.ndarray:
    """What patchify gives for windows that slide along rows and columns, by numpy alone."""
    return sliding_window_view(image, patch_size)[::step, ::step]
