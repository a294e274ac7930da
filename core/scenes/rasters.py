"""Readers behind a scene: GDAL rasters, HDF5 data sets and arrays in memory."""

from __future__ import annotations

import hashlib
import threading
import warnings
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import rasterio
from affine import Affine
from pyproj import CRS
from pyproj.exceptions import CRSError
from rasterio.enums import ColorInterp, MaskFlags, Resampling
from rasterio.errors import NotGeoreferencedWarning, RasterioIOError
from rasterio.transform import from_gcps
from rasterio.windows import Window as RasterWindow

from core.digests import digest_of, file_digest
from core.errors import SceneError, SettingsError
from core.geo import GeoRef
from core.hdf5 import open_hdf5_file
from core.scenes.raster_files import VIRTUAL_SUFFIX, open_file
from core.scenes.scene import Scene, Source, Window

RASTER_SUFFIXES = (
    *(".tif", ".tiff", ".png", ".jpg", ".jpeg", ".jp2", ".j2k", ".bmp", ".webp", ".gif", ".img", ".vrt"),
    *(".asc", ".bil", ".bip", ".bsq", ".ers", ".mrf", ".ntf", ".ppm", ".pgm", ".tga", ".sdat"),
)
"""Files that GDAL opens as one image; what looks through a folder for images takes these and, where it can, the next."""
ARRAY_SUFFIXES = (".npy",)
_ENVI_SUFFIXES = ("", ".dat", ".raw", ".bin")
"""What ENVI files are called besides; only with a header beside them are they taken for images."""
HDF5_SUFFIXES = (".h5", ".hdf5", ".hdf", ".he5")
HDF5_IMAGE_NAMES = ("img", "image", "images", "x", "data")
"""What the image in an HDF5 file is called, the likeliest first."""
IMAGE_FOLDERS = ("images", "image", "imgs", "img", "chips")
"""Folders that are called after what is in them, not after the place that they show."""
BAND, TRANSPARENCY = "band", "transparency"
"""What a band that a file marks as transparency can be said to be."""
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
        try:
            pixels = dataset.read(
                indexes,
                window=_raster_window(window),
                out_shape=None if out_shape is None else (len(indexes), *out_shape),
                resampling=Resampling.nearest if nearest else Resampling.average,
            )
        except RasterioIOError as error:
            raise SceneError(
                f"{self.path.name} breaks off while it is read ({error})", expected="a complete image file", do="Copy or download it again"
            ) from error
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
        valid = dataset.dataset_mask(window=_raster_window(window), out_shape=shape) > 0
        if floating:
            valid &= np.isfinite(self.read(window, range(1, len(self.band_indexes) + 1), out_shape, True)).any(axis=2)
        return valid

    def fingerprint(self) -> str:
        """Digest of size, time and sampled bytes of the file, and of those that a virtual one leads to."""
        if self.path.suffix.lower() != VIRTUAL_SUFFIX:
            return file_digest(self.path)
        there = [Path(name) for name in _dataset(self.path).files]
        return digest_of(*(file_digest(path) for path in dict.fromkeys((self.path, *there)) if path.is_file()))


@dataclass(frozen=True, eq=False)
class ArraySource:
    """Pixels of an array (h, w, bands) in memory."""

    array: np.ndarray
    nodata: float | None = None

    def read(self, window: Window, bands: Sequence[int], out_shape: tuple[int, int] | None, categorical: bool) -> np.ndarray:
        """Pixels (h, w, bands); see Scene.read."""
        pixels = self.array[window.slices][..., [band - 1 for band in bands]]
        return pixels.copy() if out_shape is None else resize_pixels(pixels, out_shape, categorical=categorical)

    def valid(self, window: Window, out_shape: tuple[int, int] | None) -> np.ndarray:
        """bool (h, w); see Scene.valid."""
        valid = valid_pixels(self.array[window.slices], self.nodata)
        return valid if out_shape is None else resize_pixels(valid[..., None], out_shape, categorical=True)[..., 0]

    def fingerprint(self) -> str:
        """Digest of the whole array."""
        return hashlib.sha256(np.ascontiguousarray(self.array).tobytes()).hexdigest()[:16]


