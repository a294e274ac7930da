"""Scenes over files that GDAL opens as one image."""

from __future__ import annotations

import threading
import warnings
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from rasterio.enums import ColorInterp, MaskFlags, Resampling
from rasterio.errors import NotGeoreferencedWarning, RasterioIOError
from rasterio.windows import Window as RasterWindow

from core.digests import digest_of, file_digest
from core.errors import SceneError
from core.reading.addresses import host_of
from core.scenes.arrays import valid_pixels
from core.scenes.georeference import georeference
from core.scenes.raster_files import VIRTUAL_SUFFIX, open_file
from core.scenes.remote.links import is_link, read_link
from core.scenes.remote.parts import fingerprint, reading
from core.scenes.scene import COPYRIGHT_TAG, Scene, Source, Window

BAND, TRANSPARENCY = "band", "transparency"
"""What a band that a file marks as transparency can be said to be."""
_MOST_ATTRIBUTION = 500
_ALPHA_SIDE_PX = 256
_ALPHA_NEAR, _ALPHA_SHARE = 8, 0.98
_OPEN_FILES_PER_THREAD = 48
_MOST_AVERAGED = 1 << 30


class _Handles(threading.local):
    """Open GDAL data sets of one thread (they must not cross threads), the least used closed first."""

    def __init__(self):
        self.datasets: OrderedDict[tuple, rasterio.DatasetReader] = OrderedDict()

    def get(self, path: Path) -> rasterio.DatasetReader:
        state = path.stat()
        key = (path, state.st_mtime_ns, state.st_size)
        if key in self.datasets:
            self.datasets.move_to_end(key)
            return self.datasets[key]
        dataset = open_file(path)
        self.datasets[key] = dataset
        if len(self.datasets) > _OPEN_FILES_PER_THREAD:
            self.datasets.popitem(last=False)[1].close()
        return dataset

    def drop(self, path: Path) -> None:
        """Close what is open of a file, so that it is looked at anew."""
        for key in [key for key in self.datasets if key[0] == path]:
            self.datasets.pop(key).close()


_handles = _Handles()


@dataclass(frozen=True)
class RasterSource:
    """Pixels of a file that GDAL opens. `band_indexes` are GDAL's numbers of the data bands."""

    path: Path
    band_indexes: tuple[int, ...]
    palette: tuple[tuple[int, int, int, int], ...] | None = None

    def read(self, window: Window, bands: Sequence[int], out_shape: tuple[int, int] | None, categorical: bool) -> np.ndarray:
        """Pixels (h, w, bands); see Scene.read."""
        dataset = _dataset(self.path)
        nearest = categorical or self.palette is not None or (out_shape is not None and _takes_too_long(dataset, window, out_shape))
        indexes = [1] if self.palette is not None else [self.band_indexes[band - 1] for band in bands]
        with _as_told(self.path):
            pixels = dataset.read(
                indexes,
                window=_raster_window(window),
                out_shape=None if out_shape is None else (len(indexes), *out_shape),
                resampling=Resampling.nearest if nearest else Resampling.average,
            )
        if self.palette is not None:
            table = np.array(self.palette, np.uint8)
            return table[np.minimum(pixels[0], len(table) - 1)][..., [band - 1 for band in bands]]
        return np.ascontiguousarray(pixels.transpose(1, 2, 0))

    def valid(self, window: Window, out_shape: tuple[int, int] | None) -> np.ndarray:
        """bool (h, w); see Scene.valid."""
        dataset = _dataset(self.path)
        shape = out_shape or (window.height, window.width)
        if any(dataset.colorinterp[index - 1] == ColorInterp.alpha for index in self.band_indexes):
            # GDAL would take this band for transparency; it is data, so that only a value for "no data" tells gaps.
            return valid_pixels(self.read(window, range(1, len(self.band_indexes) + 1), out_shape, True), dataset.nodata)
        floating = any(np.issubdtype(np.dtype(dataset.dtypes[index - 1]), np.floating) for index in self.band_indexes)
        if not floating and all(MaskFlags.all_valid in flags for flags in dataset.mask_flag_enums):
            return np.ones(shape, bool)
        with _as_told(self.path):
            valid = dataset.dataset_mask(window=_raster_window(window), out_shape=shape) > 0
        if floating:
            valid &= np.isfinite(self.read(window, range(1, len(self.band_indexes) + 1), out_shape, True)).any(axis=2)
        return valid

    def fingerprint(self) -> str:
        """Digest of size, time and sampled bytes of the file, and of those that a virtual one leads to."""
        if is_link(self.path):
            return fingerprint(read_link(self.path))
        if self.path.suffix.lower() != VIRTUAL_SUFFIX:
            return file_digest(self.path)
        there = [Path(name) for name in _dataset(self.path).files]
        return digest_of(*(file_digest(path) for path in dict.fromkeys((self.path, *there)) if path.is_file()))


