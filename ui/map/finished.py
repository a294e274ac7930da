"""Layers that a job has already traced: read in a moment instead of traced again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import ExportError
from core.jobs import jobs
from core.prediction.folder.rasters import LABELS, Prediction
from core.vector.settings import VectorSettings
from ui import state

if TYPE_CHECKING:
    from core.vector.layer import VectorResult


def find(prediction: Path, settings: VectorSettings) -> VectorResult | None:
    """The layer of a prediction folder that a finished job wrote with just these settings; None when there is none, or no lines of it."""
    if settings.centre_lines:
        return None
    for job in jobs.list_jobs(state.workspace(), kinds=("demo", "vectorize")):
        result = job.result()
        if not result:
            continue
        source = result.get("predict", {}).get("folder") if job.kind == "demo" else job.request.get("prediction")
        if source is None or Path(source).resolve() != prediction.resolve() or _settings(job) != settings:
            continue
        measured = result.get("vectorize", {}) if job.kind == "demo" else result
        for entry in result.get("files", ()):
            found = _read(Path(entry["path"]), prediction, settings, measured)
            if found is not None:
                return found
    return None


def _settings(job: jobs.Job) -> VectorSettings:
    """The settings that a job drew its polygons with; the sample's are the defaults."""
    # Centre lines lie beside the polygons and change none of them.
    return VectorSettings() if job.kind == "demo" else replace(VectorSettings.from_request(job.request), centre_lines=False)


def _read(path: Path, prediction: Path, settings: VectorSettings, measured: dict[str, Any]) -> VectorResult | None:
    """A GeoPackage as a result, None when it is no longer there, is older than the prediction or lies in another CRS."""
    from core.vector.layer import VectorResult, read_layer

    labels = prediction / LABELS
    if path.suffix != ".gpkg" or not path.exists() or path.stat().st_mtime_ns < labels.stat().st_mtime_ns:
        return None
    opened = Prediction.open(prediction)
    geo = replace(opened.geo, pixel_size_m=settings.pixel_size_m) if settings.pixel_size_m else opened.geo
    try:
        layer = read_layer(path, scheme=opened.scheme, geo=geo)
    except ExportError:  # changed or moved to another CRS by its owner: the raster is traced afresh
        return None
    faults = {key: measured[key] for key in ("seconds", "invalid", "gap_area", "overlap_area")}
    return VectorResult(layer, **faults)
