"""Writing a prediction: bytes as they are finished, then cloud-optimized GeoTIFFs from them.

While the network runs, probabilities go to a plain file of bytes: what is finished stays finished when the process is
killed, and every pixel is compressed once only, at the end.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
import rasterio
import rasterio.shutil
from rasterio.control import GroundControlPoint
from rasterio.enums import ColorInterp
from rasterio.errors import NotGeoreferencedWarning, RasterioIOError

from core.classes import IGNORED_ID, ClassScheme
from core.errors import ExportError
from core.geo import GeoRef
from core.prediction.kernels import quantise, rank
from core.prediction.rasters import CONFIDENCE, LABELS, MARGIN, PROBABILITIES
from core.scene import Scene, Window

GDAL_CACHE_MIB = 48
_RAW = "probabilities.raw"
_BLOCK_PX = 256
_COG_OPTIONS = dict(driver="COG", compress="DEFLATE", level=1, blocksize=_BLOCK_PX, bigtiff="IF_SAFER", num_threads="2")


@dataclass(frozen=True)
class Placement:
    """Where a raster lies: its georeference, or the source's ground control points instead."""

    geo: GeoRef
    points: tuple[GroundControlPoint, ...] = ()
    points_crs: object | None = None


class RawWriter:
    """Probabilities as bytes in one file: rows of the scene, in each row class after class (H, K, W)."""

    def __init__(self, folder: Path, height: int, width: int, classes: int):
        self.path, self.height, self.width, self.classes = folder / _RAW, height, width, classes
        if not self.path.exists() or self.path.stat().st_size != height * width * classes:
            with self.path.open("wb") as file:
                file.truncate(height * width * classes)
        self._file = self.path.open("r+b")

    def write(self, window: Window, probabilities: np.ndarray, valid: np.ndarray) -> None:
        """Store probabilities (h, w, K) in 0..1; where `valid` (h, w) is False the pixel becomes 0 in every class."""
        block = np.empty((window.height, self.classes, window.width), np.uint8)
        quantise(probabilities, valid, block)
        if window.width == self.width:
            self._put(window.row * self.classes * self.width, block)
            return
        for row in range(window.height):
            for k in range(self.classes):
                self._put(((window.row + row) * self.classes + k) * self.width + window.col, block[row, k])

    def read(self, row: int, rows: int) -> np.ndarray:
        """Bytes (K, rows, W) that were stored."""
        self._file.seek(row * self.classes * self.width)
        data = np.frombuffer(self._file.read(rows * self.classes * self.width), np.uint8)
        return data.reshape(rows, self.classes, self.width).transpose(1, 0, 2)

    def flush(self) -> None:
        """Hand everything to the operating system, which keeps it when this process is killed."""
        self._file.flush()

    def close(self) -> None:
        """Close the file; `finish` and a later writer open it again."""
        self._file.close()

    def _put(self, offset: int, block: np.ndarray) -> None:
        self._file.seek(offset)
        self._file.write(block.data)


def placement(scene: Scene, window: Window) -> Placement:
    """Where a window of a scene lies; a file that has ground control points and no transform keeps them."""
    geo = scene.geo.window(window.row, window.col)
    if not scene.path.is_file():
        return Placement(geo)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.open(scene.path) as source:
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
    """Turn the raw probabilities into the four GeoTIFFs of a prediction in `folder`, and delete them.

    Raises ExportError when a file cannot be written (a full disk, say).
    """
    height, width = raw.height, raw.width
    raws = {name: raw.path.with_name(f"{Path(name).stem}.bytes") for name in (LABELS, CONFIDENCE, MARGIN, "mask")}
    _rank_all(raw, raws)
    raw.close()
    plain = [("confidence", CONFIDENCE), ("margin", MARGIN)]
    steps = 2 + len(plain)
    on_step(0, steps, "Writing probabilities")
    bands = [_Band(raw.path, k * width, raw.classes * width, name) for k, name in enumerate(scheme.names)]
    _cog(folder / PROBABILITIES, bands, height, width, place, mask=raws["mask"], tags=tags, resampling="AVERAGE")
    on_step(1, steps, "Writing labels")
    label_tags = {**tags, **{f"CLASS_{i}": name for i, name in enumerate(scheme.names)}}
    band = [_Band(raws[LABELS], 0, width, "class")]
    _cog(folder / LABELS, band, height, width, place, nodata=IGNORED_ID, scheme=scheme, tags=label_tags, resampling="MODE")
    (folder / f"{LABELS}.aux.xml").write_text(_class_table(scheme), encoding="utf-8")
    for number, (name, file) in enumerate(plain):
        on_step(2 + number, steps, f"Writing {name}")
        _cog(folder / file, [_Band(raws[file], 0, width, name)], height, width, place, nodata=0, tags=tags, resampling="AVERAGE")
    for path in (raw.path, *raws.values()):
        path.unlink()
    on_step(steps, steps, "Written")