def open_raster(path: Path, *, expand_palette: bool, alpha: str = "") -> Scene:
    """A scene over a file that GDAL opens.

    A band that the file marks as transparency is taken for it where it holds nearly nothing but 0 and the largest value: GDAL marks
    every fourth 8-bit band so, near infrared too. `alpha` "band" or "transparency" says what it is instead. Raises SceneError when
    GDAL does not know the file.
    """
    dataset = _dataset(path)
    if dataset.driver == "PNG" and not _png_is_whole(path):
        raise SceneError(f"{path.name} breaks off before its end", expected="a complete image file", do="Copy or download it again")
    if dataset.count == 0:
        raise SceneError(
            f"{path.name} holds {len(dataset.subdatasets)} data sets and no bands of its own",
            expected="an image",
            do="Save one of them as GeoTIFF",
        )
    pages = _whole_pages(dataset)
    if pages > 1:
        raise SceneError(
            f"{path.name} holds {pages} pages of one size, of which only the first would be read",
            expected="one page with all its bands",
            do="Save the pages as bands of one image, or as files of their own",
        )
    kinds = dataset.colorinterp
    see_through = {
        i
        for i, kind in zip(dataset.indexes, kinds, strict=True)
        if kind == ColorInterp.alpha and (alpha == TRANSPARENCY or (alpha != BAND and _is_transparency(path, dataset, i)))
    }
    indexes = tuple(i for i in dataset.indexes if i not in see_through) or tuple(dataset.indexes)
    dtypes = {dataset.dtypes[i - 1] for i in indexes}
    dtype = str(np.result_type(*dtypes)) if len(dtypes) > 1 else dtypes.pop()
    if "complex" in dtype:
        raise SceneError(f"complex numbers in {path.name}", expected="integers or floating-point numbers", do="Save amplitude or phase")
    palette = None
    if expand_palette and len(indexes) == 1 and kinds[indexes[0] - 1] == ColorInterp.palette:
        colours = dataset.colormap(1)
        palette = tuple(tuple(colours.get(i, (0, 0, 0, 255))) for i in range(max(colours) + 1))
    names = tuple(dataset.descriptions[i - 1] or "" for i in indexes)
    return Scene(
        path=path,
        name=path.stem,
        height=dataset.height,
        width=dataset.width,
        bands=3 if palette else len(indexes),
        dtype="uint8" if palette else dtype,
        geo=georeference(dataset),
        nodata=dataset.nodata,
        source=RasterSource(path, indexes, palette),
        band_names=names if any(names) and not palette else None,
        attribution=" ".join(dataset.tags().get(COPYRIGHT_TAG, "").split())[:_MOST_ATTRIBUTION],
    )


def _whole_pages(dataset: rasterio.DatasetReader) -> int:
    """How many pages of the first one's size a TIFF holds; smaller ones are previews."""
    if dataset.driver != "GTiff" or len(dataset.subdatasets) < 2:
        return 1
    shapes = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        for name in dataset.subdatasets:
            with rasterio.open(name, driver="GTiff") as page:
                shapes.append(page.shape)
    return shapes.count(dataset.shape)


