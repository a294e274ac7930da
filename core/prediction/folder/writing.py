"""Writing a prediction: bytes as they are finished, then cloud-optimized GeoTIFFs from them.

While the network runs, probabilities go to a plain file of bytes: what is finished stays finished when the process is
killed, and every pixel is compressed once only, at the end.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
import rasterio
import rasterio.shutil
from rasterio.control import GroundControlPoint
from rasterio.enums import ColorInterp
from rasterio.errors import NotGeoreferencedWarning, RasterioIOError

from core.classes import IGNORED_ID, ClassScheme
from core.errors import ExportError
from core.files import replacing
from core.geo import GeoRef
from core.prediction.blend.kernels import quantise
from core.prediction.folder.pyramids import BLOCK_PX, Level, delete_derived, delete_levels, describe_levels, make_levels
from core.prediction.folder.rasters import CONFIDENCE, LABELS, MARGIN, PROBABILITIES
from core.scenes.raster_files import open_file
from core.scenes.scene import Scene, Window

GDAL_CACHE_BYTES = 48 << 20
RAW_FILE, VALUE_FILE = "probabilities.raw", "values.raw"
COG_OPTIONS = dict(
    driver="COG", overviews="FORCE_USE_EXISTING", compress="DEFLATE", level=1, blocksize=BLOCK_PX, bigtiff="IF_SAFER", num_threads="2"
)


@dataclass(frozen=True)
class Placement:
    """Where a raster lies: its georeference, or the source's ground control points instead."""

    geo: GeoRef
    points: tuple[GroundControlPoint, ...] = ()
    points_crs: object | None = None


class RawWriter:
    """Probabilities as bytes in one file: rows of the scene, in each row class after class (H, K, W)."""

    def __init__(self, folder: Path, height: int, width: int, classes: int):
        self.path, self.height, self.width, self.classes = folder / RAW_FILE, height, width, classes
        if not self.path.exists() or self.path.stat().st_size != height * width * classes:
            with self.path.open("wb") as file:
                file.truncate(height * width * classes)
        self._file = self.path.open("r+b")

    def write(self, window: Window, probabilities: np.ndarray, valid: np.ndarray) -> np.ndarray:
        """Store probabilities (h, w, K) in 0..1, 0 in every class where `valid` (h, w) is False; give the class ids (h, w)."""
        block = np.empty((window.height, self.classes, window.width), np.uint8)
        labels = np.empty((window.height, window.width), np.uint8)
        quantise(probabilities, valid, block, labels)
        self.take(window, block)
        return labels

    def take(self, window: Window, block: np.ndarray) -> None:
        """Store bytes (h, K, w) as another writer made them."""
        if window.width == self.width:
            self._put(window.row * self.classes * self.width, block)
            return
        for row in range(window.height):
            for k in range(self.classes):
                self._put(((window.row + row) * self.classes + k) * self.width + window.col, block[row, k])

    def read(self, window: Window) -> np.ndarray:
        """The probabilities of a part as they were written, float32 (h, w, K) in steps of 1/255."""
        self._file.flush()
        rows = raw_rows(self.path, self.classes, self.width, window.row, window.height)
        return rows[:, :, window.col : window.col_stop].transpose(0, 2, 1) / np.float32(255)

    def flush(self) -> None:
        """Hand everything to the operating system, which keeps it when this process is killed."""
        self._file.flush()

    def close(self) -> None:
        """Close the file; `finish` and a later writer open it again."""
        self._file.close()

    def _put(self, offset: int, block: np.ndarray) -> None:
        self._file.seek(offset)
        self._file.write(block.data)


