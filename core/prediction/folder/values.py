"""Writing a map of measured values: what is known of all of them, and one cloud-optimized GeoTIFF."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
import rasterio
import rasterio.shutil

from core.prediction.folder.measured import SHOWN_PERCENT, VALUES, Statistics
from core.prediction.folder.writing import COG_OPTIONS, Placement, ValueWriter, describe, gdal_writes

_SAMPLE = 1_000_000
_ROWS_BYTES = 16 << 20


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
        with gdal_writes(VALUES, "predict again", GDAL_NUM_THREADS="2"):
            with rasterio.open(virtual, "r+") as dataset:
                describe(dataset, place, tags, float("nan"), None)
            rasterio.shutil.copy(virtual, folder / VALUES, **options)
    finally:
        virtual.unlink(missing_ok=True)
    on_step(2, 2, "Written")
    return statistics