def _is_transparency(path: Path, dataset: rasterio.DatasetReader, index: int) -> bool:
    """Whether a band holds 0 and its largest value nearly everywhere, and not 0 alone; looked at in nine places of a large raster."""
    side = _ALPHA_SIDE_PX
    rows, cols = (
        [0] if length <= 3 * side else [round(k * (length - side) / 2) for k in range(3)] for length in (dataset.height, dataset.width)
    )
    height, width = (min(length, side if length > 3 * side else 3 * side) for length in (dataset.height, dataset.width))
    try:
        with reading(path):
            pieces = [dataset.read(index, window=RasterWindow(col, row, width, height)).ravel() for row in rows for col in cols]
    except RasterioIOError:
        return True
    values = np.concatenate(pieces)
    opaque = {np.iinfo(values.dtype).max, 255} if np.issubdtype(values.dtype, np.integer) else {1, 255}
    near = [np.abs(values.astype(np.float64) - end) <= _ALPHA_NEAR for end in (0, *opaque)]
    return bool(np.any(near, axis=0).mean() >= _ALPHA_SHARE and np.any(near[1:], axis=0).any())


def marked_transparent(scene: Scene) -> tuple[int, ...]:
    """Bands of a scene, counted from 1, that its file marks as transparency although they are read as data."""
    if not isinstance(scene.source, RasterSource) or scene.source.palette is not None:
        return ()
    kinds = _dataset(scene.source.path).colorinterp
    return tuple(k for k, index in enumerate(scene.source.band_indexes, 1) if kinds[index - 1] == ColorInterp.alpha)


def marked_turned(scene: Scene) -> bool:
    """Whether a photograph says (EXIF) that viewers are to turn it."""
    if not isinstance(scene.source, RasterSource):
        return False
    return _dataset(scene.source.path).tags().get("EXIF_Orientation", "1").strip() not in ("", "0", "1")


def white_is_zero(source: Source) -> bool:
    """Whether a file says that its smallest value is white, so that picture viewers show it inverted."""
    if not isinstance(source, RasterSource):
        return False
    return _dataset(source.path).tags(ns="IMAGE_STRUCTURE").get("MINISWHITE") == "YES"


@contextmanager
def _as_told(path: Path) -> Iterator[None]:
    """Around all that reads pixels. Raises SceneError for a file that breaks off, or whose server does not answer any more."""
    try:
        with reading(path):
            yield
    except RasterioIOError as error:
        if is_link(path):
            _handles.drop(path)
            raise SceneError(
                f"{path.stem} could not be read on: {host_of(read_link(path).address)} breaks off or does not answer",
                expected="the rest of the picture",
                do="Start it again; what is done already is kept",
            ) from error
        raise SceneError(
            f"{path.name} breaks off while it is read ({error})", expected="a complete image file", do="Copy or download it again"
        ) from error


def _dataset(path: Path) -> rasterio.DatasetReader:
    try:
        return _handles.get(path)
    except (RasterioIOError, OSError) as error:
        raise SceneError(
            f"{path.name} is no image that can be opened",
            expected="GeoTIFF, PNG, JPEG, HDF5 or another raster that GDAL reads",
            do="Check the file",
        ) from error


def _takes_too_long(dataset: rasterio.DatasetReader, window: Window, out_shape: tuple[int, int]) -> bool:
    """Whether averages would have to be taken of more pixels than anybody waits for: a vast raster without overviews."""
    factor = min(window.height / out_shape[0], window.width / out_shape[1])
    smaller = max([1, *(overview for overview in dataset.overviews(1) if overview <= factor)])
    return window.pixels / smaller**2 > _MOST_AVERAGED


def _png_is_whole(path: Path) -> bool:
    """Whether the closing chunk is there: GDAL reads a PNG that breaks off as black pixels, without a word."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 4096))
        return b"IEND" in file.read()


def _raster_window(window: Window) -> RasterWindow:
    return RasterWindow(window.col, window.row, window.width, window.height)
