"""Layers that a job has already traced: read in a moment instead of traced again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import ExportError
from core.jobs import jobs
from core.prediction.folder.rasters import LABELS, Prediction
from ui import state

if TYPE_CHECKING:
    from core.vector.layer import VectorResult


@dataclass(frozen=True)
class Settings:
    """How outlines are drawn; lengths and areas as `vectorize` takes them, `pixel_size_m` only for scenes without CRS."""

    threshold: float = 0.0
    min_area: str = "4px"
    simplify: str = "1px"
    smooth: int = 0
    classes: tuple[str, ...] = ()
    pixel_size_m: float | None = None
    right_angles: tuple[str, ...] = ()
    centre_lines: tuple[str, ...] = ()


def find(prediction: Path, settings: Settings) -> VectorResult | None:
    """The layer of a prediction folder that a finished job wrote with just these settings; None when there is none, or no lines of it."""
    if settings.centre_lines:
        return None
    for job in jobs.list_jobs(state.workspace(), kinds=("demo", "vectorize")):
        result = job.result() or {}
        source = result.get("predict", {}).get("folder") if job.kind == "demo" else job.request.get("prediction")
        if source is None or Path(source).resolve() != prediction.resolve() or _settings(job) != settings:
            continue
        measured = result.get("vectorize", {}) if job.kind == "demo" else result
        for entry in result.get("files", ()):
            found = _read(Path(entry["path"]), prediction, settings, measured)
            if found is not None:
                return found
    return None


def _settings(job: jobs.Job) -> Settings:
    """The settings of a job; the sample's are the defaults."""
    if job.kind == "demo":
        return Settings()
    asked = job.request
    return Settings(
        float(asked["threshold"]),
        str(asked["min_area"]),
        str(asked["simplify"]),
        int(asked["smooth"]),
        tuple(asked["classes_only"] or ()),
        asked["pixel_size"],
        _names(asked.get("regularize")),
    )


def _names(asked: Any) -> tuple[str, ...]:
    """Class names of a request; a plain yes, which leaves the choice to the tracer, equals no list."""
    return tuple(asked) if isinstance(asked, (list, tuple)) else ("*",) if asked else ()


def _read(path: Path, prediction: Path, settings: Settings, measured: dict[str, Any]) -> VectorResult | None:
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
