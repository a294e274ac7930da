"""Labels of a prediction as one file to take home, with unsure pixels treated as the user likes."""

from __future__ import annotations

import os
from pathlib import Path

import rasterio
import rasterio.shutil

from core.classes import IGNORED_ID
from core.files import folder_beside, replacing
from core.prediction.folder.pyramids import BLOCK_PX
from core.prediction.folder.rasters import LABELS, Prediction
from core.prediction.folder.writing import COG_OPTIONS, Placement, describe, gdal_writes
from core.progress import OnProgress, ShouldStop, check, report
from core.scenes.raster_files import open_file
from core.scenes.scene import Window

_ROWS_AT_ONCE = 4 * BLOCK_PX
_PLAIN = dict(driver="GTiff", count=1, dtype="uint8", tiled=True, blockxsize=BLOCK_PX, blockysize=BLOCK_PX, compress="DEFLATE", zlevel=1)


def write_labels(
    prediction: Prediction,
    path: str | os.PathLike,
    *,
    threshold: float = 0.0,
    unsure: str = "hide",
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> Path:
    """Write class ids (uint8, 255 where there are none) as a cloud-optimized GeoTIFF on the scene's grid; give its path.

    Pixels less sure than `threshold` (0 to 1) become 255, or with `unsure="neighbour"` the class of the nearest sure
    pixel (see `Prediction.labels`). The network is not run again, and memory is bounded by a few rows. Raises
    SettingsError, ExportError, Cancelled.
    """
    with open_file(prediction.folder / LABELS) as source:
        points, points_crs = source.gcps
        tags = {**source.tags(), "GROUNDLINE_THRESHOLD": f"{threshold:g}", "GROUNDLINE_UNSURE": unsure}
    tags.pop("AREA_OR_POINT", None)
    place = Placement(prediction.geo, tuple(points), points_crs)
    rows = range(0, prediction.height, _ROWS_AT_ONCE)
    with gdal_writes(Path(path).name, "try again"), replacing(path) as temporary, folder_beside(path) as folder:
        plain = folder / LABELS
        with rasterio.open(plain, "w", height=prediction.height, width=prediction.width, bigtiff="IF_SAFER", **_PLAIN) as target:
            describe(target, place, tags, IGNORED_ID, prediction.scheme)
            for number, row in enumerate(rows):
                check(should_stop)
                report(on_progress, number, len(rows) + 1, "Writing labels")
                window = Window(row, 0, min(_ROWS_AT_ONCE, prediction.height - row), prediction.width)
                labels = prediction.labels(window, threshold, unsure=unsure)
                target.write(labels, 1, window=rasterio.windows.Window(0, row, prediction.width, window.height))
        options = {**COG_OPTIONS, "overviews": "AUTO", "overview_resampling": "MODE"}
        rasterio.shutil.copy(plain, temporary, **options)
    report(on_progress, len(rows) + 1, len(rows) + 1, "Written")
    return Path(path)