@dataclass(frozen=True)
class Hdf5Source:
    """Pixels of one data set of an HDF5 file; `index` picks one image of a stack, `channels_first` its axis order."""

    path: Path
    name: str
    index: int | None = None
    channels_first: bool = False

    def read(self, window: Window, bands: Sequence[int], out_shape: tuple[int, int] | None, categorical: bool) -> np.ndarray:
        """Pixels (h, w, bands); see Scene.read."""
        with open_hdf5_file(self.path, SceneError) as file:
            pixels = self._window(file[self.name], window)[..., [band - 1 for band in bands]]
        return pixels if out_shape is None else resize_pixels(pixels, out_shape, categorical=categorical)

    def _window(self, data: h5py.Dataset, window: Window) -> np.ndarray:
        rows, cols = window.slices
        lead = () if self.index is None else (self.index,)
        if data.ndim - len(lead) == 2:
            return data[(*lead, rows, cols)][..., None]
        if self.channels_first:
            return data[(*lead, slice(None), rows, cols)].transpose(1, 2, 0)
        return data[(*lead, rows, cols, slice(None))]

    def valid(self, window: Window, out_shape: tuple[int, int] | None) -> np.ndarray:
        """bool (h, w); see Scene.valid."""
        with open_hdf5_file(self.path, SceneError) as file:
            valid = valid_pixels(self._window(file[self.name], window), None)
        return valid if out_shape is None else resize_pixels(valid[..., None], out_shape, categorical=True)[..., 0]

    def fingerprint(self) -> str:
        """Digest of size, time and sampled bytes of the file, and of the place in it."""
        return hashlib.sha256(f"{file_digest(self.path)}:{self.name}:{self.index}".encode()).hexdigest()[:16]


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
        if kind == ColorInterp.alpha and (alpha == TRANSPARENCY or (alpha != BAND and _is_transparency(dataset, i)))
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
        geo=_geo(dataset),
        nodata=dataset.nodata,
        source=RasterSource(path, indexes, palette),
        band_names=names if any(names) and not palette else None,
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


def _is_transparency(dataset: rasterio.DatasetReader, index: int) -> bool:
    """Whether a band holds 0 and its largest value nearly everywhere, and not 0 alone; looked at in nine places of a large raster."""
    side = _ALPHA_SIDE_PX
    rows, cols = (
        [0] if length <= 3 * side else [round(k * (length - side) / 2) for k in range(3)] for length in (dataset.height, dataset.width)
    )
    height, width = (min(length, side if length > 3 * side else 3 * side) for length in (dataset.height, dataset.width))
    try:
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


def open_hdf5(path: Path, *, name: str | None = None, index: int | None = None) -> Scene:
    """A scene over a data set of an HDF5 file: the named one, else one called img or image, else the largest.

    A stack (images, h, w, bands) opens at `index`, 0 by default. The channel axis is the shorter of first and last.
    Raises SceneError when the file holds no image.
    """
    try:
        with open_hdf5_file(path, SceneError) as file:
            name = name or _image_name(file, path)
            if name not in file:
                raise SceneError(f"no data set {name!r} in {path.name}", expected=f"one of {_data_sets(file)}", do="Choose one of them")
            shape, dtype = file[name].shape, str(file[name].dtype)
    except OSError as error:
        raise SceneError(f"{path.name} is no HDF5 file ({error})", expected="an HDF5 file with an image", do="Check the file") from error
    stack = len(shape) == 4
    if stack:
        index, shape = index or 0, shape[1:]
    height, width, bands, channels_first = axes_of(shape)
    return Scene(
        path=path,
        name=path.stem if not stack else f"{path.stem}_{index:05d}",
        height=height,
        width=width,
        bands=bands,
        dtype=dtype,
        geo=GeoRef.pixels(),
        nodata=None,
        source=Hdf5Source(path, name, index if stack else None, channels_first),
    )


def axes_of(shape: tuple[int, ...]) -> tuple[int, int, int, bool]:
    """Height, width and bands of an array (h, w), (h, w, bands) or (bands, h, w), and whether its bands come first: the shorter axis."""
    channels_first = len(shape) == 3 and shape[0] < shape[2] and shape[0] < shape[1]
    height, width, bands = (*shape, 1) if len(shape) == 2 else (*shape[1:], shape[0]) if channels_first else shape
    return height, width, bands, channels_first


def is_raster(path: Path) -> bool:
    """Whether a file's name says that it is an image: by its ending, or by an ENVI header beside it."""
    suffix = path.suffix.lower()
    if suffix in (*RASTER_SUFFIXES, *HDF5_SUFFIXES, *ARRAY_SUFFIXES):
        return True
    return suffix in _ENVI_SUFFIXES and (path.with_suffix(".hdr").is_file() or path.with_name(f"{path.name}.hdr").is_file())


def place_name(path: Path) -> str:
    """What people call a scene: its file without the ending, or its folder; `Tile 2` for the chips in `Tile 2/images`."""
    if path.name.lower() in IMAGE_FOLDERS:
        return path.parent.name
    return path.name if path.is_dir() else path.stem