def _rank_all(raw: RawWriter, raws: Mapping[str, Path]) -> None:
    rows = max(1, (8 << 20) // (raw.width * raw.classes))
    with ExitStack() as stack:
        files = [stack.enter_context(path.open("wb")) for path in raws.values()]
        for row in range(0, raw.height, rows):
            count = min(rows, raw.height - row)
            parts = np.empty((3, count, raw.width), np.uint8)
            rank(raw.read(row, count), *parts)
            mask = (parts[1] > 0) * np.uint8(255)
            for file, part in zip(files, (*parts, mask), strict=True):
                file.write(part.data)


@dataclass(frozen=True)
class _Band:
    path: Path
    offset: int
    row_bytes: int
    name: str

    def xml(self, number: int | None) -> str:
        place = "" if number is None else f' band="{number}"'
        return (
            f'<VRTRasterBand dataType="Byte"{place} subClass="VRTRawRasterBand"><Description>{escape(self.name)}</Description>'
            f'<SourceFilename relativeToVRT="1">{escape(self.path.name)}</SourceFilename><ImageOffset>{self.offset}</ImageOffset>'
            f"<PixelOffset>1</PixelOffset><LineOffset>{self.row_bytes}</LineOffset></VRTRasterBand>"
        )


def _cog(path, bands: Sequence[_Band], height, width, place: Placement, *, resampling, tags, nodata=None, mask=None, scheme=None) -> None:
    """Write bytes on disk as a cloud-optimized GeoTIFF: GDAL reads them through a virtual raster that describes them."""
    virtual = bands[0].path.with_suffix(".vrt")
    xml = "".join(band.xml(number) for number, band in enumerate(bands, 1))
    if mask is not None:
        xml += f"<MaskBand>{_Band(mask, 0, width, '').xml(None)}</MaskBand>"
    virtual.write_text(f'<VRTDataset rasterXSize="{width}" rasterYSize="{height}">{xml}</VRTDataset>', encoding="utf-8")
    try:
        with warnings.catch_warnings(), rasterio.Env(GDAL_CACHEMAX=GDAL_CACHE_MIB, GDAL_NUM_THREADS="2"):
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.open(virtual, "r+") as dataset:
                _describe(dataset, bands, place, tags, nodata, scheme)
            rasterio.shutil.copy(virtual, path, overview_resampling=resampling, **_COG_OPTIONS)
    except RasterioIOError as error:
        raise ExportError(
            f"{path.name} could not be written ({error})", expected="room on the disk", do="Free some space and predict again"
        ) from error
    finally:
        virtual.unlink(missing_ok=True)


def _describe(dataset, bands, place: Placement, tags, nodata, scheme) -> None:
    if place.points:
        dataset.gcps = (list(place.points), place.points_crs)
    elif place.geo.crs is not None:
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
        dataset.colorinterp = [ColorInterp.gray] + [ColorInterp.undefined] * (len(bands) - 1)


def _class_table(scheme: ClassScheme) -> str:
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
