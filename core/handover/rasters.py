"""Rasters of a folder to hand over, as cloud-optimized GeoTIFFs: classes as they are called and coloured, confidence, the scene itself."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import rasterio.shutil
from rasterio.errors import NotGeoreferencedWarning, RasterioError

from core.classes import IGNORED_ID, ClassScheme
from core.errors import ExportError
from core.geo import GeoRef
from core.prediction.folder.pyramids import BLOCK_PX
from core.prediction.folder.writing import COG_OPTIONS, GDAL_CACHE_BYTES, Placement, class_table, describe
from core.progress import OnProgress, ShouldStop, check, report
from core.scenes.scene import COPYRIGHT_TAG, Scene, Window, windows_of

Read = Callable[[Window], np.ndarray]
_STEP_PX = 2048


def write_classes(path: Path, read: Read, size: tuple[int, int], geo: GeoRef, scheme: ClassScheme, **how: Any) -> None:
    """Class ids (h, w) of windows, the scheme's ignored id for none, with names and colours inside and beside, as QGIS and ArcGIS look for.

    They are bytes; more classes than bytes can name take two each, and have their colours beside only.
    """
    few = len(scheme) <= IGNORED_ID
    dtype = "uint8" if few else "uint16"
    tags = {f"CLASS_{class_id}": name for class_id, name in enumerate(scheme.names)}
    known: dict[str, Any] = {
        "dtype": dtype,
        "nodata": scheme.ignored_id,
        "scheme": scheme if few else None,
        "tags": tags,
        "resampling": "MODE",
    }
    _cog(path, lambda window: read(window)[None].astype(dtype), size, geo, **known, **how)
    path.with_name(f"{path.name}.aux.xml").write_text(class_table(scheme), encoding="utf-8")


def write_confidence(path: Path, read: Read, size: tuple[int, int], geo: GeoRef, **how: Any) -> None:
    """Confidence uint8 (h, w) of windows, 255 = 1.0; 0 where there is none."""
    tags = {"SCALE": "1/255", "MEANING": "the largest probability of a class"}
    _cog(path, lambda window: read(window)[None], size, geo, tags=tags, nodata=0, resampling="AVERAGE", **how)


def write_scene(path: Path, scene: Scene, geo: GeoRef, **how: Any) -> None:
    """All bands of a scene as they are; pixels that hold nothing are masked."""
    masked = None if scene.nodata is not None else scene.valid
    _cog(
        path,
        lambda window: scene.read(window).transpose(2, 0, 1),
        (scene.height, scene.width),
        geo,
        bands=scene.bands,
        dtype=scene.dtype,
        nodata=scene.nodata,
        names=scene.band_names or (),
        valid=masked,
        tags={COPYRIGHT_TAG: scene.attribution} if scene.attribution else {},
        picture=scene.dtype == "uint8" and scene.bands == 3,
        resampling="AVERAGE",
        **how,
    )


def _cog(
    path: Path,
    read: Read,
    size: tuple[int, int],
    geo: GeoRef,
    *,
    bands: int = 1,
    dtype: str = "uint8",
    nodata: float | None = None,
    names: tuple[str, ...] = (),
    tags: Mapping[str, str] | None = None,
    scheme: ClassScheme | None = None,
    valid: Callable[[Window], np.ndarray] | None = None,
    picture: bool = False,
    resampling: str,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> None:
    """Write windows (bands, h, w) to a tiled file, and that as a COG; memory is bounded by the window.

    picture: three bands of bytes that are red, green and blue. Raises ExportError when it cannot be written, a full disk say.
    """
    height, width = size
    plain = path.with_name(f".{path.stem}.plain.tif")
    kind = {"photometric": "RGB"} if picture else {}
    how: dict[str, Any] = dict(
        driver="GTiff", tiled=True, blockxsize=BLOCK_PX, blockysize=BLOCK_PX, compress="LZW", bigtiff="IF_SAFER", **kind
    )
    try:
        with warnings.catch_warnings(), rasterio.Env(GDAL_CACHEMAX=GDAL_CACHE_BYTES, GDAL_TIFF_INTERNAL_MASK=True):
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.open(plain, "w", height=height, width=width, count=bands, dtype=dtype, **how) as out:
                if picture:
                    _place(out, geo)
                    out.update_tags(**(tags or {}))
                else:
                    describe(out, Placement(geo), dict(tags or {}), None, scheme)
                if nodata is not None:
                    out.nodata = nodata
                for band, name in enumerate(names, 1):
                    out.set_band_description(band, name)
                _fill(out, read, valid, height, width, on_progress, should_stop)
            options = {**COG_OPTIONS, "overviews": "IGNORE_EXISTING", "overview_resampling": resampling}
            rasterio.shutil.copy(plain, path, **options)
    except RasterioError as error:
        raise ExportError(
            f"{path.name} could not be written ({error})", expected="room on the disk", do="Free some space and start again"
        ) from error
    finally:
        plain.unlink(missing_ok=True)


def _place(out: rasterio.io.DatasetWriter, geo: GeoRef) -> None:
    if geo.situated:
        out.transform = geo.transform
        out.crs = None if geo.crs is None else rasterio.crs.CRS.from_wkt(geo.crs.to_wkt())


def _fill(
    out: rasterio.io.DatasetWriter,
    read: Read,
    valid: Callable[[Window], np.ndarray] | None,
    height: int,
    width: int,
    on_progress: OnProgress | None,
    should_stop: ShouldStop | None,
) -> None:
    windows = list(windows_of(height, width, _STEP_PX))
    # A mask of pixels that all hold something would be 255 everywhere: it is written where one holds nothing.
    masked = valid is not None and any(not valid(window).all() for window in windows)
    for number, window in enumerate(windows):
        check(should_stop)
        report(on_progress, number, len(windows), "Writing pixels")
        place = rasterio.windows.Window(window.col, window.row, window.width, window.height)
        out.write(read(window), window=place)
        if masked and valid is not None:
            out.write_mask(valid(window), window=place)
    report(on_progress, len(windows), len(windows), "Written")