def resize_pixels(pixels: np.ndarray, shape: tuple[int, int], *, categorical: bool) -> np.ndarray:
    """Resize (h, w, bands) to `shape` (h, w) through GDAL: area average, or nearest pixels when `categorical`."""
    if pixels.shape[:2] == tuple(shape):
        return pixels.copy()
    boolean = pixels.dtype == bool
    source = np.ascontiguousarray((pixels.astype(np.uint8) if boolean else pixels).transpose(2, 0, 1))
    with rasterio.MemoryFile() as memory:
        profile = dict(driver="GTiff", count=source.shape[0], height=source.shape[1], width=source.shape[2], dtype=source.dtype)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with memory.open(**profile) as out:
                out.write(source)
            with memory.open() as dataset:
                resampling = Resampling.nearest if categorical else Resampling.average
                result = dataset.read(out_shape=(source.shape[0], *shape), resampling=resampling)
    result = result.transpose(1, 2, 0)
    return result.astype(bool) if boolean else np.ascontiguousarray(result)


def valid_pixels(pixels: np.ndarray, nodata: float | None) -> np.ndarray:
    """bool (h, w) of pixels (h, w, bands): False where every band is nodata or NaN."""
    valid = np.ones(pixels.shape[:2], bool)
    if np.issubdtype(pixels.dtype, np.floating):
        valid &= np.isfinite(pixels).any(axis=2)
    if nodata is not None and not np.isnan(nodata):
        valid &= (pixels != nodata).any(axis=2)
    return valid


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


def _geo(dataset: rasterio.DatasetReader) -> GeoRef:
    """Where a raster says that it lies: by its transform or control points, with a CRS or without, else by a world file beside it."""
    path = Path(dataset.name)
    points, points_crs = dataset.gcps
    crs = None if dataset.crs is None else CRS.from_user_input(dataset.crs)
    transform = None if dataset.transform.is_identity else dataset.transform
    if transform is None and points:
        transform, crs = from_gcps(points), None if points_crs is None else CRS.from_user_input(points_crs)
        return GeoRef(_sized(transform, path), crs)
    transform = transform and _sized(transform, path)
    transform = transform or _world_file(path)
    if transform is None:
        return GeoRef.pixels()
    return GeoRef(transform, crs) if crs is not None else _named_beside(path, GeoRef(transform))


def _sized(transform: Affine, path: Path) -> Affine:
    """The transform. Raises SceneError for one that gives pixels no size, or that holds what is no number."""
    if not (np.isfinite(transform[:6]).all() and 0 < abs(transform.determinant) < np.inf):
        raise SceneError(f"{path.name} gives pixels no size", expected="a transform", do="Write its place into it again")
    return transform


def _world_file(path: Path) -> Affine | None:
    """The transform in a world file beside an image that GDAL has not taken: scene.pgw, scene.pngw or scene.wld, in any case.

    Raises SceneError for one that holds no six numbers.
    """
    found = _beside(path, *(f"{path.suffix[:2]}{path.suffix[-1:]}w", f"{path.suffix}w", ".wld"))
    if found is None:
        return None
    try:
        a, d, b, e, x, y = (float(number.replace(",", ".")) for number in found.read_text(encoding="ascii").split())
    except ValueError as error:
        raise SceneError(
            f"{found.name} is no world file", expected="six numbers, one a line", do="Mend it, or move it away from the image"
        ) from error
    if a * e == b * d:
        raise SceneError(f"{found.name} gives pixels no size", expected="a transform", do="Mend it, or move it away from the image")
    # A world file places the middle of the first pixel.
    return Affine(a, b, x - (a + b) / 2, d, e, y - (d + e) / 2)


def _named_beside(path: Path, geo: GeoRef) -> GeoRef:
    """The reference with the CRS of a .prj file beside the image, where there is one that holds there and is no Shapefile's."""
    found = None if _beside(path, ".shp") else _beside(path, ".prj", ".qpj")
    try:
        return geo if found is None else geo.named(CRS.from_user_input(found.read_text(encoding="utf-8", errors="replace").strip()))
    except (CRSError, SettingsError):
        return geo


def _beside(path: Path, *suffixes: str) -> Path | None:
    """The file called like an image with one of the suffixes, in small or capital letters; None where there is none."""
    if not path.suffix or not path.is_file():
        return None
    cases = dict.fromkeys(case for suffix in suffixes for case in (suffix.lower(), suffix.upper(), suffix))
    return next((found for suffix in cases if (found := path.with_suffix(suffix)).is_file()), None)


def _data_sets(file: h5py.File) -> list[str]:
    names: list[str] = []
    file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) and item.ndim in (2, 3, 4) else None)
    return names


def _image_name(file: h5py.File, path: Path) -> str:
    names = _data_sets(file)
    if not names:
        raise SceneError(f"no data set with rows and columns in {path.name}", expected="an image (h, w, bands)", do="Check the file")
    for wanted in HDF5_IMAGE_NAMES:
        for name in names:
            if name.split("/")[-1].lower() == wanted:
                return name
    return max(names, key=lambda name: file[name].size)