class ValueWriter:
    """Measured values as float32 in one file, row by row, NaN where the scene holds nothing; otherwise as `RawWriter`."""

    classes = 1

    def __init__(self, folder: Path, height: int, width: int):
        self.path, self.height, self.width = folder / VALUE_FILE, height, width
        if not self.path.exists() or self.path.stat().st_size != height * width * 4:
            with self.path.open("wb") as file:
                file.truncate(height * width * 4)
        self._file = self.path.open("r+b")

    def write(self, window: Window, values: np.ndarray, valid: np.ndarray) -> None:
        """Store values (h, w, 1) where `valid` (h, w)."""
        block = np.where(valid, values[..., 0], np.float32(np.nan)).astype("<f4")
        for row in range(window.height):
            self._file.seek(((window.row + row) * self.width + window.col) * 4)
            self._file.write(block[row].data)

    def read(self, window: Window) -> np.ndarray:
        """The values of a part as they were written, float32 (h, w, 1)."""
        self._file.flush()
        return self.rows(window.row, window.height)[:, window.col : window.col_stop, None]

    def rows(self, row: int, rows: int) -> np.ndarray:
        """Whole rows, float32 (rows, w)."""
        return np.fromfile(self.path, "<f4", rows * self.width, offset=row * self.width * 4).reshape(-1, self.width)

    def flush(self) -> None:
        """Hand everything to the operating system, which keeps it when this process is killed."""
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def writer_in(folder: Path, height: int, width: int, classes: int, *, measured: bool) -> RawWriter | ValueWriter:
    """What keeps the output of a network while a scene is predicted: bytes for each class, or measured values."""
    return ValueWriter(folder, height, width) if measured else RawWriter(folder, height, width, classes)


def raw_rows(path: Path, classes: int, width: int, row: int, rows: int) -> np.ndarray:
    """Rows of a file that a `RawWriter` of so many classes and columns wrote: uint8 (rows, K, width)."""
    length = classes * width
    return np.fromfile(path, np.uint8, rows * length, offset=row * length).reshape(-1, classes, width)


def placement(scene: Scene, window: Window) -> Placement:
    """Where a window of a scene lies; a file that has ground control points and no transform keeps them."""
    geo = scene.geo.window(window.row, window.col)
    if not scene.path.is_file():
        return Placement(geo)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with open_file(scene.path) as source:
                points, points_crs = source.gcps
                has_transform = not source.transform.is_identity
    except RasterioIOError:
        return Placement(geo)
    if not points or has_transform or scene.geo.crs is None:
        return Placement(geo)
    moved = tuple(GroundControlPoint(p.row - window.row, p.col - window.col, p.x, p.y, p.z or 0.0) for p in points)
    return Placement(geo, moved, points_crs)


def finish(
    raw: RawWriter,
    folder: Path,
    scheme: ClassScheme,
    place: Placement,
    *,
    tags: Mapping[str, str],
    on_step: Callable[[int, int, str], None],
) -> None:
    """Turn the raw probabilities into the four GeoTIFFs of a prediction in `folder`.

    Overviews hold averaged probabilities, and the labels, confidence and margin that follow from those. What a killed run has finished,
    overviews beside the raw file and GeoTIFFs in `folder`, is not made again: of a vast scene each takes minutes. Raises
    ExportError when a file cannot be written (a full disk, say).
    """
    steps = 5
    if all((folder / file).exists() for file in (PROBABILITIES, LABELS, CONFIDENCE, MARGIN)):
        on_step(steps, steps, "Written")
        return
    on_step(0, steps, "Making overviews")
    levels = make_levels(raw.path, raw.height, raw.width, raw.classes)
    on_step(1, steps, "Writing labels")
    label_tags = {**tags, **{f"CLASS_{i}": name for i, name in enumerate(scheme.names)}}
    _cog(folder / LABELS, levels, "labels", ("class",), place, label_tags, nodata=IGNORED_ID, scheme=scheme)
    (folder / f"{LABELS}.aux.xml").write_text(class_table(scheme), encoding="utf-8")
    for step, file in ((2, CONFIDENCE), (3, MARGIN)):
        kind = Path(file).stem
        on_step(step, steps, f"Writing {kind}")
        _cog(folder / file, levels, kind, (kind,), place, tags, nodata=0, compress="ZSTD")
    # Last, since they are the largest: by then the bytes of all others are gone.
    on_step(4, steps, "Writing probabilities")
    _cog(folder / PROBABILITIES, levels, "probabilities", scheme.names, place, tags, compress="ZSTD")
    delete_levels(levels)
    on_step(steps, steps, "Written")


