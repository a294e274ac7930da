"""A map of measured values on disk: one number for each pixel as a cloud-optimized GeoTIFF, and how it was made."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict
from xml.sax.saxutils import escape

import numpy as np
import rasterio
import rasterio.shutil
from pyproj.exceptions import ProjError
from rasterio.errors import NotGeoreferencedWarning, RasterioIOError

from core.errors import ExportError, InputError
from core.files import MEASURED_FILE
from core.geo import GeoRef
from core.prediction.folder.rasters import geo_from_dict
from core.prediction.folder.writing import COG_OPTIONS, GDAL_CACHE_BYTES, Placement, ValueWriter, describe
from core.reading.readable import read_record, reason
from core.scenes.opening import open_scene
from core.scenes.scene import Scene, Window
from core.workspace import Workspace

VALUES = "values.tif"
SHOWN_PERCENT = (2, 98)
"""Percentiles of the values that the colours run between, so that a few far out leave the others their colours."""
_SAMPLE = 1_000_000
_ROWS_BYTES = 16 << 20
# Dark blue over green to yellow, in even steps for the eye (viridis, of matplotlib).
_RAMP = np.array([(68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37)], float)


class _Geo(TypedDict):
    """Where the map lies."""

    transform: list[float]
    crs: str | None


class _Record(TypedDict):
    """What every record of a measured map holds, as far as it is read."""

    model: str
    measured: str
    height: int
    width: int
    geo: _Geo
    statistics: dict[str, float | int | None]


@dataclass(frozen=True)
class Statistics:
    """Least, mean and largest value, those that the colours run between, and how many pixels have one; None where none has."""

    pixels: int
    low: float | None = None
    mean: float | None = None
    high: float | None = None
    shown_low: float | None = None
    shown_high: float | None = None


@dataclass(frozen=True)
class MeasuredMap:
    """A folder with `values.tif` (float32, NaN where the scene holds nothing) and a record of how it was made."""

    folder: Path
    name: str
    geo: GeoRef
    height: int
    width: int
    card_name: str
    statistics: Statistics
    made: Mapping[str, Any]

    @classmethod
    def open(cls, folder: str | os.PathLike) -> MeasuredMap:
        """Open a folder. Raises InputError when it is none."""
        folder = Path(folder)
        try:
            made: dict[str, Any] = dict(read_record(folder / MEASURED_FILE, _Record))
            told = {key: value for key, value in made["statistics"].items() if key in Statistics.__dataclass_fields__}
            geo, statistics = geo_from_dict(made["geo"]), Statistics(**told)
        except (OSError, ValueError, KeyError, TypeError, ProjError) as error:
            raise InputError(
                f"no map of measured values in {folder} ({reason(error)})",
                expected=f"a folder with {MEASURED_FILE} and {VALUES}",
                do="Predict the scene again, or name another folder",
            ) from error
        return cls(folder, made["measured"], geo, made["height"], made["width"], made["model"], statistics, made)

    @property
    def window(self) -> Window:
        """The whole map as a window."""
        return Window(0, 0, self.height, self.width)

    @property
    def scene(self) -> Scene:
        """The values as a scene of one band. Raises SceneError when the file is missing."""
        return open_scene(self.folder / VALUES)

    def values(self, window: Window | None = None, *, out_shape: tuple[int, int] | None = None) -> np.ndarray:
        """float32 (h, w), NaN where the scene holds nothing."""
        return self.scene.read(window, [1], out_shape=out_shape)[..., 0]

    def picture(self, window: Window, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """Colours uint8 (h, w, 3) of a window, and where there is a value, bool (h, w)."""
        values = self.values(window, out_shape=shape)
        known = np.isfinite(values)
        low, high = self.statistics.shown_low or 0.0, self.statistics.shown_high or 0.0
        return ramp((np.where(known, values, low) - low) / max(high - low, 1e-12)), known


def ramp(shares: np.ndarray) -> np.ndarray:
    """Colours uint8 (..., 3) of shares from 0 to 1, what lies beyond as the nearer end: dark blue, green, yellow."""
    at = np.clip(shares, 0, 1) * (len(_RAMP) - 1)
    return np.stack([np.interp(at, np.arange(len(_RAMP)), _RAMP[:, band]) for band in range(3)], axis=-1).round().astype(np.uint8)


def measured_folders(workspace: Workspace) -> list[Path]:
    """Folders of finished maps of measured values in a workspace, newest first: single ones and those of a batch."""
    found = [path for pattern in ("*", "*/*") for path in workspace.predictions.glob(f"{pattern}/{MEASURED_FILE}")]
    whole = [path for path in found if not path.parent.name.startswith(".")]  # one with a dot is being written
    return [path.parent for path in sorted(whole, key=lambda path: path.stat().st_mtime_ns, reverse=True)]


def statistics_of(raw: ValueWriter) -> Statistics:
    """What is known of all values, read some rows at a time; the percentiles are those of about a million pixels."""
    rows = max(1, _ROWS_BYTES // (4 * raw.width))
    every = max(1, round((raw.height * raw.width / _SAMPLE) ** 0.5))
    count, total, low, high = 0, 0.0, np.inf, -np.inf
    sample = []
    for row in range(0, raw.height, rows):
        block = raw.rows(row, min(rows, raw.height - row))
        known = block[np.isfinite(block)]
        if known.size:
            count, total = count + known.size, total + float(known.sum(dtype=np.float64))
            low, high = min(low, float(known.min())), max(high, float(known.max()))
        thin = block[-row % every :: every, ::every]
        sample.append(thin[np.isfinite(thin)])
    if not count:
        return Statistics(0)
    seen = np.concatenate(sample)
    shown = np.percentile(seen, SHOWN_PERCENT) if seen.size else np.array([low, high])
    return Statistics(count, low, total / count, high, float(shown[0]), float(shown[1]))


def finish_values(
    raw: ValueWriter, folder: Path, name: str, place: Placement, *, tags: Mapping[str, str], on_step: Callable[[int, int, str], None]
) -> Statistics:
    """Turn the raw values into the GeoTIFF of a measured map in `folder`, its overviews means; say what is known of them.

    Raises ExportError when the file cannot be written (a full disk, say).
    """
    raw.flush()
    on_step(0, 2, "Measuring")
    statistics = statistics_of(raw)
    on_step(1, 2, "Writing values")
    virtual = raw.path.with_suffix(".vrt")
    virtual.write_text(
        f'<VRTDataset rasterXSize="{raw.width}" rasterYSize="{raw.height}"><VRTRasterBand dataType="Float32" band="1" '
        f'subClass="VRTRawRasterBand"><Description>{escape(name)}</Description><SourceFilename relativeToVRT="1">'
        f"{escape(raw.path.name)}</SourceFilename><ImageOffset>0</ImageOffset><PixelOffset>4</PixelOffset>"
        f"<LineOffset>{4 * raw.width}</LineOffset><ByteOrder>LSB</ByteOrder></VRTRasterBand></VRTDataset>",
        encoding="utf-8",
    )
    options = {**COG_OPTIONS, "overviews": "AUTO", "overview_resampling": "AVERAGE", "predictor": "YES", "compress": "ZSTD"}
    try:
        with warnings.catch_warnings(), rasterio.Env(GDAL_CACHEMAX=GDAL_CACHE_BYTES, GDAL_NUM_THREADS="2"):
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.open(virtual, "r+") as dataset:
                describe(dataset, place, tags, float("nan"), None)
            rasterio.shutil.copy(virtual, folder / VALUES, **options)
    except RasterioIOError as error:
        raise ExportError(
            f"{VALUES} could not be written ({error})", expected="room on the disk", do="Free some space and predict again"
        ) from error
    finally:
        virtual.unlink(missing_ok=True)
    on_step(2, 2, "Written")
    return statistics


def openable(folders: Iterable[Path]) -> list[MeasuredMap]:
    """Those of some folders that can be opened, in their order."""
    found = []
    for folder in folders:
        try:
            found.append(MeasuredMap.open(folder))
        except InputError:  # damaged, or being deleted
            continue
    return found
