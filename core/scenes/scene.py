"""A scene: one raster of any supported format, read by window so that memory is bounded by the window."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from core.errors import SceneError
from core.geo import GeoRef
from core.reading.readable import refusing

COPYRIGHT_TAG = "TIFFTAG_COPYRIGHT"
"""What GDAL calls the tag of a TIFF that says whom the picture belongs to."""


@dataclass(frozen=True, order=True)
class Window:
    """A rectangle of pixels: its first row and column, its height and width."""

    row: int
    col: int
    height: int
    width: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """Row and column slices, to cut the window out of an array."""
        return slice(self.row, self.row + self.height), slice(self.col, self.col + self.width)

    @property
    def row_stop(self) -> int:
        """One past the last row."""
        return self.row + self.height

    @property
    def col_stop(self) -> int:
        """One past the last column."""
        return self.col + self.width

    @property
    def pixels(self) -> int:
        """Number of pixels, 0 for an empty window."""
        return max(0, self.height) * max(0, self.width)

    def intersect(self, other: Window) -> Window:
        """The pixels that both windows hold; its `pixels` is 0 when there are none."""
        row, col = max(self.row, other.row), max(self.col, other.col)
        height = min(self.row + self.height, other.row + other.height) - row
        width = min(self.col + self.width, other.col + other.width) - col
        return Window(row, col, max(0, height), max(0, width))


def windows_of(height: int, width: int, size: int) -> Iterator[Window]:
    """Windows of at most `size` x `size` that cover a height x width raster once, row by row."""
    for row in range(0, height, size):
        for col in range(0, width, size):
            yield Window(row, col, min(size, height - row), min(size, width - col))


class Source(Protocol):
    """What reads a scene's pixels. Windows lie inside the scene; bands are numbered from 1."""

    def read(self, window: Window, bands: Sequence[int], out_shape: tuple[int, int] | None, categorical: bool) -> np.ndarray:
        """Pixels (h, w, bands) of the native dtype, decimated to `out_shape` when given."""

    def valid(self, window: Window, out_shape: tuple[int, int] | None) -> np.ndarray:
        """bool (h, w): False on nodata."""

    def fingerprint(self) -> str:
        """A text that changes when the content does."""


@dataclass(frozen=True)
class Scene:
    """One raster: its shape, dtype and georeference. Pixels only through `read` and `valid`.

    `bands` counts bands of data: an alpha band is not one of them, and a palette counts as its three colours unless
    the scene was opened with `expand_palette=False`. `attribution` is whom the picture belongs to, as its file says.
    """

    path: Path
    name: str
    height: int
    width: int
    bands: int
    dtype: str
    geo: GeoRef
    nodata: float | None
    source: Source = field(repr=False, compare=False)
    band_names: tuple[str, ...] | None = None
    attribution: str = ""

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self.height, self.width

    @property
    def window(self) -> Window:
        """The whole scene as a window."""
        return Window(0, 0, self.height, self.width)

    @property
    def digest(self) -> str:
        """A short text that changes when the file does: key for caches."""
        return self.source.fingerprint()

    @property
    def ground_sample_distance_m(self) -> float | None:
        """Mean side of the middle pixel in metres, None where it is not known."""
        size = self.geo.pixel_size(self.height / 2, self.width / 2)
        return None if size is None else (size[0] * size[1]) ** 0.5

    def read(
        self,
        window: Window | None = None,
        bands: Sequence[int] | None = None,
        *,
        out_shape: tuple[int, int] | None = None,
        categorical: bool = False,
    ) -> np.ndarray:
        """Pixels (h, w, bands) of the native dtype.

        `bands` are numbered from 1, as in GDAL; all of them by default. `out_shape` (h, w) gives a decimated picture,
        averaged, or nearest pixels when `categorical`. Raises SceneError for a window outside the scene or a band that
        does not exist.
        """
        window = self._inside(window)
        chosen = tuple(range(1, self.bands + 1)) if bands is None else tuple(int(band) for band in bands)
        if not chosen or min(chosen) < 1 or max(chosen) > self.bands:
            raise SceneError(
                f"bands {list(chosen)} asked of {self.name}",
                expected=f"numbers from 1 to {self.bands}",
                do="Choose bands that the scene has",
            )
        with refusing(self.name, SceneError, "a whole file"):
            return self.source.read(window, chosen, out_shape, categorical)

    def valid(self, window: Window | None = None, *, out_shape: tuple[int, int] | None = None) -> np.ndarray:
        """bool (h, w): False on nodata, on transparent pixels and on NaN. Raises SceneError outside the scene."""
        window = self._inside(window)
        with refusing(self.name, SceneError, "a whole file"):
            return self.source.valid(window, out_shape)

    def with_geo(self, geo: GeoRef) -> Scene:
        """The same pixels with another georeference (a pixel size that the user gave, say)."""
        return replace(self, geo=geo)

    def _inside(self, window: Window | None) -> Window:
        if window is None:
            return self.window
        if window.pixels == 0 or self.window.intersect(window) != window:
            raise SceneError(
                f"{window} asked of {self.name}",
                expected=f"a window inside its {self.height} x {self.width} pixels (height x width)",
                do="Choose a smaller window",
            )
        return window
