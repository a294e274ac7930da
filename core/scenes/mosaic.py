"""One virtual scene over chips that continue each other."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from core.errors import SceneError
from core.scenes.chip_layout import Layout, cell_sizes, layouts_of
from core.scenes.image_names import IMAGE_FOLDERS, RASTER_SUFFIXES, place_name
from core.scenes.rasters import open_raster
from core.scenes.scene import Scene, Window

CHIP_SUFFIXES = frozenset(RASTER_SUFFIXES) - {".vrt"}
"""A VRT is no chip: it describes other files, often the very chips that it lies beside."""


@dataclass(frozen=True, eq=False)
class MosaicSource:
    """Reads windows over a grid of chips. A chip smaller than its cell is continued by its last row or column.

    `cells` maps (row, column) to chips; a missing cell reads as 0 and is not valid.
    """

    cells: Mapping[tuple[int, int], Scene]
    heights: tuple[int, ...]
    widths: tuple[int, ...]
    dtype: str

    def read(self, window: Window, bands: Sequence[int], out_shape: tuple[int, int] | None, categorical: bool) -> np.ndarray:
        """Pixels (h, w, bands); see Scene.read."""
        shape = out_shape or (window.height, window.width)
        pixels = np.zeros((*shape, len(bands)), self.dtype)
        for chip, inside, rows, cols in self._pieces(window, shape):
            piece = chip.read(inside, bands, out_shape=self._decimated(inside, rows, cols, out_shape), categorical=categorical)
            pixels[rows, cols] = _continued(piece, rows.stop - rows.start, cols.stop - cols.start)
        return pixels

    def valid(self, window: Window, out_shape: tuple[int, int] | None) -> np.ndarray:
        """bool (h, w); see Scene.valid."""
        shape = out_shape or (window.height, window.width)
        valid = np.zeros(shape, bool)
        for chip, inside, rows, cols in self._pieces(window, shape):
            piece = chip.valid(inside, out_shape=self._decimated(inside, rows, cols, out_shape))
            valid[rows, cols] = _continued(piece[..., None], rows.stop - rows.start, cols.stop - cols.start)[..., 0]
        return valid

    def fingerprint(self) -> str:
        """Digest of the chips and their places."""
        digest = hashlib.sha256()
        for place in sorted(self.cells):
            digest.update(f"{place}:{self.cells[place].digest}".encode())
        return digest.hexdigest()[:16]

    def _pieces(self, window: Window, shape: tuple[int, int]):
        """For each chip under the window: the part of the chip, and where that goes in the result."""
        tops, lefts = np.cumsum([0, *self.heights]), np.cumsum([0, *self.widths])
        row_factor, col_factor = shape[0] / window.height, shape[1] / window.width
        for (row, col), chip in self.cells.items():
            cell = Window(int(tops[row]), int(lefts[col]), self.heights[row], self.widths[col])
            shared = window.intersect(cell)
            if shared.pixels == 0:
                continue
            rows = slice(*(round((r - window.row) * row_factor) for r in (shared.row, shared.row + shared.height)))
            cols = slice(*(round((c - window.col) * col_factor) for c in (shared.col, shared.col + shared.width)))
            if rows.stop > rows.start and cols.stop > cols.start:
                yield chip, _inside(chip, shared.row - cell.row, shared.col - cell.col, shared.height, shared.width), rows, cols

    @staticmethod
    def _decimated(inside: Window, rows: slice, cols: slice, out_shape: tuple[int, int] | None) -> tuple[int, int] | None:
        return None if out_shape is None else (rows.stop - rows.start, cols.stop - cols.start)


def assemble(chips: Sequence[Scene], layout: Layout, *, name: str, path: Path) -> Scene:
    """One scene over `chips`, numbered as in `layout`. Raises SceneError when their bands or dtypes differ."""
    cells = {place: chips[k] for place, k in layout.cells.items()}
    first = cells[min(cells)]
    for chip in cells.values():
        if (chip.bands, chip.dtype) != (first.bands, first.dtype):
            raise SceneError(
                f"{chip.name} has {chip.bands} bands of {chip.dtype}",
                expected=f"{first.bands} bands of {first.dtype}, as {first.name} has",
                do="Put only chips of one scene in a folder",
            )
    heights, widths = cell_sizes({place: chip.shape for place, chip in cells.items()})
    row, col = min(cells)
    return Scene(
        path=path,
        name=name,
        height=sum(heights),
        width=sum(widths),
        bands=first.bands,
        dtype=first.dtype,
        geo=first.geo.window(-sum(heights[:row]), -sum(widths[:col])) if first.geo.situated else first.geo,
        nodata=first.nodata,
        source=MosaicSource(cells, tuple(heights), tuple(widths), first.dtype),
        band_names=first.band_names,
    )


def open_mosaic(folder: Path) -> Scene:
    """The scene that the chips in a folder make together.

    Raises SceneError when there are fewer than two images, or when not all of them continue each other.
    """
    folder = Path(folder)
    paths = chip_paths(folder)
    if len(paths) < 2:
        raise SceneError(
            f"{len(paths)} images in folder {folder.name}",
            expected="two or more chips that continue each other",
            do="Give an image file, or the folder with the chips",
        )
    chips = [open_raster(path, expand_palette=True) for path in paths]
    layout = _layout_of(tuple(paths), tuple(chip.digest for chip in chips))
    if layout is None:
        raise SceneError(
            f"{len(paths)} images in {folder.name} whose edges do not continue each other",
            expected="the chips of one scene and nothing else",
            do="Give one image file instead of the folder",
        )
    return assemble(chips, layout, name=place_name(folder), path=folder)


@lru_cache(maxsize=32)
def _layout_of(paths: tuple[Path, ...], digests: tuple[str, ...]) -> Layout | None:
    """The layout that holds all chips; the digests make the cache forget changed files."""
    layouts = layouts_of([open_raster(path, expand_palette=True) for path in paths])
    return layouts[0] if layouts and len(layouts[0].cells) == len(paths) else None


def chip_paths(folder: Path) -> list[Path]:
    """Image files of a folder in the order of their names, or of its images folder when it has none itself."""
    for place in (folder, *(folder / name for name in IMAGE_FOLDERS)):
        if place.is_dir():
            paths = [path for path in place.iterdir() if path.suffix.lower() in CHIP_SUFFIXES and not path.name.startswith(".")]
            if paths:
                return sorted(paths, key=lambda path: [int(t) if t.isdigit() else t for t in re.split(r"(\d+)", path.name.lower())])
    return []


def _inside(chip: Scene, row: int, col: int, height: int, width: int) -> Window:
    """The window, moved and cut so that it lies in the chip and holds at least its last row and column."""
    row, col = min(row, chip.height - 1), min(col, chip.width - 1)
    return Window(row, col, min(height, chip.height - row), min(width, chip.width - col))


def _continued(piece: np.ndarray, height: int, width: int) -> np.ndarray:
    rows, cols = height - piece.shape[0], width - piece.shape[1]
    if rows == 0 and cols == 0:
        return piece
    return np.pad(piece, ((0, rows), (0, cols), (0, 0)), mode="edge")