def _cog(
    path: Path,
    levels: Sequence[Level],
    kind: str,
    bands: Sequence[str],
    place: Placement,
    tags: Mapping[str, str],
    *,
    nodata: int | None = None,
    scheme: ClassScheme | None = None,
    **options: Any,
) -> None:
    """Write bytes on disk as a cloud-optimized GeoTIFF, unless it is there: GDAL reads them through virtual rasters that describe them.

    Bytes that were derived are deleted when they are written.
    """
    if path.exists():
        delete_derived(levels, kind)
        return
    virtual = describe_levels(levels, kind, bands, masked=nodata is None)
    try:
        with gdal_writes(path.name, "predict again", GDAL_NUM_THREADS="2"):
            with rasterio.open(virtual[0], "r+") as dataset:
                describe(dataset, place, tags, nodata, scheme)
            with replacing(path) as temporary:
                rasterio.shutil.copy(virtual[0], temporary, **{**COG_OPTIONS, **options})
    finally:
        for file in virtual:
            file.unlink(missing_ok=True)
    delete_derived(levels, kind)


@contextmanager
def gdal_writes(name: str, do: str, **options: str) -> Iterator[None]:
    """GDAL within its share of memory, silent of rasters without a place. Raises ExportError that names the file it cannot write (a full
    disk, say) and what to do once there is room.
    """
    try:
        with warnings.catch_warnings(), rasterio.Env(GDAL_CACHEMAX=GDAL_CACHE_BYTES, **options):
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            yield
    except RasterioIOError as error:
        raise ExportError(f"{name} could not be written ({error})", expected="room on the disk", do=f"Free some space and {do}") from error


def describe(dataset, place: Placement, tags: Mapping[str, str], nodata: float | None, scheme: ClassScheme | None) -> None:
    """Give an open raster its place, tags, nodata value, and the colours of classes or the meaning of plain values."""
    if place.points:
        dataset.gcps = (list(place.points), place.points_crs)
    elif place.geo.situated:
        if place.geo.crs is not None:
            dataset.crs = rasterio.crs.CRS.from_wkt(place.geo.crs.to_wkt())
        dataset.transform = place.geo.transform
    if nodata is not None:
        dataset.nodata = nodata
    dataset.update_tags(**tags)
    if scheme is not None:
        dataset.colorinterp = [ColorInterp.palette]
        dataset.write_colormap(1, {i: (*map(int, colour), 255) for i, colour in enumerate(scheme.table())})
    else:
        # Without this, GDAL takes three bands for a picture and a fourth for its transparency.
        dataset.colorinterp = [ColorInterp.gray] + [ColorInterp.undefined] * (dataset.count - 1)


def class_table(scheme: ClassScheme) -> str:
    """Class names and colours as GDAL's sidecar file, which QGIS and ArcGIS show as the legend."""
    columns = [("Value", 0, 5), ("Class", 2, 2), ("Red", 0, 6), ("Green", 0, 7), ("Blue", 0, 8)]
    fields = "".join(
        f'<FieldDefn index="{i}"><Name>{name}</Name><Type>{kind}</Type><Usage>{usage}</Usage></FieldDefn>'
        for i, (name, kind, usage) in enumerate(columns)
    )
    rows = ""
    for i, (name, colour) in enumerate(zip(scheme.names, scheme.colours, strict=True)):
        values = "".join(f"<F>{escape(str(value))}</F>" for value in (i, name, *colour))
        rows += f'<Row index="{i}">{values}</Row>'
    names = "".join(f"<Category>{escape(name)}</Category>" for name in scheme.names)
    return (
        f'<PAMDataset><PAMRasterBand band="1"><CategoryNames>{names}</CategoryNames>'
        f'<GDALRasterAttributeTable tableType="thematic">{fields}{rows}</GDALRasterAttributeTable></PAMRasterBand></PAMDataset>\n'
    )
